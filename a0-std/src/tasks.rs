//! For programs that must not block: streams and futures for any runtime, and file descriptors for event loops.
//!
//! The library brings no runtime. [`helper`] is one thread for the whole process that sleeps on the topics of all that is
//! pending, and wakes tasks or makes file descriptors readable. Answers to calls come from the thread that each client has for
//! its calls with a callback.

pub(crate) mod calls;
pub(crate) mod event;
pub(crate) mod follower;
pub(crate) mod helper;
mod mailbox;
pub(crate) mod message_buf;
pub(crate) mod stream;

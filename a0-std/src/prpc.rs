//! Requests with many replies.

pub(crate) mod client;
pub(crate) mod server;

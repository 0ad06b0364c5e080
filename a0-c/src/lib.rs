//! AlephZero for C and C++ programs: a thin layer over `a0_std`, and nothing that Rust programs need.
//!
//! The header that belongs to it, `include/a0rs.h`, is generated from this source, comments included. It says at its
//! top what holds for all functions; all `unsafe` here rests on what callers promise there: that pointers are null or
//! point to what their type says, for as long as the call takes or their description says, and that handles are used
//! neither while nor after they are destroyed.
//!
//! Every function runs in `error::guard`, which turns failures and panics into an error code.
#![allow(non_camel_case_types, clippy::missing_safety_doc)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod args;
pub mod cfg;
pub mod deadman;
pub mod discovery;
pub mod error;
pub mod header;
pub mod loan;
pub mod log;
pub mod options;
pub mod packet;
pub mod prpc;
pub mod pubsub;
pub mod rpc;
pub mod stream;
pub mod user;
pub mod view;
pub mod zero_copy;

//! Calls, one subject a module.

/// What waits while somebody holds the topic's lock, and for how long.
mod locked;
/// Requests with many replies.
mod prpc;
/// Requests and replies.
mod rpc;

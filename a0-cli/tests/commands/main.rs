//! The commands, one or a few a module. How they end is in `ending`, since that changes what signals do.

/// `a0 cfg` and `a0 log`.
mod cfg_log;
#[path = "../common/mod.rs"]
mod common;
/// `a0 deadman`.
mod deadman;
/// `a0 doctor`.
mod doctor;
/// What others have sent cannot command the terminal.
mod escapes;
/// `a0 ls`, `stat`, `verify`, `clear`, `rm`.
mod files;
/// `a0 hz`, `bw`, `delay`.
mod gauges;
/// Manual pages and completions.
mod man;
/// Wrong usage.
mod mistyped;
/// `a0 pub` and `a0 echo`.
mod pub_echo;
/// `a0 rpc` and `a0 prpc`.
mod rpc;
#[path = "../common/sandbox.rs"]
mod sandbox;
/// `a0 top`, on a terminal.
mod top;
/// `a0 watch`.
mod watch;

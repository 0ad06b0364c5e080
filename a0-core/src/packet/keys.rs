//! Header keys with a meaning of their own.
//!
//! Keys that begin with `a0_` are reserved. [`TRANSPORT_SEQ`], [`TIME_MONO`],
//! [`WRITER_SEQ`], [`WRITER_ID`] and [`TIME_WALL`], in this order, are the
//! standard headers that every publisher, client, server, configuration writer
//! and logger puts first.

/// When the packet was written, in nanoseconds since boot: 19 digits, see
/// [`TimeMono`](crate::TimeMono).
pub const TIME_MONO: &str = "a0_time_mono";

/// When the packet was written, in UTC: 35 characters, see
/// [`TimeWall`](crate::TimeWall).
pub const TIME_WALL: &str = "a0_time_wall";

/// How many packets the file had taken before this one, in
/// [`Decimal`](crate::internal::Decimal).
pub const TRANSPORT_SEQ: &str = "a0_transport_seq";

/// How many packets the writer had written before this one, in
/// [`Decimal`](crate::internal::Decimal).
pub const WRITER_SEQ: &str = "a0_writer_seq";

/// [`Id`](crate::Id) of the writer.
pub const WRITER_ID: &str = "a0_writer_id";

/// [`Id`](crate::Id) of a packet that this one depends on. May repeat.
pub const DEP: &str = "a0_dep";

/// Role of an RPC packet: `request`, `response` or `cancel`.
pub const RPC_TYPE: &str = "a0_rpc_type";

/// [`Id`](crate::Id) of the RPC request that is answered or cancelled.
pub const REQ_ID: &str = "a0_req_id";

/// Role of a packet of an RPC with progress: `connect`, `progress`,
/// `complete` or `cancel`.
pub const PRPC_TYPE: &str = "a0_prpc_type";

/// [`Id`](crate::Id) of the connect packet that is answered or cancelled.
pub const CONN_ID: &str = "a0_conn_id";

/// Severity of a log message: `CRIT`, `ERR`, `WARN`, `INFO`, `DBG` or
/// `UNKNOWN`.
pub const LOG_LEVEL: &str = "a0_log_level";

//! Traces: spans of `tracing` that a host may export. Nobody but the host knows to where.

/// Target of all spans. They are no part of the log, and cost nothing unless a host asks for this target.
///
/// A span is of a batch, a request or a blob, never of an event. Its fields hold ids, names, numbers and words of ours: never a
/// secret, never anything of an event.
pub const TRACE_TARGET: &str = "o365_trace";

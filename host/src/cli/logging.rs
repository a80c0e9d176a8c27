//! Logs on standard error, as text for people or as JSON for machines.

use std::io::{IsTerminal, stderr};

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, filter::ParseError, fmt};

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line for people, coloured on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// Compiling a component makes millions of trace lines, which nobody means who asks for ours. A directive that names these
/// targets still turns them on.
const QUIET: &str =
    "cranelift_codegen=warn,cranelift_frontend=warn,regalloc2=warn,wasmtime=info,wasmtime_cranelift=warn";

pub(super) fn init(format: LogFormat, filter: &str) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(format!("{QUIET},{filter}"))?;
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal());
    match format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

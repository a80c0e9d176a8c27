//! Logs on standard error, as text for people or as JSON for machines.

use std::io::{IsTerminal, stderr};

use clap::ValueEnum;
use o365_core::TRACE_TARGET;
use tracing_subscriber::{
    EnvFilter, Layer, filter::ParseError, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

use crate::{telemetry, topology::COMPONENT_TARGET};

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line for people, coloured on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// Compiling a component makes millions of trace lines, which nobody means who asks for ours. A directive that names these
/// targets still turns them on. What the client of NATS tells of its connections, the sink tells better.
const QUIET: &str = "cranelift_codegen=warn,cranelift_frontend=warn,regalloc2=warn,wasmtime=info,wasmtime_cranelift=warn,\
                     async_nats=off";

pub(super) fn init(format: LogFormat, filter: &str) -> Result<(), ParseError> {
    // Machines get the component of each line; people see from the line what it is of.
    let component = match format {
        LogFormat::Text => "off",
        LogFormat::Json => "error",
    };
    // Traces are not for the log, at any level.
    let filter = EnvFilter::try_new(format!(
        "{QUIET},{filter},{TRACE_TARGET}=off,{COMPONENT_TARGET}={component}"
    ))?;
    let lines = fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal());
    let lines = match format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    registry()
        .with(telemetry::layer())
        .with(lines.with_filter(filter))
        .init();
    Ok(())
}

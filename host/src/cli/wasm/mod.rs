//! `wasm`: for the authors of components.

mod bench;
mod inspect;
mod new;

use std::{io::Write, path::Path, sync::Arc};

use anyhow::Context;
use clap::Subcommand;
use serde::Serialize;

use super::Failed;
use crate::wasm::{self, Inspection, Limits, ModuleError, WasiGrants, WasmEngine};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

/// What a component gets of WASI, as a flag.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct Grants {
    /// Runs the component although it imports WASI, and grants it these parts of it: `clocks`, `random` and `stderr`, with commas
    /// between. As `wasi` in a configuration.
    #[arg(long, value_name = "PARTS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(super) wasi: Option<WasiGrants>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes a complete small project to start from: mapping, fixtures, tests, pipeline and how to build it.
    New(new::Args),
    /// Says what a component is, and whether this host runs it: exits with 1 if not, 2 if there is no such file.
    Inspect(inspect::Args),
    /// Measures how fast a component maps a file of events, beside the one that is built in.
    Bench(bench::Args),
}

/// Runs one of the commands.
pub(super) async fn wasm(args: Args) -> Result<u8, Failed> {
    match args.command {
        Command::New(args) => new::new(&args),
        // Compiling takes up to seconds.
        Command::Inspect(args) => blocking(move || inspect::inspect(&args)).await,
        Command::Bench(args) => blocking(move || bench::bench(&args)).await,
    }
}

async fn blocking(work: impl FnOnce() -> Result<u8, Failed> + Send + 'static) -> Result<u8, Failed> {
    tokio::task::spawn_blocking(work)
        .await
        .context("the command ended early")?
}

/// An engine without a cache: what is measured is measured anew.
fn engine() -> Result<Arc<WasmEngine>, Failed> {
    let engine =
        WasmEngine::new(None).map_err(|error| anyhow::anyhow!("starting the engine failed: {error:#}"))?;
    Ok(Arc::new(engine))
}

/// What `file` is; a relative path starts at the working directory.
fn look(engine: &Arc<WasmEngine>, file: &str, limits: Limits) -> Result<Inspection, Failed> {
    wasm::inspect(engine, file, Path::new(""), limits).map_err(refused)
}

/// No such file is wrong usage; anything else is the component's fault.
fn refused(error: ModuleError) -> Failed {
    match error {
        ModuleError::Read { path, source } => Failed::Usage(format!("cannot read `{path}`: {source}")),
        error @ ModuleError::UnknownBuiltin(_) => Failed::Usage(format!("{error}\n  help: {}", error.hint())),
        error => Failed::Run(anyhow::anyhow!("{error}\n  help: {}", error.hint())),
    }
}

fn print(text: &str) -> Result<(), Failed> {
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("standard output cannot be written")?;
    Ok(())
}

fn print_json(value: &impl Serialize) -> Result<(), Failed> {
    let text = serde_json::to_string_pretty(value).context("writing JSON failed")?;
    print(&(text + "\n"))
}

/// Bytes as people read them: three digits.
fn size(bytes: usize) -> String {
    let bytes = bytes as f64;
    let units = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    match units.into_iter().find(|(_, factor)| bytes >= *factor) {
        Some((unit, factor)) => format!("{:.1} {unit}", bytes / factor),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_short() {
        assert_eq!(
            [999, 1_000, 1_114_112, 2_500_000_000].map(size),
            ["999 bytes", "1.0 kB", "1.1 MB", "2.5 GB"]
        );
    }
}

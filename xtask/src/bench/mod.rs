//! `cargo xtask bench`: measures, and writes the result into `docs/benchmarks.md`; or counts instructions, which do not depend on
//! what else the machine does, and compares them with those that are committed.

mod instructions;
mod page;
mod scale;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::workspace;

/// Measure the mapping and write `docs/benchmarks.md`, or count its instructions.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How long to measure each workload, in seconds.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Count instructions with valgrind instead, and fail where a workload needs more than what is committed.
    #[arg(long)]
    instructions: bool,
    /// With --instructions: write the counts instead of comparing them.
    #[arg(long, requires = "instructions")]
    update: bool,
    /// Measure the whole program instead: workers, end to end, start, idle tenants. Takes about a quarter of an hour; `full` takes
    /// ten million events and five thousand tenants, too, and half an hour more.
    #[arg(long, conflicts_with = "instructions", num_args = 0..=1, require_equals = true, default_missing_value = "usual")]
    scale: Option<Scale>,
    /// With --scale: measure only this, and leave the rest of the page as it is. May be given several times.
    #[arg(long, requires = "scale")]
    part: Vec<scale::Part>,
}

/// How large a world is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Scale {
    Usual,
    Full,
}

/// One line of what the measuring program prints.
#[derive(Debug, Deserialize)]
struct Measured {
    name: String,
    events: usize,
    bytes_per_event: usize,
    rounds: usize,
    speeds: Vec<Speed>,
}

#[derive(Debug, Deserialize)]
struct Speed {
    name: String,
    what: String,
    events_per_second: f64,
}

/// `cargo xtask bench`.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    if options.instructions {
        return instructions::run(root, options.update);
    }
    if let Some(scale) = options.scale {
        return scale::run(root, scale == Scale::Full, &options.part);
    }
    let program = build(root, "o365-bench")?;
    let text = workspace::stdout_of(
        Command::new(program)
            .args(["compare", "--seconds"])
            .arg(options.seconds.to_string()),
    )?;
    let measured = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<Vec<Measured>, _>>()
        .context("the measurements are not understood")?;
    page::write(root, &page::MAPPING, &page::tables(&measured, &page::machine()))
}

/// A program, as released. Built as one of the workspace's, so that all of them share their dependencies: features are those of
/// all that is built at a time.
fn build(root: &Path, package: &str) -> Result<std::path::PathBuf> {
    let mut cargo = workspace::cargo();
    cargo
        .current_dir(root)
        .args(["build", "--quiet", "--release", "--workspace", "--bin", package]);
    workspace::run(&mut cargo)?;
    let target = workspace::metadata::<Target>(root, &["--no-deps", "--offline"])?.target_directory;
    Ok(target.join("release").join(package))
}

#[derive(Debug, Deserialize)]
struct Target {
    target_directory: std::path::PathBuf,
}

//! Build steps too long for one cargo command: `cargo xtask <step>`.
//!
//! What a step finds wrong it says together with the command that repairs it, and exits with 1.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build tool talks to its terminal"
)]

mod bench;
mod deps;
mod suffixes;
mod wasm;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Build steps too long for one cargo command.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Step {
    /// Build the WASM component that the host embeds, or check the committed one.
    Wasm(wasm::Options),
    /// Measure the mapping and write `docs/benchmarks.md`, or count its instructions.
    Bench(bench::Options),
    /// Write the public suffixes that the mapping knows, from the list of the crate psl in Cargo.lock.
    Suffixes,
    /// Refuse dependencies between our own crates that the architecture does not have.
    CheckDeps,
}

fn main() -> ExitCode {
    match run(Step::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(step: Step) -> Result<()> {
    let root = workspace::root()?;
    match step {
        Step::Wasm(options) => wasm::run(&root, &options),
        Step::Bench(options) => bench::run(&root, &options),
        Step::Suffixes => suffixes::run(&root),
        Step::CheckDeps => deps::run(&root),
    }
}

//! What `cargo xtask bench` runs. Prints JSON.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use o365_bench::{compare, contestants, corpus};
use o365_host::wasm::Corpus;

/// What `cargo xtask bench` runs.
#[derive(Debug, Parser)]
enum Command {
    /// Measures all contestants in turn and prints JSON, one line a workload.
    Compare {
        /// How long, for each workload.
        #[arg(long, default_value_t = 20.0)]
        seconds: f64,
        /// The component: a path, or the one that is built in.
        #[arg(long, default_value = "builtin:ecs")]
        component: String,
        /// Only these contestants, with commas between them.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
    },
    /// Writes the workloads of the simulator into a folder, one file each, one event a line.
    Corpus {
        /// Events in each.
        #[arg(long, default_value_t = 200)]
        events: u32,
        /// The folder.
        dir: PathBuf,
    },
    /// Maps the workloads of the simulator with a component that counts its own branches, and writes down what it has counted.
    Train {
        /// A component built by `cargo xtask wasm --train`.
        component: PathBuf,
        /// Where to: the raw form of LLVM's profiles.
        counts: PathBuf,
    },
    /// Maps a file of events twice, the second time in a function that a profiler can find by its name: `counted`.
    Map {
        /// One event a line.
        file: PathBuf,
    },
}

/// The event that a counting component answers with its counters: `transform-wasm/src/counters.rs`.
const COUNTERS: &[u8] = b"counters";
/// Of each workload.
const TRAINING_EVENTS: u32 = 2_000;

fn main() -> Result<()> {
    match Command::parse() {
        Command::Compare {
            seconds,
            component,
            only,
        } => all_workloads(Duration::from_secs_f64(seconds), &component, &only),
        Command::Corpus { events, dir } => write_corpus(events, &dir),
        Command::Train { component, counts } => train(&component, &counts),
        Command::Map { file } => map(&file),
    }
}

fn all_workloads(time: Duration, component: &str, only: &[String]) -> Result<()> {
    let mut contestants = contestants::all(component)?;
    contestants.retain(|contestant| only.is_empty() || only.iter().any(|name| name == contestant.name));
    let mut workloads = corpus::simulated(1_000)?;
    workloads.extend(corpus::real()?);
    for workload in &workloads {
        let measured = compare::compare(&mut contestants, workload, time)?;
        let mut line = serde_json::to_vec(&measured)?;
        line.push(b'\n');
        std::io::stdout().write_all(&line)?;
    }
    Ok(())
}

fn write_corpus(events: u32, dir: &Path) -> Result<()> {
    for workload in corpus::simulated(events)? {
        let mut text = Vec::new();
        for event in workload.corpus.batches(1) {
            text.extend_from_slice(&event.concat());
            text.push(b'\n');
        }
        let path = dir.join(workload.name).with_extension("ndjson");
        std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

fn train(component: &Path, counts: &Path) -> Result<()> {
    let name = component.to_str().context("the component's path is not UTF-8")?;
    let mut component = contestants::Component::start(name, "{}")?;
    for workload in corpus::simulated(TRAINING_EVENTS)? {
        for batch in workload.corpus.batches(128) {
            component.map(&batch, |_| ())?;
        }
    }
    let mut raw = None;
    component.map(&[COUNTERS], |answer| raw = answer)?;
    let raw = raw.context("the component does not count: build it with `cargo xtask wasm --train`")?;
    std::fs::write(counts, raw).with_context(|| format!("{} cannot be written", counts.display()))
}

fn map(file: &Path) -> Result<()> {
    let corpus = Corpus::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let batches = corpus.batches(128);
    let mut mapping = contestants::native("native", "", "{}")?;
    // What happens only once, such as growing the output buffer, does not count.
    for batch in &batches {
        mapping.run(batch)?;
    }
    ensure!(!batches.is_empty(), "{} has no events", file.display());
    counted(&mut mapping, &batches)
}

#[inline(never)]
fn counted(mapping: &mut contestants::Contestant, batches: &[Vec<&[u8]>]) -> Result<()> {
    for batch in batches {
        mapping.run(batch)?;
    }
    Ok(())
}

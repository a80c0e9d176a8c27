//! How soon the first document is there.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::Bench;
use super::end_to_end::Simulated;
use super::process::{Running, median};
use crate::workspace;

const ROUNDS: usize = 9;

pub(super) fn measure(bench: &Bench) -> Result<String> {
    let dir = bench.folder("start")?;
    let simulated = Simulated::start(bench, &dir, &["--events", "20"])?;
    let config = workspace::read_text(&simulated.config)?;
    std::fs::write(
        &simulated.config,
        config.replace(
            "{ type: file, inputs: [ecs], path: o365.ndjson }",
            "{ type: console, inputs: [ecs] }",
        ),
    )?;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let data = dir.join("data");
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        cold.push(first(bench, &simulated)?);
        forget_ledgers(&data)?;
        warm.push(first(bench, &simulated)?);
    }
    Ok(format!(
        "\n### Start\n\nFrom the start of `run` to the first document at a console sink, with a ledger that is new: the token, the \
         subscriptions and the listing are in it. Medians of {ROUNDS} rounds; the bar is 150 ms with the compiled code in the cache.\n\n\
         | compiled code | first document after |\n|---|---:|\n| has to be made | {:.0} ms |\n| is in the cache | {:.0} ms |\n",
        median(cold) * 1e3,
        median(warm) * 1e3,
    ))
}

/// Seconds to the first document.
fn first(bench: &Bench, simulated: &Simulated) -> Result<f64> {
    let began = Instant::now();
    let mut running = Running::start(simulated.run(bench).arg("--once").stdout(Stdio::piped()))?;
    let stdout = running.child.stdout.take().context("its standard output")?;
    let mut line = String::new();
    let mut lines = BufReader::new(stdout);
    lines.read_line(&mut line)?;
    let took = began.elapsed().as_secs_f64();
    ensure!(line.starts_with('{'), "no document: {line:?}");
    // What it still says must go somewhere.
    std::io::copy(&mut lines, &mut std::io::sink())?;
    running.end().context("run --once")?;
    Ok(took)
}

/// Leaves the compiled code.
fn forget_ledgers(data: &Path) -> Result<()> {
    for entry in std::fs::read_dir(data)? {
        let path = entry?.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "cache") {
            std::fs::remove_dir_all(path)?;
        } else if path.is_file() {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

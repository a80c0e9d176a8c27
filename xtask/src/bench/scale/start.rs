//! How soon the first document is there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::Bench;
use super::end_to_end::Simulated;
use super::process::{Running, median};
use crate::workspace;

const ROUNDS: usize = 9;
const EVENT: &[u8] = b"{\"Id\":\"1\",\"RecordType\":6,\"Operation\":\"FileAccessed\",\"CreationTime\":\"2026-01-15T10:20:30\"}\n";

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
    let cache = dir.join("cache");
    let (mut cold_map, mut warm_map) = (Vec::new(), Vec::new());
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        if cache.exists() {
            std::fs::remove_dir_all(&cache)?;
        }
        cold_map.push(first_mapped(bench, &cache)?);
        warm_map.push(first_mapped(bench, &cache)?);

        let data = dir.join("data");
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        cold.push(first(bench, &simulated)?);
        forget_ledgers(&data)?;
        warm.push(first(bench, &simulated)?);
    }
    Ok(format!(
        "From the start of the process to the first document. `transform` has an event waiting at its standard input. `run` has a \
         new ledger and a simulator with few events in two days: it gets a token, starts subscriptions and lists windows, from a \
         week ago on, until it finds one. Medians of {ROUNDS} rounds; the bar is \
         150 ms with the compiled code in the cache.\n\n\
         | compiled code | `transform` | `run` |\n|---|---:|---:|\n| has to be made | {:.0} ms | {:.0} ms |\n\
         | is in the cache | {:.0} ms | {:.0} ms |\n",
        median(cold_map) * 1e3,
        median(cold) * 1e3,
        median(warm_map) * 1e3,
        median(warm) * 1e3,
    ))
}

/// Seconds until an event that waits has been mapped.
fn first_mapped(bench: &Bench, cache: &Path) -> Result<f64> {
    let began = Instant::now();
    let mut command = Command::new(&bench.host);
    command
        .args(["transform", "--wasm", "builtin:ecs"])
        .env("XDG_CACHE_HOME", cache)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut running = Running::start(&mut command)?;
    let mut stdin = running.child.stdin.take().context("its standard input")?;
    stdin.write_all(EVENT)?;
    let took = first_line(&mut running, began)?;
    drop(stdin);
    running.end().context("transform")?;
    Ok(took)
}

/// Seconds to the first document.
fn first(bench: &Bench, simulated: &Simulated) -> Result<f64> {
    let began = Instant::now();
    let mut running = Running::start(simulated.run(bench).arg("--once").stdout(Stdio::piped()))?;
    let took = first_line(&mut running, began)?;
    running.end().context("run --once")?;
    Ok(took)
}

/// Waits for a document. What follows is read by a thread, so that the program goes on.
fn first_line(running: &mut Running, began: Instant) -> Result<f64> {
    let mut lines = BufReader::new(running.child.stdout.take().context("its standard output")?);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    let took = began.elapsed().as_secs_f64();
    ensure!(line.starts_with('{'), "no document: {line:?}");
    std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
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

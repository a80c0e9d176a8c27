//! `transform`: from standard input through the mapping to standard output.

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::Bench;
use super::process::{Running, median};
use crate::bench::page::thousands;
use crate::workspace;

const ROUNDS: usize = 5;
/// Bytes that are mapped in each round: some seconds' work.
const BYTES: usize = 1 << 30;

pub(super) fn measure(bench: &Bench) -> Result<String> {
    let dir = bench.folder("transform")?;
    let events = if let Some(real) = &bench.real {
        workspace::stdout_of(Command::new("zcat").arg(real))?
    } else {
        workspace::run(
            Command::new(&bench.corpora)
                .args(["corpus", "--events", "1000"])
                .arg(&dir),
        )?;
        ["entra", "exchange", "sharepoint", "general", "dlp"]
            .iter()
            .map(|name| workspace::read_text(&dir.join(name).with_extension("ndjson")))
            .collect::<Result<Vec<_>>>()?
            .concat()
    };
    let input = dir.join("events.ndjson");
    let times = BYTES / events.len().max(1) + 1;
    let mut file = File::create(&input)?;
    for _ in 0..times {
        file.write_all(events.as_bytes())?;
    }
    let number = (events.lines().count() * times) as f64;
    let once = |workers: &str| -> Result<(f64, f64)> {
        let mut command = Command::new(&bench.host);
        command
            .args(["transform", "--wasm", "builtin:ecs", "--workers", workers])
            .env("XDG_CACHE_HOME", dir.join("cache"))
            .stdin(File::open(&input)?)
            .stdout(Stdio::null());
        let usage = Running::start(&mut command)?.end().context("transform")?;
        Ok((number / usage.wall, usage.cpu / number * 1e6))
    };
    // Compiles.
    once("1")?;
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(once("1")?);
        two.push(once("2")?);
    }
    let ratio = median(one.iter().zip(&two).map(|(one, two)| two.0 / one.0));
    let rate = |rounds: &[(f64, f64)]| median(rounds.iter().map(|round| round.0));
    let cpu = |rounds: &[(f64, f64)]| median(rounds.iter().map(|round| round.1));
    Ok(format!(
        "`transform --wasm builtin:ecs --workers N` over {} {} events, medians of {ROUNDS} interleaved rounds:\n\n\
         | workers | events/s | CPU for an event | to one worker (bar 1.7) |\n|---:|---:|---:|---:|\n\
         | 1 | {} | {:.1} µs | 1 |\n| 2 | {} | {:.1} µs | {ratio:.2} |\n",
        thousands(number),
        if bench.real.is_some() { "real" } else { "simulated" },
        thousands(rate(&one)),
        cpu(&one),
        thousands(rate(&two)),
        cpu(&two),
    ))
}

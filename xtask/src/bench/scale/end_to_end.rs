//! From the simulator, a process of its own, through the source, the ledger and the mapping into a file.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::process::{Running, Usage, wait_for};
use super::{Bench, copy};
use crate::bench::page::thousands;

/// So many that the budget of each, 2,000 requests a minute, limits nothing: 160,000 events a second for all.
const TENANTS: &str = "24";
const EVENTS_PER_BLOB: &str = "200";

/// A simulator, and a configuration that collects from it.
pub(super) struct Simulated {
    pub(super) process: Running,
    pub(super) config: PathBuf,
}

impl Simulated {
    pub(super) fn start(bench: &Bench, dir: &Path, arguments: &[&str]) -> Result<Self> {
        let config = dir.join("pipeline.yaml");
        let mut command = Command::new(&bench.host);
        command
            .args(["simulate", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .arg("--write-config")
            .arg(&config);
        let process = Running::start(&mut command)?;
        let is_written = || std::fs::read_to_string(&config).is_ok_and(|text| text.ends_with("}\n"));
        wait_for("the simulator's configuration", is_written)?;
        Ok(Self { process, config })
    }

    /// `run` in the folder of the configuration.
    pub(super) fn run(&self, bench: &Bench) -> Command {
        let mut command = Command::new(&bench.host);
        command.args(["run", "--config"]).arg(&self.config);
        if let Some(dir) = self.config.parent() {
            command.current_dir(dir);
        }
        command
    }
}

struct Measured {
    host: Usage,
    simulator: f64,
}

pub(super) fn measure(bench: &Bench, full: bool) -> Result<String> {
    // Compiles; the others find the code there.
    let warm = bench.folder("end-to-end-warm")?;
    once(bench, &warm, 1_000)?;
    let mut sizes = vec![10_000, 100_000, 1_000_000];
    if full {
        sizes.push(10_000_000);
    }
    let rows: Vec<_> = sizes
        .into_iter()
        .map(|events| row(bench, &warm, events))
        .collect::<Result<_>>()?;
    Ok(format!(
        "`simulate --tenants {TENANTS} --events-per-blob {EVENTS_PER_BLOB} --write-config F`, then `run --once \
         --config F`: source, ledger, `builtin:ecs`, file, with the compiled code in the cache. Bars: 40,000 events/s, 100 MB, and \
         the same for 10^5 and 10^7 events.\n\n\
         | events | events/s | CPU of the host for an event | of the simulator | peak memory of the host |\n\
         |---:|---:|---:|---:|---:|\n{}",
        rows.concat()
    ))
}

fn row(bench: &Bench, warm: &Path, events: u64) -> Result<String> {
    let dir = bench.folder("end-to-end")?;
    std::fs::create_dir(dir.join("data"))?;
    copy(&warm.join("data/cache"), &dir.join("data"))?;
    let Measured { host, simulator } = once(bench, &dir, events)?;
    let number = events as f64;
    Ok(format!(
        "| {} | {} | {:.1} µs | {:.1} µs | {:.0} MB |\n",
        thousands(number),
        thousands(number / host.wall),
        host.cpu / number * 1e6,
        simulator / number * 1e6,
        host.peak / 1e6,
    ))
}

fn once(bench: &Bench, dir: &Path, events: u64) -> Result<Measured> {
    let events_text = events.to_string();
    let arguments = [
        "--tenants",
        TENANTS,
        "--events-per-blob",
        EVENTS_PER_BLOB,
        "--events",
        &events_text,
    ];
    let simulated = Simulated::start(bench, dir, &arguments)?;
    let before = simulated.process.usage()?;
    let mut command = simulated.run(bench);
    let host = Running::start(command.arg("--once"))?
        .end()
        .context("run --once")?;
    let after = simulated.process.usage()?;
    let file = std::fs::File::open(dir.join("o365.ndjson"))?;
    let mut lines = 0;
    for line in BufReader::with_capacity(1 << 20, file).split(b'\n') {
        ensure!(line?.starts_with(b"{"), "a line that is no document");
        lines += 1;
    }
    ensure!(lines == events, "{lines} documents of {events} events");
    Ok(Measured {
        host,
        simulator: after.cpu - before.cpu,
    })
}

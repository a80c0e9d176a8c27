//! What tenants take that have no events.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::Bench;
use super::end_to_end::Simulated;
use super::process::{Running, pause, wait_for};
use crate::bench::page::thousands;
use crate::workspace;

/// A poll interval and what belongs to it.
const WINDOW: Duration = Duration::from_secs(190);
/// Requests that every feed makes before it only polls, at least: it starts its subscription and lists once.
const FIRST_REQUESTS: f64 = 2.0;
const FEEDS: f64 = 5.0;

pub(super) fn measure(bench: &Bench, full: bool) -> Result<String> {
    let mut sizes = vec![1_u32, 100];
    if full {
        sizes.push(5_000);
    }
    let rows: Vec<_> = sizes
        .into_iter()
        .map(|tenants| row(bench, tenants))
        .collect::<Result<_>>()?;
    Ok(format!(
        "`run` with five feeds for each tenant and no events, over {} s after every feed has begun; a feed is \
         polled every 3 minutes. Bars: 60 MB for one tenant; 200 MB and 10 % of a core for 5,000.\n\n\
         | tenants | requests a minute | CPU of one core | memory |\n|---:|---:|---:|---:|\n{}",
        WINDOW.as_secs(),
        rows.concat()
    ))
}

fn row(bench: &Bench, tenants: u32) -> Result<String> {
    let dir = bench.folder("idle")?;
    let number = tenants.to_string();
    let simulated = Simulated::start(bench, &dir, &["--events", "0", "--tenants", &number])?;
    let metrics = dir.join("metrics");
    let mut command = simulated.run(bench);
    let running = Running::start(command.arg("--metrics-file").arg(&metrics))?;
    let requests = || -> Result<f64> {
        let text = workspace::read_text(&metrics)?;
        let lines = text
            .lines()
            .filter(|line| line.starts_with("o365_tenant_requests_total"));
        Ok(lines
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum())
    };
    let least = f64::from(tenants) * FEEDS * FIRST_REQUESTS;
    let mut before = 0.0;
    wait_for("all feeds", || {
        // The file is written every 15 seconds: between two of them nearly nothing may happen.
        pause(Duration::from_secs(16));
        let now = requests().unwrap_or_default();
        let is_calm = now >= least && now - before < least / 4.0 + 1.0;
        before = now;
        is_calm
    })?;
    let begin = running.usage().context("it has ended")?;
    pause(WINDOW);
    let end = running.usage().context("it has ended")?;
    let made = requests()? - before;
    ensure!(made > 0.0, "nothing was polled");
    let seconds = end.wall - begin.wall;
    Ok(format!(
        "| {} | {} | {:.1} % | {:.0} MB |\n",
        thousands(tenants.into()),
        thousands(made * 60.0 / seconds),
        (end.cpu - begin.cpu) / seconds * 100.0,
        end.memory / 1e6,
    ))
}

//! Pipelines that read numbered events from standard input, and a tally of what arrives at the other end.

use std::{
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
};

use crate::support::{host, wait_for};

/// Tenants that the events are of.
pub(crate) const TENANTS: u64 = 7;

/// As many as the machine and the build allow: `O365_SINK_EVENTS`, or so many.
pub(crate) fn events(least: u64) -> u64 {
    let asked = std::env::var("O365_SINK_EVENTS").ok();
    asked.map_or(least, |text| text.parse().unwrap())
}

/// The program with one sink, written as YAML in one line, and its standard input open.
pub(crate) fn program(dir: &Path, sink: &str) -> Command {
    let config = format!(
        "data_dir: data\nsources: {{ in: {{ type: stdin }} }}\nsinks: {{ out: {{ inputs: [in], {sink} }} }}\n"
    );
    std::fs::write(dir.join("pipeline.yaml"), config).unwrap();
    let log = std::fs::File::create(dir.join("log")).unwrap();
    let mut command = host(dir);
    command
        .args(["run", "--config", "pipeline.yaml"])
        .stdin(Stdio::piped())
        .stderr(log);
    command
}

/// What was fed so far, and how far that may go.
#[derive(Debug)]
pub(crate) struct Fed {
    events: AtomicU64,
    allowed: AtomicU64,
}

impl Default for Fed {
    /// As far as there are events.
    fn default() -> Self {
        Self {
            events: AtomicU64::new(0),
            allowed: AtomicU64::new(u64::MAX),
        }
    }
}

impl Fed {
    pub(crate) fn get(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// No more than so many events in all, and about a thousand more.
    pub(crate) fn allow(&self, events: u64) {
        self.allowed.store(events, Ordering::Relaxed);
    }
}

/// Feeds so many events and waits until the program has ended, in order.
pub(crate) async fn feed(child: &mut Child, events: u64, fed: &Fed) {
    const AT_A_TIME: u64 = 1_000;
    let mut stdin = child.stdin.take().unwrap();
    for first in (0..events).step_by(usize::try_from(AT_A_TIME).unwrap()) {
        let allowed = || fed.allowed.load(Ordering::Relaxed);
        wait_for(|| first < allowed(), || format!("{} are allowed", allowed())).await;
        let numbers = first..events.min(first + AT_A_TIME);
        let count = numbers.end - numbers.start;
        let lines: String = numbers.map(line).collect();
        stdin.write_all(lines.as_bytes()).await.unwrap();
        fed.events.fetch_add(count, Ordering::Relaxed);
    }
    drop(stdin);
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

fn line(number: u64) -> String {
    let tenant = number % TENANTS;
    format!(
        "{{\"@timestamp\":\"2026-11-01T00:00:00.000Z\",\"event\":{{\"id\":\"{number}\"}},\
         \"organization\":{{\"id\":\"tenant-{tenant}\"}}}}\n"
    )
}

/// How often each event arrived.
#[derive(Debug, Default)]
pub(crate) struct Tally(Vec<u16>);

impl Tally {
    /// A document, which must be what was fed, also when it comes again: whoever keeps one document for an id loses nothing.
    pub(crate) fn add(&mut self, document: &[u8]) {
        let value: serde_json::Value = serde_json::from_slice(document).unwrap();
        let id = value["event"]["id"].as_str().unwrap();
        assert_eq!(document, line(id.parse().unwrap()).trim_end().as_bytes());
        self.add_id(id);
    }

    pub(crate) fn add_id(&mut self, id: &str) {
        let number: usize = id.parse().unwrap();
        if self.0.len() <= number {
            self.0.resize(number + 1, 0);
        }
        self.0[number] += 1;
    }

    pub(crate) fn lost(&self, events: u64) -> usize {
        let lost = self.0.iter().filter(|count| **count == 0).count();
        lost + usize::try_from(events).unwrap().saturating_sub(self.0.len())
    }

    /// How often an event is there once more than it should be.
    pub(crate) fn extra(&self) -> usize {
        self.0
            .iter()
            .map(|count| usize::from(count.saturating_sub(1)))
            .sum()
    }
}

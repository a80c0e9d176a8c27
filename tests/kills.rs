//! Two hundred kills at seeded moments, over a hundred thousand events: nothing is lost, and nothing is written twice
//! but what was written and not yet acknowledged. Takes minutes: `cargo test -p o365-host -- --ignored kills --nocapture`.

use std::{
    collections::{BTreeMap, HashSet},
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
    time::Duration,
};

use o365_simulator::SimulatorConfig;
use rusqlite::Connection;
use tokio::time::Instant;

use crate::support::{Lab, PATIENCE, output, stderr};

const SEED: u64 = 20_261_125;
const KILLS: usize = 200;
const EVENTS: u64 = 100_000;
const TENANTS: usize = 4;
const EVENTS_PER_BLOB: u32 = 50;
/// Blobs of one feed that the source has on their way at most.
const ACTIVE: usize = 32;
const OUT: &str = "out.ndjson";

/// `SplitMix64`: the same seed gives the same moments.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

/// When a process is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So soon after its start, whatever it does then.
    Elapsed(Duration),
    /// After so many requests.
    Requests(u64),
    /// After so many bytes of output.
    Written(u64),
}

impl Moment {
    /// `rest` is what the output will still grow by, spread over `kills`.
    fn pick(random: &mut Random, rest: u64, kills: usize) -> Self {
        match random.below(10) {
            0 => Self::Elapsed(Duration::from_millis(random.below(300))),
            1 => Self::Requests(random.below(120)),
            _ => Self::Written(random.below(1 + (2 * rest / kills.max(1) as u64).min(rest / 2))),
        }
    }
}

/// The file as the kills left it, read bit by bit.
#[derive(Default)]
struct Written {
    read_to: u64,
    counts: BTreeMap<String, usize>,
    /// How many were written by a process and not in the ledger when it was killed: they come again. Sum and maximum
    /// over all kills.
    at_risk: usize,
    most_at_risk: usize,
    torn: usize,
}

impl Written {
    /// Reads what a process has added, up to its last whole line; returns the ids.
    fn read(&mut self, path: &Path) -> Vec<String> {
        let Ok(mut file) = std::fs::File::open(path) else {
            return Vec::new();
        };
        file.seek(SeekFrom::Start(self.read_to)).unwrap();
        let mut text = Vec::new();
        file.read_to_end(&mut text).unwrap();
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        self.torn += usize::from(whole < text.len());
        self.read_to += whole as u64;
        let ids: Vec<_> = text[..whole]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(id)
            .collect();
        for id in &ids {
            *self.counts.entry(id.clone()).or_default() += 1;
        }
        ids
    }

    fn killed(&mut self, path: &Path, ledger: &Path) {
        let new = not_in_ledger(ledger, self.read(path)).len();
        self.at_risk += new;
        self.most_at_risk = self.most_at_risk.max(new);
    }
}

fn id(line: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Document {
        event: Event,
    }
    #[derive(serde::Deserialize)]
    struct Event {
        id: String,
    }
    let document: Document = serde_json::from_slice(line)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(line)));
    document.event.id
}

/// Looks into a copy, so that the next start finds the database as the kill left it.
fn not_in_ledger(ledger: &Path, mut ids: Vec<String>) -> Vec<String> {
    if !ledger.exists() {
        return ids;
    }
    let copy = tempfile::tempdir().unwrap();
    let target = copy.path().join("ledger.sqlite");
    std::fs::copy(ledger, &target).unwrap();
    let wal = ledger.with_extension("sqlite-wal");
    if wal.exists() {
        std::fs::copy(wal, target.with_extension("sqlite-wal")).unwrap();
    }
    let connection = Connection::open(&target).unwrap();
    let version: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    if version == 0 {
        // Killed before it had made its tables.
        return ids;
    }
    let mut statement = connection.prepare("SELECT ids FROM runs").unwrap();
    let rows: Vec<Vec<u8>> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    // All of them GUIDs, behind two bytes of time and one that says so.
    let known: HashSet<&[u8]> = rows
        .iter()
        .flat_map(|row| row.chunks_exact(19).map(|event| &event[3..]))
        .collect();
    ids.retain(|id| {
        let digits: String = id.chars().filter(|char| *char != '-').collect();
        let key = u128::from_str_radix(&digits, 16).unwrap().to_be_bytes();
        !known.contains(&key[..])
    });
    ids
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: .ci/run runs it"]
async fn two_hundred_kills_lose_nothing_and_repeat_only_what_was_not_acknowledged() {
    let mut simulated = SimulatorConfig::demo(SEED, TENANTS, EVENTS);
    simulated.events_per_blob = EVENTS_PER_BLOB;
    simulated.duplicate_percent = 10;
    simulated.subscribed = false;
    let lab = Lab::new(
        simulated,
        "  out: { type: file, inputs: [ecs], path: out.ndjson }",
    )
    .await;
    let handle = lab.simulator.handle();
    let out = lab.path(OUT);
    let ledger = lab.path("data/o365/ledger.sqlite");
    let existing = lab.existing();
    let size = || std::fs::metadata(&out).map_or(0, |metadata| metadata.len());

    let began = Instant::now();
    let mut random = Random(SEED);
    let mut written = Written::default();
    let mut kills = 0;
    while kills < KILLS {
        let average = written
            .read_to
            .checked_div(written.counts.len() as u64)
            .unwrap_or(4_000);
        let rest = (existing.len() - written.counts.len()) as u64 * average;
        let moment = Moment::pick(&mut random, rest, KILLS - kills);
        // A run that has to end sweeps everything first; it is killed too.
        let once: &[&str] = if random.below(20) == 0 { &["--once"] } else { &[] };
        let (size_before, requests_before) = (size(), handle.request_count());
        let mut child = lab.run(once).stderr(std::process::Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        let reached = || match moment {
            Moment::Elapsed(time) => started.elapsed() >= time,
            Moment::Requests(count) => handle.request_count() >= requests_before + count,
            Moment::Written(bytes) => size() >= size_before + bytes,
        };
        while !reached() {
            assert!(
                child.try_wait().unwrap().is_none() || !once.is_empty(),
                "it ended by itself"
            );
            assert!(started.elapsed() < PATIENCE, "kill {kills} waits for {moment:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        child.start_kill().unwrap();
        child.wait().await.unwrap();
        kills += 1;
        written.killed(&out, &ledger);
        if random.below(10) == 0 {
            // What a kill within a write leaves; the file may not exist yet.
            let file = std::fs::OpenOptions::new().append(true).open(&out);
            if let Ok(mut file) = file {
                file.write_all(br#"{"@timestamp":"2026-01-14T20:01:33.000Z","eve"#)
                    .unwrap();
                written.torn += 1;
            }
        }
    }
    let delivered_before = written.counts.len();
    let last = output(&mut lab.run(&["--once"])).await;
    assert_eq!(last.status.code(), Some(0), "{}", stderr(&last));
    written.read(&out);
    assert_eq!(size(), written.read_to, "the file ends with a whole line");

    let missing = existing
        .iter()
        .filter(|id| !written.counts.contains_key(*id))
        .count();
    let invented = written.counts.keys().filter(|id| !existing.contains(*id)).count();
    let repeated: usize = written.counts.values().map(|count| count - 1).sum();
    let report = handle.report();
    eprintln!(
        "{kills} kills in {:.0?}, the last with {delivered_before} of {} events written: {missing} lost, {invented} invented, \
         {} lines torn and repaired, {repeated} repeated of {} that were written and not acknowledged at a kill \
         (at most {} at one kill), {} starts of subscriptions, {} requests",
        began.elapsed(),
        existing.len(),
        written.torn,
        written.at_risk,
        written.most_at_risk,
        report.starts.len(),
        handle.request_count(),
    );
    assert_eq!((missing, invented), (0, 0));
    assert!(
        delivered_before > existing.len() / 2,
        "the kills came before the work"
    );
    // Every repetition fell between the write and the acknowledgement: it is counted at its kill, unless it was the line
    // that was torn there, all but its line feed.
    assert!(
        repeated <= written.at_risk + written.torn,
        "{repeated} > {}",
        written.at_risk
    );
    let in_flight = TENANTS * 5 * ACTIVE * EVENTS_PER_BLOB as usize;
    assert!(written.most_at_risk <= in_flight);
    assert!(report.starts.iter().all(|start| !start.within_cooldown));
    assert_eq!(report.starts.len(), TENANTS * 5, "each feed is started once");
    assert!(report.forbidden.is_empty(), "{:?}", report.forbidden.first());

    let again = output(&mut lab.run(&["--once"])).await;
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert_eq!(
        size(),
        written.read_to,
        "a run after a complete one writes nothing"
    );
}

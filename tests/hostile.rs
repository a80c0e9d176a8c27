//! Components that mean harm: the pipeline goes on, in bounded memory, and exactly the events that they harmed become dead
//! letters, each with the reason.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::{
    guests::{guest, never_started},
    support::{PATIENCE, host, output, stderr},
};

const EVENTS: usize = 5_000;
/// One event in so many is guilty.
const GUILTY: usize = 1_000;
/// The program, two instances of 8 MiB, what is in flight, and what a debug build adds.
const MEMORY: u64 = 150 << 20;

const CONFIG: &str = "
data_dir: data
sources: { in: { type: stdin } }
transforms: { hostile: { type: wasm, inputs: [in], module: guest.wasm, memory_limit: 8MiB, deadline: 100ms, output_limit: 1MiB } }
sinks: { out: { type: console, inputs: [hostile], encoding: { codec: json } } }
";

fn config(dir: &Path, component: &[u8]) {
    std::fs::write(dir.join("pipeline.yaml"), CONFIG).unwrap();
    std::fs::write(dir.join("guest.wasm"), component).unwrap();
}

/// The largest memory that a process has had, in bytes.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[track_caller]
fn letters(dir: &Path) -> Vec<Value> {
    let mut letters = Vec::new();
    for file in std::fs::read_dir(dir.join("data/dead-letters")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        letters.extend(
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()),
        );
    }
    letters
}

async fn only_the_guilty_pay(what: &str, guilty: &str, count: &str, kind: &str) {
    let dir = tempfile::tempdir().unwrap();
    config(dir.path(), &guest(guilty, count));
    let mut command = host(dir.path());
    let mut child = command
        .args(["run", "--config", "pipeline.yaml"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let event = |number: usize| {
        let mark = if number % GUILTY == GUILTY / 2 { "!" } else { "" };
        format!("{mark}{{\"n\":{number}}}\n")
    };
    let all: String = (0..EVENTS).map(event).collect();
    let feed = async move {
        stdin.write_all(all.as_bytes()).await.unwrap();
        stdin.flush().await.unwrap();
        stdin
    };
    let mut lines = tokio::io::BufReader::new(child.stdout.take().unwrap());
    let read = async {
        use tokio::io::AsyncBufReadExt;
        let mut got = Vec::new();
        let mut line = String::new();
        // Until the last good event: the process still lives then, and so does its account of memory.
        while got.len() < EVENTS - EVENTS / GUILTY {
            line.clear();
            assert!(
                lines.read_line(&mut line).await.unwrap() > 0,
                "{what}: it ended early"
            );
            got.push(line.trim_end().to_owned());
        }
        (got, peak(pid))
    };
    let mut errors = child.stderr.take().unwrap();
    let log = async {
        use tokio::io::AsyncReadExt;
        let mut log = Vec::new();
        errors.read_to_end(&mut log).await.unwrap();
        log
    };
    let work = async {
        let feed_and_read = async {
            let (stdin, got) = tokio::join!(feed, read);
            drop(stdin);
            got
        };
        let (got, log) = tokio::join!(feed_and_read, log);
        (got, log, child.wait().await.unwrap())
    };
    let ((got, peak), log, status) = tokio::time::timeout(PATIENCE, work).await.expect(what);
    assert_eq!(
        status.code(),
        Some(0),
        "{what}: {}",
        String::from_utf8_lossy(&log)
    );
    let good: Vec<_> = (0..EVENTS)
        .filter(|number| number % GUILTY != GUILTY / 2)
        .map(|number| event(number).trim_end().to_owned())
        .collect();
    assert_eq!(got, good, "{what}: in their order, each once");
    let letters = letters(dir.path());
    let originals: BTreeSet<_> = letters
        .iter()
        .map(|letter| letter["original"].as_str().unwrap())
        .collect();
    let expected: Vec<_> = (0..EVENTS)
        .filter(|number| number % GUILTY == GUILTY / 2)
        .map(|number| event(number).trim_end().to_owned())
        .collect();
    assert_eq!(originals.len(), letters.len(), "{what}");
    assert!(
        originals.iter().eq(expected.iter().collect::<BTreeSet<_>>()),
        "{what}: {originals:?}"
    );
    for letter in &letters {
        assert_eq!(letter["kind"], kind, "{what}: {letter}");
        assert_eq!(
            letter["component_digest"].as_str().map(str::len),
            Some(64),
            "{what}: {letter}"
        );
    }
    assert!(peak < MEMORY, "{what}: {peak} bytes");
    // A component may say what it likes, within limits.
    assert!(log.len() < 1 << 20, "{what}: {} bytes of log", log.len());
}

const ALL: &str = "(local.get $count)";

#[tokio::test]
async fn whatever_a_component_does_only_the_guilty_events_pay() {
    let remember = "(global.set $seen (i32.const 1))";
    // A kilobyte a line, for as long as it may: gigabytes.
    let talk = "(loop $next (call $log (i32.const 3) (i32.const 0) (i32.const 1024)) (br $next))";
    for (what, guilty, count, kind) in [
        ("an infinite loop", "(loop $l (br $l))", ALL, "deadline"),
        (
            "a memory bomb",
            "(loop $l (drop (memory.grow (i32.const 16))) (br $l))",
            ALL,
            "trap",
        ),
        ("a trap", "unreachable", ALL, "trap"),
        (
            "a stack overflow",
            "(call $guilty (local.get $outcome))",
            ALL,
            "trap",
        ),
        ("garbage", "nop", ALL, "bad_answer"),
        (
            "too few outcomes",
            remember,
            "(i32.sub (local.get $count) (global.get $seen))",
            "bad_answer",
        ),
        (
            "too many outcomes",
            remember,
            "(i32.add (local.get $count) (global.get $seen))",
            "bad_answer",
        ),
        ("an endless log", talk, ALL, "deadline"),
    ] {
        only_the_guilty_pay(what, guilty, count, kind).await;
    }
}

#[tokio::test]
async fn a_component_that_never_starts_is_a_bad_configuration() {
    let dir = tempfile::tempdir().unwrap();
    config(dir.path(), &never_started());
    let ended = output(host(dir.path()).args(["run", "--config", "pipeline.yaml"])).await;
    assert_eq!(ended.status.code(), Some(78));
    let text = stderr(&ended);
    assert!(
        text.contains("`guest.wasm` cannot be started") && text.contains("deadline"),
        "{text}"
    );
}

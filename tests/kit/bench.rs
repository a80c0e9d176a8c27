//! How fast a component is.

use serde_json::Value;

use super::wasm;
use crate::guests::{guest, of_package, tagging};

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_measured_beside_the_one_that_is_built_in() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.wasm"), tagging('a')).unwrap();
    let event = |number: usize| {
        format!(
            "{{\"Id\":\"{number}\",\"CreationTime\":\"2026-01-15T10:00:00\",\"RecordType\":1,\"Operation\":\"Set-Mailbox\"}}\n"
        )
    };
    let events: String = (0..300).map(event).collect();
    std::fs::write(dir.path().join("corpus.ndjson"), &events).unwrap();
    let arguments = ["bench", "x.wasm", "--corpus", "corpus.ndjson", "--seconds", "1"];
    let (code, told, log) = wasm(
        dir.path(),
        &[&arguments[..], &["--json", "--batch", "32"]].concat(),
    )
    .await;
    assert_eq!(code, Some(0), "{log}");
    // Progress is for terminals.
    assert_eq!(log, "");
    let found: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        found["corpus"],
        serde_json::json!({"file": "corpus.ndjson", "events": 300, "bytes": events.len() - 300})
    );
    assert_eq!(found["batch_events"], 32);
    assert!(found["rounds"].as_u64() > Some(0), "{found}");
    let number = |side: &str, field: &str| found[side][field].as_f64().unwrap();
    for side in ["component", "baseline"] {
        assert!(number(side, "events_per_second") > 0.0, "{found}");
        assert!(number(side, "megabytes_per_second") > 0.0, "{found}");
        assert!(
            number(side, "batch_p50_seconds") <= number(side, "batch_p99_seconds"),
            "{found}"
        );
        assert_eq!(
            (&found[side]["dropped"], &found[side]["failed"]),
            (&0.into(), &0.into()),
            "{found}"
        );
        // Both saw the same.
        assert_eq!(found[side]["events"], found["component"]["events"]);
    }
    assert_eq!(
        (&found["component"]["file"], &found["baseline"]["file"]),
        (&"x.wasm".into(), &"builtin:ecs".into())
    );
    assert!(found["ratio"].as_f64() > Some(0.0), "{found}");
    assert!(
        number("component", "instance_memory_bytes") < number("baseline", "instance_memory_bytes"),
        "{found}"
    );

    let (code, told, log) = wasm(dir.path(), &arguments).await;
    assert_eq!(code, Some(0), "{log}");
    for part in [
        "corpus.ndjson: 300 events",
        "events/s",
        "p99 per batch",
        "times as many events a second as builtin:ecs",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_measured_is_refused_as_by_inspect() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("corpus.ndjson"), "{\"a\":1}\n!bad\n").unwrap();
    std::fs::write(dir.path().join("empty.ndjson"), "\n").unwrap();
    std::fs::write(dir.path().join("newer.wasm"), of_package("o365:transform@1.1.0")).unwrap();
    std::fs::write(dir.path().join("good.wasm"), tagging('a')).unwrap();
    std::fs::write(
        dir.path().join("traps.wasm"),
        guest("unreachable", "(local.get $count)"),
    )
    .unwrap();
    let cases: [(&str, i32, &[&str]); 8] = [
        (
            "none.wasm --corpus corpus.ndjson",
            2,
            &["cannot read `none.wasm`"],
        ),
        (
            "good.wasm --corpus none.ndjson",
            2,
            &["cannot read `none.ndjson`"],
        ),
        (
            "good.wasm --corpus empty.ndjson",
            2,
            &["`empty.ndjson` has no event"],
        ),
        (
            "good.wasm --corpus corpus.ndjson --options []",
            2,
            &["--options is no JSON object"],
        ),
        ("good.wasm --corpus corpus.ndjson --batch 0", 2, &["--batch"]),
        (
            "newer.wasm --corpus corpus.ndjson",
            1,
            &["newer than the 1.0 of this host", "help: update o365-host"],
        ),
        (
            "good.wasm --corpus corpus.ndjson --options {\"colour\":\"red\"}",
            1,
            &["refuses its options: no such option"],
        ),
        (
            "traps.wasm --corpus corpus.ndjson",
            1,
            &["`traps.wasm` fails on a batch of 128 event(s)", "unreachable"],
        ),
    ];
    for (arguments, expected, parts) in cases {
        let arguments: Vec<_> = std::iter::once("bench").chain(arguments.split(' ')).collect();
        let (code, told, log) = wasm(dir.path(), &arguments).await;
        assert_eq!(
            (code, told.as_str()),
            (Some(expected), ""),
            "{arguments:?}: {log}"
        );
        for part in parts {
            assert!(log.contains(part), "{arguments:?}: no {part:?} in {log}");
        }
    }
}

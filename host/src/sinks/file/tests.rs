//! What stands in the files, by the options.

use std::{io::Read, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use o365_core::{
    EventBatch, EventStatus, ManualClock, Sink,
    config::{ComponentContext, Services, SinkConfig},
    testing::{Refused, sink_contract, tracked_batch},
};
use serde_json::{Value, json};

use super::{FileConfig, sink::is_no_room};
use crate::sinks::delivery::SinkStats;

fn documents(count: usize) -> Vec<Bytes> {
    (0..count)
        .map(|number| format!("{{\"n\":{number}}}").into())
        .collect()
}

fn options(path: &Path, more: &Value) -> FileConfig {
    let mut options = json!({"path": path});
    let more = more.as_object().unwrap().clone();
    options.as_object_mut().unwrap().extend(more);
    serde_json::from_value(options).unwrap()
}

fn context() -> ComponentContext {
    ComponentContext {
        key: "out".into(),
        data_dir: ".".into(),
        config_dir: ".".into(),
        clock: Arc::new(ManualClock::at("2026-11-25T23:59:59Z".parse().unwrap())),
        services: Services::default(),
    }
}

fn sink_with(path: &Path, more: &Value) -> Sink {
    let built = options(path, more).build(&context()).now_or_never();
    built.expect("building waits for nothing").unwrap()
}

fn sink(path: &Path) -> Sink {
    sink_with(path, &json!({}))
}

#[tokio::test]
async fn keeps_the_contract_of_sinks_and_writes_every_line_once() {
    let dir = tempfile::tempdir().unwrap();
    sink_contract(
        || sink(&dir.path().join("deep/audit-%Y-%m-%d.ndjson")),
        documents(10),
    )
    .await;
    let text = std::fs::read_to_string(dir.path().join("deep/audit-2026-11-25.ndjson")).unwrap();
    let expected: String = (0..10).map(|number| format!("{{\"n\":{number}}}\n")).collect();
    assert_eq!(text, expected);
}

#[tokio::test]
async fn repairs_what_a_killed_process_left() {
    let dir = tempfile::tempdir().unwrap();
    for (left, kept) in [
        ("{\"a\":1}\n{\"b\":", "{\"a\":1}\n"),
        ("{\"a\":1}\n{\"b\":2}", "{\"a\":1}\n{\"b\":2}\n"),
        ("{\"a", ""),
        ("", ""),
    ] {
        let path = dir.path().join("torn.ndjson");
        std::fs::write(&path, left).unwrap();
        sink_contract(|| sink(&path), documents(1)).await;
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            format!("{kept}{{\"n\":0}}\n")
        );
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_an_error_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let batch: EventBatch = [o365_core::LogEvent::untracked("{}")].into_iter().collect();
    let result = sink(dir.path())
        .run(stream::iter([batch]).boxed(), Refused::default().events())
        .await;
    let error = result.unwrap_err().to_string();
    assert!(error.contains(dir.path().to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn what_is_ready_is_written_together_within_bounds() {
    let dir = tempfile::tempdir().unwrap();
    // Batches, bytes of the only event of each, writes: 64 batches, or what is more than 1 MiB.
    for (batches, bytes, writes) in [(1, 10, 1), (64, 10, 1), (130, 10, 3), (8, 400_000, 3)] {
        let path = dir.path().join(format!("{batches}-{bytes}.ndjson"));
        let stats = Arc::new(SinkStats::default());
        let context = ComponentContext {
            services: Services::default().with(Arc::clone(&stats)),
            ..context()
        };
        let sink = options(&path, &json!({})).build(&context).await.unwrap();
        let filler = "x".repeat(bytes);
        let line = |number: usize| format!("{{\"n\":{number},\"x\":\"{filler}\"}}");
        let (ready, states): (Vec<_>, Vec<_>) = (0..batches)
            .map(|number| tracked_batch(vec![line(number).into()]))
            .unzip();
        sink.run(stream::iter(ready).boxed(), Refused::default().events())
            .await
            .unwrap();
        assert_eq!(stats.requests(), writes, "{batches} batches of {bytes} bytes");
        for state in states {
            assert_eq!(state.status().await, EventStatus::Delivered);
        }
        let expected: String = (0..batches).map(|number| line(number) + "\n").collect();
        assert_eq!(read(&path), expected);
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn compressed_files_hold_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let expected: String = (0..10).map(|number| format!("{{\"n\":{number}}}\n")).collect();
    for (compression, ending) in [("gzip", "gz"), ("zstd", "zst")] {
        let path = dir.path().join(format!("audit.ndjson.{ending}"));
        let more = json!({"compression": compression, "fsync": false});
        sink_contract(|| sink_with(&path, &more), documents(10)).await;
        let mut text = String::new();
        let bytes = std::fs::read(&path).unwrap();
        let decoder: Box<dyn Read> = match compression {
            "gzip" => Box::new(flate2::read::MultiGzDecoder::new(bytes.as_slice())),
            _ => Box::new(zstd::Decoder::new(bytes.as_slice()).unwrap()),
        };
        std::io::BufReader::new(decoder)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, expected, "{compression}");
    }
}

#[tokio::test]
async fn csv_begins_each_file_with_its_header_and_a_full_one_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit-%Y.csv");
    let more = json!({
        "encoding": {"codec": "csv", "csv": {"fields": ["n", "event.action"], "header": true}},
        "rotation": {"max_bytes": "1KiB"},
    });
    sink_contract(|| sink_with(&path, &more), documents(10)).await;
    let lines: String = (0..10).map(|number| format!("{number},\n")).collect();
    let first = format!("n,event.action\n{lines}");
    assert_eq!(read(&dir.path().join("audit-2026.csv")), first);
    // More than fits beside what is there.
    sink_contract(|| sink_with(&path, &more), documents(400)).await;
    let names: std::collections::BTreeSet<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        names.contains("audit-2026.1.csv") && names.contains("audit-2026.csv"),
        "{names:?}"
    );
    let mut rows = 0;
    for name in &names {
        let text = read(&dir.path().join(name));
        let rest = text
            .strip_prefix("n,event.action\n")
            .unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(rest.ends_with('\n') && !rest.contains('e'), "{name}: {text}");
        rows += rest.lines().count();
    }
    assert_eq!(rows, 410);
}

#[test]
fn only_a_lack_of_room_is_waited_for() {
    use std::io::{Error, ErrorKind};
    for (kind, waited_for) in [
        (ErrorKind::StorageFull, true),
        (ErrorKind::QuotaExceeded, true),
        (ErrorKind::PermissionDenied, false),
        (ErrorKind::ReadOnlyFilesystem, false),
        (ErrorKind::Other, false),
    ] {
        assert_eq!(is_no_room(&Error::from(kind)), waited_for, "{kind}");
    }
}

#[test]
fn what_makes_no_sense_is_named() {
    let problems = |path: &str, more: Value| -> Vec<_> {
        let found = options(Path::new(path), &more).validate(&context());
        found.into_iter().map(|problem| problem.field).collect()
    };
    assert_eq!(problems("out/", json!({})), ["path"]);
    assert_eq!(problems("out-%Q", json!({})), ["path"]);
    let least = json!({"rotation": {"max_bytes": "1KiB", "max_age": "1s"}, "compression": "zstd"});
    assert!(problems("out", least).is_empty());
    let too_little = json!({"rotation": {"max_bytes": "1023B", "max_age": "999ms"}});
    assert_eq!(
        problems("out", too_little),
        ["rotation.max_bytes", "rotation.max_age"]
    );
}

/// The clock of the test goes on while nothing else does, so the waits cost no time.
#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn the_numbers_show_a_sink_that_waits_for_room() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.ndjson");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let stats = Arc::new(SinkStats::default());
    let context = ComponentContext {
        services: Services::default().with(Arc::clone(&stats)),
        ..context()
    };
    let sink = options(&path, &json!({})).build(&context).await.unwrap();
    let (batch, status) = tracked_batch(documents(3));
    let refused = Refused::default();
    let running = sink.run(stream::iter([batch]).boxed(), refused.events());
    let repaired = async {
        while stats.retries() < 3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!((stats.in_flight(), stats.limit()), (1, 1));
        std::fs::remove_file(&path).unwrap();
    };
    let (ended, ()) = tokio::join!(running, repaired);
    ended.unwrap();
    assert_eq!(status.status().await, EventStatus::Delivered);
    assert_eq!((stats.in_flight(), stats.requests()), (0, 1));
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
}

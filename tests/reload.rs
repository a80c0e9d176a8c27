//! The configuration changes while events flow: what changed takes over, and nothing is lost, repeated or out of order.

use std::{
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
};

use o365_simulator::SimulatorConfig;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStderr, ChildStdin},
};

use crate::{
    local_api::{get, listening, request},
    support::{Lab, PATIENCE, host, signal, terminate, wait_for},
};

/// Replaces the configuration, as an editor does.
fn configure(dir: &Path, config: &str) {
    std::fs::write(dir.join("pipeline.new"), config).unwrap();
    std::fs::rename(dir.join("pipeline.new"), dir.join("pipeline.yaml")).unwrap();
}

async fn reload(api: std::net::SocketAddr) -> (u16, Value) {
    let (status, _, body) = request(api, "POST", "/api/reload", "").await;
    (status, serde_json::from_str(&body).unwrap())
}

/// Writes numbered events until told to stop. Returns how many.
async fn feed(mut stdin: ChildStdin, stop: &AtomicBool) -> u64 {
    const AT_A_TIME: u64 = 100;
    let mut next = 0;
    while !stop.load(Ordering::Relaxed) {
        let lines: String = (next..next + AT_A_TIME)
            .map(|number| format!("{{\"n\":{number}}}\n"))
            .collect();
        stdin.write_all(lines.as_bytes()).await.unwrap();
        next += AT_A_TIME;
    }
    next
}

/// The configuration after so many reloads: another program every time, another file, sometimes one step more, and
/// sometimes one sink more.
fn version(number: usize) -> String {
    let more = if number % 4 == 1 {
        "  more: { type: remap, inputs: [in], source: '.more = true' }\n"
    } else {
        ""
    };
    let read = if more.is_empty() { "in" } else { "more" };
    let hole = if number % 5 == 2 {
        "  hole: { type: blackhole, inputs: ['t*'] }\n"
    } else {
        ""
    };
    let file = number % 3;
    format!(
        "api: {{ enabled: true, address: \"127.0.0.1:0\" }}
sources: {{ in: {{ type: stdin }} }}
transforms:
{more}  tag: {{ type: remap, inputs: [{read}], source: '.v = {number}' }}
sinks:
{hole}  out: {{ type: file, inputs: [tag], path: out-{file}.ndjson }}
  all: {{ type: file, inputs: [in], path: all.ndjson }}
"
    )
}

fn documents(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_under_load_lose_and_repeat_nothing() {
    const RELOADS: usize = 100;
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), &version(0));
    let mut command = host(dir.path());
    command
        .args(["run", "--config", "pipeline.yaml", "--log-format", "json"])
        .stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let api = listening(&mut child).await;
    let stdin = child.stdin.take().unwrap();
    let stop = AtomicBool::new(false);
    let size = |name: &str| std::fs::metadata(dir.path().join(name)).map_or(0, |file| file.len());
    let change = async {
        for number in 1..=RELOADS {
            // Amid events: what has been written has grown since the last time.
            let (before, file) = (size("all.ndjson"), format!("out-{}.ndjson", (number - 1) % 3));
            let before_file = size(&file);
            wait_for(
                || size("all.ndjson") > before + 10_000 && size(&file) > before_file,
                || format!("reload {number}"),
            )
            .await;
            configure(dir.path(), &version(number));
            let (status, answer) = reload(api).await;
            assert_eq!((status, &answer["result"]), (200, &json!("applied")), "{answer}");
            let changed = answer["changed"].as_array().unwrap();
            assert!(
                changed.contains(&json!("tag")) && changed.contains(&json!("out")),
                "{answer}"
            );
            let kept = answer["kept"].as_array().unwrap();
            assert!(
                kept.contains(&json!("in")) && kept.contains(&json!("all")),
                "{answer}"
            );
        }
        let (_, _, metrics) = get(api, "/metrics").await;
        stop.store(true, Ordering::Relaxed);
        metrics
    };
    let work = async { tokio::join!(feed(stdin, &stop), change) };
    let (fed, metrics) = tokio::time::timeout(PATIENCE, work).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap();
    assert_eq!(ended.unwrap().code(), Some(0));
    assert!(
        metrics.contains("o365_config_reloads_total{result=\"applied\"} 100"),
        "{metrics}"
    );

    // What did not change has noticed nothing.
    let all: Vec<_> = documents(&dir.path().join("all.ndjson"))
        .iter()
        .map(|document| document["n"].as_u64().unwrap())
        .collect();
    assert!(all.iter().copied().eq(0..fed), "{} of {fed}", all.len());
    // What changed: each event once, by one version as a whole, in its turn.
    let mut seen = vec![None; usize::try_from(fed).unwrap()];
    for file in 0..3 {
        let mut last = None;
        for document in documents(&dir.path().join(format!("out-{file}.ndjson"))) {
            let number = document["n"].as_u64().unwrap();
            let version = usize::try_from(document["v"].as_u64().unwrap()).unwrap();
            assert_eq!(version % 3, file, "{document}");
            assert_eq!(document.get("more").is_some(), version % 4 == 1, "{document}");
            assert!(last < Some(number), "{document} after {last:?}");
            last = Some(number);
            let known = seen[usize::try_from(number).unwrap()].replace(version);
            assert_eq!(known, None, "{document} is there twice");
        }
    }
    assert!(
        seen.iter().all(Option::is_some),
        "{} events are missing",
        seen.iter().filter(|seen| seen.is_none()).count()
    );
    assert!(seen.is_sorted(), "a later event was mapped by an earlier version");
    let mut versions: Vec<_> = seen.into_iter().flatten().collect();
    versions.dedup();
    assert!(versions.iter().copied().eq(0..=RELOADS), "{versions:?}");
}

/// Everything that a source has on its way is delivered before another one goes on with its ledger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_itself_changes_and_repeats_nothing() {
    const EVENTS: usize = 20_000;
    let mut simulator = SimulatorConfig::demo(21, 2, u64::try_from(EVENTS).unwrap());
    simulator.events_per_blob = 50;
    let lab = Lab::new(
        simulator,
        "  out: { type: file, inputs: [ecs], path: out-0.ndjson }",
    )
    .await;
    let first = std::fs::read_to_string(lab.path("pipeline.yaml")).unwrap();
    let first = format!("api: {{ enabled: true, address: \"127.0.0.1:0\" }}\n{first}");
    configure(lab.dir.path(), &first);
    let mut child = lab.run(&["--log-format", "json"]).spawn().unwrap();
    let api = listening(&mut child).await;
    let lines = || -> usize {
        let files = (0..3).map(|file| std::fs::read_to_string(lab.path(&format!("out-{file}.ndjson"))));
        files
            .map(|text| text.unwrap_or_default().matches('\n').count())
            .sum()
    };
    for number in 1..=10 {
        let before = lines();
        wait_for(
            || lines() >= (before + 500).min(EVENTS),
            || format!("reload {number}"),
        )
        .await;
        let next = first
            .replace(
                "poll_interval: 1s",
                &format!("poll_interval: {}s", 1 + number % 2),
            )
            .replace("out-0", &format!("out-{}", number % 3));
        configure(lab.dir.path(), &next);
        let (status, answer) = reload(api).await;
        assert_eq!(
            (status, &answer["changed"]),
            (200, &json!(["o365", "out"])),
            "{answer}"
        );
        assert_eq!(answer["kept"], json!(["ecs"]), "{answer}");
    }
    wait_for(|| lines() >= EVENTS, || format!("{} of {EVENTS}", lines())).await;
    assert_eq!(terminate(&mut child).await, Some(0));
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for file in 0..3 {
        for (id, count) in lab.delivered(&format!("out-{file}.ndjson")) {
            *counts.entry(id).or_default() += count;
        }
    }
    assert_eq!(counts.len(), EVENTS);
    assert!(counts.values().all(|count| *count == 1));
}

/// The next line of a program's log that says this.
async fn logged(log: &mut Lines<BufReader<ChildStderr>>, wanted: &str) -> Value {
    let search = async {
        loop {
            let line = log.next_line().await.unwrap().expect("it ended");
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"]
                .as_str()
                .is_some_and(|message| message.contains(wanted))
            {
                return line;
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, search).await;
    found.unwrap_or_else(|_| panic!("`{wanted}` was not logged"))
}

#[tokio::test]
async fn a_bad_configuration_is_refused_and_the_one_before_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), &version(0));
    let mut command = host(dir.path());
    command
        .args(["run", "--config", "pipeline.yaml", "--log-format", "json"])
        .stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let api = listening(&mut child).await;
    let mut stdin = child.stdin.take().unwrap();
    let (status, answer) = reload(api).await;
    assert_eq!((status, answer), (200, json!({ "result": "unchanged" })));

    let refused = async |config: &str, words: &[&str]| {
        configure(dir.path(), config);
        let (status, answer) = reload(api).await;
        assert_eq!((status, &answer["result"]), (422, &json!("refused")), "{answer}");
        let error = answer["error"].as_str().unwrap();
        for word in words {
            assert!(error.contains(word), "{word} is not in:\n{error}");
        }
        assert!(!error.contains('\u{1b}'), "{error}");
    };
    refused("sources: [", &["pipeline.yaml:1"]).await;
    refused(
        &version(1).replace("[more]", "[mroe]"),
        &["`mroe`", "did you mean `more`?"],
    )
    .await;
    refused(
        &version(1).replace(".v = 1", ".v = oops"),
        &["undefined variable", "pipeline.yaml:5"],
    )
    .await;
    refused(
        &format!(
            "data_dir: elsewhere\n{}",
            version(0).replace("api:", "shutdown_grace: 5s\napi:")
        ),
        &[
            "`data_dir` cannot change while the pipeline runs",
            "pipeline.yaml:1",
            "restart",
        ],
    )
    .await;
    let (_, _, metrics) = get(api, "/metrics").await;
    assert!(
        metrics.contains("o365_config_reloads_total{result=\"refused\"} 4"),
        "{metrics}"
    );
    assert!(
        metrics.contains("o365_config_last_reload_successful 0"),
        "{metrics}"
    );

    stdin.write_all(b"{\"n\":1}\n").await.unwrap();
    wait_for(
        || !documents(&dir.path().join("out-0.ndjson")).is_empty(),
        || "no event".to_owned(),
    )
    .await;
    // SIGHUP, when it is repaired.
    configure(dir.path(), &version(1));
    signal(&child, "HUP").await;
    let (_, _, metrics) = get(api, "/metrics").await;
    assert!(metrics.contains("component_id=\"tag\""), "{metrics}");
    wait_until_applied(api).await;
    stdin.write_all(b"{\"n\":2}\n").await.unwrap();
    drop(stdin);
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    assert_eq!(
        documents(&dir.path().join("out-0.ndjson")),
        [json!({"n": 1, "v": 0})]
    );
    assert_eq!(
        documents(&dir.path().join("out-1.ndjson")),
        [json!({"more": true, "n": 2, "v": 1})]
    );
}

async fn wait_until_applied(api: std::net::SocketAddr) {
    let applied = async {
        loop {
            let (_, _, metrics) = get(api, "/metrics").await;
            if metrics.contains("o365_config_reloads_total{result=\"applied\"} 1") {
                assert!(
                    metrics.contains("o365_config_last_reload_successful 1"),
                    "{metrics}"
                );
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, applied).await.unwrap();
}

/// A file that the configuration names counts as well.
#[tokio::test]
async fn a_watched_configuration_is_read_when_its_files_change() {
    let dir = tempfile::tempdir().unwrap();
    let config = "
sources: { in: { type: stdin } }
transforms: { tag: { type: remap, inputs: [in], file: tag.vrl } }
sinks: { out: { type: console, inputs: [tag] } }
";
    configure(dir.path(), config);
    std::fs::write(dir.path().join("tag.vrl"), ".v = 1").unwrap();
    let mut command = host(dir.path());
    command
        .args([
            "run",
            "--config",
            "pipeline.yaml",
            "--watch-config",
            "--log-format",
            "json",
        ])
        .stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async |stdin: &mut ChildStdin| -> Value {
        stdin.write_all(b"{}\n").await.unwrap();
        serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap()
    };
    assert_eq!(next(&mut stdin).await, json!({"v": 1}));
    std::fs::write(dir.path().join("tag.vrl"), ".v = 22").unwrap();
    let line = logged(&mut log, "the new configuration runs").await;
    assert_eq!(line["changed"], json!("{\"tag\"}"), "{line}");
    assert_eq!(next(&mut stdin).await, json!({"v": 22}));
    std::fs::write(dir.path().join("tag.vrl"), ".v = oops").unwrap();
    let line = logged(&mut log, "is refused").await;
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("tag.vrl:1:6"), "{message}");
    configure(dir.path(), &config.replace("file: tag.vrl", "source: '.v = 3'"));
    logged(&mut log, "the new configuration runs").await;
    assert_eq!(next(&mut stdin).await, json!({"v": 3}));
    // A file that only the one names that was refused: it is repaired there.
    std::fs::write(dir.path().join("new.vrl"), ".v = oops").unwrap();
    configure(dir.path(), &config.replace("tag.vrl", "new.vrl"));
    logged(&mut log, "is refused").await;
    std::fs::write(dir.path().join("new.vrl"), ".v = 4").unwrap();
    logged(&mut log, "the new configuration runs").await;
    assert_eq!(next(&mut stdin).await, json!({"v": 4}));
    drop(stdin);
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

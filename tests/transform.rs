//! `transform`: one line in, one line out, in order; what cannot be transformed is kept with its reason.

use std::io::Read;

use crate::support::{host, lines, output_with_input, shared, stderr};

fn record(id: usize) -> String {
    format!(
        r#"{{"CreationTime":"2026-01-15T10:00:00","Id":"id-{id}","Operation":"Set-Mailbox","RecordType":1,"Workload":"Exchange","UserId":"ann@contoso.example"}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn real_events_come_out_one_for_one_in_order() {
    let Some(corpus) = shared("corpus/audit-real.ndjson.gz") else {
        return;
    };
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(corpus).unwrap())
        .read_to_end(&mut text)
        .unwrap();
    let home = tempfile::tempdir().unwrap();
    let output = output_with_input(
        host(home.path()).args(["transform", "--wasm", "builtin:ecs"]),
        text.clone(),
    )
    .await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let records = lines(&text);
    let documents = lines(&output.stdout);
    assert_eq!((records.len(), documents.len()), (2_690, 2_690));
    for (record, document) in records.iter().zip(&documents) {
        assert_eq!(record["Id"], document["event"]["id"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_is_kept_with_its_reason_and_the_others_go_through() {
    let home = tempfile::tempdir().unwrap();
    let input = format!("{}\n{{\"Id\":\nnot json\n{}\n", record(1), record(2));
    let mut command = host(home.path());
    let output = output_with_input(
        command.args(["transform", "--wasm", "builtin:ecs", "--failed", "failed.ndjson"]),
        input.into(),
    )
    .await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("2 event(s) could not be transformed; they are in `failed.ndjson`"),
        "{}",
        stderr(&output)
    );
    assert_eq!(lines(&output.stdout).len(), 2);
    let failed = lines(&std::fs::read(home.path().join("failed.ndjson")).unwrap());
    assert_eq!(
        (&failed[0]["original"], &failed[1]["original"]),
        (&"{\"Id\":".into(), &"not json".into())
    );
    assert!(
        failed
            .iter()
            .all(|letter| letter["reason"].as_str().is_some_and(|reason| !reason.is_empty()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_follow_the_component_in_the_order_given() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("a.vrl"), ".steps = [.event.action]").unwrap();
    std::fs::write(home.path().join("b.vrl"), ".steps = push!(.steps, \"b\")").unwrap();
    let mut command = host(home.path());
    command.args([
        "transform",
        "--wasm",
        "builtin:ecs",
        "--vrl",
        "a.vrl",
        "--vrl",
        "b.vrl",
    ]);
    let output = output_with_input(&mut command, record(1).into()).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        lines(&output.stdout)[0]["steps"],
        serde_json::json!(["Set-Mailbox", "b"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_runs_with_its_ends_replaced() {
    let home = tempfile::tempdir().unwrap();
    let config = "sources:\n  a: { type: file, path: none.ndjson }\n  b: { type: file, path: none.ndjson }\n\
        transforms:\n  ecs: { type: wasm, inputs: [a, b], module: builtin:ecs }\n  \
        tidy: { type: remap, inputs: [ecs], source: '.tidy = true' }\n\
        sinks:\n  out: { type: file, inputs: [tidy], path: never.ndjson }\n  more: { type: blackhole, inputs: [tidy] }\n";
    std::fs::write(home.path().join("pipeline.yaml"), config).unwrap();
    let mut command = host(home.path());
    let output = output_with_input(
        command.args(["transform", "--config", "pipeline.yaml"]),
        record(1).into(),
    )
    .await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let documents = lines(&output.stdout);
    assert_eq!((documents.len(), &documents[0]["tidy"]), (1, &true.into()));
    assert!(!home.path().join("never.ndjson").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn options_reach_the_component_and_are_checked() {
    let home = tempfile::tempdir().unwrap();
    let transform = |options: &'static str| {
        let mut command = host(home.path());
        command.args(["transform", "--wasm", "builtin:ecs", "--options", options]);
        async move { output_with_input(&mut command, record(1).into()).await }
    };
    let with = transform(r#"{"tags":["from-options"]}"#).await;
    assert_eq!(
        lines(&with.stdout)[0]["tags"],
        serde_json::json!(["from-options"])
    );
    let unknown = transform(r#"{"colour":"red"}"#).await;
    assert_eq!(unknown.status.code(), Some(78));
    assert!(stderr(&unknown).contains("colour"), "{}", stderr(&unknown));
    assert_eq!(transform("{").await.status.code(), Some(78));
}

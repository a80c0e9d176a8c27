//! The `nats` sink against a real server: what a stream says to each event, crashes and cut connections.

use std::{path::Path, time::Duration};

use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, pull},
    stream::{Config, DiscardPolicy},
};
use futures_util::StreamExt;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

use super::{Server, survive};
use crate::{
    numbered::{Tally, events, program},
    proxy::Proxy,
    support::{lines, output_with_input, wait_for},
};

async fn jetstream(server: &Server) -> jetstream::Context {
    let client = async_nats::connect(format!("nats://{}", server.address(0))).await;
    jetstream::new(client.unwrap())
}

/// Makes a stream that takes `SUBJECTS.>` and remembers ids for an hour.
async fn make(server: &Server, name: &str, subjects: &str, more: Config) {
    let config = Config {
        name: name.to_owned(),
        subjects: vec![format!("{subjects}.>")],
        duplicate_window: Duration::from_hours(1),
        ..more
    };
    jetstream(server).await.create_stream(config).await.unwrap();
}

/// Every message of a stream.
async fn messages(server: &Server, stream: &str, mut each: impl FnMut(&str, &[u8])) {
    let mut stream = jetstream(server).await.get_stream(stream).await.unwrap();
    let mut left = stream.info().await.unwrap().state.messages;
    let config = pull::Config {
        ack_policy: AckPolicy::None,
        ..pull::Config::default()
    };
    let consumer = stream.create_consumer(config).await.unwrap();
    while left > 0 {
        let batch = consumer
            .batch()
            .max_messages(5_000)
            .expires(Duration::from_secs(5));
        let mut batch = batch.messages().await.unwrap();
        while let Some(message) = batch.next().await {
            let message = message.unwrap();
            each(&message.subject, &message.payload);
            left -= 1;
        }
    }
}

fn sink(address: impl std::fmt::Display, more: &str) -> String {
    sink_with(
        address,
        "retry_initial_backoff: 20ms, retry_max_duration: 1s",
        more,
    )
}

fn sink_with(address: impl std::fmt::Display, request: &str, more: &str) -> String {
    format!(
        "type: nats, url: \"nats://{address}\", batch: {{ timeout: 50ms }}, request: {{ {request} }}, {more}"
    )
}

/// Why events became dead letters, by event id.
fn dead_letters(dir: &Path) -> Vec<(String, String)> {
    let mut refused = Vec::new();
    for file in std::fs::read_dir(dir.join("data/dead-letters"))
        .into_iter()
        .flatten()
    {
        for letter in lines(&std::fs::read(file.unwrap().path()).unwrap()) {
            let event: Value = serde_json::from_str(letter["original"].as_str().unwrap()).unwrap();
            let id = event["event"]["id"].as_str().unwrap_or_default().to_owned();
            refused.push((id, letter["reason"].as_str().unwrap().to_owned()));
        }
    }
    refused.sort();
    refused
}

fn event(id: &str, tenant: &str) -> Value {
    json!({ "event": { "id": id }, "organization": { "id": tenant } })
}

fn text(events: &[Value]) -> Vec<u8> {
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    lines.into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_ends_where_it_belongs() {
    let Some(server) = Server::start("nats", "", &[]).await else {
        return;
    };
    let more = Config {
        max_message_size: 300_000,
        ..Config::default()
    };
    make(&server, "O365", "o365", more).await;
    let dir = tempfile::tempdir().unwrap();
    let options = "subject: \"o365.{{ organization.id }}\", stream: O365";
    says(
        &server,
        options,
        "health check: NATS 2.9.10, stream `O365`, which recognises within 1h",
    )
    .await;

    let mut documents: Vec<_> = (0..200)
        .map(|number| event(&format!("good-{number}"), "one"))
        .collect();
    documents.push(event("good-3", "one"));
    documents.push(event("odd", "a b.c>"));
    documents.push(json!({ "event": { "id": "nowhere" } }));
    for (id, bytes) in [("large", 400_000), ("huge", 1_200_000)] {
        let mut large = event(id, "one");
        large["message"] = json!("x".repeat(bytes));
        documents.push(large);
    }
    // Twice: what is there already is not there twice, and what was refused is refused again.
    for _ in 0..2 {
        let _ = std::fs::remove_dir_all(dir.path().join("data"));
        let mut command = program(dir.path(), &sink(server.address(0), options));
        let run = output_with_input(&mut command, text(&documents)).await;
        let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
        assert_eq!(run.status.code(), Some(0), "{log}");
        let refused = dead_letters(dir.path());
        let [(huge, why_huge), (large, why_large), (nowhere, why_nowhere)] = &refused[..] else {
            panic!("{refused:?}")
        };
        assert_eq!([huge, large, nowhere], ["huge", "large", "nowhere"]);
        assert!(
            why_huge.contains("size limit of 1048576 exceeded by message size of 1200"),
            "{why_huge}"
        );
        assert!(
            why_large.contains("10054") && why_large.contains("max_msg_size"),
            "{why_large}"
        );
        assert!(
            why_nowhere.contains("no text at `organization.id`"),
            "{why_nowhere}"
        );
    }
    let mut there = Vec::new();
    messages(&server, "O365", |subject, payload| {
        let document: Value = serde_json::from_slice(payload).unwrap();
        there.push((
            document["event"]["id"].as_str().unwrap().to_owned(),
            subject.to_owned(),
        ));
    })
    .await;
    let subject = |id: &str| if id == "odd" { "o365.a_b_c_" } else { "o365.one" };
    let mut expected: Vec<_> = (0..200).map(|number| format!("good-{number}")).collect();
    expected.push("odd".to_owned());
    let mut expected: Vec<_> = expected
        .into_iter()
        .map(|id| (id.clone(), subject(&id).to_owned()))
        .collect();
    expected.sort();
    there.sort();
    assert_eq!(there, expected);
}

/// Runs the program until its log says all of these words, then repairs, and it comes to its end.
async fn waits(server: &Server, options: &str, words: &str, repair: impl AsyncFnOnce()) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = program(dir.path(), &sink(server.address(0), options));
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let events: Vec<_> = (0..20).map(|number| event(&number.to_string(), "one")).collect();
    tokio::io::AsyncWriteExt::write_all(&mut stdin, &text(&events))
        .await
        .unwrap();
    drop(stdin);
    let log = || std::fs::read_to_string(dir.path().join("log")).unwrap();
    wait_for(|| log().contains(words), || format!("no {words} in {}", log())).await;
    assert!(child.try_wait().unwrap().is_none(), "{}", log());
    repair().await;
    let ended = tokio::time::timeout(crate::support::PATIENCE, child.wait()).await;
    assert_eq!(
        ended.expect("it does not end").unwrap().code(),
        Some(0),
        "{}",
        log()
    );
}

/// Runs the program without events until its log says these words.
async fn says(server: &Server, options: &str, words: &str) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = program(dir.path(), &sink(server.address(0), options));
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let log = || std::fs::read_to_string(dir.path().join("log")).unwrap();
    wait_for(|| log().contains(words), || format!("no {words} in {}", log())).await;
    drop(child.stdin.take());
    assert_eq!(child.wait().await.unwrap().code(), Some(0), "{}", log());
}

async fn count(server: &Server, stream: &str) -> usize {
    let mut count = 0;
    messages(server, stream, |_, _| count += 1).await;
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_wait_until_what_is_wrong_is_repaired() {
    let Some(server) = Server::start("nats", "", &[]).await else {
        return;
    };
    let missing = "no stream takes the subject `late.one`";
    waits(&server, "subject: late.one", missing, async || {
        make(&server, "LATE", "late", Config::default()).await;
    })
    .await;
    assert_eq!(count(&server, "LATE").await, 20);

    let full = Config {
        max_messages: 7,
        discard: DiscardPolicy::New,
        ..Config::default()
    };
    make(&server, "FULL", "full", full.clone()).await;
    waits(
        &server,
        "subject: full.one",
        "maximum messages exceeded",
        async || {
            let roomy = Config {
                name: "FULL".to_owned(),
                subjects: vec!["full.>".to_owned()],
                duplicate_window: Duration::from_hours(1),
                max_messages: 100,
                ..full
            };
            jetstream(&server).await.update_stream(roomy).await.unwrap();
        },
    )
    .await;
    assert_eq!(count(&server, "FULL").await, 20);

    // The subject goes to another stream than the one that is expected, until it does not.
    make(&server, "WRONG", "moved", Config::default()).await;
    waits(
        &server,
        "subject: moved.one, stream: RIGHT",
        "expected stream does not match",
        async || {
            jetstream(&server).await.delete_stream("WRONG").await.unwrap();
            make(&server, "RIGHT", "moved", Config::default()).await;
        },
    )
    .await;
    assert_eq!(count(&server, "RIGHT").await, 20);
}

/// A certificate of this authority for the name of this machine.
fn certificate(authority: &CertifiedIssuer<'_, KeyPair>, dir: &Path, name: &str) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    std::fs::write(dir.join(format!("{name}.pem")), certificate.pem()).unwrap();
    std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

fn authority(dir: &Path, name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(dir.join(format!("{name}.pem")), authority.pem()).unwrap();
    authority
}

/// From the documentation of NATS.
const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const PUBLIC: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_in_with_a_key_over_tls_that_asks_for_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    let ours = authority(dir.path(), "ca");
    certificate(&ours, dir.path(), "server");
    certificate(&ours, dir.path(), "client");
    authority(dir.path(), "other");
    let may = "permissions: { publish: { deny: [\"o365.secret\"] } }";
    let settings = format!(
        "tls {{ cert_file: \"{at}/server.pem\", key_file: \"{at}/server.key\", ca_file: \"{at}/ca.pem\", verify: true }}\n\
         authorization {{ users: [ {{ nkey: {PUBLIC}, {may} }} ] }}"
    );
    let Some(server) = Server::start("nats", &settings, &[]).await else {
        return;
    };
    let login = format!("auth: {{ strategy: nkey, seed: {SEED} }}");
    let tls = |ca: &str| {
        format!("tls: {{ ca_file: {at}/{ca}.pem, crt_file: {at}/client.pem, key_file: {at}/client.key }}")
    };
    let (right, other) = (tls("ca"), tls("other"));
    let missing = format!("subject: o365.audit, {login}, {right}");
    says(
        &server,
        &missing,
        "NATS 2.9.10: no stream takes the subject `o365.audit`",
    )
    .await;
    let unknown = format!("subject: o365.audit, {login}, {other}");
    says(&server, &unknown, "invalid peer certificate").await;
    let nobody = format!("subject: o365.audit, {right}");
    says(&server, &nobody, "check the login (`auth`)").await;
    let refused = format!("subject: o365.secret, {login}, {right}");
    let refused = sink_with(server.address(0), "retry_attempts: 0", &refused);
    let mut command = program(dir.path(), &refused);
    let run = output_with_input(&mut command, text(&[event("1", "one")])).await;
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert_eq!(run.status.code(), Some(1), "{log}");
    assert!(
        log.to_lowercase()
            .contains("permissions violation for publish to \"o365.secret\""),
        "{log}"
    );
    assert!(!log.contains(SEED), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_it_crashes_and_connections_are_cut() {
    let Some(server) = Server::start("nats", "", &[]).await else {
        return;
    };
    make(&server, "O365", "o365", Config::default()).await;
    let events = events(50_000);
    let proxy = Proxy::to(server.address(0)).await;
    let dir = tempfile::tempdir().unwrap();
    let options = "subject: \"o365.{{ organization.id }}\"";
    let mut child = program(dir.path(), &sink(proxy.address(), options))
        .spawn()
        .unwrap();
    let took = survive(&server, &proxy, &mut child, events).await;
    let mut tally = Tally::default();
    messages(&server, "O365", |_, payload| tally.add(payload)).await;
    let (lost, extra) = (tally.lost(events), tally.extra());
    eprintln!("{events} events in {took:.0?}: {lost} lost, {extra} extra");
    assert_eq!((lost, extra), (0, 0));
}

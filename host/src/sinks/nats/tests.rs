//! Against a server of our own that speaks the protocol and says what it is told to say.

use std::{collections::BTreeMap, path::Path, sync::Mutex, time::Instant};

use bytes::Bytes;
use futures_util::stream;
use o365_core::{
    EventStatus, SystemClock,
    config::{ComponentContext, Services, SinkConfig},
    testing::{Refused, sink_contract, tracked_batch},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::*;
use crate::sinks::delivery::{Remote, RemoteConfig};

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Published {
    subject: String,
    headers: String,
    body: String,
}

/// What a server does about a message.
enum Does {
    /// Sends this to the one who waits, with these headers.
    Replies(&'static str, &'static str),
    /// Says this about nothing in particular.
    Complains(&'static str),
    Nothing,
    Cuts,
}

type Decide = dyn Fn(usize, &Published) -> Does + Send + Sync;

struct Server {
    decide: Box<Decide>,
    published: Mutex<Vec<Published>>,
    logins: Mutex<Vec<Value>>,
}

const STORED: Does = Does::Replies("", r#"{"stream":"O365","seq":1}"#);

/// A server on this machine, as long as the guard lives.
async fn serve(
    decide: impl Fn(usize, &Published) -> Does + Send + Sync + 'static,
) -> (Arc<Server>, String, JoinSet<()>) {
    let server = Arc::new(Server {
        decide: Box::new(decide),
        published: Mutex::default(),
        logins: Mutex::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("nats://{}", listener.local_addr().unwrap());
    let mut guard = JoinSet::new();
    let shared = Arc::clone(&server);
    guard.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            connections.spawn(speak(connection, Arc::clone(&shared)));
        }
    });
    (server, address, guard)
}

/// One connection. Anything but what a client may say is a failure of the test: its end is a lost connection for the client.
async fn speak(connection: TcpStream, server: Arc<Server>) {
    let (read, mut write) = connection.into_split();
    let mut lines = BufReader::new(read);
    let info = json!({"server_id": "S", "version": "2.9.10", "headers": true, "max_payload": 400, "nonce": "n", "jetstream": true});
    write
        .write_all(format!("INFO {info}\r\n").as_bytes())
        .await
        .unwrap();
    // Inbox and number of the subscriptions.
    let mut subscriptions = BTreeMap::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).await.unwrap_or_default() == 0 {
            return;
        }
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["CONNECT", ..] => {
                let login: Value = serde_json::from_str(&line["CONNECT ".len()..]).unwrap();
                let refused = login["pass"] == "wrong";
                server.logins.lock().unwrap().push(login);
                if refused {
                    write
                        .write_all(b"-ERR 'Authorization Violation'\r\n")
                        .await
                        .unwrap();
                    return;
                }
            }
            ["PING"] => write.write_all(b"PONG\r\n").await.unwrap(),
            ["SUB", inbox, number] => {
                subscriptions.insert(inbox.strip_suffix('*').unwrap().to_owned(), number.to_owned());
            }
            ["UNSUB", number] => subscriptions.retain(|_, subscription| subscription != number),
            [verb @ ("PUB" | "HPUB"), subject, reply, ref sizes @ ..] => {
                let sizes: Vec<usize> = sizes.iter().map(|size| size.parse().unwrap()).collect();
                let headers = if verb == "PUB" { 0 } else { sizes[0] };
                let mut bytes = vec![0; sizes[sizes.len() - 1] + 2];
                lines.read_exact(&mut bytes).await.unwrap();
                let text = String::from_utf8(bytes).unwrap();
                let published = Published {
                    subject: subject.to_owned(),
                    headers: text[..headers].trim_end().to_owned(),
                    body: text[headers..].trim_end().to_owned(),
                };
                let number = {
                    let mut all = server.published.lock().unwrap();
                    all.push(published.clone());
                    all.len()
                };
                let answer = match (server.decide)(number, &published) {
                    Does::Replies(headers, body) => {
                        let (inbox, _) = reply.rsplit_once('.').unwrap();
                        let subscription = &subscriptions[&format!("{inbox}.")];
                        let (head, all) = (headers.len(), headers.len() + body.len());
                        if headers.is_empty() {
                            format!("MSG {reply} {subscription} {all}\r\n{body}\r\n")
                        } else {
                            format!("HMSG {reply} {subscription} {head} {all}\r\n{headers}{body}\r\n")
                        }
                    }
                    Does::Complains(words) => format!("-ERR '{words}'\r\n"),
                    Does::Nothing => String::new(),
                    Does::Cuts => return,
                };
                write.write_all(answer.as_bytes()).await.unwrap();
            }
            _ => panic!("{line}"),
        }
    }
}

fn cx() -> ComponentContext {
    ComponentContext {
        key: "out".into(),
        data_dir: ".".into(),
        config_dir: Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        clock: Arc::new(SystemClock),
        services: Services::default(),
    }
}

fn config(url: &str, more: Value) -> Remote<NatsConfig> {
    let mut options: BTreeMap<String, Value> = serde_json::from_value(more).unwrap();
    options.insert("url".to_owned(), json!(url));
    options
        .entry("subject".to_owned())
        .or_insert(json!("o365.{{ t }}"));
    options.entry("healthcheck".to_owned()).or_insert(json!(false));
    options.entry("request".to_owned()).or_insert(
        json!({"timeout": "5s", "retry_initial_backoff": "1ms", "retry_max_duration": "2ms", "concurrency": 1}),
    );
    serde_json::from_value(json!(options)).unwrap()
}

async fn run(
    config: &Remote<NatsConfig>,
    documents: &[&'static str],
) -> (EventStatus, Vec<(Bytes, Failure)>) {
    let sink = config.build(&cx()).await.unwrap();
    let documents = documents
        .iter()
        .map(|document| Bytes::from_static(document.as_bytes()));
    let (batch, status) = tracked_batch(documents);
    let refused = Refused::default();
    sink.run(stream::iter([batch]).boxed(), refused.events())
        .await
        .unwrap();
    (status.status().await, refused.kept())
}

/// Why events are sent again: what is said at the first attempt.
async fn reason(config: &Remote<NatsConfig>) -> (String, bool) {
    let nats = config.0.destination(&cx()).unwrap();
    let (batch, _status) = tracked_batch([Bytes::from_static(br#"{"t":"a","event":{"id":"1"}}"#)]);
    let encoded: Vec<_> = batch
        .into_iter()
        .map(|mut event| nats.encode(&mut event).unwrap())
        .collect();
    let events = &encoded[..];
    let Answer::Each(mut verdicts) = nats.deliver(events).await else {
        panic!("not each")
    };
    match verdicts.remove(0) {
        Verdict::Again(again) => (again.reason, again.overloaded),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn keeps_the_contract_of_sinks() {
    let (server, url, _guard) = serve(|_, _| STORED).await;
    let config = config(&url, json!({"subject": "o365"}));
    let mut sinks = Vec::new();
    for _ in 0..2 {
        sinks.push(config.build(&cx()).await.unwrap());
    }
    let documents = (0..10)
        .map(|number| format!("{{\"n\":{number}}}").into())
        .collect();
    sink_contract(|| sinks.pop().unwrap(), documents).await;
    assert_eq!(server.published.lock().unwrap().len(), 10);
}

#[tokio::test]
async fn a_message_has_its_subject_id_and_stream() {
    let (server, url, _guard) = serve(|_, _| STORED).await;
    let login = json!({"strategy": "user_password", "user": "u", "password": "p"});
    let options = json!({"stream": "O365", "auth": login, "connection_name": "audit"});
    let documents = [r#"{"t":"a","event":{"id":"1"}}"#, r#"{"t":"b"}"#];
    let (status, refused) = run(&config(&url, options), &documents).await;
    assert_eq!((status, refused.len()), (EventStatus::Delivered, 0));
    let (_, refused) = run(
        &config(&url, json!({"id_key": null, "subject": "plain"})),
        &["{}"],
    )
    .await;
    assert_eq!(refused.len(), 0);
    let published = server.published.lock().unwrap().clone();
    let heads: Vec<_> = published
        .iter()
        .map(|message| {
            (
                message.subject.as_str(),
                message.headers.as_str(),
                message.body.as_str(),
            )
        })
        .collect();
    let mut first: Vec<_> = heads[0].1.split("\r\n").collect();
    first[1..].sort_unstable();
    assert_eq!(
        first,
        ["NATS/1.0", "Nats-Expected-Stream: O365", "Nats-Msg-Id: 1"]
    );
    assert_eq!((heads[0].0, heads[0].2), ("o365.a", documents[0]));
    assert_eq!(
        heads[1],
        ("o365.b", "NATS/1.0\r\nNats-Expected-Stream: O365", documents[1])
    );
    assert_eq!(heads[2], ("plain", "", "{}"));
    let logins = server.logins.lock().unwrap().clone();
    assert_eq!(
        (&logins[0]["user"], &logins[0]["pass"], &logins[0]["name"]),
        (&json!("u"), &json!("p"), &json!("audit"))
    );
    assert_eq!(logins[1]["name"], "o365-host");
}

#[tokio::test]
async fn each_event_ends_where_the_server_says() {
    let (server, url, _guard) = serve(|number, message| match message.subject.as_str() {
        "o365.large" => Does::Replies(
            "",
            r#"{"error":{"code":400,"err_code":10054,"description":"too large"}}"#,
        ),
        "o365.full" if number < 8 => Does::Replies(
            "",
            r#"{"error":{"code":503,"err_code":10077,"description":"full"}}"#,
        ),
        "o365.nowhere" if number < 8 => Does::Replies("NATS/1.0 503\r\n\r\n", ""),
        "o365.foreign" if number < 8 => Does::Replies("", "pong"),
        _ => Does::Replies("", r#"{"stream":"O365","seq":1,"duplicate":true}"#),
    })
    .await;
    let huge = format!(r#"{{"t":"huge","x":"{}"}}"#, "x".repeat(400));
    let documents = [
        r#"{"t":"ok"}"#,
        r#"{"t":"large"}"#,
        r#"{"t":"full"}"#,
        r#"{"t":"nowhere"}"#,
        r#"{"t":"foreign"}"#,
        r"{}",
        Box::leak(huge.into_boxed_str()),
    ];
    let (status, refused) = run(&config(&url, json!({})), &documents).await;
    assert_eq!(status, EventStatus::Rejected);
    let reasons: Vec<_> = refused
        .iter()
        .map(|(_, failure)| failure.reason.as_str())
        .collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(reasons[0].contains("no text at `t`"), "{reasons:?}");
    assert!(reasons[1].contains("10054"), "{reasons:?}");
    // Both sizes. It was never sent.
    assert!(
        reasons[2].contains("limit of 400 exceeded by message size of 4"),
        "{reasons:?}"
    );
    let published = server.published.lock().unwrap();
    let times = |subject: &str| {
        published
            .iter()
            .filter(|message| message.subject == subject)
            .count()
    };
    assert_eq!(["o365.ok", "o365.large", "o365.huge"].map(times), [1, 1, 0]);
    assert!(
        ["o365.full", "o365.nowhere", "o365.foreign"]
            .map(times)
            .iter()
            .all(|times| *times > 1)
    );
}

#[tokio::test]
async fn a_lost_connection_is_told_at_once_and_only_what_is_open_goes_again() {
    let (server, url, _guard) = serve(|number, _| match number {
        2 => Does::Nothing,
        3 => Does::Cuts,
        _ => STORED,
    })
    .await;
    let began = Instant::now();
    let config = config(
        &url,
        json!({"request": {"retry_initial_backoff": "1ms", "concurrency": 1}}),
    );
    let documents = [r#"{"t":"a"}"#, r#"{"t":"b"}"#, r#"{"t":"c"}"#];
    let (status, refused) = run(&config, &documents).await;
    assert_eq!((status, refused.len()), (EventStatus::Delivered, 0));
    // Not after `request.timeout`, which is a minute.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let published = server.published.lock().unwrap();
    let subjects: Vec<_> = published.iter().map(|message| message.subject.as_str()).collect();
    assert_eq!(subjects, ["o365.a", "o365.b", "o365.c", "o365.b", "o365.c"]);
}

#[tokio::test]
async fn silence_is_no_acknowledgement_and_ends_the_connection() {
    let (server, url, _guard) = serve(|number, _| if number == 1 { Does::Nothing } else { STORED }).await;
    // Long enough for the second attempt on a busy machine, too.
    let more = json!({"request": {"timeout": "4s", "retry_initial_backoff": "1ms"}});
    let (status, _) = run(&config(&url, more), &[r#"{"t":"a"}"#]).await;
    assert_eq!(status, EventStatus::Delivered);
    assert_eq!(server.logins.lock().unwrap().len(), 2);
    let (_, url, _guard) = serve(|_, _| Does::Nothing).await;
    let more = json!({"request": {"timeout": "1s"}});
    let (reason, overloaded) = reason(&config(&url, more)).await;
    assert_eq!(
        reason,
        "no acknowledgement within 900ms, nine tenths of `request.timeout`"
    );
    assert!(overloaded);
}

#[tokio::test]
async fn a_missing_right_and_a_wrong_login_are_told_without_secrets() {
    let (_, url, _guard) =
        serve(|_, _| Does::Complains("Permissions Violation for Publish to \"o365.a\"")).await;
    let (reason, overloaded) = reason(&config(&url, json!({"request": {"timeout": "60s"}}))).await;
    assert!(
        reason
            .to_lowercase()
            .contains("permissions violation for publish to \"o365.a\""),
        "{reason}"
    );
    assert!(
        reason.contains("check what the login may publish") && !overloaded,
        "{reason}"
    );
    let login = json!({"strategy": "user_password", "user": "u", "password": "wrong"});
    let config = config(&url, json!({"auth": login}));
    let (reason, overloaded) = self::reason(&config).await;
    assert!(
        reason.contains("authorization violation") && reason.contains("check the login (`auth`)"),
        "{reason}"
    );
    assert!(!overloaded && !reason.contains("wrong"), "{reason}");
    assert!(!format!("{config:?} {:?}", config.0.destination(&cx()).unwrap()).contains("wrong"));
}

#[tokio::test]
async fn a_server_that_is_down_is_no_obstacle_when_there_is_another() {
    let (server, url, _guard) = serve(|number, _| if number == 1 { Does::Cuts } else { STORED }).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let down = format!("nats://{}", listener.local_addr().unwrap());
    drop(listener);
    let (status, _) = run(&config(&format!("{down}, {url}"), json!({})), &[r#"{"t":"a"}"#]).await;
    assert_eq!(status, EventStatus::Delivered);
    assert_eq!(server.published.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (reason, overloaded) = reason(&config(&format!("nats://{address}"), json!({}))).await;
    assert!(
        reason.contains(&format!("no connection to {address}: ")) && overloaded,
        "{reason}"
    );
}

#[test]
fn what_is_wrong_with_a_configuration_is_told_without_secrets() {
    let cases = [
        ("nats://u:secret@a", json!({}), "url", "holds a login"),
        ("secret@a", json!({}), "url", "is not the URL"),
        ("http://a", json!({}), "url", "is not the URL"),
        ("nats://a,", json!({}), "url", "is not the URL"),
        ("nats://a", json!({"subject": "a..b"}), "subject", "empty part"),
        ("nats://a", json!({"stream": "a.b"}), "stream", "not the name"),
        ("nats://a", json!({"id_key": "a..b"}), "id_key", "not a path"),
        (
            "nats://a",
            json!({"encoding": {"codec": "pretty"}}),
            "encoding.codec",
            "for people",
        ),
        (
            "nats://a",
            json!({"auth": {"strategy": "nkey", "seed": "secret"}}),
            "auth.seed",
            "not the seed",
        ),
        (
            "nats://a",
            json!({"auth": {"strategy": "token", "token": ""}}),
            "auth.token",
            "is empty",
        ),
        (
            "nats://a",
            json!({"auth": {"strategy": "credentials_file", "path": "none"}}),
            "auth.path",
            "cannot be read",
        ),
        (
            "nats://a",
            json!({"auth": {"strategy": "credentials_file", "path": "lib.rs"}}),
            "auth.path",
            "has no token",
        ),
        (
            "nats://a",
            json!({"tls": {"ca_file": "lib.rs"}}),
            "tls.ca_file",
            "certificate",
        ),
        (
            "nats://a",
            json!({"tls": {"crt_file": "lib.rs"}}),
            "tls.key_file",
            "is missing",
        ),
        (
            "nats://a",
            json!({"tls": {"key_file": "lib.rs"}}),
            "tls.crt_file",
            "is missing",
        ),
        (
            "nats://a",
            json!({"batch": {"max_events": 0}}),
            "batch.max_events",
            "out of range",
        ),
    ];
    for (url, more, field, words) in cases {
        let config = config(url, more.clone());
        let problems = config.validate(&cx());
        let [problem] = &problems[..] else {
            panic!("{url} {more}: {problems:?}")
        };
        let shown = format!("{problem:?}");
        assert!(
            shown.contains(field) && shown.contains(words),
            "{url} {more}: {shown}"
        );
        assert!(!shown.contains("secret"), "{shown}");
    }
    let good = config("nats://a, tls://b:1", json!({"tls": {}}));
    assert_eq!(good.validate(&cx()), []);
}

#[test]
fn the_files_of_a_connection_are_watched() {
    let config = config(
        "nats://a",
        json!({"auth": {"strategy": "credentials_file", "path": "c"}, "tls": {"ca_file": "a", "crt_file": "b", "key_file": "k"}}),
    );
    assert_eq!(
        config.files_to_watch(),
        ["a", "b", "k", "c"].map(std::path::PathBuf::from)
    );
}

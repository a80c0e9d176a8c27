//! Against the brokers that the client library fakes in this process. `tests/servers` has a real one.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use o365_core::{
    EventStatus, SystemClock,
    config::{ComponentContext, Services, SinkConfig},
    testing::{Refused, sink_contract, tracked_batch},
};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr as Error},
};
use serde_json::{Value, json};

use super::*;
use crate::sinks::delivery::{Remote, RemoteConfig};

type Cluster = MockCluster<'static, DefaultProducerContext>;

const PARTITIONS: i32 = 4;

fn cluster() -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("audit", PARTITIONS, 1).unwrap();
    cluster
}

fn cx() -> ComponentContext {
    ComponentContext {
        key: "out".into(),
        data_dir: Path::new(".").to_owned(),
        config_dir: Path::new(".").to_owned(),
        clock: Arc::new(SystemClock),
        services: Services::default(),
    }
}

fn config(servers: &str, more: Value) -> Remote<KafkaConfig> {
    let mut options: BTreeMap<String, Value> = serde_json::from_value(more).unwrap();
    options.insert("bootstrap_servers".to_owned(), json!(servers));
    options.entry("topic".to_owned()).or_insert(json!("audit"));
    options
        .entry("request".to_owned())
        .or_insert(json!({"retry_initial_backoff": "1ms", "retry_max_duration": "50ms"}));
    serde_json::from_value(json!(options)).unwrap()
}

async fn run(config: &Remote<KafkaConfig>, documents: Vec<Bytes>) -> (EventStatus, Vec<(Bytes, Failure)>) {
    let sink = config.build(&cx()).await.unwrap();
    let (batch, status) = tracked_batch(documents);
    let refused = Refused::default();
    sink.run(stream::iter([batch]).boxed(), refused.events())
        .await
        .unwrap();
    (status.status().await, refused.kept())
}

/// A message: partition, key, header `id`, text.
type Read = (i32, Option<String>, Option<String>, String);

/// So many messages of the topic.
fn read(cluster: &Cluster, count: usize) -> Vec<Read> {
    let mut config = ClientConfig::new();
    let consumer: BaseConsumer = config
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "tests")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset("audit", partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&list).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut messages = Vec::new();
    while messages.len() < count {
        // Also ends when something else has happened.
        let Some(message) = consumer.poll(Duration::from_secs(30)) else {
            continue;
        };
        let message = message.unwrap();
        let id = message.headers().and_then(|headers| {
            let id = headers.iter().find(|header| header.key == "id")?;
            id.value.map(text)
        });
        messages.push((
            message.partition(),
            message.key().map(text),
            id,
            text(message.payload().unwrap()),
        ));
    }
    messages
}

fn event(id: &str, tenant: &str) -> Bytes {
    json!({ "event": { "id": id }, "organization": { "id": tenant } })
        .to_string()
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_of_sinks() {
    let cluster = cluster();
    let config = config(&cluster.bootstrap_servers(), json!({}));
    let mut sinks = Vec::new();
    for _ in 0..2 {
        sinks.push(config.build(&cx()).await.unwrap());
    }
    let documents = (0..10).map(|number| event(&number.to_string(), "t")).collect();
    sink_contract(|| sinks.pop().unwrap(), documents).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_one_partition_and_its_order() {
    let cluster = cluster();
    let config = config(&cluster.bootstrap_servers(), json!({ "compression": "zstd" }));
    let tenant = |number: usize| format!("tenant-{}", number % 7);
    let documents = (0..200).map(|number| event(&number.to_string(), &tenant(number)));
    let (status, _) = run(
        &config,
        documents.chain([Bytes::from_static(b"no JSON")]).collect(),
    )
    .await;
    assert_eq!(status, EventStatus::Delivered);
    let mut by_tenant: BTreeMap<String, Vec<(i32, usize)>> = BTreeMap::new();
    let mut others = Vec::new();
    for (partition, key, id, text) in read(&cluster, 201) {
        match (key, id) {
            (Some(key), Some(id)) => {
                let number: usize = id.parse().unwrap();
                assert_eq!(text, event(&id, &key));
                assert_eq!(key, tenant(number));
                by_tenant.entry(key).or_default().push((partition, number));
            }
            other => others.push((other, text)),
        }
    }
    assert_eq!(others, [((None, None), "no JSON".to_owned())]);
    assert_eq!(by_tenant.len(), 7);
    let partitions: std::collections::BTreeSet<_> =
        by_tenant.values().map(|messages| messages[0].0).collect();
    assert!(partitions.len() > 1);
    for messages in by_tenant.values() {
        assert!(messages.iter().all(|(partition, _)| *partition == messages[0].0));
        assert!(messages.is_sorted_by_key(|(_, number)| *number), "{messages:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broker_does_not_take_now_is_sent_again_and_is_there_once() {
    let cluster = cluster();
    let errors = [
        Error::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        Error::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        Error::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        // Not one that the library tries again.
        Error::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
    ];
    cluster.request_errors(RDKafkaApiKey::Produce, &errors);
    let config = config(
        &cluster.bootstrap_servers(),
        json!({ "request": { "retry_initial_backoff": "1ms", "retry_max_duration": "20ms" } }),
    );
    let documents = (0..50).map(|number| event(&number.to_string(), "t")).collect();
    let (status, refused) = run(&config, documents).await;
    assert_eq!((status, refused.len()), (EventStatus::Delivered, 0));
    let mut ids: Vec<usize> = read(&cluster, 50)
        .into_iter()
        .map(|(_, _, id, _)| id.unwrap().parse().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_too_large_is_refused() {
    let cluster = cluster();
    let config = config(
        &cluster.bootstrap_servers(),
        json!({ "message_max_bytes": "2KiB" }),
    );
    let huge = event(&"x".repeat(5_000), "t");
    let (status, refused) = run(&config, vec![event("1", "t"), huge.clone(), event("2", "t")]).await;
    assert_eq!(status, EventStatus::Rejected);
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].0, huge);
    let reason = &refused[0].1.reason;
    assert!(reason.contains("message_max_bytes"), "{reason}");
    assert_eq!(read(&cluster, 2).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_says_what_answers_and_makes_no_topic() {
    let cluster = cluster();
    let servers = cluster.bootstrap_servers();
    let check = async |more: Value| config(&servers, more).healthcheck(&cx()).await;
    assert_eq!(check(json!({})).await.unwrap(), "1 brokers, 4 partitions");
    let other = check(json!({ "topic": "other" })).await.unwrap();
    assert!(other.contains("the topic is not there"), "{other}");
    let again = check(json!({ "topic": "other" })).await.unwrap();
    assert_eq!(other, again);
    let nobody = config("127.0.0.1:1", json!({ "request": { "timeout": "1s" } }));
    let error = nobody.healthcheck(&cx()).await.unwrap_err().to_string();
    assert!(error.contains("Connection refused"), "{error}");
}

#[test]
fn every_mistake_is_found_and_no_secret_is_shown() {
    let problems = |servers: &str, more: Value| -> Vec<String> {
        let problems = config(servers, more).validate(&cx());
        problems
            .into_iter()
            .map(|problem| format!("{}: {}", problem.field, problem.message))
            .collect()
    };
    assert!(problems("a:9092, b:9092", json!({})).is_empty());
    assert_eq!(
        problems(
            "a:9092,b",
            json!({
                "topic": "a b", "key_field": "a..b", "message_max_bytes": "1B",
                "sasl": { "mechanism": "PLAIN", "username": "u", "password": "" },
                "librdkafka_options": { "acks": "1", "partitioner": "random" },
                "encoding": { "codec": "pretty" },
            })
        ),
        [
            "bootstrap_servers: `b` is not an address",
            "topic: `a b` is not the name of a topic",
            "key_field: is not a path of a field",
            "message_max_bytes: 1B is out of range",
            "encoding.codec: `pretty` is for people",
            "sasl.mechanism: `PLAIN` shows the password to everybody on the way",
            "sasl.password: is empty",
            "librdkafka_options.acks: is set by the sink itself",
            "librdkafka_options.partitioner: is set by the sink itself",
        ]
    );
    assert_eq!(
        problems("a:9092", json!({ "librdkafka_options": { "no.such": "s3cret" } })),
        ["librdkafka_options.no.such: is unknown to librdkafka, or has a value that it does not take"]
    );
    assert_eq!(
        problems("a:9092", json!({ "tls": { "crt_file": "/no/such" } }))[1..],
        ["tls.key_file: is missing: `crt_file` needs its key"]
    );
    let secret = config(
        "a:9092",
        json!({ "sasl": { "mechanism": "SCRAM-SHA-512", "username": "u", "password": "s3cret" } }),
    );
    let shown = format!("{secret:?} {:?}", secret.0.destination(&cx()).unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}

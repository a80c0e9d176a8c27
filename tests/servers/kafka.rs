//! The `kafka` sink against a real broker, over TLS and with SCRAM, as one would have it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use super::{Server, free_ports, survive};
use crate::{
    numbered::{TENANTS, Tally, events, program},
    proxy::Proxy,
};

/// What a tenant's events came as.
#[derive(Debug, Default)]
struct Tenant {
    partition: Option<i32>,
    last: Option<u64>,
    /// Events that came after a later one.
    late: usize,
}

/// Reads the topic from its beginning to its end.
fn read_back(server: &Server) -> (Tally, BTreeMap<String, Tenant>) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", server.address(0).to_string())
        .set("group.id", "tests")
        .create()
        .unwrap();
    let wait = Duration::from_mins(1);
    let metadata = consumer.fetch_metadata(Some("audit"), wait).unwrap();
    let mut partitions = TopicPartitionList::new();
    let mut count = 0;
    for partition in metadata.topics()[0].partitions() {
        let (low, high) = consumer.fetch_watermarks("audit", partition.id(), wait).unwrap();
        count += high - low;
        partitions
            .add_partition_offset("audit", partition.id(), Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&partitions).unwrap();
    let (mut tally, mut tenants) = (Tally::default(), BTreeMap::<String, Tenant>::new());
    let mut read = 0;
    let deadline = Instant::now() + wait * 5;
    while read < count {
        assert!(Instant::now() < deadline, "{read} of {count} messages came");
        // Also ends when something else has happened.
        let Some(message) = consumer.poll(wait) else {
            continue;
        };
        let message = message.unwrap();
        read += 1;
        let document: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
        let id = document["event"]["id"].as_str().unwrap();
        tally.add_id(id);
        let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
        assert_eq!(key, document["organization"]["id"].as_str().unwrap());
        let tenant = tenants.entry(key).or_default();
        let number = id.parse().unwrap();
        assert_eq!(
            *tenant.partition.get_or_insert(message.partition()),
            message.partition()
        );
        tenant.late += usize::from(tenant.last > Some(number));
        tenant.last = tenant.last.max(Some(number));
    }
    (tally, tenants)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_repeated_when_it_crashes_and_connections_are_cut() {
    let [plain, tls, controller] = free_ports();
    let proxy = Proxy::to(([127, 0, 0, 1], tls).into()).await;
    // A client goes on to the address that the broker tells it.
    let through = format!(
        "advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://{}",
        proxy.address()
    );
    let Some(server) = Server::start("kafka", &through, &[plain, tls, controller]).await else {
        return;
    };
    let events = events(50_000);
    let dir = tempfile::tempdir().unwrap();
    let password = std::fs::read_to_string(server.dir().join("password")).unwrap();
    let sink = format!(
        "type: kafka, bootstrap_servers: \"{}\", topic: audit, compression: zstd, \
         sasl: {{ mechanism: SCRAM-SHA-512, username: o365, password: {} }}, tls: {{ ca_file: {:?} }}, \
         request: {{ retry_initial_backoff: 50ms, retry_max_duration: 1s }}",
        proxy.address(),
        password.trim(),
        server.dir().join("ca.pem"),
    );
    let mut child = program(dir.path(), &sink).spawn().unwrap();
    let took = survive(&server, &proxy, &mut child, events).await;
    let (tally, tenants) = read_back(&server);
    let (lost, extra) = (tally.lost(events), tally.extra());
    let late: usize = tenants.values().map(|tenant| tenant.late).sum();
    eprintln!("{events} events in {took:.0?}: {lost} lost, {extra} extra, {late} out of order");
    assert_eq!((lost, extra, late), (0, 0, 0));
    assert_eq!(tenants.len() as u64, TENANTS);
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(log.contains("health check: 1 brokers"), "{log}");
    assert!(!log.contains(password.trim()), "the password is in the log");
}

//! Everything that the service has arrives, once.

use std::time::Duration;

use base64::Engine as _;
use o365_core::{EventStatus, RunMode, ShutdownSignal, testing::source_contract};
use o365_simulator::{BlobContent, BlobSpec, ContentType, SimulatorConfig};

use o365_source::CertificateAlgorithm;

use crate::world::{World, counts, distinct};

#[tokio::test]
async fn all_feeds_of_all_tenants_arrive_completely_and_once() {
    let world = World::start(SimulatorConfig {
        page_size: 3,
        events_per_blob: 20,
        ..SimulatorConfig::demo(1, 2, 2_000)
    })
    .await;
    assert_eq!(world.collect().await, world.expected());
    world.assert_well_behaved();
    let report = world.handle().report();
    assert!(report.never_fetched().next().is_none());
    assert!(report.fetched_repeatedly().next().is_none());
    assert!(report.pages_never_requested.is_empty());
    assert!(report.longest_window().unwrap() <= chrono::TimeDelta::hours(6));

    let feeds = world.reader().feeds(world.handle().now()).unwrap();
    assert_eq!(feeds.len(), 10);
    for feed in feeds {
        assert_eq!(
            (feed.pending, feed.expired, feed.quarantined, feed.lag_seconds),
            (0, 0, 0, Some(0)),
            "{feed:?}"
        );
    }
    // Nothing is left for a second run.
    assert_eq!(world.collect().await, Vec::<String>::new());
    assert_eq!(world.handle().report().token_requests, 4);
}

#[tokio::test]
async fn repeated_events_are_delivered_once() {
    let world = World::start(SimulatorConfig {
        duplicate_percent: 40,
        events_per_blob: 10,
        ..SimulatorConfig::demo(2, 1, 1_000)
    })
    .await;
    assert_eq!(world.collect().await, world.expected());
    let stats = world.config.stats.feeds();
    assert!(
        stats.iter().map(|feed| feed.duplicates_dropped).sum::<u64>() > 0,
        "{stats:?}"
    );
}

#[tokio::test]
async fn repeated_events_all_arrive_when_nobody_wants_them_dropped() {
    let mut world = World::small(200, |simulated| simulated.duplicate_percent = 40).await;
    world.config.deduplicate = false;
    let arrived = world.collect().await;
    assert_eq!(distinct(&arrived), distinct(&world.expected()));
    assert!(arrived.len() > world.expected().len());
}

#[tokio::test]
async fn an_event_that_fails_in_one_blob_is_not_lost_to_its_repetition() {
    let world = World::small(0, |_| {}).await;
    let event = |id: &str| format!(r#"{{"Id":"{id}","CreationTime":"2026-01-15T11:00:00"}}"#);
    for (name, ids) in [("a", ["1", "2"]), ("b", ["2", "3"]), ("c", ["1", "3"])] {
        let mut spec = BlobSpec::new(
            world.tenants[0].clone(),
            ContentType::Exchange,
            BlobContent::Events(ids.map(event).to_vec()),
        );
        spec.content_id = Some(format!("20260115110000000000000${name}"));
        spec.created = Some(world.handle().now() - Duration::from_mins(5));
        world.handle().add_blob(spec).unwrap();
    }
    let mut refusals = 3;
    let collected = world
        .once_with(|_| {
            if refusals > 0 {
                refusals -= 1;
                EventStatus::Errored
            } else {
                EventStatus::Delivered
            }
        })
        .await;
    assert!(collected.result.is_ok(), "{:?}", collected.result);
    let arrived = crate::world::ids(&collected.documents);
    assert_eq!(distinct(&arrived), distinct(&["1", "2", "3"].map(str::to_owned)));
    // And nothing that was delivered comes again.
    assert_eq!(world.collect().await, Vec::<String>::new());
}

#[tokio::test]
async fn late_blobs_are_found_by_the_lookback_and_by_the_sweep() {
    let world = World::small(300, |simulated| {
        simulated.late_percent = 30;
        simulated.late_by = Duration::from_hours(30);
        simulated.events_per_blob = 10;
    })
    .await;
    let first = world.collect().await;
    assert!(first.len() < world.expected().len(), "some blobs must be late");
    world.handle().advance(Duration::from_hours(31));
    let mut all = world.collect().await;
    assert!(!all.is_empty());
    all.extend(first);
    all.sort();
    assert_eq!(all, world.expected());
}

#[tokio::test]
async fn blobs_on_the_borders_of_cells_arrive_once() {
    let world = World::small(0, |_| {}).await;
    let midnight = world.handle().now() - Duration::from_hours(12);
    let mut expected = Vec::new();
    for (number, offset) in [-1_i64, 0, 0, 1, 6 * 3_600_000, 6 * 3_600_000 - 1]
        .into_iter()
        .enumerate()
    {
        let mut spec = BlobSpec::new(
            world.tenants[0].clone(),
            ContentType::Exchange,
            BlobContent::Events(vec![format!(r#"{{"Id":"{number}"}}"#)]),
        );
        spec.created = Some(midnight + chrono::TimeDelta::milliseconds(offset));
        world.handle().add_blob(spec).unwrap();
        expected.push(number.to_string());
    }
    assert_eq!(world.collect().await, expected);
}

#[tokio::test]
async fn events_without_an_id_are_always_delivered() {
    let world = World::small(0, |_| {}).await;
    let events = vec![
        r#"{"a":1}"#.to_owned(),
        r#"{"a":1}"#.to_owned(),
        r#"{"Id":"","a":2}"#.to_owned(),
    ];
    for _ in 0..2 {
        world
            .handle()
            .add_blob(BlobSpec {
                created: Some(world.handle().now() - Duration::from_mins(1)),
                ..BlobSpec::new(
                    world.tenants[0].clone(),
                    ContentType::Exchange,
                    BlobContent::Events(events.clone()),
                )
            })
            .unwrap();
    }
    assert_eq!(counts(&world.collect().await)[""], 6);
}

#[tokio::test]
async fn metadata_names_where_an_event_came_from() {
    let world = World::small(50, |_| {}).await;
    let tenant = world.tenants[0].clone();
    let mut indexes = std::collections::BTreeMap::<String, Vec<u64>>::new();
    world
        .once_with(|event| {
            let origin = event.metadata().origin();
            assert_eq!(origin.tenant_id.as_deref(), Some(tenant.as_str()));
            assert_eq!(origin.tenant_name.as_deref(), Some("contoso.example"));
            assert_eq!(origin.content_type.as_deref(), Some("Audit.Exchange"));
            assert_eq!(origin.source_id.as_ref().unwrap().as_str(), "o365");
            assert!(origin.content_created.is_some());
            let content_id = origin.content_id.clone().unwrap();
            indexes
                .entry(content_id)
                .or_default()
                .push(event.metadata().index());
            EventStatus::Delivered
        })
        .await;
    for indexes in indexes.values() {
        assert_eq!(*indexes, (0..indexes.len() as u64).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn keeps_the_contract_of_sources() {
    let world = World::small(100, |simulated| simulated.events_per_blob = 10).await;
    let make = |out| world.source(out, RunMode::Once, ShutdownSignal::never());
    let contract = source_contract(make, 100, true);
    tokio::time::timeout(crate::world::PATIENCE, contract)
        .await
        .expect("the contract must end");
}

/// A world in which the application has a certificate.
async fn with_certificate() -> World {
    with_certificate_for(None).await
}

/// The same, at an authority that accepts only this algorithm.
async fn with_certificate_for(algorithm: Option<&str>) -> World {
    let mut world = World::small(50, |simulated| {
        simulated.assertion_algorithm = algorithm.map(str::to_owned);
        let text = include_str!("../fixtures/certificate/public-key.pem");
        let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
        let key = base64::engine::general_purpose::STANDARD.decode(body);
        simulated.assertion_keys = vec![key.expect("the fixture is base64")];
    })
    .await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/certificate/");
    world.config.client_secret = None;
    world.config.certificate = Some(format!("{folder}certificate.pem").into());
    world.config.key = Some(format!("{folder}key-encrypted.pem").into());
    world.config.key_passphrase = Some("correct-horse".into());
    world
}

#[tokio::test]
async fn an_assertion_follows_the_clock_of_the_service() {
    for minutes in [20, -20] {
        let mut world = with_certificate().await;
        world.set_back(chrono::TimeDelta::minutes(minutes));
        let expected = world.expected();
        assert_eq!(world.collect().await, expected, "{minutes} minutes behind");
        assert_eq!(world.handle().report().tokens_issued, 1);
    }
}

#[tokio::test]
async fn an_assertion_is_signed_as_the_authority_wants() {
    for (algorithm, only) in [
        (CertificateAlgorithm::Ps256, "PS256"),
        (CertificateAlgorithm::Rs256, "RS256"),
    ] {
        let mut world = with_certificate_for(Some(only)).await;
        world.config.certificate_algorithm = algorithm;
        assert_eq!(world.collect().await, world.expected());
    }
    let world = with_certificate_for(Some("RS256")).await;
    let error = world.once().await.result.unwrap_err().to_string();
    assert!(
        error.contains("AADSTS700027") && error.contains("`certificate_algorithm: RS256`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_certificate_is_as_good_as_a_secret() {
    let mut world = with_certificate().await;
    // The tests' certificate is younger than the simulated time, and nobody minds.
    assert_eq!(world.collect().await, world.expected());

    world.config.key_passphrase = Some("wrong".into());
    let error = world.build().await.unwrap_err();
    assert_eq!(error.problems[0].field, "key_passphrase");
    world.config.key = Some("nowhere.pem".into());
    assert_eq!(world.build().await.unwrap_err().problems[0].field, "key");
}

//! What exists: counts, determinism, duplicates, files, starting and stopping.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::Duration;

use o365_simulator::{ContentType, DEFAULT_NOW, SimClock, Simulator, SimulatorConfig, SimulatorError};
use serde_json::Value;

use crate::support::{World, small};

/// Fetches everything of all tenants as a client would: content id to body.
async fn harvest(config: SimulatorConfig) -> (World, BTreeMap<String, String>) {
    let (tenants, mut bodies) = (config.tenants.clone(), BTreeMap::new());
    let mut world = World::start(config).await;
    for (index, _) in tenants.iter().enumerate() {
        world.token = world.fresh_token(index).await;
        world.config.tenants.swap(0, index);
        for content_type in ContentType::ALL {
            for blob in world.everything(content_type).await {
                let body = world.fetch(&blob).await;
                assert_eq!(body.status, 200, "{body:?}");
                bodies.insert(blob["contentId"].as_str().unwrap().to_owned(), body.text);
            }
        }
        world.config.tenants.swap(0, index);
    }
    (world, bodies)
}

fn event_ids(bodies: &BTreeMap<String, String>) -> Vec<String> {
    bodies
        .values()
        .flat_map(|body| serde_json::from_str::<Vec<Value>>(body).unwrap())
        .map(|event| event["Id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn exactly_the_promised_number_of_events_is_served_and_known() {
    for events in [1, 7, 601] {
        let (world, bodies) = harvest(SimulatorConfig { events, ..small() }).await;
        let served = event_ids(&bodies);
        let distinct: BTreeSet<_> = served.iter().cloned().collect();
        assert_eq!((served.len() as u64, distinct.len() as u64), (events, events));
        assert_eq!(
            world.handle.all_event_ids().unwrap(),
            distinct.into_iter().collect::<Vec<_>>()
        );
        let report = world.handle.report();
        assert_eq!(report.fetched_once().count(), report.blobs.len());
    }
}

#[tokio::test]
async fn a_seed_is_a_world() {
    let (_, first) = harvest(small()).await;
    let (_, again) = harvest(small()).await;
    assert!(first.len() > 50);
    assert_eq!(first, again, "same seed, same bytes");
    let other = SimulatorConfig { seed: 43, ..small() };
    let (_, other) = harvest(other).await;
    let (first, other): (BTreeSet<_>, BTreeSet<_>) = (
        event_ids(&first).into_iter().collect(),
        event_ids(&other).into_iter().collect(),
    );
    assert!(!other.is_empty() && first.is_disjoint(&other));
}

#[tokio::test]
async fn duplicates_come_on_request_byte_for_byte() {
    let (world, bodies) = harvest(SimulatorConfig {
        duplicate_percent: 30,
        ..small()
    })
    .await;
    let served = event_ids(&bodies);
    let distinct: BTreeSet<_> = served.iter().collect();
    assert_eq!(distinct.len(), 600);
    assert!((650..900).contains(&served.len()), "{} served", served.len());
    assert_eq!(world.handle.all_event_ids().unwrap().len(), 600);
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for body in bodies.values() {
        for event in serde_json::from_str::<Vec<Value>>(body).unwrap() {
            texts
                .entry(event["Id"].to_string())
                .or_default()
                .insert(event.to_string());
        }
    }
    assert!(
        texts.values().all(|texts| texts.len() == 1),
        "a repeated event says the same"
    );
}

#[tokio::test]
async fn upcoming_blobs_appear_as_time_goes_by() {
    let mut config = SimulatorConfig {
        upcoming: Duration::from_hours(24),
        ..small()
    };
    config.history = Duration::from_hours(24);
    config.token_lifetime = Duration::from_hours(100);
    let world = World::start(config).await;
    let before = world.everything(ContentType::Exchange).await.len();
    world.handle.advance(Duration::from_hours(24));
    let after = world.everything(ContentType::Exchange).await.len();
    let all = world.handle.report().blobs;
    let all = all
        .iter()
        .filter(|blob| blob.tenant == world.tenant() && blob.content_type == ContentType::Exchange);
    assert_eq!(after, all.count());
    assert!(before > 0 && before < after, "{before} of {after}");
}

#[tokio::test]
async fn generated_blobs_can_be_late() {
    let config = SimulatorConfig {
        late_percent: 100,
        late_by: Duration::from_hours(49),
        ..small()
    };
    let world = World::start(SimulatorConfig {
        token_lifetime: Duration::from_hours(100),
        ..config
    })
    .await;
    assert_eq!(world.everything(ContentType::Exchange).await.len(), 0);
    world.handle.advance(Duration::from_hours(49));
    assert!(world.everything(ContentType::Exchange).await.len() > 10);
}

#[tokio::test]
async fn files_are_served_line_by_line_in_the_feeds_they_belong_to() {
    let config = SimulatorConfig {
        events: 0,
        events_per_blob: 2,
        ..small()
    };
    let other = config.tenants[1].id.to_uppercase();
    let lines = [
        r#"{"Id":"a","RecordType":15,"Workload":"AzureActiveDirectory", "odd" :  1}"#.to_owned(),
        r#"{"Id":"b","RecordType":2,"Workload":"Exchange"}"#.to_owned(),
        format!(r#"{{"Id":"c","RecordType":6,"Workload":"OneDrive","OrganizationId":"{other}"}}"#),
        r#"{"Id":"d","RecordType":13,"Workload":"Exchange"}"#.to_owned(),
        r#"{"Id":"e","RecordType":987,"Workload":"Brand New"}"#.to_owned(),
        r#"{"Id":"f","RecordType":1,"Workload":"Exchange"}"#.to_owned(),
        r#"{"Id":"g","RecordType":50,"Workload":"Exchange"}"#.to_owned(),
    ];
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        "{}\r\n\n  \n{}",
        lines[..3].join("\n"),
        lines[3..].join("\n")
    )
    .unwrap();
    let (world, bodies) = harvest(SimulatorConfig {
        files: vec![file.path().to_owned()],
        ..config
    })
    .await;

    let expect = |tenant: usize, content_type, ids: &[&str]| {
        let found = world
            .handle
            .event_ids(&world.config.tenants[tenant].id, content_type)
            .unwrap();
        assert_eq!(found, ids, "{content_type}");
    };
    expect(0, ContentType::AzureActiveDirectory, &["a"]);
    expect(0, ContentType::Exchange, &["b", "f", "g"]);
    expect(1, ContentType::SharePoint, &["c"]);
    expect(0, ContentType::Dlp, &["d"]);
    expect(0, ContentType::General, &["e"]);
    let all: String = bodies.values().cloned().collect();
    for line in &lines {
        assert!(all.contains(line.as_str()), "{line} is served byte for byte");
    }
    assert_eq!(bodies.len(), 6, "three Exchange records make two blobs");
}

#[tokio::test]
async fn bad_files_and_configurations_fail_at_the_start() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{{\"Id\":\"a\"}}\nnot json").unwrap();
    let error = |config| async { Simulator::start_local(config).await.unwrap_err() };
    let parse = error(SimulatorConfig {
        files: vec![file.path().to_owned()],
        ..small()
    })
    .await;
    assert!(
        matches!(parse, SimulatorError::ParseLine { line: 2, .. }),
        "{parse}"
    );
    let missing = error(SimulatorConfig {
        files: vec!["/nowhere/at/all".into()],
        ..small()
    })
    .await;
    assert!(matches!(missing, SimulatorError::ReadFile { .. }), "{missing}");
    let empty = error(SimulatorConfig {
        tenants: Vec::new(),
        ..small()
    })
    .await;
    assert!(matches!(empty, SimulatorError::Config(_)), "{empty}");
}

#[tokio::test]
async fn it_stops_and_the_port_is_free_again() {
    let world = World::start(small()).await;
    let address = world
        .simulator
        .base_url()
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let url = world.url("subscriptions/list");
    world.simulator.stop().await;
    assert!(world.client.get(&url).send().await.is_err());
    let listener = tokio::net::TcpListener::bind(&address).await.unwrap();
    let config = SimulatorConfig {
        clock: SimClock::running(DEFAULT_NOW),
        ..small()
    };
    let again = Simulator::start(config, listener).await.unwrap();
    assert_eq!(again.base_url(), format!("http://{address}"));
    assert!(again.handle().now() >= DEFAULT_NOW);
}

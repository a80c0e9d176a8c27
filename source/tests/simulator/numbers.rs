//! The numbers that a host shows agree with what the service saw, and what needs a person is an alarm.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use o365_simulator::{Action, ContentType, FaultRule, Operation, SimulatorConfig};
use o365_source::AlarmKind;

use crate::world::World;

#[tokio::test]
async fn the_numbers_are_what_the_service_saw() {
    let world = World::start(SimulatorConfig::demo(3, 2, 400)).await;
    world.faults([FaultRule {
        nth: Some(2),
        ..FaultRule::new(
            Operation::FetchBlob,
            Action::Html {
                status: 503,
                retry_after: None,
            },
        )
    }]);
    let events = world.collect().await.len() as u64;
    let report = world.handle().report();
    let stats = &world.config.stats;

    let feeds = stats.feeds();
    assert_eq!(feeds.len(), 10);
    assert_eq!(feeds.iter().map(|feed| feed.events_sent).sum::<u64>(), events);
    let blobs = report.blobs.len() as u64;
    assert_eq!(feeds.iter().map(|feed| feed.blobs_delivered).sum::<u64>(), blobs);
    assert_eq!(feeds.iter().map(|feed| feed.blobs_retried).sum::<u64>(), 1);

    let mut requests: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for tenant in stats.tenants() {
        assert!(tenant.token_expires.unwrap() > world.handle().now());
        assert!(tenant.certificate_expires.is_none());
        assert!(TimeDelta::milliseconds(tenant.clock_skew_millis).abs() < TimeDelta::seconds(2));
        for count in tenant.requests {
            *requests.entry((count.request, count.outcome)).or_default() += count.count;
        }
    }
    assert_eq!(requests[&("token", "ok")], report.token_requests);
    assert_eq!(requests[&("start", "ok")], 10);
    assert_eq!(requests[&("blob", "ok")], blobs);
    assert_eq!(requests[&("blob", "server_error")], 1);
    assert!(!requests.contains_key(&("blob", "refused")), "{requests:?}");

    // The last look is at the end.
    let view = stats.ledger();
    assert_eq!(view.feeds.len(), 10);
    assert!(
        view.feeds
            .iter()
            .all(|feed| feed.pending == 0 && feed.low_watermark.is_some())
    );
    assert_eq!(view.alarms, []);
}

#[tokio::test]
async fn what_is_set_aside_is_an_alarm() {
    let mut world = World::small(40, |_| {}).await;
    world.config.quarantine_attempts = 1;
    let blob = world.handle().report().blobs[0].clone();
    world.faults([FaultRule {
        content_id: Some(blob.content_id),
        ..FaultRule::new(
            Operation::FetchBlob,
            Action::Respond {
                status: 200,
                headers: BTreeMap::new(),
                body: "not JSON".to_owned(),
            },
        )
    }]);
    assert!(world.once().await.result.is_ok());
    let view = world.config.stats.ledger();
    let [alarm] = view.alarms.as_slice() else {
        panic!("{view:?}");
    };
    assert_eq!(alarm.kind, AlarmKind::Quarantined);
    assert_eq!(alarm.tenant.as_deref(), Some(world.tenants[0].as_str()));
    assert_eq!(
        alarm.content_type.as_deref(),
        Some(ContentType::Exchange.as_str())
    );
}

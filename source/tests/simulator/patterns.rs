//! The rest of reference §14: more causes of loss and repetition, each named after the collector that has it. The patterns
//! behind them are listed with their tests in `collectors`.

use std::time::Duration;

use chrono::TimeDelta;
use o365_core::EventStatus;
use o365_simulator::{Action, ContentType, FaultRule, Operation, SimulatorConfig};
use o365_source::ledger::BlobState;

use crate::{
    collectors::add,
    world::{World, id},
};

fn error(code: &str) -> Action {
    Action::Error {
        code: code.to_owned(),
        status: None,
        message: None,
    }
}

fn out_of_order() -> Action {
    Action::Html {
        status: 503,
        retry_after: None,
    }
}

/// Pages in no order, with descriptors that come twice and addresses full of odd characters.
async fn odd_pages() -> World {
    World::small(200, |simulated| {
        simulated.events_per_blob = 5;
        simulated.page_size = 2;
        simulated.listing.repeat_descriptors = true;
    })
    .await
}

/// Filebeat (4), Matano (4) and `UTMStack`: pages are sorted one by one, rebuilt by a pattern, or not followed.
#[tokio::test]
async fn filebeat_skips_older_entries_of_later_pages() {
    let world = odd_pages().await;
    assert!(world.handle().report().blobs.len() > 20);
    assert_eq!(world.collect().await, world.expected());
    assert!(world.handle().report().pages_never_requested.is_empty());
}

/// Filebeat (5), o365beat (3): a failed blob is overtaken by newer ones, and a crash then loses it.
#[tokio::test]
async fn filebeat_loses_a_failed_blob_that_newer_ones_overtake() {
    let mut world = World::small(0, |_| {}).await;
    world.config.once_give_up_after = Duration::from_secs(1);
    let bad = add(&world, TimeDelta::hours(3), &["old"]);
    add(&world, TimeDelta::hours(2), &["new"]);
    world.faults([FaultRule {
        content_id: Some(bad),
        ..FaultRule::new(Operation::FetchBlob, out_of_order())
    }]);
    let collected = world.once().await;
    assert!(collected.result.is_err(), "it does not count as complete");
    assert_eq!(crate::world::ids(&collected.documents), ["new"]);
    world.faults([]);
    assert_eq!(world.collect().await, ["old"]);
}

/// Filebeat (6), Elastic's CEL program (6), graph2otel (3): what is gone or expired is skipped without a word.
#[tokio::test]
async fn filebeat_says_nothing_of_a_blob_that_is_gone() {
    let mut world = World::small(0, |_| {}).await;
    world.config.quarantine_attempts = 1;
    world.config.quarantine_after = Duration::ZERO;
    let gone = add(&world, TimeDelta::hours(3), &["gone"]);
    let expired = add(&world, TimeDelta::hours(2), &["expired"]);
    let fails = |blob: &str, code| FaultRule {
        content_id: Some(blob.to_owned()),
        ..FaultRule::new(Operation::FetchBlob, error(code))
    };
    world.faults([fails(&gone, "AF20050"), fails(&expired, "AF20051")]);
    assert!(world.collect().await.is_empty());
    let named = |state| world.reader().blobs(state, 2).unwrap().remove(0).content_id;
    assert_eq!(named(BlobState::Quarantined), gone);
    assert_eq!(named(BlobState::Expired), expired);
}

/// Filebeat (7), Wazuh (4), ddbnl (1): what a downtime has lost is in the log at most; or all of it is lost.
#[tokio::test]
async fn filebeat_forgets_what_a_downtime_has_lost() {
    let world = World::small(0, |_| {}).await;
    assert!(world.collect().await.is_empty());
    // Within the retention nothing is lost, beyond it the ledger says what.
    world.handle().advance(Duration::from_hours(150));
    add(&world, TimeDelta::hours(140), &["meanwhile"]);
    assert_eq!(world.collect().await, ["meanwhile"]);
    assert_eq!(world.feed().gaps.len(), 0);
    world.handle().advance(Duration::from_hours(200));
    assert!(world.collect().await.is_empty());
    let gaps = world.feed().gaps;
    let lost: TimeDelta = gaps.iter().map(|gap| gap.to - gap.from).sum();
    assert!(
        lost > TimeDelta::hours(31) && lost < TimeDelta::hours(33),
        "{lost}"
    );
}

/// Filebeat and ddbnl (2): a body that makes no sense restarts everything for ever, or counts as known.
#[tokio::test]
async fn filebeat_restarts_for_ever_at_a_body_that_makes_no_sense() {
    let mut world = World::small(0, |_| {}).await;
    world.config.quarantine_attempts = 1;
    world.config.quarantine_after = Duration::ZERO;
    let bad = add(&world, TimeDelta::hours(3), &["a"]);
    add(&world, TimeDelta::hours(2), &["b"]);
    world.faults([FaultRule {
        content_id: Some(bad.clone()),
        ..FaultRule::new(Operation::FetchBlob, Action::EmptyBody)
    }]);
    assert_eq!(world.collect().await, ["b"]);
    let kept = world.reader().blobs(BlobState::Quarantined, 9).unwrap();
    assert_eq!(
        kept.iter().map(|blob| &blob.content_id).collect::<Vec<_>>(),
        [&bad]
    );
}

/// Elastic's CEL program (4): when every blob of a page fails, the pages behind it are forgotten.
#[tokio::test]
async fn elastic_cel_forgets_the_pages_behind_one_whose_blobs_all_fail() {
    let world = odd_pages().await;
    world.faults([FaultRule {
        times: Some(2),
        ..FaultRule::new(Operation::FetchBlob, out_of_order())
    }]);
    assert_eq!(world.collect().await, world.expected());
}

/// Elastic's CEL program (5), Wazuh (3), Matano (5), observIQ (1): a listing that fails moves the cursor, counts as empty,
/// or ends the process.
#[tokio::test]
async fn observiq_advances_although_a_listing_failed() {
    let mut world = World::small(100, |simulated| simulated.events_per_blob = 10).await;
    world.config.once_give_up_after = Duration::from_secs(1);
    for action in [out_of_order(), error("AF20055"), error("AF20020")] {
        world.faults([FaultRule::new(Operation::ListContent, action.clone())]);
        let collected = world.once().await;
        assert!(
            collected.result.is_err() && collected.documents.is_empty(),
            "{action:?}"
        );
    }
    world.faults([]);
    assert_eq!(world.collect().await, world.expected());
}

/// Elastic's CEL program (7), Wazuh, Matano (2): `start` on every poll or never; blobs without `PublisherIdentifier`.
#[tokio::test]
async fn elastic_cel_starts_at_every_poll_and_forgets_the_publisher() {
    let world = World::small(100, |_| {}).await;
    assert_eq!(world.collect().await, world.expected());
    for _ in 0..3 {
        world.handle().advance(Duration::from_hours(1));
        assert!(world.collect().await.is_empty());
    }
    let report = world.handle().report();
    assert_eq!(report.starts.len(), 1);
    assert!(report.without_publisher.is_empty());
    world.assert_well_behaved();
}

/// Elastic's later rewrite: a broken connection froze everything; then, lasting failure counted as health.
#[tokio::test]
async fn elastic_rewrite_freezes_and_calls_it_health() {
    let mut world = World::small(100, |simulated| simulated.events_per_blob = 10).await;
    world.faults([FaultRule {
        percent: Some(30),
        ..FaultRule::new(Operation::FetchBlob, Action::Truncate { after: 300 })
    }]);
    assert_eq!(world.collect().await, world.expected());
    world.config.once_give_up_after = Duration::from_secs(1);
    world.faults([FaultRule::new(Operation::ListContent, Action::Reset)]);
    assert!(world.once().await.result.is_err());
    assert!(world.feed().last_error.is_some(), "the ledger says what is wrong");
}

/// Wazuh (5): the page behind an empty one is not followed.
#[tokio::test]
async fn wazuh_stops_at_an_empty_page() {
    let world = World::small(100, |simulated| simulated.events_per_blob = 10).await;
    world.faults([FaultRule::new(Operation::ListContent, Action::EmptyPageFirst)]);
    assert_eq!(world.collect().await, world.expected());
}

/// Wazuh, Matano (3): one blob that fails has everything around it read again, and perhaps lost.
#[tokio::test]
async fn wazuh_reads_the_whole_window_again_for_one_blob() {
    let world = World::small(0, |_| {}).await;
    let bad = add(&world, TimeDelta::hours(3), &["a"]);
    add(&world, TimeDelta::hours(3), &["b"]);
    world.faults([FaultRule {
        content_id: Some(bad),
        times: Some(1),
        ..FaultRule::new(Operation::FetchBlob, out_of_order())
    }]);
    assert_eq!(world.collect().await, ["a", "b"]);
    let report = world.handle().report();
    assert_eq!(report.requests[&Operation::FetchBlob], 3);
    assert_eq!(report.fetched_once().count(), 2);
}

/// ddbnl (4): a blob that takes longer than three seconds is given up.
#[tokio::test]
async fn ddbnl_gives_up_what_takes_longer_than_three_seconds() {
    let world = World::small(0, |_| {}).await;
    add(&world, TimeDelta::hours(3), &["a"]);
    world.faults([FaultRule::new(
        Operation::FetchBlob,
        Action::SlowBody {
            pieces: 2,
            pause_ms: 1_700,
        },
    )]);
    assert_eq!(world.collect().await, ["a"]);
    assert_eq!(world.handle().report().requests[&Operation::FetchBlob], 1);
}

/// ddbnl (5): there is one token, however long the run is.
#[tokio::test]
async fn ddbnl_has_one_token_a_run() {
    let world = World::small(100, |simulated| simulated.events_per_blob = 10).await;
    world.faults([
        FaultRule::new(Operation::Token, Action::TokenLifetime { secs: 1 }),
        FaultRule {
            on: Some(Operation::ListContent),
            delay_ms: 60,
            ..FaultRule::default()
        },
    ]);
    assert_eq!(world.collect().await, world.expected());
    assert!(world.handle().report().tokens_issued > 1);
    assert_eq!(world.handle().report().refused_token, 0);
}

/// ddbnl (6): windows of exactly a day, seven days back to the second.
#[tokio::test]
async fn ddbnl_asks_for_what_the_service_may_refuse() {
    let world = World::small(100, |simulated| simulated.listing.refuse_exactly_24_hours = true).await;
    assert_eq!(world.collect().await, world.expected());
    world.assert_well_behaved();
}

/// o365beat (2), graph2otel (2): one cursor for all content types.
#[tokio::test]
async fn o365beat_has_one_cursor_for_all_content_types() {
    let mut simulated = SimulatorConfig::demo(5, 1, 200);
    simulated.events_per_blob = 10;
    let mut world = World::start(simulated).await;
    world.config.once_give_up_after = Duration::from_secs(1);
    world.faults([FaultRule {
        content_type: Some(ContentType::Exchange),
        ..FaultRule::new(Operation::ListContent, out_of_order())
    }]);
    let mut arrived: Vec<_> = world.once().await.documents.iter().map(id).collect();
    assert!(!arrived.is_empty());
    world.faults([]);
    arrived.extend(world.collect().await);
    arrived.sort();
    assert_eq!(arrived, world.expected());
}

/// Wazuh (6): what the queue refused is only in the log. ddbnl's kill: what was delivered comes again.
#[tokio::test]
async fn wazuh_forgets_what_its_queue_refused() {
    let mut world = World::small(100, |simulated| simulated.events_per_blob = 10).await;
    world.config.once_give_up_after = Duration::from_secs(1);
    let refused = world.once_with(|_| EventStatus::Errored).await;
    assert!(refused.result.is_err());
    assert_eq!(world.collect().await, world.expected());
    assert!(world.collect().await.is_empty());
}

//! Where other collectors lose or repeat data (reference §14), ours does not. Each test is one cause, named after the
//! collector that has it. The patterns behind the causes, and a test of each (`tests/tables.rs` of the project looks
//! whether they exist):
//!
//! | pattern | test |
//! |---|---|
//! | 1 a cursor with nothing remembered below it | `filebeat_skips_what_is_older_than_its_cursor` |
//! | 2 an epsilon added to a cursor | `elastic_cel_loses_the_second_after_its_cursor` |
//! | 3 advancing on empty, partial, oversized or error answers | `elastic_cel_moves_past_late_blobs_on_an_empty_answer` `wazuh_ends_a_window_at_a_large_body` `observiq_advances_although_a_listing_failed` |
//! | 4 advancing before delivery is confirmed | `ddbnl_forgets_what_the_sink_refused` `wazuh_forgets_what_its_queue_refused` |
//! | 5 headers and parameters with case | `filebeat_misses_pages_when_the_header_is_spelled_otherwise` |
//! | 6 `NextPageUri` as resume state | `a_stale_or_failing_page_lists_the_window_again` |
//! | 7 a failing blob that blocks, or is overtaken | `filebeat_loses_a_failed_blob_that_newer_ones_overtake` `elastic_cel_passes_a_blob_that_failed` |
//! | 8 one cursor for several content types | `o365beat_has_one_cursor_for_all_content_types` |
//! | 9 one token a cycle | `ddbnl_has_one_token_a_run` |
//! | 10 `start` at every poll, no `PublisherIdentifier` | `elastic_cel_starts_at_every_poll_and_forgets_the_publisher` |
//! | 11 healthy while nothing is collected | `elastic_rewrite_freezes_and_calls_it_health` |
//! | 12 silent skips | `filebeat_says_nothing_of_a_blob_that_is_gone` `filebeat_restarts_for_ever_at_a_body_that_makes_no_sense` |

use std::time::Duration;

use chrono::TimeDelta;
use o365_core::EventStatus;
use o365_simulator::{Action, BlobContent, BlobSpec, ContentType, Count, FaultRule, Operation};

use crate::world::{World, id, ids, once};

/// Adds a blob with one event per id, so long ago. Its content id.
pub(crate) fn add(world: &World, age: TimeDelta, events: &[&str]) -> String {
    let events = events.iter().map(|id| format!(r#"{{"Id":"{id}"}}"#)).collect();
    let mut spec = BlobSpec::new(
        world.tenants[0].clone(),
        ContentType::Exchange,
        BlobContent::Events(events),
    );
    spec.created = Some(world.handle().now() - age);
    world
        .handle()
        .add_blob(spec)
        .expect("the simulator takes any blob")
}

/// Filebeat (1): what is older than the newest blob seen is skipped. Also Matano (1), `UTMStack`'s and Wazuh's "now".
#[tokio::test]
async fn filebeat_skips_what_is_older_than_its_cursor() {
    let world = World::small(0, |_| {}).await;
    add(&world, TimeDelta::hours(2), &["new"]);
    assert_eq!(world.collect().await, ["new"]);
    add(&world, TimeDelta::hours(50), &["late"]);
    assert_eq!(world.collect().await, ["late"]);
}

/// Filebeat (2): of two blobs of the same millisecond it takes one.
#[tokio::test]
async fn filebeat_skips_the_second_blob_of_a_millisecond() {
    let world = World::small(0, |_| {}).await;
    add(&world, TimeDelta::hours(2), &["a"]);
    assert_eq!(world.collect().await, ["a"]);
    add(&world, TimeDelta::hours(2), &["b"]);
    assert_eq!(world.collect().await, ["b"]);
}

/// Filebeat (3): a header in another case hides the pages that follow.
#[tokio::test]
async fn filebeat_misses_pages_when_the_header_is_spelled_otherwise() {
    let world = World::small(200, |simulated| {
        simulated.events_per_blob = 10;
        simulated.page_size = 2;
    })
    .await;
    let name = "NEXTPAGEURI".to_owned();
    world.faults([FaultRule::new(
        Operation::ListContent,
        Action::NextPageHeader { name },
    )]);
    assert_eq!(world.collect().await, world.expected());
}

/// Elastic's CEL program (1) and o365beat: one second is added to the cursor, and what lies in it is lost.
#[tokio::test]
async fn elastic_cel_loses_the_second_after_its_cursor() {
    let world = World::small(0, |_| {}).await;
    add(&world, TimeDelta::hours(2), &["a"]);
    assert_eq!(world.collect().await, ["a"]);
    add(&world, TimeDelta::hours(2) - TimeDelta::milliseconds(400), &["b"]);
    assert_eq!(world.collect().await, ["b"]);
}

/// Elastic's CEL program (2): an empty answer moves the cursor to now.
#[tokio::test]
async fn elastic_cel_moves_past_late_blobs_on_an_empty_answer() {
    let world = World::small(0, |_| {}).await;
    assert!(world.collect().await.is_empty());
    add(&world, TimeDelta::hours(30), &["late"]);
    assert_eq!(world.collect().await, ["late"]);
}

/// Elastic's CEL program (3) and o365beat: the cursor passes a blob that was answered with an error.
#[tokio::test]
async fn elastic_cel_passes_a_blob_that_failed() {
    let world = World::small(100, |simulated| simulated.events_per_blob = 10).await;
    world.faults([FaultRule {
        count: Count::Blob,
        times: Some(1),
        ..FaultRule::new(
            Operation::FetchBlob,
            Action::Html {
                status: 502,
                retry_after: None,
            },
        )
    }]);
    assert_eq!(world.collect().await, world.expected());
}

/// Wazuh (2): an answer above 1 MiB ends the window as a success.
#[tokio::test]
async fn wazuh_ends_a_window_at_a_large_body() {
    let world = World::small(100, |simulated| simulated.events_per_blob = 10).await;
    world.faults([once(Operation::FetchBlob, Action::PadTo { bytes: 3 << 20 })]);
    assert_eq!(world.collect().await, world.expected());
}

/// ddbnl (3) and `observIQ`: what the sink refused counts as done.
#[tokio::test]
async fn ddbnl_forgets_what_the_sink_refused() {
    let world = World::small(0, |_| {}).await;
    add(&world, TimeDelta::hours(2), &["a", "b"]);
    let mut refused = false;
    let collected = world
        .once_with(|event| {
            if !refused && id(&event.to_bytes()) == "b" {
                refused = true;
                return EventStatus::Errored;
            }
            EventStatus::Delivered
        })
        .await;
    let mut arrived = ids(&collected.documents);
    arrived.dedup();
    assert!(refused);
    assert_eq!(arrived, ["a", "b"]);
}

/// graph2otel: ids are forgotten after two hours, so what comes again days later passes.
#[tokio::test]
async fn graph2otel_repeats_what_comes_again_days_later() {
    let world = World::small(0, |_| {}).await;
    add(&world, TimeDelta::hours(2), &["a"]);
    assert_eq!(world.collect().await, ["a"]);
    world.handle().advance(Duration::from_hours(72));
    add(&world, TimeDelta::hours(1), &["a", "b"]);
    assert_eq!(world.collect().await, ["b"]);
}

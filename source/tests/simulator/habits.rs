//! Habits of the service that are no faults (reference §16): odd lists, blobs that grow, events that come again elsewhere,
//! expirations of all kinds.

use chrono::TimeDelta;
use o365_simulator::{Action, BlobContent, BlobSpec, ContentType, FaultRule, Operation, SimulatorConfig};

use crate::{collectors::add, world::World};

#[tokio::test]
async fn a_list_of_subscriptions_may_be_odd() {
    for action in [
        Action::MissingStatus,
        Action::UnknownContentType,
        Action::WebhookObject,
        Action::EmptyArray,
    ] {
        let world = World::small(50, |simulated| simulated.subscribed = true).await;
        world.faults([FaultRule::new(Operation::ListSubscriptions, action.clone())]);
        assert_eq!(world.collect().await, world.expected(), "{action:?}");
        world.assert_well_behaved();
    }
}

/// The same blob again under another id, with more in it.
#[tokio::test]
async fn a_blob_that_grows_is_delivered_once() {
    let world = World::small(0, |_| {}).await;
    add(&world, TimeDelta::hours(2), &["a", "b"]);
    assert_eq!(world.collect().await, ["a", "b"]);
    add(&world, TimeDelta::hours(2), &["a", "b", "c", "d"]);
    assert_eq!(world.collect().await, ["c", "d"]);
}

#[tokio::test]
async fn an_event_of_two_content_types_is_delivered_once() {
    let world = World::start(SimulatorConfig::demo(7, 1, 0)).await;
    for content_type in ContentType::ALL {
        let events = vec![r#"{"Id":"the same"}"#.to_owned()];
        let spec = BlobSpec::new(
            world.tenants[0].clone(),
            content_type,
            BlobContent::Events(events),
        );
        world.handle().add_blob(spec).unwrap();
    }
    assert_eq!(world.collect().await, ["the same"]);
}

/// What has expired by its own word is asked for nevertheless: words have been wrong.
#[tokio::test]
async fn whenever_a_blob_expires_it_is_asked_for() {
    let world = World::small(0, |_| {}).await;
    let now = world.handle().now();
    for (number, left) in [-1, 1, 7 * 24, 21 * 24].into_iter().enumerate() {
        let events = vec![format!(r#"{{"Id":"{number}"}}"#)];
        let tenant = world.tenants[0].clone();
        let spec = BlobSpec {
            created: Some(now - TimeDelta::hours(30)),
            expires: Some(now + TimeDelta::hours(left)),
            ..BlobSpec::new(tenant, ContentType::Exchange, BlobContent::Events(events))
        };
        world.handle().add_blob(spec).unwrap();
    }
    assert_eq!(world.collect().await, ["1", "2", "3"]);
    assert_eq!(world.feed().expired, 1);
    assert_eq!(world.handle().report().requests[&Operation::FetchBlob], 4);
}

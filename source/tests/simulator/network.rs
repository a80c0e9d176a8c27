//! What lies between the source and the service.

use std::time::Duration;

use o365_simulator::{FaultRule, Operation};

use crate::world::{PATIENCE, World};

/// The first of these requests is answered long after the test has ended.
fn stuck(on: Operation) -> FaultRule {
    FaultRule {
        on: Some(on),
        nth: Some(1),
        delay_ms: 10 * PATIENCE.as_secs() * 1_000,
        ..FaultRule::default()
    }
}

#[tokio::test]
async fn a_request_that_is_stuck_is_given_up_after_its_timeout_and_made_again() {
    let mut world = World::small(20, |_| {}).await;
    world.config.api.request_timeout = Duration::from_secs(1);
    world.faults(
        [
            Operation::Token,
            Operation::ListSubscriptions,
            Operation::ListContent,
        ]
        .map(stuck),
    );
    assert_eq!(world.collect().await, world.expected());
}

#[tokio::test]
async fn a_blob_has_a_timeout_of_its_own_and_silence_has_one_too() {
    for (blob, read) in [(1, 3_600), (3_600, 1)] {
        let mut world = World::small(20, |_| {}).await;
        world.config.api.blob_timeout = Duration::from_secs(blob);
        world.config.api.read_timeout = Duration::from_secs(read);
        world.faults([stuck(Operation::FetchBlob)]);
        assert_eq!(world.collect().await, world.expected());
    }
}

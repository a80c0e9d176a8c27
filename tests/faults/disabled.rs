//! Subscriptions that an administrator disables while a run goes on.

use o365_simulator::{Action, BlobReport, ContentType, FaultRule, Operation};

use super::{PASSES, Scenario, hold};

fn in_the_middle(blobs: &[BlobReport], on: Operation, nth: u64) -> Vec<FaultRule> {
    vec![FaultRule {
        tenant: Some(blobs[0].tenant.clone()),
        content_type: Some(ContentType::Exchange),
        nth: Some(nth),
        ..FaultRule::new(on, Action::DisableSubscription)
    }]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_is_disabled_is_started_again_at_once() {
    hold([
        Scenario {
            name: "a subscription is disabled while its content is listed",
            world: |world| world.subscribed = true,
            faults: |blobs| in_the_middle(blobs, Operation::ListContent, 5),
            told: "AF20023",
            ..PASSES
        },
        Scenario {
            name: "a subscription is disabled while its blobs are fetched",
            world: |world| world.subscribed = true,
            faults: |blobs| in_the_middle(blobs, Operation::FetchBlob, 2),
            told: "AF20023",
            ..PASSES
        },
    ])
    .await;
}

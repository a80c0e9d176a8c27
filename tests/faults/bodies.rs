//! Blobs whose text is odd, large, repeated, or no text at all.

use o365_simulator::{Action, BlobReport, FaultRule, Operation};

use super::{Lost, PASSES, Scenario, hold};

fn every_second(action: Action) -> Vec<FaultRule> {
    vec![FaultRule {
        every: Some(2),
        ..FaultRule::new(Operation::FetchBlob, action)
    }]
}

fn third(blobs: &[BlobReport], action: Action) -> Vec<FaultRule> {
    vec![FaultRule {
        content_id: Some(blobs[3].content_id.clone()),
        ..FaultRule::new(Operation::FetchBlob, action)
    }]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_odd_around_the_events_costs_none() {
    hold([
        Scenario {
            name: "byte order marks",
            faults: |_| every_second(Action::Bom),
            told: "byte order mark",
            ..PASSES
        },
        Scenario {
            name: "null elements",
            faults: |_| every_second(Action::NullElement),
            told: "null element",
            ..PASSES
        },
        Scenario {
            name: "bytes behind the array",
            faults: |_| {
                every_second(Action::Trailing {
                    text: "\n<!-- -->".to_owned(),
                })
            },
            told: "bytes behind",
            ..PASSES
        },
        Scenario {
            name: "an object for an array",
            world: |world| world.events_per_blob = 1,
            faults: |_| every_second(Action::ObjectInsteadOfArray),
            told: "an object instead of an array",
            ..PASSES
        },
        Scenario {
            name: "compressed bodies",
            faults: |_| {
                vec![
                    FaultRule::new(Operation::ListContent, Action::Gzip),
                    FaultRule::new(Operation::FetchBlob, Action::Gzip),
                ]
            },
            ..PASSES
        },
        Scenario {
            name: "blobs of 20 MB",
            faults: |_| {
                vec![FaultRule {
                    times: Some(2),
                    ..FaultRule::new(Operation::FetchBlob, Action::PadTo { bytes: 20_000_000 })
                }]
            },
            ..PASSES
        },
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_twice_is_delivered_once() {
    hold([
        Scenario {
            name: "events come again in the same blob",
            faults: |_| every_second(Action::RepeatFirstEvent),
            ..PASSES
        },
        Scenario {
            name: "events come again in other blobs, and blobs on other pages",
            world: |world| {
                world.duplicate_percent = 30;
                world.page_size = 2;
                world.listing.repeat_descriptors = true;
            },
            faults: |_| every_second(Action::RepeatFirstEvent),
            ..PASSES
        },
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_makes_no_sense_is_named_and_holds_up_nobody() {
    let poison = |name, faults| Scenario {
        name,
        faults,
        lost: Lost::Blob(3),
        told: "gave up",
        ..PASSES
    };
    hold([
        poison("a blob is no JSON", |blobs| {
            third(
                blobs,
                Action::Respond {
                    status: 200,
                    headers: std::collections::BTreeMap::new(),
                    body: "[{\"Id\":".to_owned(),
                },
            )
        }),
        poison("a blob is empty", |blobs| third(blobs, Action::EmptyBody)),
        poison("a blob is not found", |blobs| {
            third(
                blobs,
                Action::Error {
                    code: "AF20050".to_owned(),
                    status: None,
                    message: None,
                },
            )
        }),
        poison("a blob is an error under 200", |blobs| {
            third(
                blobs,
                Action::ErrorWithStatus200 {
                    code: "AF20050".to_owned(),
                },
            )
        }),
    ])
    .await;
}

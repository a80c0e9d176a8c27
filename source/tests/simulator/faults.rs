//! The service misbehaves, and nothing is lost.

use std::time::Duration;

use chrono::TimeDelta;
use o365_simulator::{Action, ContentType, Count, FaultRule, Operation, RetryAfter, SimulatorConfig};

use crate::world::{World, ids, once};

/// A world with trouble in which everything arrives nevertheless, in one run.
async fn survives(rules: impl IntoIterator<Item = FaultRule>) -> World {
    let world = World::small(200, |simulated| {
        simulated.events_per_blob = 10;
        simulated.page_size = 2;
    })
    .await;
    world.faults(rules);
    assert_eq!(world.collect().await, world.expected());
    world
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let world = survives([once(Operation::FetchBlob, Action::Unauthorized)]).await;
    assert_eq!(world.handle().report().tokens_issued, 2);
    world.assert_well_behaved();
}

#[tokio::test]
async fn a_short_lived_token_is_renewed_on_the_way() {
    let world = survives([
        FaultRule::new(Operation::Token, Action::TokenLifetime { secs: 2 }),
        FaultRule::new(Operation::Token, Action::ExpiresInAsString),
        FaultRule {
            delay_ms: 40,
            ..FaultRule::default()
        },
    ])
    .await;
    world.assert_well_behaved();
}

#[tokio::test]
async fn throttling_slows_down_and_loses_nothing() {
    let retry_after = Some(RetryAfter::Seconds(1));
    let world = survives([
        FaultRule {
            every: Some(7),
            times: Some(2),
            ..FaultRule::new(
                Operation::FetchBlob,
                Action::Throttle {
                    status: 403,
                    retry_after,
                },
            )
        },
        FaultRule {
            nth: Some(2),
            ..FaultRule::new(
                Operation::ListContent,
                Action::Throttle {
                    status: 429,
                    retry_after: Some(RetryAfter::DateInSeconds(1)),
                },
            )
        },
    ])
    .await;
    world.assert_well_behaved();
}

#[tokio::test]
async fn a_body_that_is_cut_short_sends_nothing_and_is_fetched_again() {
    let world = survives([FaultRule {
        count: Count::Blob,
        times: Some(1),
        ..FaultRule::new(Operation::FetchBlob, Action::Truncate { after: 1_500 })
    }])
    .await;
    assert!(
        world
            .handle()
            .report()
            .blobs
            .iter()
            .all(|blob| blob.requested == 2)
    );
}

#[tokio::test]
async fn gateways_resets_and_internal_errors_pass() {
    survives([
        once(
            Operation::Token,
            Action::Html {
                status: 503,
                retry_after: None,
            },
        ),
        once(
            Operation::ListSubscriptions,
            Action::Error {
                code: "AF50000".into(),
                status: None,
                message: None,
            },
        ),
        once(
            Operation::ListContent,
            Action::Html {
                status: 502,
                retry_after: None,
            },
        ),
        FaultRule {
            nth: Some(4),
            ..FaultRule::new(Operation::ListContent, Action::Reset)
        },
        once(Operation::FetchBlob, Action::Reset),
        FaultRule {
            nth: Some(3),
            ..FaultRule::new(
                Operation::FetchBlob,
                Action::Error {
                    code: "AF50005".into(),
                    status: Some(500),
                    message: None,
                },
            )
        },
        FaultRule {
            nth: Some(5),
            ..FaultRule::new(Operation::FetchBlob, Action::EmptyBody)
        },
        FaultRule {
            nth: Some(6),
            ..FaultRule::new(
                Operation::FetchBlob,
                Action::ErrorWithStatus200 {
                    code: "AF50000".into(),
                },
            )
        },
    ])
    .await;
}

#[tokio::test]
async fn pages_are_followed_whatever_the_header_is_called() {
    for name in ["nextpageuri", "NEXTPAGEURI", "NextPageUrl"] {
        survives([FaultRule::new(
            Operation::ListContent,
            Action::NextPageHeader {
                name: name.to_owned(),
            },
        )])
        .await;
    }
    survives([once(Operation::ListContent, Action::EmptyPageFirst)]).await;
}

#[tokio::test]
async fn a_stale_or_failing_page_lists_the_window_again() {
    survives([
        FaultRule {
            page: Some(2),
            ..once(
                Operation::ListContent,
                Action::Error {
                    code: "AF20031".into(),
                    status: None,
                    message: None,
                },
            )
        },
        FaultRule {
            page: Some(3),
            ..once(Operation::ListContent, Action::Reset)
        },
    ])
    .await;
}

#[tokio::test]
async fn pages_that_lead_in_circles_make_the_window_smaller() {
    survives([FaultRule {
        nth: Some(1),
        ..FaultRule::new(Operation::ListContent, Action::SelfReferencingPage)
    }])
    .await;
}

/// Also when the list of subscriptions lacks what it is asked for: the listing says it.
#[tokio::test]
async fn a_disabled_subscription_is_started_again() {
    let silent = FaultRule::new(Operation::ListSubscriptions, Action::MissingStatus);
    for faults in [vec![], vec![silent]] {
        let world = survives([]).await;
        world.handle().advance(Duration::from_mins(20));
        world.faults(faults);
        world
            .handle()
            .disable_subscription(&world.tenants[0], ContentType::Exchange)
            .unwrap();
        assert_eq!(world.collect().await, Vec::<String>::new());
        assert!(
            world
                .handle()
                .is_subscribed(&world.tenants[0], ContentType::Exchange)
                .unwrap()
        );
        assert_eq!(world.handle().report().starts.len(), 2);
        world.assert_well_behaved();
    }
}

#[tokio::test]
async fn odd_bodies_cost_at_most_the_odd_event() {
    for action in [
        Action::Bom,
        Action::Trailing {
            text: "\n\0".to_owned(),
        },
        Action::Trailing {
            text: "garbage".to_owned(),
        },
        Action::NullElement,
        Action::RepeatFirstEvent,
        Action::SlowBody {
            pieces: 4,
            pause_ms: 10,
        },
        Action::PadTo { bytes: 5_000_000 },
    ] {
        survives([FaultRule {
            every: Some(5),
            ..FaultRule::new(Operation::FetchBlob, action)
        }])
        .await;
    }
}

#[tokio::test]
async fn additional_events_arrive_however_odd() {
    for action in [
        Action::MalformedEvent,
        Action::InvalidUtf8,
        Action::LoneSurrogate,
        Action::DuplicateKeys,
        Action::EventWithoutId,
    ] {
        let world = World::small(20, |simulated| simulated.events_per_blob = 100).await;
        let blobs = world.handle().report().blobs.len();
        world.faults([FaultRule::new(Operation::FetchBlob, action.clone())]);
        let collected = world.once().await;
        assert!(collected.result.is_ok(), "{action:?} {:?}", collected.result);
        assert_eq!(collected.documents.len(), 20 + blobs, "{action:?}");
        if action != Action::MalformedEvent {
            for document in &collected.documents {
                assert!(
                    serde_json::from_slice::<serde_json::Value>(document).is_ok(),
                    "{action:?} {document:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_sick_tenant_does_not_harm_a_healthy_one() {
    let simulated = SimulatorConfig::demo(3, 2, 400);
    let secret = simulated.client_secret.clone();
    let world = World::start(simulated).await;
    let sick = world.tenants[0].clone();
    world.faults([FaultRule {
        tenant: Some(sick.clone()),
        ..FaultRule::new(Operation::Token, Action::Aadsts { code: 7_000_215 })
    }]);
    let collected = world.once().await;
    let error = collected.result.unwrap_err().to_string();
    assert!(
        error.contains("contoso.example Audit.Exchange") && error.contains("not its id"),
        "{error}"
    );
    assert!(!error.contains("fabrikam"), "{error}");
    assert!(!error.contains(&secret), "{error}");
    let mut expected: Vec<_> = ContentType::ALL
        .iter()
        .flat_map(|content_type| {
            world
                .handle()
                .event_ids(&world.tenants[1], *content_type)
                .unwrap()
        })
        .collect();
    expected.sort();
    assert_eq!(ids(&collected.documents), expected);
    // A wrong secret is not tried by every feed.
    assert!(
        world.handle().report().token_requests <= 2,
        "{}",
        world.handle().report().token_requests
    );
}

#[tokio::test]
async fn a_service_that_stays_away_ends_a_single_run_with_names() {
    let mut world = World::small(50, |_| {}).await;
    world.config.once_give_up_after = Duration::from_secs(2);
    world.faults([FaultRule::new(
        Operation::FetchBlob,
        Action::Html {
            status: 503,
            retry_after: None,
        },
    )]);
    let error = world.once().await.result.unwrap_err().to_string();
    assert!(
        error.contains("contoso.example Audit.Exchange") && error.contains("blobs are not delivered"),
        "{error}"
    );
    world.faults([]);
    assert_eq!(world.collect().await, world.expected());
}

#[tokio::test]
async fn clocks_that_differ_are_corrected() {
    // The service's clock is ahead: for it, the oldest window starts too early.
    let mut world = World::small(100, |_| {}).await;
    world.set_back(TimeDelta::minutes(20));
    assert_eq!(world.collect().await, world.expected());
}

#[tokio::test]
async fn throttling_without_end_ends_a_single_run() {
    let mut world = World::small(50, |_| {}).await;
    world.config.once_give_up_after = Duration::from_secs(3);
    let retry_after = Some(RetryAfter::Seconds(1));
    for operation in [Operation::ListContent, Operation::FetchBlob] {
        world.faults([FaultRule::new(
            operation,
            Action::Throttle {
                status: 429,
                retry_after,
            },
        )]);
        let error = world.once().await.result.unwrap_err().to_string();
        assert!(error.contains("429"), "{error}");
    }
    world.faults([]);
    assert_eq!(world.collect().await, world.expected());
}

#[tokio::test]
async fn the_first_version_of_the_token_endpoint_works_too() {
    let mut world = World::small(50, |_| {}).await;
    world.config.api.token_endpoint_version = o365_source::TokenEndpointVersion::V1;
    assert_eq!(world.collect().await, world.expected());
}

#[tokio::test]
async fn windows_that_the_service_finds_too_long_are_halved() {
    let world = World::small(200, |simulated| {
        simulated.listing.page_lifetime_secs = Some(60);
        simulated.listing.partial_blobs_at_start = true;
        simulated.listing.repeat_descriptors = true;
        simulated.page_size = 2;
        simulated.events_per_blob = 5;
    })
    .await;
    world.faults([FaultRule {
        nth: Some(4),
        ..FaultRule::new(
            Operation::ListContent,
            Action::Error {
                code: "AF20055".into(),
                status: None,
                message: None,
            },
        )
    }]);
    assert_eq!(world.collect().await, world.expected());
}

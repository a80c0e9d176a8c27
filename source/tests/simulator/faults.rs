//! The service misbehaves, and nothing is lost.

use std::time::Duration;

use chrono::TimeDelta;
use o365_simulator::{
    Action, BlobContent, BlobSpec, ContentType, Count, FaultRule, Operation, RetryAfter, SimulatorConfig,
};
use o365_source::ledger::BlobState;

use crate::{
    collectors::add,
    world::{World, ids, once},
};

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

/// A gateway that dislikes one address, for example.
#[tokio::test]
async fn a_blob_that_is_refused_holds_up_no_other() {
    for status in [400, 403, 409] {
        let world = World::small(200, |simulated| simulated.events_per_blob = 2).await;
        let refused = world.handle().report().blobs[0].content_id.clone();
        world.faults([FaultRule {
            content_id: Some(refused),
            ..FaultRule::new(
                Operation::FetchBlob,
                Action::Html {
                    status,
                    retry_after: None,
                },
            )
        }]);
        let collected = world.once().await;
        // It holds one or two.
        let found = collected.documents.len();
        assert!((198..200).contains(&found), "{status} {found}");
    }
}

/// An address of a page that leads elsewhere, for example, or a gateway that dislikes a time.
#[tokio::test]
async fn a_window_that_is_refused_keeps_no_other_from_being_listed() {
    let elsewhere = FaultRule::new(
        Operation::ListContent,
        Action::NextPageOrigin {
            origin: "https://elsewhere.example".to_owned(),
        },
    );
    let bad_request = FaultRule {
        nth: Some(1),
        ..FaultRule::new(
            Operation::ListContent,
            Action::Html {
                status: 400,
                retry_after: None,
            },
        )
    };
    for (rule, found) in [(elsewhere, vec!["c"]), (bad_request, vec!["a", "b", "c"])] {
        let world = World::small(0, |simulated| simulated.page_size = 1).await;
        // Two pages in one window, and one in a later one.
        add(&world, TimeDelta::hours(100), &["a"]);
        add(&world, TimeDelta::hours(100), &["b"]);
        add(&world, TimeDelta::hours(30), &["c"]);
        world.faults([rule]);
        let collected = world.once().await;
        assert!(collected.result.is_err(), "it is not complete");
        assert_eq!(ids(&collected.documents), found);
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
async fn the_token_is_never_sent_to_another_host() {
    let foreign = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", foreign.local_addr().unwrap());
    let world = World::small(50, |_| {}).await;
    world.faults([FaultRule::new(
        Operation::ListContent,
        Action::ContentUriOrigin {
            origin: origin.clone(),
        },
    )]);
    assert_eq!(world.collect().await, Vec::<String>::new());
    let feed = world.feed();
    assert_eq!(feed.quarantined, world.handle().report().blobs.len() as u64);
    let reason = world
        .reader()
        .blobs(BlobState::Quarantined, 1)
        .unwrap()
        .remove(0)
        .last_error
        .unwrap();
    assert!(reason.contains("port"), "{reason}");

    // A page elsewhere: nothing of the window is taken for complete.
    let world_pages = World::small(50, |simulated| {
        simulated.page_size = 1;
        simulated.events_per_blob = 5;
    })
    .await;
    world_pages.faults([FaultRule::new(
        Operation::ListContent,
        Action::NextPageOrigin {
            origin: origin.clone(),
        },
    )]);
    let error = world_pages.once().await.result.unwrap_err().to_string();
    assert!(
        error.contains("contoso.example Audit.Exchange") && error.contains("not requested"),
        "{error}"
    );

    // A redirect is not followed either.
    let world_redirect = World::small(50, |_| {}).await;
    world_redirect.faults([FaultRule::new(
        Operation::ListContent,
        Action::Redirect { location: origin },
    )]);
    assert!(world_redirect.once().await.result.is_err());

    // When the service comes to its senses, the blobs are fetched after all.
    world.faults([]);
    assert_eq!(world.collect().await, world.expected());
    tokio::select! {
        biased;
        _ = foreign.accept() => panic!("somebody called"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test]
async fn blobs_that_cannot_be_had_are_named_and_block_nobody() {
    let mut world = World::small(100, |simulated| simulated.events_per_blob = 10).await;
    world.config.quarantine_after = Duration::ZERO;
    world.config.quarantine_attempts = 2;
    let spec = |name: &str, body: &str| {
        let mut spec = BlobSpec::new(
            world.tenants[0].clone(),
            ContentType::Exchange,
            BlobContent::Raw(body.as_bytes().to_vec()),
        );
        spec.content_id = Some(format!("20260115110000000000000${name}"));
        spec.created = Some(world.handle().now() - Duration::from_mins(5));
        world.handle().add_blob(spec).unwrap()
    };
    let html = spec("html", "<html>");
    let expired = spec("expired", "[]");
    let gone = spec("gone", "[]");
    let empty = spec("empty", "");
    spec("none", "[]");
    let fails = |id: &str, code: &str| FaultRule {
        content_id: Some(id.to_owned()),
        ..FaultRule::new(
            Operation::FetchBlob,
            Action::Error {
                code: code.into(),
                status: None,
                message: None,
            },
        )
    };
    world.faults([fails(&expired, "AF20051"), fails(&gone, "AF20050")]);
    let collected = world.once().await;
    assert!(collected.result.is_ok(), "{:?}", collected.result);
    assert_eq!(collected.documents.len(), 100);
    let names = |state| -> Vec<_> {
        world
            .reader()
            .blobs(state, 9)
            .unwrap()
            .into_iter()
            .map(|blob| blob.content_id)
            .collect()
    };
    assert_eq!(names(BlobState::Expired), [expired]);
    assert_eq!(names(BlobState::Quarantined), [empty, gone, html]);
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
async fn a_feed_without_its_role_is_named_with_what_to_do() {
    let world = World::start(SimulatorConfig::demo(4, 1, 200)).await;
    world.faults([FaultRule::new(
        Operation::Token,
        Action::TokenWithoutRole {
            role: "ActivityFeed.ReadDlp".to_owned(),
        },
    )]);
    let collected = world.once().await;
    let error = collected.result.unwrap_err().to_string();
    assert!(
        error.contains("DLP.All") && error.contains("ActivityFeed.ReadDlp"),
        "{error}"
    );
    assert!(!error.contains("Audit."), "{error}");
    assert!(!collected.documents.is_empty());
}

#[tokio::test]
async fn switched_off_auditing_is_named_with_what_to_do() {
    let world = World::small(0, |_| {}).await;
    world.faults([FaultRule::new(Operation::Start, Action::AuditLogOff)]);
    let error = world.once().await.result.unwrap_err().to_string();
    assert!(
        error.contains("unified audit logging") && error.len() < 3_000,
        "{error}"
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
async fn when_no_blob_can_be_had_the_cloud_is_suspected_and_nothing_is_given_up() {
    let mut world = World::small(50, |_| {}).await;
    world.config.once_give_up_after = Duration::from_secs(3);
    world.config.quarantine_after = Duration::ZERO;
    world.config.quarantine_attempts = 1;
    world.faults([FaultRule::new(
        Operation::FetchBlob,
        Action::Error {
            code: "AF20052".into(),
            status: None,
            message: None,
        },
    )]);
    let error = world.once().await.result.unwrap_err().to_string();
    assert!(error.contains("cloud"), "{error}");
    assert_eq!(world.feed().quarantined, 0);
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

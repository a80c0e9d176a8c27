//! What is refused or cannot be had is named, and holds up nothing else.

use std::time::Duration;

use chrono::TimeDelta;
use o365_simulator::{Action, BlobContent, BlobSpec, ContentType, FaultRule, Operation, SimulatorConfig};
use o365_source::ledger::BlobState;

use crate::{
    collectors::add,
    world::{World, ids},
};

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

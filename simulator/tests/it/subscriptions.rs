//! Starting, stopping, listing; sensitive types.

use std::time::Duration;

use o365_simulator::{Action, BlobContent, BlobSpec, ContentType, FaultRule, Operation, SimulatorConfig};
use serde_json::json;

use crate::support::{Answer, World, ids, small};

#[tokio::test]
async fn a_subscription_lives_from_start_to_stop() {
    let mut config = small();
    config.subscribed = false;
    let world = World::start(config).await;
    assert_eq!(world.get("subscriptions/list").await.elements().len(), 0);
    let now = world.handle.now();
    let hour = chrono::TimeDelta::hours(1);
    world
        .list(ContentType::Exchange, now - hour, now)
        .await
        .refused(400, "AF20022");

    let started = world
        .post("subscriptions/start?contentType=Audit.Exchange&PublisherIdentifier=x")
        .await;
    assert_eq!(
        started.json(),
        json!({"contentType": "Audit.Exchange", "status": "enabled", "webhook": null})
    );
    assert_eq!(world.get("subscriptions/list").await.elements(), [started.json()]);
    let blobs = world.everything(ContentType::Exchange).await;
    assert!(!blobs.is_empty(), "what was there before is listed at once");
    world
        .post("subscriptions/start?contentType=audit.exchange")
        .await
        .refused(400, "AF20024");

    world
        .handle
        .disable_subscription(world.tenant(), ContentType::Exchange)
        .unwrap();
    world.fetch(&blobs[0]).await.refused(400, "AF20023");
    assert_eq!(
        world.get("subscriptions/list").await.elements()[0]["status"],
        "disabled"
    );
    world.handle.advance(Duration::from_mins(15));
    assert_eq!(
        world
            .post("subscriptions/start?contentType=Audit.Exchange")
            .await
            .status,
        200
    );
    assert_eq!(world.fetch(&blobs[0]).await.status, 200);

    assert_eq!(
        world
            .post("subscriptions/stop?contentType=Audit.Exchange")
            .await
            .status,
        200
    );
    world.fetch(&blobs[0]).await.refused(400, "AF20022");
    assert!(
        !world
            .handle
            .is_subscribed(world.tenant(), ContentType::Exchange)
            .unwrap()
    );

    let report = world.handle.report();
    let cooldowns: Vec<_> = report.starts.iter().map(|call| call.within_cooldown).collect();
    assert_eq!(cooldowns, [false, true, false]);
    assert_eq!(report.stops.len(), 1);
    let reasons: Vec<_> = report
        .forbidden
        .iter()
        .map(|incident| incident.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "a second start within 15 minutes",
            "content between stop and start is lost for ever"
        ]
    );
}

#[tokio::test]
async fn content_between_stop_and_start_is_lost_for_ever() {
    let world = World::start(SimulatorConfig { events: 0, ..small() }).await;
    let add = || {
        let spec = BlobSpec::new(world.tenant(), ContentType::General, BlobContent::Generated(1));
        world.handle.add_blob(spec).unwrap()
    };
    let mut kept = vec![add()];
    world.handle.advance(Duration::from_mins(1));
    assert_eq!(
        world
            .post("subscriptions/stop?contentType=Audit.General")
            .await
            .status,
        200
    );
    let lost = add();
    world.handle.advance(Duration::from_mins(1));
    assert_eq!(
        world
            .post("subscriptions/start?contentType=Audit.General")
            .await
            .status,
        200
    );
    kept.push(add());
    world.handle.advance(Duration::from_mins(1));
    assert_eq!(
        ids(&world.everything(ContentType::General).await),
        kept.into_iter().collect()
    );
    world.get(&format!("audit/{lost}")).await.refused(404, "AF20050");
}

#[tokio::test]
async fn parameters_and_webhooks_are_checked() {
    let world = World::start(small()).await;
    world.post("subscriptions/start").await.refused(400, "AF20001");
    world
        .post("subscriptions/start?contentType=Audit.Nothing")
        .await
        .refused(400, "AF20020");
    let webhook = async |body: serde_json::Value| {
        let url = world.url("subscriptions/start?contentType=Audit.General");
        Answer::of(
            world
                .client
                .post(url)
                .bearer_auth(&world.token)
                .json(&body)
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    webhook(json!({"webhook": {"address": "http://hook.example"}}))
        .await
        .refused(400, "AF20021");
    let past = json!({"webhook": {"address": "https://hook.example", "expiration": "2020-01-01T00:00:00Z"}});
    webhook(past).await.refused(400, "AF20003");
    webhook(json!({"webhook": 5})).await.refused(400, "AF20002");
    let good = webhook(json!({"webhook": {"address": "https://hook.example", "authId": "me"}}))
        .await
        .json();
    assert_eq!(good["webhook"]["authId"], "me");
    let removed = world
        .post("subscriptions/start?contentType=Audit.General")
        .await
        .json();
    assert_eq!(
        removed["webhook"],
        json!(null),
        "an empty start removes the webhook"
    );
}

#[tokio::test]
async fn listing_subscriptions_can_be_odd() {
    let on = |number, action| FaultRule {
        nth: Some(number),
        ..FaultRule::new(Operation::ListSubscriptions, action)
    };
    let world = World::with_faults(
        small(),
        [
            on(1, Action::MissingStatus),
            on(1, Action::UnknownContentType),
            on(2, Action::WebhookObject),
            on(3, Action::EmptyArray),
        ],
    )
    .await;
    let odd = world.get("subscriptions/list").await.elements();
    assert_eq!(odd.len(), 6);
    assert_eq!(odd[0].get("status"), None);
    assert_eq!(odd[5]["contentType"], "Audit.Tomorrow");
    let hooked = world.get("subscriptions/list").await.elements();
    assert_eq!(hooked[0]["webhook"]["address"], "https://hook.example/o365");
    assert_eq!(world.get("subscriptions/list").await.elements().len(), 0);
    assert_eq!(world.get("subscriptions/list").await.elements().len(), 5);
}

#[tokio::test]
async fn audit_log_off_is_prose_with_a_stack_trace() {
    let world = World::with_faults(small(), [FaultRule::new(Operation::Start, Action::AuditLogOff)]).await;
    let answer = world.post("subscriptions/start?contentType=Audit.Exchange").await;
    assert_eq!(answer.status, 400);
    assert!(
        (1_400..2_000).contains(&answer.text.len()),
        "{} bytes",
        answer.text.len()
    );
    let error = &answer.json()["error"];
    assert!(
        error["code"]
            .as_str()
            .unwrap()
            .starts_with("StartSubscription [CorrId=")
    );
    let expected = format!("DataServiceException: Tenant {} does not exist", world.tenant());
    assert!(error["message"].as_str().unwrap().contains(&expected));
    assert_eq!(
        world.handle.report().starts.len(),
        1,
        "a call that a fault answers counts too"
    );
}

#[tokio::test]
async fn sensitive_types_take_one_language() {
    let world = World::start(small()).await;
    let ask = async |language: &str| {
        let request = world
            .client
            .get(world.url("resources/dlpSensitiveTypes"))
            .bearer_auth(&world.token);
        Answer::of(request.header("accept-language", language).send().await.unwrap()).await
    };
    assert!(ask("en-US").await.elements().len() >= 4);
    ask("en-US,de-DE").await.refused(400, "AF20053");
    ask("?").await.refused(400, "AF20054");
}

#[tokio::test]
async fn a_start_that_found_the_service_out_of_order_may_be_repeated_a_few_times() {
    let mut config = small();
    config.subscribed = false;
    let out_of_order = FaultRule {
        times: Some(6),
        ..FaultRule::new(
            Operation::Start,
            Action::Html {
                status: 503,
                retry_after: None,
            },
        )
    };
    let world = World::with_faults(config, [out_of_order]).await;
    let starts = || async {
        world.post("subscriptions/start?contentType=Audit.Exchange").await;
        let report = world.handle.report();
        let last = report.starts.last().unwrap();
        (last.in_vain, last.within_cooldown, report.forbidden.len())
    };
    for _ in 0..5 {
        assert_eq!(starts().await, (true, false, 0));
    }
    assert_eq!(starts().await, (true, false, 1), "that is hammering");
    world.handle.advance(Duration::from_mins(16));
    assert_eq!(starts().await, (false, false, 1));
    assert_eq!(starts().await, (false, true, 2));
}

//! Tokens, tenants and roles at the door of the API; and what is behind no door.

use std::time::Duration;

use o365_simulator::{Operation, READ_ROLE};

use crate::support::{Answer, World, small};

#[tokio::test]
async fn a_request_needs_a_valid_token_of_the_simulator() {
    let world = World::start(small()).await;
    let url = world.url("subscriptions/list");
    let ask = async |token: Option<&str>| {
        let request = world.client.get(&url);
        let request = if let Some(token) = token {
            request.bearer_auth(token)
        } else {
            request
        };
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(Some(&world.token)).await, 200);
    assert_eq!(ask(None).await, 401);
    assert_eq!(ask(Some("a.b.c")).await, 401);
    let spoilt = world.token.replacen('e', "f", 1);
    assert_eq!(ask(Some(&spoilt)).await, 401);
    world.handle.revoke_tokens();
    assert_eq!(ask(Some(&world.token)).await, 401);
    let fresh = world.fresh_token(0).await;
    assert_eq!(ask(Some(&fresh)).await, 200);
    world.handle.advance(Duration::from_secs(3599));
    assert_eq!(ask(Some(&fresh)).await, 401, "expired");
    let report = world.handle.report();
    assert_eq!((report.without_token, report.refused_token), (1, 4));
    assert_eq!(report.without_publisher[&Operation::ListSubscriptions], 7);
}

#[tokio::test]
async fn the_tenant_of_url_and_token_must_agree() {
    let world = World::start(small()).await;
    let ask = async |tenant: &str, token: &str| {
        let url = format!(
            "{}/api/v1.0/{tenant}/activity/feed/subscriptions/list",
            world.simulator.base_url()
        );
        Answer::of(world.client.get(url).bearer_auth(token).send().await.unwrap()).await
    };
    let other = &world.config.tenants[1];
    ask("not-a-guid", &world.token).await.refused(400, "AF20013");
    ask(&other.id, &world.token).await.refused(400, "AF20010");
    assert_eq!(
        ask(&other.id.to_uppercase(), &world.fresh_token(1).await)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn dlp_needs_its_own_role() {
    let mut config = small();
    config.tenants[0].roles = vec![READ_ROLE.to_owned()];
    let world = World::start(config).await;
    let dlp = world
        .get("subscriptions/content?contentType=DLP.All&PublisherIdentifier=x")
        .await;
    dlp.refused(401, "AF10001");
    let exchange = world
        .get("subscriptions/content?contentType=Audit.Exchange&PublisherIdentifier=x")
        .await;
    assert_eq!(exchange.status, 200);
    world
        .post("subscriptions/start?contentType=DLP.All")
        .await
        .refused(401, "AF10001");
}

#[tokio::test]
async fn the_unknown_is_answered_loudly_and_remembered() {
    let world = World::start(small()).await;
    for url in [
        world.url("subscriptions/everything"),
        world.url("subscriptions/start?contentType=Audit.Exchange"),
        format!("{}/", world.simulator.base_url()),
    ] {
        let answer = world.get_url(&url).await;
        assert_eq!(answer.status, 404, "{url}");
        assert!(
            answer.json()["simulator"]
                .as_str()
                .unwrap()
                .contains("no such operation")
        );
    }
    let report = world.handle.report();
    assert_eq!(report.requests[&Operation::Unknown], 3);
    assert_eq!(
        report
            .forbidden
            .iter()
            .filter(|incident| incident.reason == "no such operation")
            .count(),
        3
    );
}

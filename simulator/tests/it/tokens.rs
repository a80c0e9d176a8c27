//! The token endpoint.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use o365_simulator::{Action, FaultRule, Operation, RetryAfter};
use serde_json::json;

use crate::support::{Answer, World, claims, small};

type Form = Vec<(&'static str, String)>;

#[tokio::test]
async fn v2_answers_numbers_and_v1_answers_strings() {
    let world = World::start(small()).await;
    let tenant = world.tenant();
    let v2 = world
        .ask_token(&format!("/{tenant}/oauth2/v2.0/token"), &world.form())
        .await
        .json();
    assert_eq!(
        (&v2["expires_in"], &v2["token_type"]),
        (&json!(3599), &json!("Bearer"))
    );
    assert_eq!(v2.get("expires_on"), None);
    let v1 = world
        .ask_token(&format!("/{tenant}/oauth2/token?api-version=1.0"), &world.form())
        .await
        .json();
    assert_eq!(v1["expires_in"], "3599");
    let issued: i64 = v1["not_before"].as_str().unwrap().parse().unwrap();
    assert_eq!(issued, world.handle.now().timestamp());
    assert_eq!(v1["expires_on"].as_str().unwrap().parse(), Ok(issued + 3599));

    for answer in [v1, v2] {
        let claims = claims(answer["access_token"].as_str().unwrap());
        assert_eq!(claims["tid"], tenant);
        assert_eq!(claims["appid"], world.config.application_id.as_str());
        assert_eq!(claims["aud"], world.simulator.base_url());
        assert_eq!(claims["iss"], format!("https://sts.windows.net/{tenant}/"));
        assert_eq!(claims["exp"], issued + 3599);
        assert_eq!(
            claims["roles"],
            json!(["ActivityFeed.Read", "ActivityFeed.ReadDlp"])
        );
    }
    let report = world.handle.report();
    assert_eq!(
        (
            report.token_requests,
            report.tokens_issued,
            report.token_requests_at_once
        ),
        (3, 3, 1)
    );
}

#[tokio::test]
async fn tenants_answer_by_name_and_secrets_come_also_as_basic() {
    let world = World::start(small()).await;
    let name = &world.config.tenants[0].name;
    let by_name = world
        .ask_token(&format!("/{name}/oauth2/v2.0/token"), &world.form())
        .await;
    assert_eq!(
        claims(by_name.json()["access_token"].as_str().unwrap())["tid"],
        world.tenant()
    );

    let basic = |secret: &str| {
        let form: Vec<_> = world
            .form()
            .into_iter()
            .filter(|(name, _)| !["client_id", "client_secret"].contains(name))
            .collect();
        let url = format!("{}/{name}/oauth2/v2.0/token", world.simulator.base_url());
        world
            .client
            .post(url)
            .basic_auth(&world.config.application_id, Some(secret))
            .form(&form)
            .send()
    };
    assert_eq!(basic(&world.config.client_secret).await.unwrap().status(), 200);
    assert_eq!(basic("wrong").await.unwrap().status(), 401);
}

#[tokio::test]
async fn every_documented_refusal() {
    let world = World::start(small()).await;
    let tenant = world.tenant().to_owned();
    let check = async |tenant: &str, change: &dyn Fn(&mut Form), expect: (u16, &str, u64)| {
        let mut form = world.form();
        change(&mut form);
        let answer = world
            .ask_token(&format!("/{tenant}/oauth2/v2.0/token"), &form)
            .await;
        let body = answer.json();
        let found = (
            answer.status.as_u16(),
            body["error"].as_str().unwrap(),
            body["error_codes"][0].as_u64().unwrap(),
        );
        assert_eq!(found, expect, "{body}");
        assert!(
            body["error_description"]
                .as_str()
                .unwrap()
                .starts_with(&format!("AADSTS{}:", expect.2))
        );
        assert!(body["trace_id"].is_string() && body["correlation_id"].is_string());
    };
    let set = |name: &'static str, value: &'static str| {
        move |form: &mut Form| {
            form.retain(|(key, _)| *key != name);
            if !value.is_empty() {
                form.push((name, value.to_owned()));
            }
        }
    };
    let nothing = set("unused", "");
    check(
        &tenant,
        &set("client_secret", "wrong"),
        (401, "invalid_client", 7_000_215),
    )
    .await;
    check(
        &tenant,
        &set("client_secret", ""),
        (401, "invalid_client", 7_000_218),
    )
    .await;
    check(
        &tenant,
        &set("client_id", "11111111-1111-4111-8111-111111111111"),
        (400, "unauthorized_client", 700_016),
    )
    .await;
    check(
        &tenant,
        &set("grant_type", "password"),
        (400, "unsupported_grant_type", 70_003),
    )
    .await;
    check(&tenant, &set("grant_type", ""), (400, "invalid_request", 900_144)).await;
    check(
        &tenant,
        &set("scope", "https://manage.office.com"),
        (400, "invalid_scope", 1_002_012),
    )
    .await;
    check(
        &tenant,
        &set("scope", "https://graph.example/.default"),
        (400, "invalid_resource", 500_011),
    )
    .await;
    check(
        "22222222-2222-4222-8222-222222222222",
        &nothing,
        (400, "invalid_request", 90_002),
    )
    .await;
    check("nonsense", &nothing, (400, "invalid_request", 900_023)).await;
    check("common", &nothing, (400, "invalid_request", 50_059)).await;
}

#[tokio::test]
async fn assertions_are_checked_claim_by_claim() {
    let world = World::start(small()).await;
    let path = format!("/{}/oauth2/v2.0/token", world.tenant());
    let audience = format!("{}{path}", world.simulator.base_url());
    let now = world.handle.now().timestamp();
    let id = world.config.application_id.clone();
    let good = json!({"aud": audience, "iss": id, "sub": id, "jti": "1", "nbf": now - 30, "exp": now + 300});
    let send = async |header: serde_json::Value, claims: serde_json::Value| {
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut form: Vec<_> = world
            .form()
            .into_iter()
            .filter(|(name, _)| *name != "client_secret")
            .collect();
        form.push((
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
        ));
        form.push((
            "client_assertion",
            format!("{}.{}.c2ln", part(&header), part(&claims)),
        ));
        let answer = world.ask_token(&path, &form).await;
        (answer.status.as_u16(), answer.json()["error_codes"][0].as_u64())
    };
    let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": "abc"});
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims["jti"] = json!(format!("with {name} {value}"));
        claims[name] = value;
        claims
    };
    assert_eq!(send(header.clone(), good.clone()).await, (200, None));
    assert_eq!(
        send(header.clone(), good.clone()).await,
        (401, Some(50_013)),
        "a jti counts once"
    );
    assert_eq!(
        send(json!({"alg": "RS256", "x5t": "abc"}), with("jti", json!("2"))).await,
        (200, None)
    );
    assert_eq!(
        send(json!({"alg": "none", "x5t": "abc"}), with("jti", json!("3"))).await,
        (400, Some(50_027))
    );
    assert_eq!(
        send(json!({"alg": "PS256"}), with("jti", json!("4"))).await,
        (401, Some(700_027))
    );
    assert_eq!(
        send(header.clone(), with("aud", json!("https://elsewhere.example"))).await,
        (401, Some(700_023))
    );
    assert_eq!(
        send(header.clone(), with("sub", json!("another"))).await,
        (401, Some(50_012))
    );
    assert_eq!(
        send(header.clone(), with("nbf", json!(now + 60))).await,
        (401, Some(700_024))
    );
    assert_eq!(
        send(header.clone(), with("exp", json!(now))).await,
        (401, Some(700_024))
    );
    assert_eq!(
        send(header, with("exp", json!(now + 900))).await,
        (401, Some(700_024))
    );
}

#[tokio::test]
async fn signatures_are_verified_once_a_key_is_known() {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256};

    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let mut config = small();
    let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    config.assertion_keys = vec![public.as_ref().to_vec()];
    let world = World::start(config).await;
    let path = format!("/{}/oauth2/v2.0/token", world.tenant());
    let (now, id) = (
        world.handle.now().timestamp(),
        world.config.application_id.clone(),
    );
    let ask = async |jti: &str, spoil: bool| {
        let claims = json!({"aud": format!("{}{path}", world.simulator.base_url()), "iss": id, "sub": id, "jti": jti,
            "nbf": now, "exp": now + 300});
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            part(&json!({"alg": "PS256", "x5t#S256": "abc"})),
            part(&claims)
        );
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        pair.sign(&RSA_PSS_SHA256, &random, signed.as_bytes(), &mut signature)
            .unwrap();
        if spoil {
            signature[7] ^= 1;
        }
        let mut form: Vec<_> = world
            .form()
            .into_iter()
            .filter(|(name, _)| *name != "client_secret")
            .collect();
        form.push((
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
        ));
        form.push((
            "client_assertion",
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)),
        ));
        let answer = world.ask_token(&path, &form).await;
        (answer.status.as_u16(), answer.json()["error_codes"][0].as_u64())
    };
    assert_eq!(ask("a", true).await, (401, Some(700_027)));
    assert_eq!(ask("b", false).await, (200, None));
}

#[tokio::test]
async fn token_requests_at_the_same_time_are_noticed() {
    // Both wait in the simulator at once, since they are sent together.
    let slow = FaultRule {
        on: Some(Operation::Token),
        delay_ms: 100,
        ..FaultRule::default()
    };
    let world = World::with_faults(small(), [slow]).await;
    let both = futures_util::join!(world.fresh_token(0), world.fresh_token(0));
    assert_ne!(both.0, both.1);
    assert_eq!(world.handle.report().token_requests_at_once, 2);
}

#[tokio::test]
async fn faults_of_the_token_endpoint() {
    let on = |action| FaultRule::new(Operation::Token, action);
    let once = |number, action| FaultRule {
        nth: Some(number),
        ..on(action)
    };
    let world = World::with_faults(
        small(),
        [
            once(1, Action::Aadsts { code: 7_000_222 }),
            once(
                2,
                Action::Throttle {
                    status: 429,
                    retry_after: Some(RetryAfter::DateInSeconds(60)),
                },
            ),
            once(
                3,
                Action::Html {
                    status: 503,
                    retry_after: Some(RetryAfter::Seconds(7)),
                },
            ),
            once(4, Action::TokenWithoutRoles),
            once(
                5,
                Action::TokenForTenant {
                    tenant: "33333333-3333-4333-8333-333333333333".to_owned(),
                },
            ),
            once(6, Action::TokenLifetime { secs: 2 }),
            once(6, Action::ExpiresInAsString),
        ],
    )
    .await;
    let url = format!(
        "{}/{}/oauth2/v2.0/token",
        world.simulator.base_url(),
        world.tenant()
    );
    let ask = async || world.client.post(&url).form(&world.form()).send().await.unwrap();

    let expired = Answer::of(ask().await).await;
    assert_eq!(
        (expired.status.as_u16(), expired.json()["error_codes"][0].as_u64()),
        (401, Some(7_000_222))
    );
    let throttled = ask().await;
    assert_eq!(throttled.status(), 429);
    assert_eq!(
        throttled.headers()["retry-after"],
        "Thu, 15 Jan 2026 12:01:00 GMT"
    );
    let page = ask().await;
    assert_eq!(
        (
            page.status().as_u16(),
            page.headers()["retry-after"].to_str().unwrap()
        ),
        (503, "7")
    );
    assert_eq!(page.headers()["content-type"], "text/html");

    let token = |answer: &Answer| answer.json()["access_token"].as_str().unwrap().to_owned();
    let consentless = token(&Answer::of(ask().await).await);
    assert_eq!(claims(&consentless).get("roles"), None);
    let list = async |token: &str| {
        Answer::of(
            world
                .client
                .get(world.url("subscriptions/list"))
                .bearer_auth(token)
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    list(&consentless).await.refused(401, "AF10001");
    let foreign = token(&Answer::of(ask().await).await);
    list(&foreign).await.refused(400, "AF20010");

    let short = Answer::of(ask().await).await;
    assert_eq!(short.json()["expires_in"], "2");
    let short = token(&short);
    assert_eq!(list(&short).await.status, 200);
    world.handle.advance(Duration::from_secs(2));
    assert_eq!(list(&short).await.status, 401, "two seconds are over");
    assert_eq!(world.handle.report().faults, 7);
}

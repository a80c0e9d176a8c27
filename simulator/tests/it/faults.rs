//! What faults do to answers, seen from the client.

use std::time::{Duration, Instant};

use o365_simulator::{Action, ContentType, Count, FaultRule, Operation, RetryAfter};
use serde_json::Value;

use crate::support::{Answer, World, small};

/// The first fetch of a blob with this action: the raw bytes, and the elements of the second, good one.
async fn struck(action: Action) -> (Vec<u8>, Vec<Value>) {
    let rule = FaultRule {
        nth: Some(1),
        ..FaultRule::new(Operation::FetchBlob, action)
    };
    let world = World::with_faults(small(), [rule]).await;
    let blob = world.some(ContentType::SharePoint).await;
    let uri = blob["contentUri"].as_str().unwrap();
    let response = world
        .client
        .get(uri)
        .bearer_auth(&world.token)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let bytes = response.bytes().await.unwrap().to_vec();
    (bytes, world.fetch(&blob).await.elements())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn bodies_are_damaged_as_named() {
    let (bytes, _) = struck(Action::EmptyBody).await;
    assert_eq!(bytes, b"");
    let (bytes, _) = struck(Action::EmptyArray).await;
    assert_eq!(bytes, b"[]");
    let (bytes, good) = struck(Action::Bom).await;
    assert_eq!(
        serde_json::from_slice::<Vec<Value>>(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap()).unwrap(),
        good
    );
    let (bytes, _) = struck(Action::Trailing {
        text: "\n garbage".to_owned(),
    })
    .await;
    assert!(text(&bytes).ends_with("]\n garbage"));
    let (bytes, good) = struck(Action::ObjectInsteadOfArray).await;
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), good[0]);
    let (bytes, _) = struck(Action::ErrorWithStatus200 {
        code: "AF50000".to_owned(),
    })
    .await;
    assert_eq!(
        serde_json::from_slice::<Value>(&bytes).unwrap()["error"]["code"],
        "AF50000"
    );
    let (bytes, good) = struck(Action::NullElement).await;
    let with_null: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
    assert!(with_null[0].is_null() && with_null[1..] == good);
    let (bytes, good) = struck(Action::RepeatFirstEvent).await;
    let repeated: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        (repeated.len(), &repeated[good.len()]),
        (good.len() + 1, &good[0])
    );
    let (bytes, good) = struck(Action::PadTo { bytes: 100_000 }).await;
    assert_eq!(bytes.len(), 100_000);
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&bytes).unwrap(), good);
}

#[tokio::test]
async fn single_events_are_damaged_as_named() {
    let (bytes, good) = struck(Action::MalformedEvent).await;
    assert!(serde_json::from_slice::<Value>(&bytes).is_err());
    assert!(
        good.iter()
            .all(|event| text(&bytes).contains(event["Id"].as_str().unwrap()))
    );
    let (bytes, _) = struck(Action::InvalidUtf8).await;
    assert!(std::str::from_utf8(&bytes).is_err());
    let lossy = String::from_utf8_lossy(&bytes).into_owned();
    assert!(
        serde_json::from_str::<Value>(&lossy).is_ok(),
        "only the text is broken, not the JSON"
    );
    let (bytes, _) = struck(Action::LoneSurrogate).await;
    assert!(text(&bytes).contains(r"half \ud83d pair"));
    let (bytes, good) = struck(Action::DuplicateKeys).await;
    assert!(text(&bytes).contains(r#""ObjectId":"a","ObjectId":"b""#));
    assert_eq!(
        serde_json::from_slice::<Vec<Value>>(&bytes).unwrap().len(),
        good.len() + 1
    );
    let (bytes, good) = struck(Action::EventWithoutId).await;
    let events: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(events[good.len()].get("Id"), None);
    assert_eq!(events[good.len()]["Operation"], "FileAccessed");
}

#[tokio::test]
async fn connections_break_as_named() {
    let on = |nth, action| FaultRule {
        nth: Some(nth),
        ..FaultRule::new(Operation::FetchBlob, action)
    };
    let world = World::with_faults(
        small(),
        [
            on(1, Action::Truncate { after: 10 }),
            on(2, Action::Reset),
            on(
                3,
                Action::Redirect {
                    location: "https://evil.example/".to_owned(),
                },
            ),
        ],
    )
    .await;
    let blob = world.some(ContentType::SharePoint).await;
    let uri = blob["contentUri"].as_str().unwrap();
    let get = || world.client.get(uri).bearer_auth(&world.token).send();

    let cut = get().await.unwrap();
    assert!(
        cut.content_length().unwrap() > 10,
        "the whole length is announced"
    );
    assert!(cut.bytes().await.is_err());
    assert!(get().await.is_err(), "not a byte of answer");
    let redirect = get().await.unwrap();
    assert_eq!(
        (
            redirect.status().as_u16(),
            redirect.headers()["location"].to_str().unwrap()
        ),
        (302, "https://evil.example/")
    );
    assert_eq!(world.fetch(&blob).await.status, 200);

    let report = world.handle.report();
    let found = report.blobs.iter().find(|found| found.fetched > 0).unwrap();
    assert_eq!(
        (found.requested, found.fetched),
        (2, 1),
        "the cut body reached the service, not the client"
    );
    assert_eq!((report.statuses[&0], report.statuses[&302]), (1, 1));
}

#[tokio::test]
async fn slow_bodies_and_delays_take_their_time() {
    let slow = FaultRule {
        delay_ms: 40,
        ..FaultRule::new(
            Operation::FetchBlob,
            Action::SlowBody {
                pieces: 4,
                pause_ms: 20,
            },
        )
    };
    let world = World::with_faults(small(), [slow]).await;
    let blob = world.some(ContentType::SharePoint).await;
    let begin = Instant::now();
    let answer = world.fetch(&blob).await;
    assert!(
        begin.elapsed() >= Duration::from_millis(120),
        "{:?}",
        begin.elapsed()
    );
    assert!(!answer.elements().is_empty());
}

#[tokio::test]
async fn throttling_has_all_its_forms() {
    let on = |nth, action| FaultRule {
        nth: Some(nth),
        ..FaultRule::new(Operation::FetchBlob, action)
    };
    let world = World::with_faults(
        small(),
        [
            on(
                1,
                Action::Throttle {
                    status: 403,
                    retry_after: None,
                },
            ),
            on(
                2,
                Action::Throttle {
                    status: 429,
                    retry_after: Some(RetryAfter::Seconds(2)),
                },
            ),
            on(
                3,
                Action::Throttle {
                    status: 429,
                    retry_after: Some(RetryAfter::DateInSeconds(5)),
                },
            ),
        ],
    )
    .await;
    let uri = world.some(ContentType::SharePoint).await["contentUri"]
        .as_str()
        .unwrap()
        .to_owned();
    let ask = async || {
        let response = world
            .client
            .get(&uri)
            .bearer_auth(&world.token)
            .send()
            .await
            .unwrap();
        let after = response
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap().to_owned());
        (Answer::of(response).await, after)
    };
    let (documented, after) = ask().await;
    documented.refused(403, "AF429");
    let message = documented.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("Method=GetBlob, PublisherId=00000000-0000-0000-0000-000000000000"),
        "{message}"
    );
    assert_eq!(after, None);
    let (plain, after) = ask().await;
    plain.refused(429, "AF429");
    assert_eq!(after.as_deref(), Some("2"));
    assert_eq!(ask().await.1.as_deref(), Some("Thu, 15 Jan 2026 12:00:05 GMT"));
    assert_eq!(ask().await.0.status, 200);
}

#[tokio::test]
async fn rules_pick_tenant_type_and_blob() {
    let error = |code: &str, status| Action::Error {
        code: code.to_owned(),
        status,
        message: None,
    };
    let world = World::with_faults(
        small(),
        [
            FaultRule {
                content_type: Some(ContentType::Dlp),
                ..FaultRule::new(Operation::ListContent, Action::Unauthorized)
            },
            FaultRule {
                count: Count::Blob,
                times: Some(1),
                content_type: Some(ContentType::Exchange),
                ..FaultRule::new(Operation::FetchBlob, error("AF50000", Some(503)))
            },
            FaultRule {
                tenant: Some(small().tenants[1].id.clone()),
                ..FaultRule::new(
                    Operation::ListSubscriptions,
                    Action::Html {
                        status: 502,
                        retry_after: None,
                    },
                )
            },
        ],
    )
    .await;
    let now = world.handle.now();
    let list = async |kind| world.list(kind, now - chrono::TimeDelta::hours(24), now).await;
    let refused = list(ContentType::Dlp).await;
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.json()["Message"],
        "Authorization has been denied for this request."
    );
    let blobs = list(ContentType::Exchange).await.elements();
    for blob in &blobs[..2] {
        world.fetch(blob).await.refused(503, "AF50000");
        assert_eq!(world.fetch(blob).await.status, 200);
    }
    let other = list(ContentType::SharePoint).await.elements();
    assert_eq!(world.fetch(&other[0]).await.status, 200);
    assert_eq!(world.get("subscriptions/list").await.status, 200);
    let second = world.fresh_token(1).await;
    let url = world
        .url("subscriptions/list")
        .replace(world.tenant(), &world.config.tenants[1].id);
    let gateway = world.client.get(url).bearer_auth(second).send().await.unwrap();
    assert_eq!(gateway.status(), 502);
    assert!(gateway.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    world.handle.set_faults(o365_simulator::FaultPlan::default());
    assert_eq!(list(ContentType::Dlp).await.status, 200);
}

#[tokio::test]
async fn the_date_follows_the_simulated_clock_and_its_skew() {
    let rule = FaultRule {
        nth: Some(2),
        ..FaultRule::new(Operation::ListSubscriptions, Action::DateSkew { secs: -600 })
    };
    let world = World::with_faults(small(), [rule]).await;
    assert_eq!(
        world.get("subscriptions/list").await.date,
        "Thu, 15 Jan 2026 12:00:00 GMT"
    );
    assert_eq!(
        world.get("subscriptions/list").await.date,
        "Thu, 15 Jan 2026 11:50:00 GMT"
    );
    world.handle.advance(Duration::from_mins(1));
    assert_eq!(
        world.get("subscriptions/list").await.date,
        "Thu, 15 Jan 2026 12:01:00 GMT"
    );
}

#[tokio::test]
async fn an_administrator_can_disable_a_subscription_mid_way() {
    let rule = FaultRule {
        nth: Some(2),
        content_type: Some(ContentType::General),
        ..FaultRule::new(Operation::ListContent, Action::DisableSubscription)
    };
    let world = World::with_faults(small(), [rule]).await;
    let now = world.handle.now();
    let list = async |kind| world.list(kind, now - chrono::TimeDelta::hours(1), now).await;
    assert_eq!(list(ContentType::General).await.status, 200);
    list(ContentType::General).await.refused(400, "AF20023");
    list(ContentType::General).await.refused(400, "AF20023");
    assert_eq!(list(ContentType::Exchange).await.status, 200);
    assert_eq!(
        world
            .post("subscriptions/start?contentType=Audit.General")
            .await
            .status,
        200
    );
    assert_eq!(list(ContentType::General).await.status, 200);
}

#[tokio::test]
async fn a_compressed_body_says_so() {
    let rule = FaultRule::new(Operation::FetchBlob, Action::Gzip);
    let world = World::with_faults(small(), [rule]).await;
    let blob = world.some(ContentType::SharePoint).await;
    let request = |client: reqwest::Client| {
        client
            .get(blob["contentUri"].as_str().unwrap())
            .bearer_auth(&world.token)
            .send()
    };
    let as_sent = reqwest::Client::builder().no_gzip().build().unwrap();
    let answer = request(as_sent).await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(answer.bytes().await.unwrap()[..2], [0x1f, 0x8b]);
    let answer = request(reqwest::Client::new()).await.unwrap();
    assert!(!answer.json::<Vec<Value>>().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_hangs_answers_nothing_and_ends_at_last() {
    let rule = FaultRule {
        times: Some(2),
        ..FaultRule::new(Operation::FetchBlob, Action::Hang { secs: 1 })
    };
    let world = World::with_faults(small(), [rule]).await;
    let blob = world.some(ContentType::SharePoint).await;
    let request = || {
        world
            .client
            .get(blob["contentUri"].as_str().unwrap())
            .bearer_auth(&world.token)
    };
    let began = Instant::now();
    let patience = request().timeout(Duration::from_millis(200)).send().await;
    assert!(patience.unwrap_err().is_timeout());
    assert!(!request().send().await.unwrap_err().is_timeout());
    assert!(began.elapsed() > Duration::from_secs(1));
    assert_eq!(request().send().await.unwrap().status(), 200);
}

//! Windows, borders, pages.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use o365_simulator::{
    Action, BlobContent, BlobSpec, ContentType, FaultRule, ListingQuirks, Operation, SimulatorConfig,
};
use serde_json::Value;

use crate::support::{World, ids, small};

const HOUR: TimeDelta = TimeDelta::hours(1);

/// A world without generated events.
fn empty() -> SimulatorConfig {
    SimulatorConfig { events: 0, ..small() }
}

fn add(world: &World, created: DateTime<Utc>) -> String {
    let spec = BlobSpec::new(world.tenant(), ContentType::General, BlobContent::Generated(3));
    world
        .handle
        .add_blob(BlobSpec {
            created: Some(created),
            ..spec
        })
        .unwrap()
}

#[tokio::test]
async fn the_start_is_inclusive_and_the_end_exclusive_to_the_millisecond() {
    let world = World::start(empty()).await;
    let border = world.handle.now() - HOUR;
    let milli = TimeDelta::milliseconds(1);
    let before = add(&world, border - milli);
    let on = add(&world, border);
    let twin = add(&world, border);
    let after = add(&world, border + milli);

    let earlier = world
        .list_all(ContentType::General, border - HOUR, border)
        .await
        .concat();
    assert_eq!(ids(&earlier), [before].into());
    let later = world
        .list_all(ContentType::General, border, border + HOUR)
        .await
        .concat();
    assert_eq!(ids(&later), [on, twin, after].into());
}

#[tokio::test]
async fn descriptors_have_the_documented_form() {
    let world = World::start(small()).await;
    let blob = world.some(ContentType::SharePoint).await;
    let text = |member: &str| blob[member].as_str().unwrap().to_owned();
    let id = text("contentId");
    assert_eq!(text("contentType"), "Audit.SharePoint");
    assert!(id.contains("$audit_sharepoint$Audit_SharePoint$emea"), "{id}");
    assert_eq!(
        text("contentUri"),
        world.url(&format!("audit/{id}")),
        "the dollars stand unescaped"
    );
    let created = DateTime::parse_from_rfc3339(&text("contentCreated")).unwrap();
    let expires = DateTime::parse_from_rfc3339(&text("contentExpiration")).unwrap();
    assert_eq!(expires - created, TimeDelta::days(7));
    assert!(text("contentCreated").ends_with('Z') && text("contentCreated").len() == 24);
    assert_eq!(id[..17], created.format("%Y%m%d%H%M%S%3f").to_string());
}

#[tokio::test]
async fn refused_windows_are_reported() {
    let world = World::start(small()).await;
    let now = world.handle.now();
    world
        .list(ContentType::Exchange, now - HOUR * 25, now)
        .await
        .refused(400, "AF20055");
    let raw_plus = "subscriptions/content?contentType=Audit.Exchange&startTime=2026-01-15T11:00:00+00:00\
                    &endTime=2026-01-15T12:00:00+00:00";
    world.get(raw_plus).await.refused(400, "AF20002");
    assert_eq!(world.get(&raw_plus.replace('+', "%2B")).await.status, 200);
    assert_eq!(
        world
            .get("subscriptions/content?contentType=Audit.Exchange")
            .await
            .status,
        200
    );
    world.get("subscriptions/content").await.refused(400, "AF20001");
    world
        .get("subscriptions/content?contentType=Audit.Nothing")
        .await
        .refused(400, "AF20020");

    let report = world.handle.report();
    let reasons: Vec<_> = report
        .forbidden
        .iter()
        .map(|incident| &incident.reason[..9])
        .collect();
    assert_eq!(reasons, ["refused w", "refused w", "no window"]);
    assert_eq!(report.windows.len(), 2, "only windows that were answered");
    assert!(report.windows[1].defaulted && !report.windows[0].defaulted);
    assert_eq!(report.longest_window(), Some(HOUR * 24));
}

#[tokio::test]
async fn pages_together_are_the_window_in_every_style() {
    for page_size in [1, 3, 600] {
        for odd in [true, false] {
            let mut config = small();
            config.page_size = page_size;
            config.listing.odd_page_urls = odd;
            config.listing.awkward_page_tokens = odd;
            config.listing.shuffle = odd;
            let world = World::start(config).await;
            let now = world.handle.now();
            let pages = world.list_all(ContentType::Exchange, now - HOUR * 24, now).await;
            let all = pages.concat();
            let expected = world
                .handle
                .report()
                .blobs
                .into_iter()
                .filter(|blob| blob.tenant == world.tenant() && blob.content_type == ContentType::Exchange)
                .filter(|blob| blob.created >= now - HOUR * 24)
                .map(|blob| blob.content_id)
                .collect();
            assert_eq!(ids(&all), expected);
            assert!(all.len() > 10, "{}", all.len());
            assert_eq!(all.len(), expected.len(), "no descriptor comes twice");
            assert_eq!(pages.len(), all.len().div_ceil(page_size));
            let created: Vec<_> = all
                .iter()
                .map(|blob| blob["contentCreated"].as_str().unwrap())
                .collect();
            assert_eq!(created.is_sorted(), !odd, "shuffled across pages, or not at all");
            assert_eq!(world.handle.report().pages_never_requested.len(), 0);
        }
    }
}

#[tokio::test]
async fn page_urls_have_all_the_oddities_and_have_to_be_used_verbatim() {
    let world = World::start(small()).await;
    let now = world.handle.now();
    let url = world
        .list(ContentType::Exchange, now - HOUR * 24, now)
        .await
        .next
        .unwrap();
    for part in ["/api/v1/", "&endtime=", "!", "%2B", "-", "_", "="] {
        assert!(url.contains(part), "{part} in {url}");
    }
    assert!(!url.contains("PublisherIdentifier"));
    assert_eq!(world.handle.report().pages_never_requested.len(), 1);

    let reencoded = url.replace("%2B", "+");
    world.get_url(&reencoded).await.refused(400, "AF20031");
    let cut = url.split_once('!').unwrap().0;
    world.get_url(cut).await.refused(400, "AF20031");
    let moved = url.replace("endtime=2026-01-15T12:00:00", "endtime=2026-01-15T11:00:00");
    assert_ne!(moved, url);
    world.get_url(&moved).await.refused(400, "AF20031");
    assert_eq!(world.get_url(&url).await.status, 200);
    assert_eq!(
        world
            .get_url(&format!("{url}&PublisherIdentifier=x"))
            .await
            .status,
        200
    );
    assert_eq!(
        world.handle.report().without_publisher[&Operation::ListContent],
        4
    );
}

#[tokio::test]
async fn a_page_url_grows_stale() {
    let mut config = small();
    config.listing.page_lifetime_secs = Some(60);
    let world = World::start(config).await;
    let now = world.handle.now();
    let url = world
        .list(ContentType::Exchange, now - HOUR * 24, now)
        .await
        .next
        .unwrap();
    world.handle.advance(Duration::from_mins(1));
    assert_eq!(world.get_url(&url).await.status, 200);
    world.handle.advance(Duration::from_secs(1));
    world.get_url(&url).await.refused(400, "AF20031");
}

#[tokio::test]
async fn a_descriptor_can_come_on_two_pages() {
    for page_size in [1, 4] {
        let mut config = small();
        config.page_size = page_size;
        config.listing.repeat_descriptors = true;
        let world = World::start(config).await;
        let now = world.handle.now();
        let pages = world.list_all(ContentType::Exchange, now - HOUR * 24, now).await;
        assert!(pages.len() > 2);
        for pair in pages.windows(2) {
            assert_eq!(pair[0].last(), pair[1].first());
        }
    }
}

#[tokio::test]
async fn late_blobs_show_up_late() {
    let world = World::start(empty()).await;
    let now = world.handle.now();
    let created = now - TimeDelta::minutes(30);
    let spec = BlobSpec::new(world.tenant(), ContentType::General, BlobContent::Generated(2));
    let late = BlobSpec {
        created: Some(created),
        visible_from: Some(now + HOUR * 3),
        ..spec
    };
    let id = world.handle.add_blob(late).unwrap();
    assert_eq!(
        world
            .list(ContentType::General, now - HOUR, now)
            .await
            .elements()
            .len(),
        0
    );
    world.handle.advance(Duration::from_hours(3));
    let world = World {
        token: world.fresh_token(0).await,
        ..world
    };
    let found = world.list(ContentType::General, now - HOUR, now).await.elements();
    assert_eq!(ids(&found), [id].into());
}

#[tokio::test]
async fn a_blob_may_be_split_where_a_window_starts_inside_it() {
    let world = World::start(SimulatorConfig {
        listing: ListingQuirks {
            partial_blobs_at_start: true,
            ..ListingQuirks::default()
        },
        ..empty()
    })
    .await;
    let created = world.handle.now() - HOUR;
    let whole = add(&world, created);
    let inside = world
        .list(
            ContentType::General,
            created + TimeDelta::minutes(5),
            created + HOUR,
        )
        .await
        .elements();
    assert_eq!(inside.len(), 1);
    assert_eq!(inside[0]["contentId"], format!("{whole}$partial"));
    let rest = world.fetch(&inside[0]).await.elements();
    let all = world
        .handle
        .events_of(world.tenant(), ContentType::General, &whole)
        .unwrap();
    assert_eq!((rest.len(), all.len()), (2, 3));
    assert!(rest.iter().all(|event| {
        all.iter()
            .any(|text| text.contains(event["Id"].as_str().unwrap()))
    }));
    let aligned = world
        .list(ContentType::General, created, created + HOUR)
        .await
        .elements();
    assert_eq!(ids(&aligned), [whole].into());
}

#[tokio::test]
async fn faults_of_listings() {
    let on = |page, nth, action| FaultRule {
        page: Some(page),
        nth: Some(nth),
        ..FaultRule::new(Operation::ListContent, action)
    };
    let origin = "https://user@evil.example:8443".to_owned();
    let foreign = "44444444-4444-4444-8444-444444444444".to_owned();
    let world = World::with_faults(
        small(),
        [
            on(1, 1, Action::EmptyPageFirst),
            on(1, 2, Action::SelfReferencingPage),
            on(
                1,
                3,
                Action::NextPageOrigin {
                    origin: origin.clone(),
                },
            ),
            on(
                1,
                4,
                Action::ContentUriOrigin {
                    origin: "http://192.0.2.1".to_owned(),
                },
            ),
            on(
                1,
                4,
                Action::ContentUriTenant {
                    tenant: foreign.clone(),
                },
            ),
            on(
                1,
                5,
                Action::DropMember {
                    member: "contentExpiration".to_owned(),
                },
            ),
            on(
                2,
                2,
                Action::Error {
                    code: "AF20031".to_owned(),
                    status: None,
                    message: None,
                },
            ),
        ],
    )
    .await;
    let now = world.handle.now();
    let url = world.listing_url(ContentType::Exchange, now - HOUR * 24, now);
    let first = async || world.get_url(&url).await;

    let empty = first().await;
    assert_eq!(empty.elements().len(), 0);
    let real = world.get_url(&empty.next.unwrap()).await;
    assert_eq!(real.elements().len(), 4, "the page is only announced later");
    assert_eq!(first().await.next.as_deref(), Some(url.as_str()));
    assert!(
        first()
            .await
            .next
            .unwrap()
            .starts_with(&format!("{origin}/api/v1/"))
    );
    let uri = first().await.elements()[0]["contentUri"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        uri.starts_with(&format!("http://192.0.2.1/api/v1.0/{foreign}/")),
        "{uri}"
    );
    let dropped = first().await;
    assert_eq!(dropped.elements()[0].get("contentExpiration"), None);
    let next = dropped.next.unwrap();
    world.get_url(&next).await.refused(400, "AF20031");
    assert_eq!(
        world.get_url(&next).await.status,
        200,
        "only the second request for a second page"
    );
}

#[tokio::test]
async fn endless_pages_do_not_end_and_hold_everything_once() {
    let world = World::with_faults(
        small(),
        [FaultRule::new(Operation::ListContent, Action::EndlessPages)],
    )
    .await;
    let now = world.handle.now();
    let (mut url, mut seen) = (
        world.listing_url(ContentType::Exchange, now - HOUR * 24, now),
        Vec::<Value>::new(),
    );
    let mut urls = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let answer = world.get_url(&url).await;
        seen.extend(answer.elements());
        url = answer.next.unwrap();
        assert!(urls.insert(url.clone()), "every page has a URL of its own");
    }
    assert_eq!(ids(&seen).len(), seen.len());
    assert!(seen.len() > 10);
}

#[tokio::test]
async fn notifications_are_served_but_frowned_upon() {
    let world = World::start(small()).await;
    let url = world.listing_url(
        ContentType::Exchange,
        world.handle.now() - HOUR * 24,
        world.handle.now(),
    );
    let listed = world
        .get_url(&url.replace("subscriptions/content", "subscriptions/notifications"))
        .await
        .elements();
    assert_eq!(listed[0]["notificationStatus"], "success");
    assert!(listed[0]["notificationSent"].is_string());
    assert_eq!(world.handle.report().forbidden.len(), 1);
}

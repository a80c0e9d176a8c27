//! Listing content: which blobs a window shows, page by page.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::content_type::ContentType;
use crate::fault::Action;
use crate::http::call::Call;
use crate::http::gate::Access;
use crate::http::page::{self, Cursor, Position};
use crate::http::reply::{ApiError, Reply};
use crate::http::window::{self, Window};
use crate::http::{App, lock};
use crate::json::{self, Object};
use crate::random;
use crate::report::WindowRequest;
use crate::world::{Blob, Feed, State, instant};

/// The end of the id of a blob's remainder: see [`crate::ListingQuirks::partial_blobs_at_start`].
pub(crate) const PARTIAL_SUFFIX: &str = "$partial";

/// How long after its creation a blob counts as still being filled.
const FILLING: TimeDelta = TimeDelta::minutes(15);

/// Refuses when there is no enabled subscription.
pub(crate) fn subscribed(feed: &Feed) -> Result<(), ApiError> {
    match feed.subscription.state {
        State::Enabled => Ok(()),
        State::Absent => Err(ApiError::new("AF20022", "")),
        State::Disabled => Err(ApiError::new("AF20023", "")),
    }
}

/// The order of a listing: fixed per blob, so that pages fit together also while blobs arrive.
fn position(app: &App, feed: &Feed, blob: &Blob) -> Position {
    let key = if app.config.listing.shuffle {
        random::hash(&[
            app.config.seed,
            feed.tenant as u64,
            feed.content_type.index() as u64,
            u64::from(blob.seq),
        ])
    } else {
        blob.visible_from.max(0).cast_unsigned()
    };
    (key, blob.seq)
}

/// One page: positions in the feed, and the cursor of the next one.
fn page_of(app: &App, feed: &Feed, window: &Window, cursor: Cursor) -> (Vec<usize>, Option<Cursor>) {
    let now = app.now().timestamp_millis();
    let mut found: Vec<(Position, usize)> = feed
        .created_within(window.start.timestamp_millis(), window.end.timestamp_millis())
        .filter(|at| feed.shows(&feed.blobs()[*at], now))
        .map(|at| (position(app, feed, &feed.blobs()[at]), at))
        .filter(|(position, _)| cursor.after.is_none_or(|after| *position >= after))
        .collect();
    found.sort_unstable();
    let mut size = app.config.page_size;
    if let Some(after) = cursor.after
        && found.first().is_some_and(|(position, _)| *position == after)
    {
        if app.config.listing.repeat_descriptors {
            size += 1;
        } else {
            found.remove(0);
        }
    }
    let next = (found.len() > size).then(|| Cursor {
        number: cursor.number + 1,
        after: Some(found[size - 1].0),
        made: now,
    });
    (found.into_iter().take(size).map(|(_, at)| at).collect(), next)
}

pub(crate) fn content(
    app: &App,
    call: &Call,
    access: &Access,
    actions: &[Action],
) -> Result<Reply, ApiError> {
    let content_type = access.content_type(call)?;
    let window = read_window(app, call)?;
    let cursor = page::requested(app, call, access.tenant, content_type, &window)?;
    let tenant = &app.config.tenants[access.tenant].id;
    lock(&app.journal).window(WindowRequest {
        tenant: tenant.clone(),
        content_type,
        start: window.start,
        end: window.end,
        page: cursor.number,
        defaulted: window.defaulted,
    });
    let mut world = lock(&app.world);
    let feed = world.feed(access.tenant, content_type);
    subscribed(feed)?;

    let now = app.now().timestamp_millis();
    let (mut positions, mut next) = page_of(app, feed, &window, cursor);
    for action in actions {
        match action {
            Action::EmptyPageFirst if cursor.number == 1 => {
                positions.clear();
                next = Some(Cursor {
                    number: 2,
                    after: None,
                    made: now,
                });
            }
            Action::EndlessPages => {
                next = next.or(Some(Cursor {
                    number: cursor.number + 1,
                    after: Some((u64::MAX, u32::MAX)),
                    made: now,
                }));
            }
            _ => {}
        }
    }
    let mut elements = Vec::with_capacity(positions.len());
    for at in positions {
        if let Some(blob) = feed.blob_at(at) {
            blob.listed += 1;
        }
        let blob = &feed.blobs()[at];
        let id = feed.content_id(blob);
        elements.push(descriptor(
            app,
            tenant,
            content_type,
            &id,
            blob,
            blob.created,
            actions,
            |_| {},
        ));
    }
    if app.config.listing.partial_blobs_at_start && cursor.number == 1 {
        elements.extend(partial(app, feed, tenant, &window, actions));
    }
    drop(world);

    let reply = Reply::elements(elements);
    Ok(
        match next_page_url(app, call, access.tenant, content_type, &window, next, actions) {
            Some(url) => {
                let name = actions.iter().find_map(|action| match action {
                    Action::NextPageHeader { name } => Some(name.as_str()),
                    _ => None,
                });
                reply.with(name.unwrap_or("NextPageUri"), url)
            }
            None => reply,
        },
    )
}

fn read_window(app: &App, call: &Call) -> Result<Window, ApiError> {
    let window = window::of(&call.query, app.now(), &app.config.listing);
    let mut journal = lock(&app.journal);
    match &window {
        Err(error) => journal.forbidden(
            app.now(),
            &call.label,
            format!("refused window ({}): {}", error.code, call.target),
        ),
        Ok(window) if window.defaulted => journal.forbidden(app.now(), &call.label, "no window"),
        Ok(_) => {}
    }
    window
}

/// The remainders of blobs that the window's start cuts.
fn partial(app: &App, feed: &Feed, tenant: &str, window: &Window, actions: &[Action]) -> Vec<Vec<u8>> {
    let start = window.start.timestamp_millis();
    let now = app.now().timestamp_millis();
    feed.created_within(start - FILLING.num_milliseconds(), start)
        .map(|at| &feed.blobs()[at])
        .filter(|blob| feed.shows(blob, now))
        .map(|blob| {
            let id = format!("{}{PARTIAL_SUFFIX}", feed.content_id(blob));
            descriptor(app, tenant, feed.content_type, &id, blob, start, actions, |_| {})
        })
        .collect()
}

fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[expect(
    clippy::too_many_arguments,
    reason = "a descriptor is the sum of them, and there is one caller family"
)]
fn descriptor(
    app: &App,
    tenant: &str,
    content_type: ContentType,
    id: &str,
    blob: &Blob,
    created: i64,
    actions: &[Action],
    more: impl FnOnce(&mut Object<'_>),
) -> Vec<u8> {
    let (mut origin, mut owner, mut dropped) = (app.base_url.as_str(), tenant, Vec::new());
    for action in actions {
        match action {
            Action::ContentUriOrigin { origin: foreign } => origin = foreign,
            Action::ContentUriTenant { tenant } => owner = tenant,
            Action::DropMember { member } => dropped.push(member.as_str()),
            _ => {}
        }
    }
    let uri = format!("{origin}/api/v1.0/{owner}/activity/feed/audit/{id}");
    let (created, expires) = (stamp(instant(created)), stamp(instant(blob.expires)));
    let members = [
        ("contentType", content_type.as_str()),
        ("contentId", id),
        ("contentUri", &uri),
        ("contentCreated", &created),
        ("contentExpiration", &expires),
    ];
    json::text(|entry| {
        for (name, value) in members {
            if !dropped.contains(&name) {
                entry.str(name, value);
            }
        }
        more(entry);
    })
    .into_bytes()
}

fn next_page_url(
    app: &App,
    call: &Call,
    tenant: usize,
    content_type: ContentType,
    window: &Window,
    next: Option<Cursor>,
    actions: &[Action],
) -> Option<String> {
    if actions.contains(&Action::SelfReferencingPage) {
        return Some(format!("{}{}", app.base_url, call.target));
    }
    let token = page::token(app, tenant, content_type, window, next?);
    lock(&app.journal).page_announced(&token);
    let origin = actions.iter().find_map(|action| match action {
        Action::NextPageOrigin { origin } => Some(origin.as_str()),
        _ => None,
    });
    let origin = origin.unwrap_or(&app.base_url);
    let id = &app.config.tenants[tenant].id;
    let odd = app.config.listing.odd_page_urls;
    let (version, end_name) = if odd {
        ("v1", "endtime")
    } else {
        ("v1.0", "endTime")
    };
    // The times of the request, or those that stood in for them: the milliseconds count when the clock has some.
    let bound = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%M:%S%.f").to_string();
    let publisher = match call.query.get("PublisherIdentifier") {
        Some(publisher) if !odd => format!("&PublisherIdentifier={publisher}"),
        _ => String::new(),
    };
    Some(format!(
        "{origin}/api/{version}/{id}/activity/feed/subscriptions/content?contentType={content_type}&startTime={}&{end_name}={}&nextPage={}{publisher}",
        bound(window.start),
        bound(window.end),
        page::encoded(&token)
    ))
}

/// `subscriptions/notifications`: as if a webhook had been told about every visible blob at once.
pub(crate) fn notifications(app: &App, call: &Call, access: &Access) -> Result<Reply, ApiError> {
    let content_type = access.content_type(call)?;
    let window = read_window(app, call)?;
    lock(&app.journal).forbidden(
        app.now(),
        &call.label,
        "notifications are no way to discover content",
    );
    let mut world = lock(&app.world);
    let feed = world.feed(access.tenant, content_type);
    subscribed(feed)?;
    let tenant = &app.config.tenants[access.tenant].id;
    let now = app.now().timestamp_millis();
    let elements = feed
        .created_within(window.start.timestamp_millis(), window.end.timestamp_millis())
        .map(|at| &feed.blobs()[at])
        .filter(|blob| feed.shows(blob, now))
        .map(|blob| {
            let sent = stamp(instant(blob.visible_from));
            let id = feed.content_id(blob);
            descriptor(app, tenant, content_type, &id, blob, blob.created, &[], |entry| {
                entry
                    .str("notificationSent", &sent)
                    .str("notificationStatus", "success");
            })
        })
        .collect();
    Ok(Reply::elements(elements))
}

//! Starting, stopping and listing subscriptions, and the names of sensitive types.

use chrono::TimeDelta;
use serde::Deserialize;

use crate::content_type::ContentType;
use crate::fault::Action;
use crate::generate::SENSITIVE_TYPES;
use crate::http::call::Call;
use crate::http::gate::Access;
use crate::http::reply::{ApiError, Reply};
use crate::http::window;
use crate::http::{App, lock};
use crate::json::{self, Object};
use crate::report::SubscriptionCall;
use crate::world::{State, Subscription, instant};

/// How long a client has to wait between two calls of `start`.
const COOLDOWN: TimeDelta = TimeDelta::minutes(15);
/// How many calls of `start` may be made in that time by a client that is told that nothing works.
const TRIES: usize = 5;

#[derive(Debug, Default, Deserialize)]
struct StartBody {
    #[serde(default)]
    webhook: Option<Webhook>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    address: String,
    #[serde(default)]
    auth_id: Option<String>,
    #[serde(default)]
    expiration: Option<String>,
}

pub(crate) fn start(app: &App, call: &Call, access: &Access) -> Result<Reply, ApiError> {
    let content_type = access.content_type(call)?;
    let body: StartBody = if call.body.is_empty() {
        StartBody::default()
    } else {
        serde_json::from_slice(&call.body).map_err(|_| ApiError::new("AF20002", "webhook"))?
    };
    let webhook = body.webhook.map(|webhook| checked(app, webhook)).transpose()?;
    let mut world = lock(&app.world);
    let subscription = &mut world.feed(access.tenant, content_type).subscription;
    if subscription.state == State::Enabled && subscription.webhook == webhook {
        return Err(ApiError::new("AF20024", ""));
    }
    subscription.state = State::Enabled;
    subscription.webhook = webhook;
    if let Some(stopped) = subscription.stopped.take() {
        subscription.gaps.push((stopped, app.now().timestamp_millis()));
    }
    let body = json::text(|entry| describe(entry, content_type, subscription, true));
    Ok(Reply::json(200, body))
}

/// Writes a call of `start` into the report, also one that a fault answers. A call that was `in_vain` (the service was out
/// of order, or throttled) may be repeated a few times; any other one begins a quarter of an hour without.
pub(crate) fn note_start(app: &App, call: &Call, in_vain: bool) {
    let tenant = call.route.tenant().and_then(|id| app.tenant_by_id(id));
    let (Some(tenant), Some(content_type)) = (tenant, call.content_type(app)) else {
        return;
    };
    let now = app.now();
    let last = {
        let mut world = lock(&app.world);
        let last = &mut world.feed(tenant, content_type).subscription.last_start;
        let before = *last;
        if !in_vain {
            *last = Some(now.timestamp_millis());
        }
        before
    };
    let within_cooldown = last.is_some_and(|last| now - instant(last) < COOLDOWN);
    let mut journal = lock(&app.journal);
    let tenant = app.config.tenants[tenant].id.clone();
    let call_of_start = SubscriptionCall {
        tenant,
        content_type,
        at: now,
        within_cooldown,
        in_vain,
    };
    let lately = journal.starts_since(&call_of_start, now - COOLDOWN);
    journal.start(call_of_start);
    if within_cooldown {
        journal.forbidden(now, &call.label, "a second start within 15 minutes");
    } else if lately >= TRIES {
        journal.forbidden(now, &call.label, "start is called again and again");
    }
}

/// A webhook is noted but never called.
fn checked(app: &App, webhook: Webhook) -> Result<(String, String, String), ApiError> {
    if !webhook.address.starts_with("https://") {
        return Err(ApiError::new("AF20021", &webhook.address));
    }
    let expiration = webhook.expiration.unwrap_or_default();
    if !expiration.is_empty() {
        let until = window::parse_time(&expiration).ok_or_else(|| ApiError::new("AF20002", "expiration"))?;
        if until <= app.now() {
            return Err(ApiError::new("AF20003", &expiration));
        }
    }
    Ok((webhook.address, webhook.auth_id.unwrap_or_default(), expiration))
}

pub(crate) fn stop(app: &App, call: &Call, access: &Access) -> Result<Reply, ApiError> {
    let content_type = access.content_type(call)?;
    let now = app.now();
    let tenant = app.config.tenants[access.tenant].id.clone();
    {
        let mut journal = lock(&app.journal);
        journal.stop(SubscriptionCall {
            tenant,
            content_type,
            at: now,
            within_cooldown: false,
            in_vain: false,
        });
        journal.forbidden(
            now,
            &call.label,
            "content between stop and start is lost for ever",
        );
    }
    let mut world = lock(&app.world);
    let subscription = &mut world.feed(access.tenant, content_type).subscription;
    if subscription.state == State::Absent {
        return Err(ApiError::new("AF20022", ""));
    }
    subscription.state = State::Absent;
    subscription.stopped = Some(now.timestamp_millis());
    subscription.webhook = None;
    Ok(Reply::json(200, ""))
}

fn describe(
    entry: &mut Object<'_>,
    content_type: ContentType,
    subscription: &Subscription,
    with_status: bool,
) {
    entry.str("contentType", content_type.as_str());
    if with_status {
        entry.str(
            "status",
            if subscription.state == State::Enabled {
                "enabled"
            } else {
                "disabled"
            },
        );
    }
    match &subscription.webhook {
        None => entry.null("webhook"),
        Some((address, auth_id, expiration)) => entry.object("webhook", |webhook| {
            webhook
                .str("status", "enabled")
                .str("address", address)
                .str("authId", auth_id);
            if expiration.is_empty() {
                webhook.null("expiration");
            } else {
                webhook.str("expiration", expiration);
            }
        }),
    };
}

#[expect(clippy::unnecessary_wraps, reason = "all operations have one shape")]
pub(crate) fn list(app: &App, access: &Access, actions: &[Action]) -> Result<Reply, ApiError> {
    let with_status = !actions.contains(&Action::MissingStatus);
    let mut entries = Vec::new();
    for feed in lock(&app.world).feeds_of(access.tenant) {
        let mut subscription = feed.subscription.clone();
        if subscription.state == State::Absent {
            continue;
        }
        if actions.contains(&Action::WebhookObject) {
            let address = "https://hook.example/o365".to_owned();
            subscription.webhook = Some((address, "simulated".to_owned(), String::new()));
        }
        let entry = json::text(|entry| describe(entry, feed.content_type, &subscription, with_status));
        entries.push(entry.into_bytes());
    }
    if actions.contains(&Action::UnknownContentType) {
        entries.push(br#"{"contentType":"Audit.Tomorrow","status":"enabled","webhook":null}"#.to_vec());
    }
    Ok(Reply::elements(entries))
}

pub(crate) fn sensitive_types(call: &Call) -> Result<Reply, ApiError> {
    let languages = call.header("accept-language").unwrap_or("en-US");
    if languages.contains(',') {
        return Err(ApiError::new("AF20053", ""));
    }
    let plain = languages
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if !plain || languages.len() < 2 {
        return Err(ApiError::new("AF20054", ""));
    }
    let entry = |(id, name): &(&str, &str)| {
        json::text(|entry| {
            entry.str("id", id).str("name", name);
        })
        .into_bytes()
    };
    Ok(Reply::elements(SENSITIVE_TYPES.iter().map(entry).collect()))
}

//! The protocol: from a request to what the service would have answered, and then to what a fault makes of it.

mod assertion;
mod call;
mod connection;
mod content;
mod gate;
mod identity;
mod jwt;
mod listing;
mod page;
mod reply;
mod send;
mod subscriptions;
mod token;
mod window;

pub(crate) use connection::{Connection, TrackedListener};
pub(crate) use jwt::Tokens;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use chrono::{DateTime, Utc};

use crate::clock::SimClock;
use crate::config::SimulatorConfig;
use crate::fault::{Action, Facts, FaultState, Operation};
use crate::http::call::{Call, Route};
use crate::http::reply::Reply;
use crate::report::Journal;
use crate::world::{State as SubscriptionState, World};

/// Larger request bodies are refused; the API takes a few hundred bytes.
const MAX_REQUEST_BYTES: usize = 1 << 20;

/// Everything that requests share. Locks protect fields, never operations, and none is held across an await.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: SimulatorConfig,
    pub(crate) base_url: String,
    pub(crate) clock: Mutex<SimClock>,
    pub(crate) world: Mutex<World>,
    pub(crate) faults: Mutex<FaultState>,
    pub(crate) journal: Mutex<Journal>,
    pub(crate) tokens: Mutex<Tokens>,
}

/// Takes a lock; a panic elsewhere does not make the simulator useless.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl App {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        lock(&self.clock).now()
    }

    /// The tenant with this GUID.
    pub(crate) fn tenant_by_id(&self, id: &str) -> Option<usize> {
        self.config
            .tenants
            .iter()
            .position(|tenant| tenant.id.eq_ignore_ascii_case(id))
    }
}

/// Counts a token request as open, also when the client goes away in the middle of it.
struct OpenTokenRequest<'a> {
    app: &'a App,
    tenant: String,
}

impl<'a> OpenTokenRequest<'a> {
    fn new(app: &'a App, tenant: String) -> Self {
        lock(&app.journal).token_opened(&tenant);
        Self { app, tenant }
    }
}

impl Drop for OpenTokenRequest<'_> {
    fn drop(&mut self) {
        lock(&self.app.journal).token_closed(&self.tenant);
    }
}

/// Answers one request.
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_REQUEST_BYTES).await.unwrap_or_default();
    let call = Call::new(&parts, body);
    let operation = call.route.operation();
    lock(&app.journal).request(operation, call.route.tenant());
    let token_tenant = call.token_tenant().map(str::to_owned);
    let open = token_tenant.map(|tenant| OpenTokenRequest::new(&app, tenant));

    let content_type = call.content_type(&app);
    let (delay, actions) = lock(&app.faults).decide(&Facts {
        operation,
        tenant: call.route.tenant(),
        content_type,
        content_id: call.route.content_id(),
        page: (operation == Operation::ListContent).then(|| page::number(&call)),
    });
    lock(&app.journal).struck(actions.len());
    let hang = actions.iter().map(|action| match action {
        Action::Hang { secs } => *secs,
        _ => 0,
    });
    let delay = Duration::from_millis(delay) + Duration::from_secs(hang.sum());
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    apply_to_world(&app, &call, &actions);
    let reply = match send::whole_answer(&app, &call, &actions) {
        Some(reply) => {
            // Whoever is told that nothing works may try again.
            let in_vain = matches!(reply.status, 408 | 429 | 500..)
                || actions
                    .iter()
                    .any(|action| matches!(action, Action::Throttle { .. }));
            note(&app, &call, in_vain);
            reply
        }
        None => operate(&app, &call, &actions).await,
    };
    drop(open);
    send::finish(&app, &call, &actions, &connection, reply)
}

/// Faults that change the world before the request sees it.
fn apply_to_world(app: &App, call: &Call, actions: &[Action]) {
    if actions.contains(&Action::DisableSubscription)
        && let Some(tenant) = call.route.tenant().and_then(|id| app.tenant_by_id(id))
    {
        // Before the world is locked: it knows the content type of a blob.
        let wanted = call.content_type(app);
        let mut world = lock(&app.world);
        for feed in world.feeds_of(tenant) {
            if wanted.is_none_or(|wanted| wanted == feed.content_type) {
                feed.subscription.state = SubscriptionState::Disabled;
            }
        }
    }
}

/// What the report knows of every request, also of one that a fault answers.
fn note(app: &App, call: &Call, in_vain: bool) {
    let operation = call.route.operation();
    if matches!(call.route, Route::Api { .. }) {
        if call.bearer().is_none() {
            lock(&app.journal).without_token();
        }
        if call.query.get("PublisherIdentifier").is_none() {
            lock(&app.journal).without_publisher(operation);
        }
        page::note_requested(app, call);
        if operation == Operation::Start {
            subscriptions::note_start(app, call, in_vain);
        }
    }
}

/// What the service answers when nothing goes wrong on purpose.
async fn operate(app: &Arc<App>, call: &Call, actions: &[Action]) -> Reply {
    match &call.route {
        Route::Token { tenant, v2 } => token::issue(app, call, tenant, *v2, actions),
        Route::Identity(platform) => identity::issue(app, call, *platform, actions),
        Route::Unknown => {
            let reason = "no such operation";
            lock(&app.journal).forbidden(app.now(), &call.label, reason);
            Reply::json(
                404,
                format!(
                    "{{\"simulator\":\"{reason}: {}. This is a simulator of the Office 365 Management Activity API; \
                     it knows /{{tenant}}/oauth2/token, /{{tenant}}/oauth2/v2.0/token and \
                     /api/v1.0/{{tenant}}/activity/feed/….\"}}",
                    call.label.replace(['"', '\\'], "'")
                ),
            )
        }
        Route::Api {
            operation,
            content_id,
            ..
        } => {
            note(app, call, false);
            let access = match gate::enter(app, call) {
                Ok(access) => access,
                Err(reply) => return reply,
            };
            let answer = match operation {
                Operation::Start => subscriptions::start(app, call, &access),
                Operation::Stop => subscriptions::stop(app, call, &access),
                Operation::ListSubscriptions => subscriptions::list(app, &access, actions),
                Operation::ListContent => listing::content(app, call, &access, actions),
                Operation::Notifications => listing::notifications(app, call, &access),
                Operation::SensitiveTypes => subscriptions::sensitive_types(call),
                _ => content::fetch(app, call, &access, content_id.as_deref().unwrap_or_default()).await,
            };
            answer.unwrap_or_else(Into::into)
        }
    }
}

/// A body of fixed bytes.
pub(crate) fn body_of(bytes: Vec<u8>) -> Body {
    Body::from(bytes)
}

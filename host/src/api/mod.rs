//! The local HTTP API: is the process well, does it work, and what are its numbers?
//!
//! | path | answers |
//! |---|---|
//! | `GET /health` | 200 as long as the process answers; JSON with `status`, `ok` or `degraded`, and the alarms |
//! | `GET /ready` | 200 while the pipeline takes events, 503 from the moment that it is told to stop |
//! | `GET /metrics` | [`crate::metrics`] |
//! | `GET /api/feeds` | the feeds of Office 365 sources: how far each is, what fails and why |
//! | `POST /api/reload` | reads the configuration again and lets what has changed take over; 422 if it is refused |
//! | `GET /api/transforms` | the WebAssembly components |
//! | `POST /api/transforms/{name}/reload` | reads a component's file again; 422 if it is refused |
//! | `POST /api/transforms/{name}/promote` | lets the candidate of a shadow run take over |
//! | `POST /api/transforms/{name}/rollback` | goes back to the component before |
//!
//! It shows ids and names of tenants, but no secrets and no events. It listens on this machine unless the configuration says
//! otherwise; `guard.rs` says who may do what.

mod feeds;
mod guard;
mod transforms;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use o365_core::ShutdownSignal;
use serde::Serialize;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::guard::Guard;
use crate::{
    config::ApiConfig,
    metrics::{CONTENT_TYPE, Metrics},
    reloads::{Outcome, Reloads},
    roster::Roster,
};

/// How long answers in flight may take when the process ends.
const GRACE: Duration = Duration::from_secs(1);

/// What the API shows.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The numbers.
    pub metrics: Arc<Metrics>,
    /// The Office 365 sources and the WebAssembly components.
    pub roster: Roster,
    /// Reads the configuration again.
    pub reloads: Reloads,
    /// Pulled when the pipeline stops.
    pub shutdown: ShutdownSignal,
}

/// The socket, taken before anything else begins: a port that somebody else has is an error of the start.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    guard: Guard,
}

/// Takes the address.
pub async fn bind(config: &ApiConfig) -> anyhow::Result<Bound> {
    let address = config.address;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("api.address: {address} cannot be listened on; choose another one, or end what uses it")
    })?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() && config.token.is_none() {
        warn!(%address, "the API is reachable from other machines: it shows names of tenants and numbers, without a login; `api.token` makes it ask for a token");
    }
    Ok(Bound {
        guard: Guard::new(address, config.token.as_ref()),
        listener,
    })
}

/// The API, being served.
#[derive(Debug)]
pub struct Server {
    tasks: JoinSet<std::io::Result<()>>,
    stop: CancellationToken,
}

impl Bound {
    /// Serves until [`Server::stop`].
    pub fn serve(self, shown: Shown) -> Server {
        if let Ok(address) = self.listener.local_addr() {
            info!(%address, "the API listens");
        }
        let transforms = Router::new()
            .route("/api/transforms", get(transforms::list))
            .route("/api/transforms/{name}/reload", post(transforms::reload))
            .route("/api/transforms/{name}/rollback", post(transforms::roll_back))
            .route("/api/transforms/{name}/promote", post(transforms::promote))
            .with_state(shown.roster.clone());
        let router = Router::new()
            .route("/health", get(health))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .route("/api/feeds", get(feeds::list))
            .route("/api/reload", post(reload))
            .with_state((shown, self.guard.clone()))
            .merge(transforms)
            .layer(middleware::from_fn_with_state(self.guard, guard::check));
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            axum::serve(self.listener, router)
                .with_graceful_shutdown(stopped)
                .await
        });
        Server { tasks, stop }
    }
}

impl Server {
    /// Ends it: no new connections, a second for answers in flight.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // What is still going on after that ends with the set.
        let _ = tokio::time::timeout(GRACE, self.tasks.join_next()).await;
    }
}

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    alarms: Option<Vec<ShownAlarm<'a>>>,
}

#[derive(Serialize)]
struct ShownAlarm<'a> {
    component_id: &'a str,
    alarm: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    text: &'a str,
    advice: &'static str,
}

type Everything = (Shown, Guard);

async fn health(State((shown, guard)): State<Everything>, headers: HeaderMap) -> Response {
    let audits = shown.roster.audits();
    let views: Vec<_> = audits
        .iter()
        .map(|(key, stats)| (key.as_str(), stats.ledger()))
        .collect();
    let alarms: Vec<_> = views
        .iter()
        .flat_map(|(component_id, view)| {
            view.alarms.iter().map(|alarm| ShownAlarm {
                component_id,
                alarm: alarm.kind.as_str(),
                tenant: alarm.tenant.as_deref(),
                content_type: alarm.content_type.as_deref(),
                text: &alarm.text,
                advice: alarm.kind.advice(),
            })
        })
        .collect();
    let status = if alarms.is_empty() { "ok" } else { "degraded" };
    // Alarms name tenants.
    let alarms = guard.sees_all(&headers).then_some(alarms);
    Json(Health { status, alarms }).into_response()
}

async fn ready(State((shown, _)): State<Everything>) -> (StatusCode, &'static str) {
    if shown.shutdown.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

/// Answers when the new configuration runs, or is known not to.
async fn reload(State((shown, _)): State<Everything>) -> (StatusCode, Json<Outcome>) {
    let outcome = shown.reloads.ask().await;
    let status = match outcome {
        Outcome::Unchanged | Outcome::Applied { .. } => StatusCode::OK,
        Outcome::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Outcome::Ended => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(outcome))
}

async fn metrics(State((shown, _)): State<Everything>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], shown.metrics.text())
}

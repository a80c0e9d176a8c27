//! The local HTTP API: is the process well, does it work, and what are its numbers?
//!
//! | path | answers |
//! |---|---|
//! | `GET /health` | 200 as long as the process answers; JSON with `status`, `ok` or `degraded`, and the alarms |
//! | `GET /ready` | 200 while the pipeline takes events, 503 from the moment that it is told to stop |
//! | `GET /metrics` | [`crate::metrics`] |
//!
//! It only reads, and shows ids and names of tenants, but no secrets and no events. There is no login: it listens on this
//! machine unless the configuration says otherwise.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use o365_core::{ComponentKey, ShutdownSignal};
use o365_source::Stats;
use serde::Serialize;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::metrics::{CONTENT_TYPE, Metrics};

/// How long answers in flight may take when the process ends.
const GRACE: Duration = Duration::from_secs(1);

/// What the API shows.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The numbers.
    pub metrics: Arc<Metrics>,
    /// The Office 365 sources.
    pub audits: Vec<(ComponentKey, Stats)>,
    /// Pulled when the pipeline stops.
    pub shutdown: ShutdownSignal,
}

/// The socket, taken before anything else begins: a port that somebody else has is an error of the start.
#[derive(Debug)]
pub struct Bound(TcpListener);

/// Takes the address.
pub async fn bind(address: SocketAddr) -> anyhow::Result<Bound> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("api.address: {address} cannot be listened on; choose another one, or end what uses it")
    })?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        warn!(%address, "the API is reachable from other machines: it shows names of tenants and numbers, without a login");
    }
    Ok(Bound(listener))
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
        if let Ok(address) = self.0.local_addr() {
            info!(%address, "the API listens");
        }
        let router = Router::new()
            .route("/health", get(health))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .with_state(shown);
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(self.0, router).with_graceful_shutdown(stopped).await });
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
    alarms: Vec<ShownAlarm<'a>>,
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

async fn health(State(shown): State<Shown>) -> Response {
    let views: Vec<_> = shown
        .audits
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
    Json(Health { status, alarms }).into_response()
}

async fn ready(State(shown): State<Shown>) -> (StatusCode, &'static str) {
    if shown.shutdown.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

async fn metrics(State(shown): State<Shown>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], shown.metrics.text())
}

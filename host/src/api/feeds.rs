//! `/api/feeds`: how each Office 365 source is doing, feed by feed, as the metrics say it and in words.

use axum::{Json, extract::State};
use o365_core::ComponentKey;
use o365_source::Stats;
use serde_json::{Value, json};

use super::Everything;

/// All sources.
pub(super) async fn list(State((shown, _)): State<Everything>) -> Json<Value> {
    let audits = shown.roster.audits();
    let sources: Vec<_> = audits.iter().map(|(key, stats)| source(key, stats)).collect();
    Json(json!({ "sources": sources }))
}

/// `feeds` and `tenants` are of this process; `ledger` is what the source found when it last looked.
fn source(key: &ComponentKey, stats: &Stats) -> Value {
    json!({
        "id": key.as_str(),
        "feeds": stats.feeds(),
        "tenants": stats.tenants(),
        "ledger": *stats.ledger(),
    })
}

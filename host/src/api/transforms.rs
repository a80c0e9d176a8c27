//! `/api/transforms`: the components of the pipeline, and letting another one take over.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    roster::Roster,
    wasm::{Refused, Slot, Swap},
};

/// All of them.
pub(super) async fn list(State(roster): State<Roster>) -> Json<Value> {
    Json(json!({ "transforms": roster.slots().iter().map(|slot| shown(slot)).collect::<Vec<_>>() }))
}

pub(super) async fn reload(State(roster): State<Roster>, Path(name): Path<String>) -> Response {
    change(&roster.slots(), &name, Slot::reload).await
}

pub(super) async fn roll_back(State(roster): State<Roster>, Path(name): Path<String>) -> Response {
    change(&roster.slots(), &name, Slot::roll_back).await
}

pub(super) async fn promote(State(roster): State<Roster>, Path(name): Path<String>) -> Response {
    change(&roster.slots(), &name, Slot::promote).await
}

async fn change(slots: &[Arc<Slot>], name: &str, how: fn(&Slot) -> Result<Swap, Refused>) -> Response {
    let Some(slot) = slots.iter().find(|slot| slot.key().as_str() == name) else {
        let names: Vec<_> = slots.iter().map(|slot| slot.key().as_str()).collect();
        let error = format!(
            "there is no transform `{name}` of type `wasm`, there is {}",
            names.join(", ")
        );
        return (StatusCode::NOT_FOUND, Json(json!({ "error": error }))).into_response();
    };
    // Compiling takes up to seconds.
    let changing = Arc::clone(slot);
    let (status, result) = match tokio::task::spawn_blocking(move || how(&changing)).await {
        Ok(Ok(Swap::Unchanged)) => (StatusCode::OK, json!({ "result": "unchanged" })),
        Ok(Ok(Swap::Done { from, to, took })) => (
            StatusCode::OK,
            json!({ "result": "swapped", "from": from, "to": to, "seconds": took.as_secs_f64() }),
        ),
        Ok(Err(refused)) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            json!({ "result": "refused", "error": refused.to_string() }),
        ),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            json!({ "result": "failed", "error": error.to_string() }),
        ),
    };
    let mut answer = result;
    answer["transform"] = shown(slot);
    (status, Json(answer)).into_response()
}

fn shown(slot: &Slot) -> Value {
    let status = slot.status();
    json!({
        "id": slot.key().as_str(),
        "module": slot.module(),
        "digest": status.digest,
        "previous_digest": status.previous,
        "swapped": status.swapped,
        "refused": status.refused,
        "last_swap_seconds": status.took.map(|took| took.as_secs_f64()),
        "refusal": status.refusal,
        "shadow": slot.shadow_status(),
    })
}

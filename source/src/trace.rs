//! Spans of what the source does, for hosts that export traces ([`o365_core::TRACE_TARGET`]): one for each blob, listing and
//! request. No secrets, no bodies, no texts of the service; and no addresses, since those of the service hold ids that say
//! nothing.

use o365_core::{ComponentKey, EventStatus, TRACE_TARGET};
use tracing::{Span, field::Empty, info_span};
use url::Url;

use crate::{
    error::{Class, SourceError},
    feed::Outcome,
    ledger::PendingBlob,
    stats::{Request, RequestOutcome},
    types::{FeedKey, Window},
};

/// An attempt at a blob: from the request to the last word in the ledger. Everything that happens to its events belongs to it.
pub(crate) fn blob(component: &ComponentKey, feed: &FeedKey, blob: &PendingBlob) -> Span {
    info_span!(
        target: TRACE_TARGET,
        parent: None,
        "blob",
        "o365.component_id" = component.as_str(),
        "o365.tenant" = %feed.tenant,
        "o365.content_type" = %feed.content_type,
        "o365.content_id" = blob.content_id,
        "o365.attempt" = blob.attempts + 1,
        "o365.events" = Empty,
        "o365.repeated_events" = Empty,
        "o365.status" = Empty,
        "o365.outcome" = Empty,
        otel.status_code = Empty,
    )
}

/// How the attempt ended: `done`, `later`, `refused`, `abandoned` or `error`.
pub(crate) fn blob_ended(span: &Span, outcome: &Result<Outcome, SourceError>) {
    let (word, good) = match outcome {
        Ok(Outcome::Final) => ("done", true),
        Ok(Outcome::Abandoned) => ("abandoned", true),
        Ok(Outcome::Later { .. }) => ("later", false),
        Ok(Outcome::Refused { .. }) => ("refused", false),
        Err(_) => ("error", false),
    };
    span.record("o365.outcome", word);
    if !good {
        span.record("otel.status_code", "ERROR");
    }
}

/// The request for a blob and reading its body.
pub(crate) fn fetch() -> Span {
    info_span!(target: TRACE_TARGET, "fetch", "o365.bytes" = Empty, otel.status_code = Empty)
}

/// Handing its events to the pipeline, which may have no room.
pub(crate) fn emit() -> Span {
    info_span!(target: TRACE_TARGET, "emit")
}

/// All events have ended; writing it down.
pub(crate) fn acknowledge(status: EventStatus) -> Span {
    info_span!(target: TRACE_TARGET, "acknowledge", "o365.status" = status.as_str())
}

/// Everything in a window: all of its pages.
pub(crate) fn list(component: &ComponentKey, feed: &FeedKey, window: Window) -> Span {
    info_span!(
        target: TRACE_TARGET,
        parent: None,
        "list",
        "o365.component_id" = component.as_str(),
        "o365.tenant" = %feed.tenant,
        "o365.content_type" = %feed.content_type,
        "o365.window" = %window,
        "o365.blobs" = Empty,
        otel.status_code = Empty,
    )
}

/// One request; `resent` is how often it was sent before.
pub(crate) fn request(request: Request, method: &str, url: &Url, resent: u32) -> Span {
    let span = info_span!(
        target: TRACE_TARGET,
        "request",
        otel.name = Empty,
        otel.kind = "client",
        "http.request.method" = method,
        "http.request.resend_count" = Empty,
        "server.address" = url.host_str(),
        "server.port" = url.port_or_known_default(),
        "http.response.status_code" = Empty,
        "error.type" = Empty,
        otel.status_code = Empty,
    );
    if !span.is_none() {
        span.record("otel.name", format!("{method} {}", request.as_str()));
        if resent > 0 {
            span.record("http.request.resend_count", resent);
        }
    }
    span
}

/// How a request ended: with a status unless nothing was answered.
pub(crate) fn answered(span: &Span, status: Option<u16>, failed: Option<Class>) {
    if let Some(status) = status {
        span.record("http.response.status_code", status);
    }
    if let Some(class) = failed {
        let outcome = RequestOutcome::of_failure(class, status);
        span.record("error.type", outcome.as_str());
        span.record("otel.status_code", "ERROR");
    }
}

/// Something in a span failed.
pub(crate) fn failed(span: &Span) {
    span.record("otel.status_code", "ERROR");
}

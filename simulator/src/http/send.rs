//! What faults make of an answer, and how it leaves.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use flate2::{Compression, write::GzEncoder};
use futures_util::{StreamExt, stream};

use crate::fault::{Action, Operation, RetryAfter};
use crate::http::call::Call;
use crate::http::connection::Connection;
use crate::http::reply::{ApiError, Payload, Reply, aadsts, audit_log_off};
use crate::http::{App, body_of, content, lock};

fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn retry_after(app: &App, reply: Reply, value: Option<RetryAfter>) -> Reply {
    match value {
        None => reply,
        Some(RetryAfter::Seconds(secs)) => reply.with("Retry-After", secs.to_string()),
        Some(RetryAfter::DateInSeconds(secs)) => {
            let at = app.now() + TimeDelta::seconds(i64::try_from(secs).unwrap_or(0));
            reply.with("Retry-After", http_date(at))
        }
    }
}

/// The answer of the first fault that answers by itself.
pub(crate) fn whole_answer(app: &App, call: &Call, actions: &[Action]) -> Option<Reply> {
    let operation = call.route.operation();
    actions.iter().find_map(|action| {
        Some(match action {
            Action::Error {
                code,
                status,
                message,
            } => {
                let mut error = ApiError::new(code, call.route.content_id().unwrap_or_default());
                error.status = status.unwrap_or(error.status);
                error.message = message.clone().unwrap_or(error.message);
                error.into()
            }
            Action::Aadsts { code } => aadsts(*code, "(simulated)"),
            Action::Throttle {
                status,
                retry_after: after,
            } => {
                let mut reply = if operation == Operation::Token {
                    aadsts(90_055, "(simulated)")
                } else {
                    let publisher = call
                        .query
                        .get("PublisherIdentifier")
                        .unwrap_or("00000000-0000-0000-0000-000000000000");
                    let method = if operation == Operation::FetchBlob {
                        "GetBlob"
                    } else {
                        "GetContent"
                    };
                    ApiError::new("AF429", &format!("Method={method}, PublisherId={publisher}")).into()
                };
                if operation != Operation::Token {
                    reply.status = *status;
                }
                retry_after(app, reply, *after)
            }
            Action::Html {
                status,
                retry_after: after,
            } => retry_after(app, Reply::html(*status), *after),
            Action::Unauthorized => Reply::unauthorized(),
            Action::AuditLogOff => audit_log_off(
                call.route.tenant().unwrap_or_default(),
                call.query.get("contentType").unwrap_or_default(),
            ),
            Action::Redirect { location } => Reply::html(302).with("Location", location),
            Action::Respond {
                status,
                headers,
                body,
            } => {
                let reply = Reply::json(*status, body.as_bytes());
                headers
                    .iter()
                    .fold(reply, |reply, (name, value)| reply.with(name, value))
            }
            // The status is for the report alone: the connection ends before it is written.
            Action::Reset | Action::Hang { .. } => Reply::json(500, ""),
            _ => return None,
        })
    })
}

/// An event that is fine, for a fault to be put beside it; it has no `Id` of the world.
fn extra_event(id: &str, more: &[u8]) -> Vec<u8> {
    let head = format!(
        "{{\"CreationTime\":\"2026-01-15T11:00:00\",{id}\"Operation\":\"FileAccessed\",\"OrganizationId\":\
         \"00000000-0000-0000-0000-000000000001\",\"RecordType\":6,\"UserKey\":\"simulated\",\"UserType\":0,\
         \"Version\":1,\"Workload\":\"SharePoint\",\"UserId\":\"fault@simulator.example\""
    );
    [head.as_bytes(), more, b"}"].concat()
}

/// The `Id` of the additional events that faults put into a blob.
fn extra_id(kind: u8) -> String {
    format!("\"Id\":\"fa017000-0000-4000-8000-0000000000{kind:02x}\",")
}

/// Faults that put something into the array.
fn meddle(elements: &mut Vec<Vec<u8>>, action: &Action) {
    match action {
        Action::EmptyArray => elements.clear(),
        Action::NullElement => elements.insert(0, b"null".to_vec()),
        Action::MalformedEvent => {
            let middle = elements.len() / 2;
            elements.insert(
                middle,
                br#"{"Id":"fa017000-0000-4000-8000-000000000001","Operation":oops}"#.to_vec(),
            );
        }
        Action::InvalidUtf8 => elements.push(extra_event(&extra_id(2), b",\"ObjectId\":\"caf\xe9 \xff\"")),
        Action::LoneSurrogate => {
            elements.push(extra_event(&extra_id(3), br#","ObjectId":"half \ud83d pair""#));
        }
        Action::DuplicateKeys => {
            elements.push(extra_event(&extra_id(4), br#","ObjectId":"a","ObjectId":"b""#));
        }
        Action::EventWithoutId => elements.push(extra_event("", b"")),
        Action::RepeatFirstEvent => elements.extend(elements.first().cloned()),
        _ => {}
    }
}

/// The bytes of the body after all faults of its text.
fn render(payload: Payload, actions: &[Action]) -> Vec<u8> {
    let mut bytes = match payload {
        Payload::Bytes(bytes) => bytes,
        Payload::Elements(mut elements) => {
            for action in actions {
                meddle(&mut elements, action);
            }
            if actions.contains(&Action::ObjectInsteadOfArray) {
                elements.into_iter().next().unwrap_or_else(|| b"{}".to_vec())
            } else {
                [b"[", elements.join(&b","[..]).as_slice(), b"]"].concat()
            }
        }
    };
    for action in actions {
        match action {
            Action::EmptyBody => bytes.clear(),
            Action::Bom => {
                bytes.splice(0..0, *b"\xef\xbb\xbf");
            }
            Action::Trailing { text } => bytes.extend_from_slice(text.as_bytes()),
            Action::ErrorWithStatus200 { code } => bytes = ApiError::new(code, "").body().into_bytes(),
            Action::PadTo { bytes: size } if bytes.len() < *size => bytes.resize(*size, b' '),
            _ => {}
        }
    }
    bytes
}

/// Whether a fetched blob reached the client as the service meant it: with all of its events in readable form.
fn unharmed(actions: &[Action]) -> bool {
    !actions.iter().any(|action| {
        matches!(
            action,
            Action::EmptyBody
                | Action::EmptyArray
                | Action::ObjectInsteadOfArray
                | Action::ErrorWithStatus200 { .. }
                | Action::Truncate { .. }
        )
    })
}

/// Turns an answer into bytes on the wire.
pub(crate) fn finish(
    app: &App,
    call: &Call,
    actions: &[Action],
    connection: &Connection,
    reply: Reply,
) -> Response {
    let reset = actions
        .iter()
        .any(|action| matches!(action, Action::Reset | Action::Hang { .. }));
    if reset {
        connection.reset();
    }
    lock(&app.journal).answer(if reset { 0 } else { reply.status });
    if reply.status == 200
        && unharmed(actions)
        && call.route.operation() == Operation::FetchBlob
        && let (Some(tenant), Some(id)) = (call.route.tenant(), call.route.content_id())
    {
        content::note_fetched(app, tenant, id);
    }
    let ok = reply.status == 200;
    let mut bytes = if ok {
        render(reply.payload, actions)
    } else {
        match reply.payload {
            Payload::Bytes(bytes) => bytes,
            elements @ Payload::Elements(_) => render(elements, &[]),
        }
    };
    let mut headers_of_faults = Vec::new();
    if actions.contains(&Action::Gzip) {
        bytes = gzip(&bytes);
        headers_of_faults.push(("content-encoding".to_owned(), "gzip".to_owned()));
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let skew = actions.iter().fold(0, |sum, action| match action {
        Action::DateSkew { secs } => sum + secs,
        _ => sum,
    });
    let date = http_date(app.now() + TimeDelta::seconds(skew));
    let fixed = [
        ("content-type", reply.media_type.to_owned()),
        ("content-length", bytes.len().to_string()),
        ("date", date),
        ("cache-control", "no-cache".to_owned()),
        ("pragma", "no-cache".to_owned()),
        ("expires", "-1".to_owned()),
        ("server", "Microsoft-IIS/10.0".to_owned()),
        ("x-aspnet-version", "4.0.30319".to_owned()),
        ("x-powered-by", "ASP.NET".to_owned()),
    ];
    for (name, value) in fixed.iter().map(|(name, value)| (*name, value)).chain(
        reply
            .headers
            .iter()
            .chain(&headers_of_faults)
            .map(|(name, value)| (name.as_str(), value)),
    ) {
        if let (Ok(header), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.as_str())) {
            headers.insert(header, value);
            if name.starts_with(|letter: char| letter.is_ascii_uppercase())
                || name.eq_ignore_ascii_case("nextpageuri")
            {
                connection.spell(name);
            }
        }
    }
    *response.body_mut() = travel(bytes, actions);
    response
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// The body, cut or slow if a fault wants it so.
fn travel(bytes: Vec<u8>, actions: &[Action]) -> Body {
    for action in actions {
        match action {
            Action::Truncate { after } if *after < bytes.len() => {
                let sent = Bytes::from(bytes).slice(..*after);
                // The error ends the connection before the announced length is reached. The pause in between lets
                // the first bytes leave, or there would be no answer at all.
                let first = stream::once(async { Ok(sent) });
                let cut = stream::once(async {
                    tokio::task::yield_now().await;
                    Err(io::Error::from(io::ErrorKind::ConnectionReset))
                });
                return Body::from_stream(first.chain(cut));
            }
            Action::SlowBody { pieces, pause_ms } if !bytes.is_empty() => {
                let size = bytes.len().div_ceil((*pieces).max(1));
                let pause = Duration::from_millis(*pause_ms);
                return Body::from_stream(stream::unfold(Bytes::from(bytes), move |mut rest| async move {
                    if rest.is_empty() {
                        return None;
                    }
                    tokio::time::sleep(pause).await;
                    let piece = rest.split_to(size.min(rest.len()));
                    Some((Ok::<_, Infallible>(piece), rest))
                }));
            }
            _ => {}
        }
    }
    body_of(bytes)
}

//! What the token endpoint writes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use o365_core::SensitiveString;
use serde::Deserialize;

use super::Claims;

/// A token, as both versions of the endpoint write it, and the endpoints of managed identities.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) access_token: SensitiveString,
    pub(super) expires_in: Duration,
    /// What the token says of itself.
    pub(super) claims: Option<Claims>,
}

#[derive(Deserialize)]
struct Raw {
    access_token: SensitiveString,
    expires_in: Option<Number>,
    /// Seconds since 1970. Some endpoints of managed identities write nothing else.
    expires_on: Option<Number>,
}

/// Version 1 writes numbers as strings.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Number {
    Number(f64),
    Text(String),
}

impl Number {
    fn read(self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Text(text) => text.trim().parse().ok(),
        }
    }
}

impl Answer {
    /// The reason of a failure says nothing about the token.
    pub(super) fn read(body: &[u8], now: DateTime<Utc>) -> Result<Self, String> {
        let raw: Raw = serde_json::from_slice(body)
            .map_err(|error| format!("line {} column {}", error.line(), error.column()))?;
        let seconds = match (raw.expires_in, raw.expires_on) {
            (Some(seconds), _) => seconds.read(),
            (None, Some(instant)) => instant
                .read()
                .map(|instant| (instant - now.timestamp() as f64).max(0.0)),
            (None, None) => None,
        };
        let expires_in = seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            // A day is longer than any token lives.
            .map(|life| life.min(Duration::from_hours(24)))
            .ok_or("neither expires_in nor expires_on is a number of seconds")?;
        if raw.access_token.is_empty() {
            return Err("the access token is empty".to_owned());
        }
        Ok(Self {
            claims: Claims::read(raw.access_token.expose()),
            access_token: raw.access_token,
            expires_in,
        })
    }
}

/// A refusal; whatever cannot be read is left empty.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    pub(super) code: Option<u64>,
    pub(super) error: String,
    pub(super) description: String,
    pub(super) trace: Option<String>,
}

impl Refusal {
    pub(super) fn read(body: &[u8]) -> Self {
        // Member by member: an odd one does not cost the others.
        let Ok(raw) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body) else {
            return Self::default();
        };
        let text = |name| raw.get(name).and_then(serde_json::Value::as_str);
        let description = text("error_description").unwrap_or_default();
        let trace = match (text("trace_id"), text("correlation_id")) {
            (Some(trace), Some(correlation)) => Some(format!("trace {trace}, correlation {correlation}")),
            (Some(trace), None) => Some(format!("trace {trace}")),
            (None, Some(correlation)) => Some(format!("correlation {correlation}")),
            (None, None) => None,
        };
        Self {
            code: raw
                .get("error_codes")
                .and_then(|codes| codes.get(0)?.as_u64())
                .or_else(|| number_in(description)),
            error: text("error").unwrap_or_default().to_owned(),
            // The rest of the text repeats trace, correlation and time.
            description: description.lines().next().unwrap_or_default().to_owned(),
            trace,
        }
    }
}

/// The number behind `AADSTS` in a text.
fn number_in(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("AADSTS")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

/// See [`crate::fuzzing::token`].
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn check(body: &[u8]) {
    match Answer::read(body, DateTime::UNIX_EPOCH) {
        Ok(answer) => {
            assert!(!answer.access_token.is_empty());
            assert!(answer.expires_in <= Duration::from_hours(24));
        }
        // The reason says where, and nothing of what stands there.
        Err(reason) => assert!(reason.len() < 64),
    }
    let refusal = Refusal::read(body);
    // Escapes only shrink, and each member is its own part of the body.
    let size = refusal.error.len() + refusal.description.len() + refusal.trace.map_or(0, |trace| trace.len());
    assert!(size <= body.len() + 64);
    assert!(!refusal.description.contains('\n'));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        for text in [
            r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"t"}"#,
            r#"{"token_type":"Bearer","expires_in":"3599","expires_on":"1508285860","access_token":"t"}"#,
        ] {
            let answer = Answer::read(text.as_bytes(), DateTime::UNIX_EPOCH).unwrap();
            assert_eq!(answer.access_token.expose(), "t");
            assert_eq!(answer.expires_in, Duration::from_secs(3_599));
        }
    }

    #[test]
    fn an_identity_without_a_life_has_an_end() {
        let text = r#"{"access_token":"t","expires_on":"1586984735","resource":"r","token_type":"Bearer"}"#;
        let life = |now| {
            let now = DateTime::from_timestamp(now, 0).unwrap();
            Answer::read(text.as_bytes(), now).unwrap().expires_in
        };
        assert_eq!(life(1_586_984_735 - 3_600), Duration::from_hours(1));
        assert_eq!(life(1_586_984_736), Duration::ZERO);
    }

    #[test]
    fn what_is_no_token_is_refused_without_repeating_it() {
        for text in [
            "",
            "<html>",
            r#"{"access_token":"hunter2"}"#,
            r#"{"access_token":"hunter2","expires_in":"soon"}"#,
            r#"{"access_token":"hunter2","expires_in":-1}"#,
            r#"{"access_token":"","expires_in":1}"#,
        ] {
            let reason = Answer::read(text.as_bytes(), DateTime::UNIX_EPOCH).unwrap_err();
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }

    #[test]
    fn a_refusal_gives_its_number_and_its_traces() {
        let refusal = Refusal::read(
            br#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret.\r\nTrace ID: t",
                "error_codes":[7000215],"trace_id":"t","correlation_id":"c"}"#,
        );
        assert_eq!(refusal.code, Some(7_000_215));
        assert_eq!(refusal.description, "AADSTS7000215: Invalid client secret.");
        assert_eq!(refusal.trace.as_deref(), Some("trace t, correlation c"));
        assert_eq!(
            Refusal::read(br#"{"error_description":"AADSTS90002: x"}"#).code,
            Some(90002)
        );
        assert_eq!(Refusal::read(b"<html>").code, None);
        let odd = Refusal::read(
            br#"{"error":"invalid_client","error_description":"AADSTS7000222: x","error_codes":null}"#,
        );
        assert_eq!(
            (odd.code, odd.error.as_str()),
            (Some(7_000_222), "invalid_client")
        );
    }
}

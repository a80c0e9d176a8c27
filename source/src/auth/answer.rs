//! What the token endpoint writes.

use std::time::Duration;

use o365_core::SensitiveString;
use serde::Deserialize;

/// A token, as both versions of the endpoint write it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) access_token: SensitiveString,
    pub(super) expires_in: Duration,
}

#[derive(Deserialize)]
struct Raw {
    access_token: SensitiveString,
    expires_in: Number,
}

/// Version 1 writes numbers as strings.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Number {
    Number(f64),
    Text(String),
}

impl Answer {
    /// The reason of a failure says nothing about the token.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let raw: Raw = serde_json::from_slice(body)
            .map_err(|error| format!("line {} column {}", error.line(), error.column()))?;
        let seconds = match raw.expires_in {
            Number::Number(seconds) => Some(seconds),
            Number::Text(text) => text.trim().parse().ok(),
        };
        let expires_in = seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            // A day is longer than any token lives.
            .map(|life| life.min(Duration::from_hours(24)))
            .ok_or("expires_in is no number of seconds")?;
        if raw.access_token.is_empty() {
            return Err("the access token is empty".to_owned());
        }
        Ok(Self {
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

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawRefusal {
    error: String,
    error_description: String,
    error_codes: Vec<u64>,
    trace_id: Option<String>,
    correlation_id: Option<String>,
}

impl Refusal {
    pub(super) fn read(body: &[u8]) -> Self {
        let Ok(raw) = serde_json::from_slice::<RawRefusal>(body) else {
            return Self::default();
        };
        let trace = match (raw.trace_id, raw.correlation_id) {
            (Some(trace), Some(correlation)) => Some(format!("trace {trace}, correlation {correlation}")),
            (Some(trace), None) => Some(format!("trace {trace}")),
            (None, Some(correlation)) => Some(format!("correlation {correlation}")),
            (None, None) => None,
        };
        Self {
            code: raw
                .error_codes
                .first()
                .copied()
                .or_else(|| number_in(&raw.error_description)),
            error: raw.error,
            // The rest of the text repeats trace, correlation and time.
            description: raw
                .error_description
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
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
    match Answer::read(body) {
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
            let answer = Answer::read(text.as_bytes()).unwrap();
            assert_eq!(answer.access_token.expose(), "t");
            assert_eq!(answer.expires_in, Duration::from_secs(3_599));
        }
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
            let reason = Answer::read(text.as_bytes()).unwrap_err();
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
    }
}

//! What the service writes: tolerant, dumb, and private to this crate.

use chrono::{DateTime, NaiveDateTime, Utc};
use reqwest::header::HeaderMap;
use serde::{Deserialize, Deserializer};

use crate::types::ContentType;

/// An element of a listing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Descriptor {
    #[serde(rename = "contentId", deserialize_with = "text")]
    pub(crate) id: Option<String>,
    #[serde(rename = "contentUri", deserialize_with = "text")]
    pub(crate) uri: Option<String>,
    #[serde(rename = "contentCreated", deserialize_with = "instant")]
    pub(crate) created: Option<DateTime<Utc>>,
    #[serde(rename = "contentExpiration", deserialize_with = "instant")]
    pub(crate) expiration: Option<DateTime<Utc>>,
}

impl Descriptor {
    /// Whatever stands in a listing: an odd element does not cost the others. One without an id is reported by the feed.
    pub(crate) fn read(element: serde_json::Value) -> Self {
        serde_json::from_value(element).unwrap_or_default()
    }
}

/// An element of the list of subscriptions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Subscription {
    #[serde(deserialize_with = "text")]
    pub(crate) content_type: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) status: Option<String>,
}

impl Subscription {
    pub(crate) fn is_of(&self, content_type: ContentType) -> bool {
        self.content_type
            .as_deref()
            .is_some_and(|name| name.eq_ignore_ascii_case(content_type.as_str()))
    }

    /// Nothing if the service does not say.
    pub(crate) fn is_enabled(&self) -> Option<bool> {
        self.status
            .as_ref()
            .map(|status| status.eq_ignore_ascii_case("enabled"))
    }
}

/// The documented error body.
#[derive(Debug, Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorDetail {
    #[serde(deserialize_with = "text")]
    code: Option<String>,
    #[serde(deserialize_with = "text")]
    message: Option<String>,
}

/// The error body of ASP.NET.
#[derive(Debug, Deserialize)]
struct AspNet {
    #[serde(rename = "Message", alias = "message")]
    message: String,
}

/// Code and message of an error body of any form (reference §12.1).
pub(crate) fn error_body(body: &[u8]) -> (Option<String>, String) {
    if let Ok(ErrorBody { error }) = serde_json::from_slice(body) {
        let code = error.code.filter(|code| !code.is_empty());
        return (code, error.message.unwrap_or_default());
    }
    if let Ok(AspNet { message }) = serde_json::from_slice(body) {
        return (None, message);
    }
    let snippet = &body[..body.len().min(512)];
    (None, String::from_utf8_lossy(snippet).into_owned())
}

/// A text; anything else is nothing.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    Ok(text(deserializer)?.as_deref().and_then(parse_instant))
}

/// RFC 3339, or the same without a zone, which is UTC.
pub(crate) fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.with_timezone(&Utc))
        .ok()
        .or_else(|| {
            NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
                .ok()
                .map(|naive| naive.and_utc())
        })
}

/// The address of the next page. Header names have no case; the documentation has used two.
pub(crate) fn next_page(headers: &HeaderMap) -> Option<String> {
    ["nextpageuri", "nextpageurl"]
        .into_iter()
        .find_map(|name| headers.get(name))
        .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_read_whatever_is_missing_or_odd() {
        let text = r#"[{"contentType":"Audit.Exchange","contentId":"a$b","contentUri":"https://x","contentCreated":
            "2026-06-24T18:00:51.748Z","contentExpiration":null,"new":[1]}, {}, {"contentId":7,"contentCreated":"soon"}, null, 3,
            {"contentId":"first","contentId":"last"}]"#;
        let elements: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
        let descriptors: Vec<_> = elements.into_iter().map(Descriptor::read).collect();
        assert_eq!(descriptors[0].id.as_deref(), Some("a$b"));
        assert_eq!(descriptors[0].created.unwrap().timestamp_subsec_millis(), 748);
        assert_eq!(descriptors[0].expiration, None);
        assert_eq!(descriptors[1].id, None);
        assert_eq!(descriptors[2].id.as_deref(), Some("7"));
        assert_eq!(descriptors[2].created, None);
        assert!(descriptors[3].id.is_none() && descriptors[4].id.is_none());
        assert_eq!(descriptors[5].id.as_deref(), Some("last"));
    }

    #[test]
    fn error_bodies_of_every_form_are_read() {
        let check = |body: &str, code: Option<&str>, message: &str| {
            assert_eq!(
                error_body(body.as_bytes()),
                (code.map(str::to_owned), message.to_owned())
            );
        };
        check(
            r#"{"error":{"code":"AF50000","message":"oops"}}"#,
            Some("AF50000"),
            "oops",
        );
        check(
            r#"{"Message":"Authorization has been denied"}"#,
            None,
            "Authorization has been denied",
        );
        check(r#"{"error":"x"}"#, None, r#"{"error":"x"}"#);
        check("", None, "");
        check("<html>", None, "<html>");
    }

    #[test]
    fn instants_have_a_zone_or_are_utc() {
        for text in [
            "2026-06-24T18:00:51.748Z",
            "2026-06-24T18:00:51.748",
            "2026-06-24T20:00:51.748+02:00",
        ] {
            assert_eq!(
                parse_instant(text).unwrap().timestamp_millis(),
                1_782_324_051_748,
                "{text}"
            );
        }
        assert_eq!(parse_instant("yesterday"), None);
    }

    #[test]
    fn the_next_page_is_found_under_any_spelling() {
        for name in ["NextPageUri", "nextpageuri", "NEXTPAGEURI", "NextPageUrl"] {
            let mut map = HeaderMap::new();
            map.insert(
                reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                "https://x".parse().unwrap(),
            );
            assert_eq!(next_page(&map).as_deref(), Some("https://x"), "{name}");
        }
        let mut map = HeaderMap::new();
        map.insert("nextpageuri", " ".parse().unwrap());
        assert_eq!(next_page(&map), None);
    }
}

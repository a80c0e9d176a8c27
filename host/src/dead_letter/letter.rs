//! A letter: an event that failed, as a line of JSON. Written and read here only.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use o365_core::{BatchNotifier, ComponentKey, EventMetadata, FailedEvent, LogEvent, Origin};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use vrl::value::ObjectMap;

/// The line of an event that `component` gave up on, without a line feed.
pub(super) fn write(component: &ComponentKey, failed: &mut FailedEvent, now: DateTime<Utc>) -> Value {
    let original = failed.event.to_bytes();
    let metadata = failed.event.metadata();
    let mut letter = Map::new();
    letter.insert(
        "timestamp".to_owned(),
        json!(now.to_rfc3339_opts(SecondsFormat::Millis, true)),
    );
    letter.insert("component".to_owned(), json!(component));
    letter.insert("kind".to_owned(), json!(failed.failure.kind));
    letter.insert("reason".to_owned(), json!(failed.failure.reason));
    letter.extend(
        failed
            .failure
            .details
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value))),
    );
    letter.insert("origin".to_owned(), json!(&**metadata.origin()));
    letter.insert("index".to_owned(), json!(metadata.index()));
    if let Some(custom) = metadata.custom() {
        letter.insert("metadata".to_owned(), json!(custom));
    }
    match std::str::from_utf8(&original) {
        Ok(text) => letter.insert("original".to_owned(), json!(text)),
        // Not text: hex keeps every byte.
        Err(_) => letter.insert("original_hex".to_owned(), json!(crate::wasm::hex(&original))),
    };
    Value::Object(letter)
}

/// A letter that has been read.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// The component that gave up on the event.
    pub component: ComponentKey,
    /// The kind of the failure.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// Where the event is from.
    pub origin: Origin,
    /// Its place there.
    pub index: u64,
    /// What programs before the component had set below `%`. Times have become texts.
    pub metadata: ObjectMap,
    /// The event as it came to the component.
    pub original: Bytes,
}

#[derive(Deserialize)]
struct Written {
    component: ComponentKey,
    kind: String,
    reason: String,
    #[serde(default)]
    origin: Origin,
    #[serde(default)]
    index: u64,
    #[serde(default)]
    metadata: ObjectMap,
    original: Option<String>,
    original_hex: Option<String>,
}

impl Letter {
    /// Reads a line.
    ///
    /// # Errors
    /// Says why the line is not a letter, without anything of the event.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        let written: Written = serde_json::from_slice(line).map_err(|error| {
            // Its own words may quote the event.
            match error.classify() {
                serde_json::error::Category::Data => format!(
                    "is not a dead letter: it needs `component`, `kind`, `reason` and `original` (column {})",
                    error.column()
                ),
                _ => format!("is not JSON (column {})", error.column()),
            }
        })?;
        let original = match (written.original, written.original_hex) {
            (Some(text), None) => Bytes::from(text),
            (None, Some(hex)) => unhex(&hex).ok_or("has an `original_hex` that is not hexadecimal")?,
            (None, None) => return Err("has no `original`".to_owned()),
            (Some(_), Some(_)) => return Err("has both `original` and `original_hex`".to_owned()),
        };
        Ok(Self {
            component: written.component,
            kind: written.kind,
            reason: written.reason,
            origin: written.origin,
            index: written.index,
            metadata: written.metadata,
            original,
        })
    }

    /// The event as it came to the component, with another source that waits for it.
    pub fn into_event(self, notifier: &BatchNotifier) -> LogEvent {
        let metadata = EventMetadata::new(self.origin.into(), self.index, notifier.finalizer());
        let mut event = LogEvent::new(self.original, metadata);
        event.metadata_mut().set_custom(self.metadata);
        event
    }
}

fn unhex(text: &str) -> Option<Bytes> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use o365_core::Failure;
    use vrl::value;

    use super::*;

    fn failed(document: &'static [u8]) -> FailedEvent {
        let origin = Origin {
            source_id: Some("o365".into()),
            tenant_id: Some("t".to_owned()),
            tenant_name: Some("contoso".to_owned()),
            content_type: Some("Audit.Exchange".to_owned()),
            content_id: Some("c".to_owned()),
            content_created: Some("2026-11-25T10:00:00Z".parse().unwrap()),
            file: Some("f".to_owned()),
        };
        let (notifier, _) = BatchNotifier::new();
        let mut event = LogEvent::new(
            Bytes::from_static(document),
            EventMetadata::new(origin.into(), 7, notifier.finalizer()),
        );
        let custom = value!({"severity": 3, "tags": ["a", null]});
        event.metadata_mut().set_custom(custom.into_object().unwrap());
        FailedEvent {
            event,
            failure: Failure::new("mapping", "no such thing").detail("component_digest", "abc"),
        }
    }

    #[test]
    fn what_is_written_is_read_again_with_every_field() {
        for document in [&br#"{"a":"\u00fc\n"}"#[..], b"\xff\x00{", b""] {
            let mut failed = failed(document);
            let line = write(
                &"ecs".into(),
                &mut failed,
                "2026-11-25T10:00:00Z".parse().unwrap(),
            );
            let letter = Letter::read(line.to_string().as_bytes()).unwrap();
            assert_eq!(
                (&*letter.kind, &*letter.reason, letter.component.as_str()),
                ("mapping", "no such thing", "ecs")
            );
            let (notifier, _) = BatchNotifier::new();
            let mut event = letter.into_event(&notifier);
            assert_eq!(event.to_bytes(), document);
            assert_eq!(event.metadata().origin(), failed.event.metadata().origin());
            assert_eq!(event.metadata().index(), 7);
            assert_eq!(event.metadata().custom(), failed.event.metadata().custom());
        }
    }

    #[test]
    fn other_lines_are_refused_without_a_word_of_the_event() {
        for (line, expected) in [
            (r#"{"component":"a""#, "is not JSON"),
            (r#"{"secret":"hunter2"}"#, "is not a dead letter"),
            (
                r#"{"component":"a","kind":"k","reason":{"hunter2":1}}"#,
                "is not a dead letter",
            ),
            (
                r#"{"component":"a","kind":"k","reason":"r"}"#,
                "has no `original`",
            ),
            (
                r#"{"component":"a","kind":"k","reason":"r","original_hex":"abc"}"#,
                "not hexadecimal",
            ),
            (
                r#"{"component":"a","kind":"k","reason":"r","original_hex":"zz"}"#,
                "not hexadecimal",
            ),
        ] {
            let reason = Letter::read(line.as_bytes()).unwrap_err();
            assert!(
                reason.contains(expected) && !reason.contains("hunter2"),
                "{reason}"
            );
        }
    }
}

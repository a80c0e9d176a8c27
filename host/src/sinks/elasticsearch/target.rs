//! Where an event goes, and under which id: the action line before its document.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use o365_core::Failure;
use serde::Serialize;
use sha1::{Digest, Sha1};

use super::{
    super::lookup,
    options::{BulkAction, DataStream},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) into: Into,
    /// Where the event's id is, by parts. Without one, documents have ids of the server.
    pub(super) id_key: Vec<String>,
    paths: [Vec<String>; 4],
}

#[derive(Debug)]
pub(super) enum Into {
    /// Named by the event, or else by these.
    DataStream(DataStream),
    /// By the event's time.
    Index { format: String, action: BulkAction },
}

/// What goes before a document.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Action<'a> {
    Create(At<'a>),
    Index(At<'a>),
}

#[derive(Serialize)]
struct At<'a> {
    #[serde(rename = "_index")]
    index: &'a str,
    #[serde(rename = "_id", skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

impl Target {
    pub(super) fn new(into: Into, id_key: Option<&str>) -> Self {
        let path = |text: &str| text.split('.').map(str::to_owned).collect();
        Self {
            into,
            id_key: id_key.map(path).unwrap_or_default(),
            paths: [
                "@timestamp",
                "data_stream.type",
                "data_stream.dataset",
                "data_stream.namespace",
            ]
            .map(path),
        }
    }

    /// The action line of a document, without a line feed.
    pub(super) fn action(&self, document: &[u8]) -> Result<Vec<u8>, Failure> {
        let [time, kind, dataset, namespace] = &self.paths;
        let [id, time, kind, dataset, namespace] =
            lookup::texts(document, [&self.id_key, time, kind, dataset, namespace]).map_err(|error| {
                Failure::new("encoding", format!("the event is not a JSON object: {error}"))
            })?;
        let id = id.filter(|id| !id.is_empty()).map(|id| document_id(&id));
        let (index, action) = match &self.into {
            Into::DataStream(default) => {
                let or = |found: Option<String>, default: &String| {
                    found
                        .filter(|name| is_part(name))
                        .unwrap_or_else(|| default.clone())
                };
                let kind = or(kind.filter(|kind| !kind.contains('-')), &default.kind);
                let dataset = or(dataset.filter(|dataset| !dataset.contains('-')), &default.dataset);
                let namespace = or(namespace, &default.namespace);
                (format!("{kind}-{dataset}-{namespace}"), BulkAction::Create)
            }
            Into::Index { format, action } => (index(format, time.as_deref())?, *action),
        };
        let at = At {
            index: &index,
            id: id.as_deref(),
        };
        let action = match action {
            BulkAction::Create => Action::Create(at),
            BulkAction::Index => Action::Index(at),
        };
        serde_json::to_vec(&action).map_err(|error| Failure::new("encoding", error.to_string()))
    }
}

/// The `_id` of a record, as the mapping defines it: the same record always gives the same one.
fn document_id(id: &str) -> String {
    let mut hash = Sha1::new();
    hash.update([0]);
    hash.update(id);
    STANDARD.encode(hash.finalize())
}

/// The name of an index at the event's time, in UTC.
fn index(format: &str, time: Option<&str>) -> Result<String, Failure> {
    if !format.contains('%') {
        return Ok(format.to_owned());
    }
    let failure = |found: String| {
        let advice = "the index is named by it (`bulk.index`)";
        Failure::new("encoding", format!("{found}, and {advice}"))
    };
    let time = time.ok_or_else(|| failure("the event has no `@timestamp`".to_owned()))?;
    let time = DateTime::parse_from_rfc3339(time)
        .map_err(|_| failure(format!("the `@timestamp` `{time}` is not a time of RFC 3339")))?;
    Ok(time.with_timezone(&Utc).format(format).to_string())
}

/// Whether a text can be part of the name of a data stream: what the servers refuse would refuse the event.
pub(super) fn is_part(name: &str) -> bool {
    const FORBIDDEN: &[char] = &['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':'];
    !name.is_empty()
        && name.len() <= 80
        && !name.starts_with(['.', '_', '+'])
        && !name
            .chars()
            .any(|c| c.is_control() || c.is_uppercase() || FORBIDDEN.contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(target: &Target, document: &str) -> String {
        String::from_utf8(target.action(document.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn ids_are_those_of_the_mapping() {
        for id in ["", "a", "1d6f2f0c-0000-4e3f-9f0a-08dc1b2c3d4e", "ä€\u{1f600}"] {
            assert_eq!(document_id(id), o365_ecs::document_id(id), "{id}");
        }
    }

    #[test]
    fn an_event_names_its_data_stream_and_a_name_that_cannot_be_falls_back() {
        let target = Target::new(Into::DataStream(DataStream::default()), Some("event.id"));
        assert_eq!(
            action(
                &target,
                r#"{"event":{"id":"a"},"data_stream":{"namespace":"eu-1"}}"#
            ),
            format!(
                r#"{{"create":{{"_index":"logs-o365.audit-eu-1","_id":"{}"}}}}"#,
                document_id("a")
            )
        );
        let bad = r#"{"data_stream":{"type":"x-y","dataset":"A","namespace":"a b"},"event":{"id":""}}"#;
        assert_eq!(
            action(&target, bad),
            r#"{"create":{"_index":"logs-o365.audit-default"}}"#
        );
        let failure = target.action(b"[1]").unwrap_err();
        assert!(failure.reason.contains("not a JSON object"), "{}", failure.reason);
    }

    #[test]
    fn an_index_is_named_by_the_time_of_the_event() {
        let into = |format: &str| Into::Index {
            format: format.to_owned(),
            action: BulkAction::Index,
        };
        let target = Target::new(into("audit-%Y.%m.%d"), None);
        assert_eq!(
            action(
                &target,
                r#"{"@timestamp":"2026-01-01T00:30:00+01:00","event":{"id":"a"}}"#
            ),
            r#"{"index":{"_index":"audit-2025.12.31"}}"#
        );
        for document in ["{}", r#"{"@timestamp":"yesterday"}"#] {
            let failure = target.action(document.as_bytes()).unwrap_err();
            assert!(failure.reason.contains("@timestamp"), "{}", failure.reason);
        }
        assert_eq!(
            action(&Target::new(into("audit"), None), "{}"),
            r#"{"index":{"_index":"audit"}}"#
        );
    }
}

//! The index template of the data stream, from the field table of the mapping.

use serde_json::{Map, Value, json};

use super::{
    options::{DataStream, Lifecycle},
    product::Flavour,
};

/// The mappings, as Elasticsearch has them: written by `UPDATE_EXPECT=1 cargo test -p o365-host template`.
const MAPPINGS: &str = include_str!("mappings.json");

/// Above the built-in template `logs` (100) and that of Elastic's own integration (200).
const PRIORITY: u32 = 250;

/// The mapping has some 500 fields, and each kind of record adds some of its own.
const TOTAL_FIELDS: u32 = 5_000;

/// The name of the template.
pub(super) fn name(stream: &DataStream) -> String {
    format!("o365-host-{}-{}", stream.kind, stream.dataset)
}

/// The body of the request that installs it.
pub(super) fn template(
    stream: &DataStream,
    lifecycle: Option<Lifecycle>,
    flavour: Flavour,
) -> Result<Value, serde_json::Error> {
    let mut mappings: Value = serde_json::from_str(MAPPINGS)?;
    if flavour == Flavour::OpenSearch {
        for_opensearch(&mut mappings);
    }
    let mut template = json!({
        "settings": { "index": { "mapping": {
            "total_fields": { "limit": TOTAL_FIELDS.to_string() },
            // A date that is none, or a number out of range, is kept in the document and not searched: it is no reason to
            // refuse the whole event.
            "ignore_malformed": true,
        } } },
        "mappings": mappings,
    });
    if let (Some(lifecycle), Flavour::Elasticsearch) = (lifecycle, flavour) {
        template["lifecycle"] = json!({ "data_retention": retention(lifecycle) });
    }
    Ok(json!({
        "index_patterns": [format!("{}-{}-*", stream.kind, stream.dataset)],
        "data_stream": {},
        "priority": PRIORITY,
        "template": template,
        "_meta": { "managed_by": "o365-host", "description": "Office 365 audit events in ECS" },
    }))
}

/// In one unit, as the server wants it.
fn retention(lifecycle: Lifecycle) -> String {
    let seconds = lifecycle.data_retention.as_secs();
    let units = [("d", 86_400), ("h", 3_600), ("s", 1)];
    let (unit, size) = units
        .into_iter()
        .find(|(_, size)| seconds.is_multiple_of(*size))
        .unwrap_or(("s", 1));
    format!("{}{unit}", seconds / size)
}

/// What OpenSearch names otherwise, or wants a value for that is not known here.
fn for_opensearch(mapping: &mut Value) {
    match mapping {
        Value::Object(object) => {
            let other = match object.get("type").and_then(Value::as_str) {
                Some("flattened") => Some(json!({ "type": "flat_object" })),
                Some("constant_keyword") => Some(json!({ "type": "keyword" })),
                _ => None,
            };
            match other {
                Some(other) => *mapping = other,
                None => object.values_mut().for_each(for_opensearch),
            }
        }
        Value::Array(list) => list.iter_mut().for_each(for_opensearch),
        _ => {}
    }
}

/// Whether the server has the same, apart from what it adds.
pub(super) fn covers(there: &Value, ours: &Value) -> bool {
    match (there, ours) {
        (Value::Object(there), Value::Object(ours)) => {
            // An empty object may come back as one with defaults, or not at all.
            ours.iter().all(|(key, ours)| match there.get(key) {
                Some(there) => covers(there, ours),
                None => ours.as_object().is_some_and(Map::is_empty),
            })
        }
        (Value::Array(there), Value::Array(ours)) => {
            there.len() == ours.len() && there.iter().zip(ours).all(|(there, ours)| covers(there, ours))
        }
        // Settings come back as texts.
        (Value::String(there), Value::Number(ours)) => ours.to_string() == there.as_str(),
        (Value::String(there), Value::Bool(ours)) => there.parse() == Ok(*ours),
        _ => there == ours,
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use super::*;

    const FIELDS: &str = include_str!("../../../../transform-wasm/fields.tsv");

    fn field(kind: &str) -> Value {
        match kind {
            "keyword" => json!({ "type": "keyword", "ignore_above": 1024 }),
            "flattened" => json!({ "type": "flattened", "ignore_above": 1024 }),
            other => json!({ "type": other }),
        }
    }

    /// What fields.tsv says.
    fn generated() -> Value {
        let mut mappings = json!({
            "date_detection": false,
            "numeric_detection": false,
            "dynamic_templates": [],
            "properties": {},
        });
        let mut dynamic = Vec::new();
        for line in FIELDS.lines().skip(1) {
            let mut columns = line.split('\t');
            let (name, kind) = (columns.next().unwrap(), columns.next().unwrap());
            // Fields below a name that is not known are dynamic, like everything else.
            if name.contains('*') {
                match kind {
                    "keyword" | "dynamic" => {}
                    "long" => dynamic.push(json!({ name: {
                        "match_mapping_type": "long", "path_match": name, "mapping": field(kind),
                    } })),
                    other => panic!("{name} is {other}"),
                }
                continue;
            }
            let mut at = &mut mappings["properties"];
            let mut parts = name.split('.').peekable();
            while let Some(part) = parts.next() {
                let here = &mut at[part];
                if parts.peek().is_some() {
                    assert!(here.get("type").is_none(), "{name} is below a field");
                    at = &mut here["properties"];
                } else {
                    assert!(here.is_null(), "{name} is there twice, or has fields below it");
                    *here = field(kind);
                    break;
                }
            }
        }
        // No data stream takes an event without a time.
        mappings["properties"]["@timestamp"]["ignore_malformed"] = json!(false);
        // Kept, and not searched: it holds the whole record once more.
        mappings["properties"]["event"]["properties"]["original"] =
            json!({ "type": "keyword", "index": false, "doc_values": false });
        // Numbers too: what is a number in one kind of record is a text in another.
        dynamic.extend(["string", "long", "double", "boolean"].map(|kind| {
            json!({ format!("{kind}_as_keyword"): { "match_mapping_type": kind, "mapping": field("keyword") } })
        }));
        mappings["dynamic_templates"] = json!(dynamic);
        mappings
    }

    #[test]
    fn the_template_is_what_the_field_table_says() {
        let expected = serde_json::to_string_pretty(&generated()).unwrap() + "\n";
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sinks/elasticsearch/mappings.json");
            std::fs::write(path, expected).unwrap();
        } else {
            assert_eq!(MAPPINGS, expected, "UPDATE_EXPECT=1 rewrites the mappings");
        }
    }

    #[test]
    fn each_product_gets_what_it_knows() {
        let lifecycle = Some(Lifecycle {
            data_retention: Duration::from_hours(90 * 24),
        });
        let stream = DataStream::default();
        let elastic = template(&stream, lifecycle, Flavour::Elasticsearch).unwrap();
        assert_eq!(elastic["index_patterns"], json!(["logs-o365.audit-*"]));
        assert_eq!(
            elastic["template"]["lifecycle"],
            json!({ "data_retention": "90d" })
        );
        assert!(elastic.to_string().contains("\"flattened\""));
        let opensearch = template(&stream, lifecycle, Flavour::OpenSearch).unwrap();
        assert!(opensearch["template"].get("lifecycle").is_none());
        for kind in ["\"type\":\"flattened\"", "\"type\":\"constant_keyword\""] {
            assert!(!opensearch.to_string().contains(kind), "{kind}");
        }
        let fields = &opensearch["template"]["mappings"]["properties"];
        assert_eq!(
            fields["o365"]["properties"]["ext"]["properties"]["device"],
            json!({ "type": "flat_object" })
        );
        assert_eq!(name(&stream), "o365-host-logs-o365.audit");
    }

    #[test]
    fn what_a_server_adds_is_no_difference_and_what_it_lacks_is_one() {
        let ours = json!({ "a": { "limit": 5 }, "b": [1], "c": {} });
        let there = json!({ "a": { "limit": "5" }, "b": [1], "c": { "hidden": false }, "d": 1 });
        assert!(covers(&there, &ours));
        for there in [
            json!({ "a": { "limit": "6" }, "b": [1] }),
            json!({ "a": { "limit": "5" }, "b": [] }),
        ] {
            assert!(!covers(&there, &ours), "{there}");
        }
    }
}

//! Whether a value fits the type that its field has in the index. Elasticsearch refuses a document that has one value of
//! another kind, and an odd record must not cost the event.

use std::net::IpAddr;

use o365_ecs::{Context, Mapper, Outcome};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::table::{Fields, below, fields};

/// Values that do not fit, one line each. Leaves the fields of the record alone: their types are the reference's.
pub(crate) fn misfits(document: &Value, table: &Fields, options: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk("", document, table, &mut found);
    if options != "{}" {
        // The reference writes what a sender's address field says, whatever it is (§8.1).
        found.retain(|misfit| !misfit.contains(" is no ip: "));
    }
    found
}

fn walk(path: &str, value: &Value, table: &Fields, found: &mut Vec<String>) {
    if path == "o365.audit" {
        return;
    }
    match table.at(path) {
        Some(field) => {
            let members = value
                .as_array()
                .map_or(std::slice::from_ref(value), Vec::as_slice);
            if !members.iter().all(|member| fits(field.index, member)) {
                found.push(format!("{path} is no {}: {value}", field.index));
            }
        }
        None => match value {
            Value::Object(object) => {
                for (key, value) in object {
                    walk(&below(path, key), value, table, found);
                }
            }
            // `email.attachments`
            Value::Array(members) if members.iter().all(Value::is_object) => {
                for member in members {
                    walk(path, member, table, found);
                }
            }
            _ => found.push(format!("{path} is not in the table: {value}")),
        },
    }
}

fn fits(index: &str, value: &Value) -> bool {
    // A list of values is indexed like its members, and a list of lists like theirs.
    if let Value::Array(members) = value {
        return members.iter().all(|member| fits(index, member));
    }
    match index {
        "keyword" | "constant_keyword" | "match_only_text" | "wildcard" => {
            !value.is_object() && !value.is_array()
        }
        // A zone says which network interface an address is behind; no index takes it for an address.
        "ip" => value.as_str().is_some_and(|text| text.parse::<IpAddr>().is_ok()),
        "long" => value.is_i64(),
        "date" => value.as_str().is_some_and(is_timestamp),
        "flattened" => value.is_object(),
        "geo_point" => value["lat"].is_number() && value["lon"].is_number(),
        _ => true,
    }
}

/// `2026-03-01T08:00:00.000Z`
fn is_timestamp(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    shape == "0000-00-00T00:00:00.000Z" || (shape.starts_with("0000-00-00T00:00:00.") && shape.ends_with('Z'))
}

/// Any value at all, of the kinds that records have.
fn any_value() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec![
        "",
        "text",
        "Failed",
        "ann@contoso.example",
        "192.0.2.7",
        "fe80::1%eth0",
        "[2001:db8::7]:443",
        "2026-03-01T08:00:00",
        "{}",
        "[1]",
        r#"{"a":{"b":1},"Entities":[{"Recipient":{"a":1},"Upn":[{}]}]}"#,
        "https://a.contoso.co.uk/b.c",
        "12",
        "-1",
        "a.b (3b)",
    ])
    .prop_map(Value::from);
    let leaf = prop_oneof![
        4 => text,
        1 => any::<i64>().prop_map(Value::from),
        1 => (-9.0..9e30).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            ("[A-Z]", inner).prop_map(|(key, value)| json!({ key: value })),
        ]
    })
}

/// Sets a value at a path of a record, sometimes in a list.
fn put(record: &mut Map<String, Value>, path: &str, value: Value, in_lists: bool) {
    match path.split_once('.') {
        None => {
            record.insert(path.to_owned(), value);
        }
        Some((key, rest)) => {
            let place = record
                .entry(key)
                .or_insert_with(|| if in_lists { json!([{}]) } else { json!({}) });
            let place = match place {
                Value::Array(members) => members.first_mut(),
                other => Some(other),
            };
            if let Some(Value::Object(place)) = place {
                put(place, rest, value, in_lists);
            }
        }
    }
}

/// A record with some of the fields that the mapping reads.
fn any_record() -> impl Strategy<Value = Value> {
    let mut sources: Vec<_> = fields()
        .into_iter()
        .filter(|field| field.schema != "record")
        .flat_map(|field| field.from.split(", "))
        .filter(|from| {
            from.starts_with(|first: char| first.is_ascii_alphabetic()) && !from.contains([' ', '*'])
        })
        .collect();
    sources.sort_unstable();
    sources.dedup();
    let number = prop_oneof![
        prop::sample::select(vec![
            1, 2, 3, 4, 6, 8, 9, 11, 13, 14, 15, 18, 19, 20, 22, 24, 25, 28, 29, 33, 40, 41, 43, 47, 50, 51,
            57, 62, 63, 64, 65, 78, 85, 88, 218, 261, 294, 359, 462
        ]),
        0..500,
    ];
    let provider = prop::sample::select(vec!["SharePoint", "OneDrive", "Exchange", ""]);
    let fields = prop::collection::vec((prop::sample::select(sources), any_value(), any::<bool>()), 0..25);
    (number, provider, fields).prop_map(|(number, provider, fields)| {
        let mut record = Map::new();
        record.insert("Workload".to_owned(), Value::from(provider));
        for (path, value, in_lists) in fields {
            put(&mut record, path, value, in_lists);
        }
        record.insert("RecordType".to_owned(), Value::from(number));
        Value::from(record)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_document_fits_its_index(record in any_record()) {
        let table = Fields::read();
        for options in ["{}", r#"{ "extensions": false }"#] {
            let mapper = Mapper::configure(options).expect("good options");
            let mut out = Vec::new();
            let outcome = mapper.map(&Context::default(), record.to_string().as_bytes(), &mut out);
            prop_assert_eq!(outcome, Outcome::Emit);
            let document = serde_json::from_slice(&out).expect("the output is JSON");
            let misfits = misfits(&document, &table, options);
            prop_assert!(misfits.is_empty(), "{options}: {misfits:#?}");
        }
    }
}

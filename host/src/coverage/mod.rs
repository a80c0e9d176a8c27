//! What tests cover of the built-in mapping: record types among the events, fields among the documents.
//!
//! The host knows the mapping as a component, not as a library, so both lists are data: the fields are the table that the
//! mapping's own tests keep true, the record types are what the mapping was seen to name (the test below does that).

mod fields;
mod record_types;

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::Value;

use fields::Fields;
use record_types::record_types;

/// What has been seen so far.
#[derive(Debug, Default)]
pub struct Coverage {
    record_types: BTreeSet<u32>,
    /// Paths of leaves, with dots, without places in lists.
    paths: BTreeSet<String>,
}

impl Coverage {
    /// Notes an event that went in: an audit record, or an envelope with the record below `o365audit`.
    pub fn event(&mut self, event: &Value) {
        let record = event.get("o365audit").unwrap_or(event);
        let number = match record.get("RecordType") {
            Some(Value::Number(number)) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        self.record_types.extend(number);
    }

    /// Notes a document that came out.
    pub fn document(&mut self, document: &Value) {
        self.leaves(String::new(), document);
    }

    fn leaves(&mut self, path: String, value: &Value) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    let path = if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    self.leaves(path, value);
                }
            }
            Value::Array(members) if members.iter().any(Value::is_object) => {
                for member in members {
                    self.leaves(path.clone(), member);
                }
            }
            Value::Null => {}
            _ => {
                self.paths.insert(path);
            }
        }
    }

    /// The report, in lines of at most `width` characters where the names allow it.
    pub fn report(&self, width: usize) -> String {
        let mut text = String::new();
        let known = record_types();
        let is_seen = |number: &u32| self.record_types.contains(number);
        let never: Vec<_> = known
            .iter()
            .filter(|(number, _)| !is_seen(number))
            .map(|(number, name)| format!("{number} {name}"))
            .collect();
        let seen = known.len() - never.len();
        let _ = writeln!(text, "record types: {seen} of {} seen", known.len());
        list(&mut text, "never seen", &never, width);
        let is_known = |number: &u32| known.iter().any(|(known, _)| known == number);
        let unknown = self.record_types.iter().filter(|number| !is_known(number));
        let unknown: Vec<_> = unknown.map(ToString::to_string).collect();
        list(
            &mut text,
            "seen, but without a name in the mapping",
            &unknown,
            width,
        );

        let fields = Fields::of_the_mapping();
        let sorted = fields.sort(&self.paths);
        let _ = writeln!(text, "fields: {} of {} seen", sorted.seen, fields.len());
        list(&mut text, "never seen", &sorted.never_seen, width);
        list(&mut text, "seen, but not of the mapping", &sorted.others, width);
        text
    }
}

/// Adds names, if there are any, below a heading, with commas and line breaks between them.
fn list(text: &mut String, heading: &str, names: &[impl AsRef<str>], width: usize) {
    const INDENT: &str = "    ";
    if names.is_empty() {
        return;
    }
    let _ = writeln!(text, "  {heading}:");
    let mut line = String::new();
    for (index, name) in names.iter().enumerate() {
        let comma = if index + 1 < names.len() { "," } else { "" };
        let length = name.as_ref().len() + comma.len();
        if !line.is_empty() && INDENT.len() + line.len() + 1 + length > width {
            let _ = writeln!(text, "{INDENT}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        let _ = write!(line, "{}{comma}", name.as_ref());
    }
    let _ = writeln!(text, "{INDENT}{line}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn record_types_are_found_wherever_a_record_is() {
        let mut coverage = Coverage::default();
        for event in [
            json!({"RecordType": 6}),
            json!({"RecordType": "15"}),
            json!({"o365audit": {"RecordType": 8}}),
            json!({"RecordType": 99_999}),
            json!({"RecordType": "Yammer"}),
            json!({"RecordType": -1}),
            json!({"message": "x"}),
        ] {
            coverage.event(&event);
        }
        let report = coverage.report(76);
        let start = format!(
            "record types: 3 of {} seen\n  never seen:\n    1 ExchangeAdmin, 2 ExchangeItem, 3 ExchangeItemGroup, 4 SharePoint,\n",
            record_types().len()
        );
        assert!(report.starts_with(&start), "{report}");
        for seen in [
            "6 SharePointFileOperation,",
            " 8 AzureActiveDirectory,",
            "15 AzureActiveDirectoryStsLogon",
        ] {
            assert!(!report.contains(seen), "{report}");
        }
        assert!(
            report.contains("  seen, but without a name in the mapping:\n    99999\n"),
            "{report}"
        );
    }

    #[test]
    fn fields_are_those_of_the_table() {
        let mut coverage = Coverage::default();
        coverage.document(&json!({
            "@timestamp": "x", "event": {"code": "x", "id": null}, "source": {"geo": {"location": {"lat": 1, "lon": 2}}},
            "labels": {"env": ["a", "b"]}, "o365": {"audit": {"NobodyKnows": {"this": 1}, "Item": {"Subject": "x"}}},
        }));
        let report = coverage.report(80);
        let never: Vec<_> = report
            .split("fields: ")
            .nth(1)
            .unwrap()
            .split([',', ' ', '\n'])
            .collect();
        for seen in ["@timestamp", "event.code", "source.geo.location", "o365.audit.*"] {
            assert!(!never.contains(&seen), "{seen} was seen: {report}");
        }
        for unseen in [
            "event.id",
            "event.action",
            "o365.audit.Item.*.*",
            "o365.audit.Parameters.*",
        ] {
            assert!(never.contains(&unseen), "{unseen} was not seen: {report}");
        }
        assert!(
            report.ends_with("  seen, but not of the mapping:\n    labels.env\n"),
            "{report}"
        );
    }

    #[test]
    fn lines_are_as_long_as_the_terminal_is_wide() {
        let mut text = String::new();
        list(&mut text, "some", &["aaaa", "bbbb", "cccc", "dddddddddddd"], 15);
        assert_eq!(text, "  some:\n    aaaa, bbbb,\n    cccc,\n    dddddddddddd\n");
        for line in Coverage::default().report(70).lines() {
            assert!(line.len() <= 70 || !line.trim().contains(' '), "{line}");
        }
    }
}

//! The mapping: an audit record in, a document out. Plain Rust without I/O, clock or randomness, so that the same record and the
//! same options always give the same document, and `cargo test` tests it without WebAssembly. `component.rs` is the shell.

#[cfg(target_arch = "wasm32")]
mod component;

use std::net::{IpAddr, SocketAddr};

use serde_json::{Map, Value, json};

/// What the component says of itself.
pub const DESCRIPTION: &str = env!("CARGO_PKG_DESCRIPTION");
/// What the documents follow.
pub const OUTPUT_SCHEMA: &str = "ecs-8.11";

/// What becomes of one record.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A document, as JSON on one line.
    Emit(Vec<u8>),
    /// The record is not wanted.
    Drop,
    /// The record cannot be mapped, and why. The host keeps it as a dead letter.
    Fail(String),
}

/// The mapping with its options.
#[derive(Debug, Default)]
pub struct Mapper {
    /// Records of these operations are dropped.
    drop: Vec<String>,
    /// Stand in every document.
    tags: Vec<String>,
}

impl Mapper {
    /// Reads `options` of the transform in the host's configuration, a JSON object. What is unknown is refused: a misspelt
    /// option would do nothing.
    pub fn configure(options: &str) -> Result<Self, String> {
        let options: Map<String, Value> =
            serde_json::from_str(options).map_err(|error| format!("the options are no JSON object: {error}"))?;
        let mut mapper = Self::default();
        for (name, value) in options {
            let list = strings(&value).ok_or_else(|| format!("`{name}` must be a list of texts"));
            match name.as_str() {
                "drop" => mapper.drop = list?,
                "tags" => mapper.tags = list?,
                _ => return Err(format!("there is no option `{name}`; there are `drop` and `tags`")),
            }
        }
        Ok(mapper)
    }

    /// Maps one record. Nobody has checked that it is JSON.
    pub fn map(&self, record: &[u8]) -> Outcome {
        let record: Map<String, Value> = match serde_json::from_slice(record) {
            Ok(record) => record,
            Err(error) => return Outcome::Fail(format!("the record is no JSON object: {error}")),
        };
        let text = |name: &str| record.get(name).and_then(Value::as_str);
        if text("Operation").is_some_and(|operation| self.drop.iter().any(|drop| drop == operation)) {
            return Outcome::Drop;
        }
        let Some(time) = text("CreationTime") else {
            return Outcome::Fail("the record has no CreationTime".to_owned());
        };
        let mut document = Map::new();
        // The service writes UTC without saying so.
        document.insert("@timestamp".to_owned(), format!("{}Z", time.trim_end_matches('Z')).into());
        document.insert(
            "event".to_owned(),
            object([
                ("kind", Some(json!("event"))),
                ("id", text("Id").map(Value::from)),
                ("action", text("Operation").map(Value::from)),
                ("provider", text("Workload").map(Value::from)),
                ("outcome", Some(outcome(text("ResultStatus")).into())),
            ]),
        );
        let parts = [
            ("organization", object([("id", text("OrganizationId").map(Value::from))])),
            ("user", object([("id", text("UserId").map(Value::from))])),
            ("source", object([("ip", text("ClientIP").and_then(address).map(Value::from))])),
        ];
        for (name, part) in parts {
            if part.as_object().is_some_and(|part| !part.is_empty()) {
                document.insert(name.to_owned(), part);
            }
        }
        if !self.tags.is_empty() {
            document.insert("tags".to_owned(), self.tags.clone().into());
        }
        Outcome::Emit(Value::Object(document).to_string().into_bytes())
    }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    let texts = value.as_array()?.iter();
    texts.map(|text| text.as_str().map(str::to_owned)).collect()
}

/// An object of the members that are there.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect::<Map<_, _>>()
        .into()
}

fn outcome(status: Option<&str>) -> &'static str {
    match status {
        Some("Succeeded" | "Success" | "True") => "success",
        Some("Failed" | "Failure" | "False") => "failure",
        _ => "unknown",
    }
}

/// The address without the port that some services add: `203.0.113.7:51234`, `[2001:db8::1]:443`. An IPv4 address that is written
/// as one of IPv6 is one of IPv4.
fn address(text: &str) -> Option<String> {
    let text = text.trim();
    let ip = match text.parse::<SocketAddr>() {
        Ok(address) => address.ip(),
        Err(_) => text.trim_matches(['[', ']']).parse::<IpAddr>().ok()?,
    };
    Some(ip.to_canonical().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(mapper: &Mapper, record: &Value) -> Value {
        match mapper.map(record.to_string().as_bytes()) {
            Outcome::Emit(text) => serde_json::from_slice(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_time_is_utc() {
        let found = document(&Mapper::default(), &json!({"CreationTime": "2026-01-15T10:00:00"}));
        assert_eq!(found["@timestamp"], "2026-01-15T10:00:00Z");
        assert_eq!(found["event"]["outcome"], "unknown");
        assert_eq!(found.get("user"), None, "nothing is made up");
    }

    #[test]
    fn an_address_has_no_port() {
        assert_eq!(address("203.0.113.7:51234").as_deref(), Some("203.0.113.7"));
        assert_eq!(address("203.0.113.7").as_deref(), Some("203.0.113.7"));
        assert_eq!(address("[2001:db8::1]:443").as_deref(), Some("2001:db8::1"));
        assert_eq!(address("::ffff:203.0.113.7").as_deref(), Some("203.0.113.7"));
        assert_eq!(address("[203.0.113.7]").as_deref(), Some("203.0.113.7"));
        for text in ["[203.0.113.7]:443", "203.0.113.7:99999", "fe80::1%eth0", "010.0.113.7", "<null>"] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn options_are_checked() {
        let mapper = Mapper::configure(r#"{"drop": ["MailboxLogin"], "tags": ["mine"]}"#).unwrap();
        assert_eq!(mapper.map(br#"{"Operation": "MailboxLogin"}"#), Outcome::Drop);
        let found = document(&mapper, &json!({"CreationTime": "2026-01-15T10:00:00"}));
        assert_eq!(found["tags"], json!(["mine"]));
        assert!(Mapper::configure(r#"{"tag": []}"#).unwrap_err().contains("no option `tag`"));
        assert!(Mapper::configure(r#"{"tags": "mine"}"#).unwrap_err().contains("list of texts"));
        assert!(Mapper::configure("[]").is_err());
    }

    #[test]
    fn what_is_no_record_fails_with_the_reason() {
        for (record, reason) in [("nonsense", "no JSON object"), ("[1]", "no JSON object"), ("{}", "no CreationTime")] {
            match Mapper::default().map(record.as_bytes()) {
                Outcome::Fail(text) => assert!(text.contains(reason), "{record}: {text}"),
                other => panic!("{record}: {other:?}"),
            }
        }
    }
}

//! How sinks write events.

mod csv;

use std::sync::Arc;

use bytes::Bytes;
use memchr::memchr2;
use o365_core::{LogEvent, config::Problem};
use serde::Deserialize;

use crate::append::Pieces;

pub use self::csv::{Csv, CsvOptions};

/// The `encoding` of a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Encoding {
    /// The form, with its options. Default `json`.
    pub codec: Codec,
}

/// The form in which a document is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Codec {
    /// One document a line.
    #[default]
    Json,
    /// Indented, for people.
    Pretty,
    /// The audit record as the API sent it: `event.original` of a mapped event, the document itself of another.
    Original,
    /// Chosen fields, separated by commas.
    Csv(Arc<Csv>),
}

/// What a person wrote.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    codec: Name,
    csv: Option<CsvOptions>,
}

#[derive(Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    #[default]
    Json,
    Pretty,
    Original,
    Csv,
}

impl TryFrom<Written> for Encoding {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let codec = match (written.codec, written.csv) {
            (Name::Csv, Some(options)) => Codec::Csv(Arc::new(Csv::new(options)?)),
            (Name::Csv, None) => {
                return Err(
                    "`csv` needs its columns: write `csv: { fields: [\"@timestamp\", event.action] }` beside `codec`"
                        .to_owned(),
                );
            }
            (_, Some(_)) => return Err("has options for `csv`, but another `codec`".to_owned()),
            (Name::Json, None) => Codec::Json,
            (Name::Pretty, None) => Codec::Pretty,
            (Name::Original, None) => Codec::Original,
        };
        Ok(Self { codec })
    }
}

impl Encoding {
    /// What makes no sense in messages, one an event, for a program.
    pub(crate) fn message_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.codec.is_for_people() {
            let problem = Problem::new("encoding.codec", "`pretty` is for people");
            problems.push(problem.hint("use `json` or `original`"));
        }
        if !self.codec.header().is_empty() {
            let problem = Problem::new("encoding.csv.header", "only files have a header");
            problems.push(problem.hint("leave it out"));
        }
        problems
    }
}

impl Codec {
    /// Whether a program would have trouble with it.
    pub(crate) fn is_for_people(&self) -> bool {
        *self == Self::Pretty
    }

    /// Whether an event is a JSON document.
    pub(crate) fn is_json(&self) -> bool {
        !matches!(self, Self::Csv(_))
    }

    /// The line, with its line feed, that stands before the first event; empty if there is none.
    pub(crate) fn header(&self) -> &[u8] {
        match self {
            Self::Csv(csv) => csv.header(),
            Self::Json | Self::Pretty | Self::Original => &[],
        }
    }

    /// The event in one line, without a line feed.
    pub(crate) fn text(&self, event: &mut LogEvent) -> Vec<u8> {
        let mut text = Vec::new();
        self.encode(event, false, &mut text);
        text.pop();
        text
    }

    /// Appends the event and a line feed.
    pub fn encode(&self, event: &mut LogEvent, colour: bool, out: &mut Vec<u8>) {
        match self {
            Self::Json => push_one_line(&event.to_bytes(), out),
            Self::Pretty => match serde_json::from_slice(&event.to_bytes()) {
                Ok(value) => pretty(&value, 0, colour, out),
                // Not JSON: shown as it is.
                Err(_) => push_one_line(&event.to_bytes(), out),
            },
            Self::Original => match original(event) {
                Some(original) => push_one_line(original.as_bytes(), out),
                None => push_one_line(&event.to_bytes(), out),
            },
            // With its line feed.
            Self::Csv(csv) => return csv.encode(event, out),
        }
        out.push(b'\n');
    }

    /// Appends the event and a line feed, without a copy where the text is at hand as it will be written.
    pub(crate) fn lines(&self, event: &mut LogEvent, colour: bool, out: &mut Pieces) {
        if *self == Self::Json {
            let document = event.to_bytes();
            if memchr2(b'\n', b'\r', &document).is_none() {
                out.push(document);
                return out.push(Bytes::from_static(b"\n"));
            }
        }
        let mut text = Vec::new();
        self.encode(event, colour, &mut text);
        out.push(text);
    }
}

fn original(event: &mut LogEvent) -> Option<String> {
    let value = event.value().ok()?;
    let original = value.get(vrl::path!("event", "original"))?;
    original
        .as_bytes()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// A line feed in JSON text can only stand between tokens, where a blank is as good.
fn push_one_line(text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(text);
    for byte in &mut out[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

const KEY: &str = "\x1b[34m";
const STRING: &str = "\x1b[32m";
const LITERAL: &str = "\x1b[33m";
const RESET: &str = "\x1b[0m";

fn pretty(value: &serde_json::Value, depth: usize, colour: bool, out: &mut Vec<u8>) {
    use serde_json::Value;
    let paint = |code: &str, text: &str, out: &mut Vec<u8>| {
        let (before, after) = if colour { (code, RESET) } else { ("", "") };
        for part in [before, text, after] {
            out.extend_from_slice(part.as_bytes());
        }
    };
    let indent = |depth: usize, out: &mut Vec<u8>| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', depth * 2));
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push(b'{');
            for (number, (key, value)) in map.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                indent(depth + 1, out);
                paint(KEY, &Value::from(key.as_str()).to_string(), out);
                out.extend_from_slice(b": ");
                pretty(value, depth + 1, colour, out);
            }
            indent(depth, out);
            out.push(b'}');
        }
        Value::Array(items) if !items.is_empty() => {
            out.push(b'[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                indent(depth + 1, out);
                pretty(item, depth + 1, colour, out);
            }
            indent(depth, out);
            out.push(b']');
        }
        Value::String(_) => paint(STRING, &value.to_string(), out),
        other => paint(LITERAL, &other.to_string(), out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(codec: &Codec, document: &'static str) -> String {
        let mut out = Vec::new();
        codec.encode(&mut LogEvent::untracked(document), false, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_is_one_line_whatever_came_in() {
        assert_eq!(encode(&Codec::Json, "{\n\"a\":\r\n1}"), "{ \"a\":  1}\n");
    }

    #[test]
    fn pretty_is_indented_and_keeps_what_is_no_json() {
        assert_eq!(
            encode(&Codec::Pretty, r#"{"a":{"b":[1,"x"],"c":{}}}"#),
            "{\n  \"a\": {\n    \"b\": [\n      1,\n      \"x\"\n    ],\n    \"c\": {}\n  }\n}\n"
        );
        assert_eq!(encode(&Codec::Pretty, "oops"), "oops\n");
    }

    #[test]
    fn original_is_the_untouched_record() {
        assert_eq!(
            encode(&Codec::Original, r#"{"event":{"original":"{\"Id\": 1}"}}"#),
            "{\"Id\": 1}\n"
        );
        assert_eq!(encode(&Codec::Original, r#"{"Id":2}"#), "{\"Id\":2}\n");
    }
}

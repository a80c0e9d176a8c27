//! `codec: csv`: chosen fields of an event, one event a line (RFC 4180, but for the line feed at the end).

use ::csv::WriterBuilder;
use o365_core::{LogEvent, Value};
use serde::Deserialize;
use vrl::path::{OwnedValuePath, parse_value_path};

/// Options of `codec: csv`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvOptions {
    /// The columns: fields of the document, such as `event.action`, in this order. At least one.
    pub fields: Vec<String>,
    /// What stands between columns: one ASCII character. Default `,`.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// Whether each file begins with a line of the names. Default `false`.
    #[serde(default)]
    pub header: bool,
    /// What stands between the members of a list. Default `;`.
    #[serde(default = "semicolon")]
    pub list_separator: String,
}

fn comma() -> char {
    ','
}

fn semicolon() -> String {
    ";".to_owned()
}

/// Writes events as `csv`.
#[derive(Debug, PartialEq, Eq)]
pub struct Csv {
    fields: Vec<OwnedValuePath>,
    delimiter: u8,
    header: Vec<u8>,
    list_separator: String,
}

impl Csv {
    pub(super) fn new(options: CsvOptions) -> Result<Self, String> {
        if options.fields.is_empty() {
            return Err("`csv.fields` is empty: name at least one field, such as `event.action`".to_owned());
        }
        let fields = options.fields.iter().map(|field| match parse_value_path(field) {
            Ok(path) if !path.segments.is_empty() => Ok(path),
            _ => Err(format!(
                "`{field}` in `csv.fields` is not a path of a field: write names with dots between them, such as \
                 `source.ip`"
            )),
        });
        let delimiter = u8::try_from(options.delimiter)
            .ok()
            .filter(|byte| byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n'))
            .ok_or_else(|| {
                format!(
                    "`csv.delimiter` {:?} cannot stand between columns: use one ASCII character that is neither a quote nor \
                     a line feed, such as `;`",
                    options.delimiter
                )
            })?;
        let mut csv = Self {
            fields: fields.collect::<Result<_, _>>()?,
            delimiter,
            header: Vec::new(),
            list_separator: options.list_separator,
        };
        if options.header {
            let mut header = Vec::new();
            csv.line(options.fields.into_iter(), &mut header);
            csv.header = header;
        }
        Ok(csv)
    }

    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }

    /// Appends the event and a line feed. What is no JSON object has no fields.
    pub(super) fn encode(&self, event: &mut LogEvent, out: &mut Vec<u8>) {
        let value = event.value().ok();
        let cells = self.fields.iter().map(|field| {
            let value = value.and_then(|value| value.get(field));
            value.map(|value| self.cell(value)).unwrap_or_default()
        });
        self.line(cells, out);
    }

    fn cell(&self, value: &Value) -> String {
        match value {
            Value::Null => String::new(),
            Value::Bytes(text) => String::from_utf8_lossy(text).into_owned(),
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| self.cell(item)).collect();
                items.join(&self.list_separator)
            }
            // Numbers, booleans and whole objects are what they are in JSON.
            other => match serde_json::to_value(other) {
                Ok(serde_json::Value::String(text)) => text,
                Ok(value) => value.to_string(),
                Err(_) => String::new(),
            },
        }
    }

    /// An event is one line, whatever stands in it: a blank takes the place of a line feed.
    fn line(&self, cells: impl Iterator<Item = String>, out: &mut Vec<u8>) {
        let mut writer = WriterBuilder::new()
            .delimiter(self.delimiter)
            .buffer_capacity(1 << 10)
            .from_writer(out);
        let cells = cells.map(|cell| cell.replace("\r\n", " ").replace(['\n', '\r'], " "));
        writer
            .write_record(cells)
            .and_then(|()| writer.flush().map_err(Into::into))
            .expect("memory takes what is written");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Codec, Encoding};
    use super::*;

    fn encoding(options: &serde_json::Value) -> Result<Encoding, String> {
        serde_json::from_value(json!({"codec": "csv", "csv": options})).map_err(|error| error.to_string())
    }

    fn line(options: &serde_json::Value, document: &'static str) -> String {
        let mut out = Vec::new();
        let codec = encoding(options).unwrap().codec;
        codec.encode(&mut LogEvent::untracked(document), false, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_are_quoted_where_they_must_be_and_an_event_is_one_line() {
        let fields =
            json!({"fields": ["@timestamp", "event.action", "user.name", "n", "ok", "no.such", "o"]});
        assert_eq!(
            line(
                &fields,
                r#"{"@timestamp":"2026-01-14T20:01:33.000Z","event":{"action":"a,b"},"user":{"name":"say \"x\"\r\nagain\n"},
                    "n":1.5,"ok":true,"o":{"k":[1]}}"#
            ),
            "2026-01-14T20:01:33.000Z,\"a,b\",\"say \"\"x\"\" again \",1.5,true,,\"{\"\"k\"\":[1]}\"\n"
        );
    }

    #[test]
    fn lists_are_joined() {
        let document = r#"{"l":["a",1,null,["b"]],"empty":[]}"#;
        assert_eq!(line(&json!({"fields": ["l", "empty"]}), document), "a;1;;b,\n");
        let options = json!({"fields": ["l[0]", "l"], "list_separator": ", ", "delimiter": ";"});
        assert_eq!(line(&options, document), "a;a, 1, , b\n");
    }

    #[test]
    fn an_event_without_any_of_the_fields_has_a_line_too() {
        assert_eq!(line(&json!({"fields": ["a", "b"]}), "{}"), ",\n");
        assert_eq!(line(&json!({"fields": ["a"]}), "no JSON"), "\"\"\n");
    }

    #[test]
    fn the_header_has_the_names() {
        let with = encoding(&json!({"fields": ["a.b", "\"x,y\""], "header": true})).unwrap();
        assert_eq!(with.codec.header(), b"a.b,\"\"\"x,y\"\"\"\n");
        let without = encoding(&json!({"fields": ["a.b"]})).unwrap();
        assert!(without.codec.header().is_empty() && Codec::Json.header().is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_do() {
        for (options, part) in [
            (json!({"fields": []}), "`csv.fields` is empty"),
            (
                json!({"fields": ["a..b"]}),
                "`a..b` in `csv.fields` is not a path",
            ),
            (json!({"fields": ["a"], "delimiter": "\n"}), "`csv.delimiter`"),
            (json!({"fields": ["a"], "delimiter": "→"}), "`csv.delimiter`"),
            (json!({"fields": ["a"], "quote": "'"}), "unknown field `quote`"),
        ] {
            let error = encoding(&options).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        for (written, part) in [
            (json!({"codec": "csv"}), "needs its columns"),
            (json!({"csv": {"fields": ["a"]}}), "another `codec`"),
        ] {
            let error = serde_json::from_value::<Encoding>(written)
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}

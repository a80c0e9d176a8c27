//! A JSON writer that keeps the order in which members are written.
//!
//! Blobs have to be the same bytes for the same seed in every build. A map type would order members differently
//! depending on features that other crates switch on, and building a tree for a million events is slow.

use std::fmt::Write;

/// An object being written into a text.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    out: &'a mut String,
    empty: bool,
}

/// An array being written into a text.
#[derive(Debug)]
pub(crate) struct Array<'a> {
    out: &'a mut String,
    empty: bool,
}

/// Writes one object to the end of `out`.
pub(crate) fn object(out: &mut String, fill: impl FnOnce(&mut Object<'_>)) {
    out.push('{');
    fill(&mut Object { out, empty: true });
    out.push('}');
}

/// Builds the text of one object: for JSON inside strings.
pub(crate) fn text(fill: impl FnOnce(&mut Object<'_>)) -> String {
    let mut out = String::new();
    object(&mut out, fill);
    out
}

/// Writes one array to the end of `out`.
pub(crate) fn array(out: &mut String, fill: impl FnOnce(&mut Array<'_>)) {
    out.push('[');
    fill(&mut Array { out, empty: true });
    out.push(']');
}

/// Writes a string literal to the end of `out`.
pub(crate) fn string(out: &mut String, value: &str) {
    out.push('"');
    let needs_escape = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    // Nearly always nothing does. Asking all bytes, without an end in between, is what a compiler makes wide code of.
    if !value.bytes().fold(false, |any, byte| any | needs_escape(byte)) {
        out.push_str(value);
        out.push('"');
        return;
    }
    let mut rest = value;
    // What needs an escape is ASCII, so a text can be cut before and behind it.
    while let Some(at) = rest.bytes().position(needs_escape) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{control:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

impl Object<'_> {
    fn key(&mut self, key: &str) -> &mut String {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        string(self.out, key);
        self.out.push(':');
        self.out
    }

    pub(crate) fn str(&mut self, key: &str, value: &str) -> &mut Self {
        string(self.key(key), value);
        self
    }

    pub(crate) fn int(&mut self, key: &str, value: impl Into<i64>) -> &mut Self {
        let _ = write!(self.key(key), "{}", value.into());
        self
    }

    pub(crate) fn bool(&mut self, key: &str, value: bool) -> &mut Self {
        self.key(key).push_str(if value { "true" } else { "false" });
        self
    }

    pub(crate) fn null(&mut self, key: &str) -> &mut Self {
        self.key(key).push_str("null");
        self
    }

    pub(crate) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        object(self.key(key), fill);
        self
    }

    pub(crate) fn array(&mut self, key: &str, fill: impl FnOnce(&mut Array<'_>)) -> &mut Self {
        array(self.key(key), fill);
        self
    }

    /// An array of strings.
    pub(crate) fn strings(&mut self, key: &str, values: &[&str]) -> &mut Self {
        self.array(key, |items| values.iter().for_each(|value| items.str(value)))
    }

    /// The list of `{"Name": …, "Value": …}` that many workloads use.
    pub(crate) fn pairs(&mut self, key: &str, pairs: &[(&str, &str)]) -> &mut Self {
        self.array(key, |items| {
            for (name, value) in pairs {
                items.object(|pair| {
                    pair.str("Name", name).str("Value", value);
                });
            }
        })
    }
}

impl Array<'_> {
    fn separate(&mut self) -> &mut String {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        self.out
    }

    pub(crate) fn str(&mut self, value: &str) {
        string(self.separate(), value);
    }

    pub(crate) fn object(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        object(self.separate(), fill);
    }

    /// An element that is JSON already.
    pub(crate) fn raw(&mut self, json: &str) {
        self.separate().push_str(json);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_a_parser_reads_back() {
        let written = text(|o| {
            o.str("s", "a\"b\\c\n\u{1}é")
                .int("i", -5)
                .bool("b", true)
                .null("n");
            o.pairs("p", &[("k", "v"), ("k2", "")])
                .strings("l", &["x", "y"])
                .strings("e", &[]);
            o.object("o", |_| {}).array("a", |a| a.raw("7"));
        });
        let value: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"s": "a\"b\\c\n\u{1}é", "i": -5, "b": true, "n": null, "l": ["x", "y"], "e": [],
                "p": [{"Name": "k", "Value": "v"}, {"Name": "k2", "Value": ""}], "o": {}, "a": [7]})
        );
        assert!(written.starts_with(r#"{"s":"#), "members keep their order");
    }
}

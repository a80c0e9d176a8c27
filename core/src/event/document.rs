//! A JSON document that is parsed at most once, and only if somebody asks.
//!
//! Source -> component -> file moves bytes and never builds a [`Value`]. A program asks for the value, which is then
//! kept; the bytes are kept too until the value is changed, so that reading costs no rewriting.
//!
//! The bytes of an event are a slice of the blob that it came with, and hold all of it in memory. Who asks for the value may be a
//! filter that keeps one event of a blob, so the bytes that are kept beside a value are a copy.

use bytes::Bytes;
use vrl::value::Value;

/// The text of an event is not a JSON object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object: {reason}")]
pub struct InvalidDocument {
    /// What is wrong, and at which line and column of the text.
    pub reason: String,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Document(Repr);

#[derive(Debug, Clone)]
enum Repr {
    /// As received; nobody has checked that it is JSON.
    Raw(Bytes),
    /// Parsed. `raw` is the same document as text, absent once the value may have changed.
    Parsed { value: Box<Value>, raw: Option<Bytes> },
}

impl Document {
    /// A document as it was received. It need not be valid: that shows when it is first read as a value.
    pub fn from_raw(raw: impl Into<Bytes>) -> Self {
        Self(Repr::Raw(raw.into()))
    }

    /// A document that exists as a value.
    pub fn from_value(value: Value) -> Self {
        Self(Repr::Parsed {
            value: Box::new(value),
            raw: None,
        })
    }

    /// The text, if it is at hand without writing it.
    pub fn raw(&self) -> Option<&Bytes> {
        match &self.0 {
            Repr::Raw(raw) => Some(raw),
            Repr::Parsed { raw, .. } => raw.as_ref(),
        }
    }

    /// The document as a value; parses on the first call. After an error the document is as it was.
    pub fn value(&mut self) -> Result<&Value, InvalidDocument> {
        self.parsed(|raw| Some(Bytes::copy_from_slice(raw)))
            .map(|(value, _)| &*value)
    }

    /// The document as a value to be changed: the text is written anew from it.
    pub fn value_mut(&mut self) -> Result<&mut Value, InvalidDocument> {
        self.parsed(|_| None).map(|(value, raw)| {
            *raw = None;
            value
        })
    }

    /// The document as JSON text without a line feed at its end; writes it if the value has changed.
    ///
    /// The text is kept, so a second call is free.
    pub fn to_bytes(&mut self) -> Bytes {
        match &mut self.0 {
            Repr::Raw(raw) => raw.clone(),
            Repr::Parsed { value, raw } => raw.get_or_insert_with(|| write(value)).clone(),
        }
    }

    /// Bytes of memory that the document takes, roughly: the text if there is one, else an estimate.
    pub fn size(&self) -> usize {
        match &self.0 {
            Repr::Raw(raw) => raw.len(),
            Repr::Parsed { value, raw } => raw.as_ref().map_or_else(|| estimate(value), Bytes::len),
        }
    }

    /// `kept` is what of the text is kept beside the value.
    fn parsed(
        &mut self,
        kept: impl FnOnce(&Bytes) -> Option<Bytes>,
    ) -> Result<(&mut Value, &mut Option<Bytes>), InvalidDocument> {
        if let Repr::Raw(raw) = &self.0 {
            let value = Box::new(parse(raw)?);
            let raw = kept(raw);
            self.0 = Repr::Parsed { value, raw };
        }
        match &mut self.0 {
            Repr::Parsed { value, raw } => Ok((value, raw)),
            Repr::Raw(_) => unreachable!("replaced just above"),
        }
    }
}

impl From<Bytes> for Document {
    fn from(raw: Bytes) -> Self {
        Self::from_raw(raw)
    }
}

impl From<Value> for Document {
    fn from(value: Value) -> Self {
        Self::from_value(value)
    }
}

impl From<&'static str> for Document {
    fn from(raw: &'static str) -> Self {
        Self::from_raw(Bytes::from_static(raw.as_bytes()))
    }
}

fn parse(raw: &[u8]) -> Result<Value, InvalidDocument> {
    let value: Value = serde_json::from_slice(raw).map_err(|error| InvalidDocument {
        reason: error.to_string(),
    })?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(InvalidDocument {
            reason: format!("found {} at the top level", value.kind_str()),
        })
    }
}

fn write(value: &Value) -> Bytes {
    // A `Value` holds only what JSON can express: floats are never NaN or infinite, keys are strings.
    serde_json::to_vec(value)
        .expect("a value is always writable as JSON")
        .into()
}

fn estimate(value: &Value) -> usize {
    match value {
        Value::Bytes(bytes) => bytes.len() + 2,
        Value::Object(map) => {
            map.iter()
                .map(|(key, value)| key.len() + 4 + estimate(value))
                .sum::<usize>()
                + 2
        }
        Value::Array(items) => items.iter().map(|item| 1 + estimate(item)).sum::<usize>() + 2,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vrl::owned_value_path;

    use super::*;

    #[test]
    fn reading_keeps_the_very_bytes() {
        let text = r#"{ "b": 1.50, "a": "x" }"#;
        let mut document = Document::from(text);
        assert!(document.value().unwrap().is_object());
        assert_eq!(document.to_bytes(), text.as_bytes());
    }

    #[test]
    fn changing_writes_the_bytes_anew() {
        let mut document = Document::from(r#"{"a":1}"#);
        document
            .value_mut()
            .unwrap()
            .insert(&owned_value_path!("b"), "two");
        assert_eq!(document.to_bytes(), r#"{"a":1,"b":"two"}"#.as_bytes());
        assert!(document.raw().is_some());
    }

    /// One event of a blob that passes a filter must not hold the memory of the blob.
    #[test]
    fn a_parsed_document_holds_nothing_of_what_it_came_in() {
        struct Body(Arc<Vec<u8>>);
        impl AsRef<[u8]> for Body {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        let text = br#"{"a":1}"#.repeat(1_000);
        let body = Arc::new(text);
        let bytes = Bytes::from_owner(Body(Arc::clone(&body)));
        let mut read = Document::from(bytes.slice(7..14));
        let mut changed = Document::from(bytes.slice(14..21));
        drop(bytes);
        assert_eq!(Arc::strong_count(&body), 2);
        read.value().unwrap();
        changed.value_mut().unwrap();
        assert_eq!(Arc::strong_count(&body), 1);
        assert_eq!(read.to_bytes(), br#"{"a":1}"#.as_slice());
        assert_eq!(changed.to_bytes(), br#"{"a":1}"#.as_slice());
    }

    #[test]
    fn says_why_a_text_is_no_document_and_keeps_it() {
        for (text, why) in [
            ("{", "EOF while parsing an object at line 1 column 1"),
            ("[1]", "found array at the top level"),
            ("", "EOF while parsing a value at line 1 column 0"),
        ] {
            let mut document = Document::from(text);
            assert_eq!(document.value().unwrap_err().reason, why);
            assert_eq!(document.to_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn large_integers_survive() {
        let mut document = Document::from(r#"{"id":36787265537,"n":9223372036854775807}"#);
        document.value_mut().unwrap();
        assert_eq!(
            document.to_bytes(),
            br#"{"id":36787265537,"n":9223372036854775807}"#.as_slice()
        );
    }
}

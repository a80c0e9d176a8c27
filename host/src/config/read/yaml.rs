//! YAML, and JSON with it. The only place that knows `serde-saphyr`.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{DuplicateKeyPolicy, Location, MergeKeyPolicy, Options, Spanned};

use super::{
    super::node::{Entry, Kind, Node},
    ReadError, offset_of,
};

pub(super) fn read(text: &str) -> Result<Node, ReadError> {
    let mut options = Options::default();
    // Forwarded to us, because we want to say where both stand.
    options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
    options.merge_keys = MergeKeyPolicy::AsOrdinary;
    // `no` is a text, as in YAML 1.2.
    options.strict_booleans = true;
    options.reject_unsupported_tags = true;
    options.with_snippet = false;
    // Far more than anybody writes; a file that doubles itself ends here.
    options.alias_limits.max_total_replayed_events = 10_000;
    serde_saphyr::from_str_with_options(text, options)
        .map(|Tree(node)| node)
        .map_err(|error| explain(text, error.without_snippet()))
}

/// A data file that is no configuration, such as a list of rules: into any type, with the reader's own words for errors.
pub(super) fn data<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut options = Options::default();
    options.with_snippet = false;
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.without_snippet().to_string())
}

fn explain(text: &str, error: &serde_saphyr::Error) -> ReadError {
    let span = error.location().map_or(0..0, |location| {
        bytes(&location).unwrap_or_else(|| {
            let at = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            let start = offset_of(text, at(location.line()), at(location.column()));
            start..start
        })
    });
    let message = error.to_string();
    // "… at line 3, column 5": the place is said elsewhere.
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(message, _)| message);
    if message.starts_with("multiple YAML documents") {
        return ReadError::new(span, "more than one YAML document").hint("keep one: remove the line `---`");
    }
    let line_start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let hint = if message.contains("tab") {
        Some("indent with spaces")
    } else if message.contains("tag") {
        Some("remove it: tags mean nothing here")
    } else if line.contains("${") {
        Some("a text with braces must be in quotes: `\"${NAME}\"`")
    } else if message.contains("expected key") || message.contains("mapping values") {
        Some("check the indentation of this line and of the one above")
    } else {
        None
    };
    ReadError {
        hint: hint.map(ToOwned::to_owned),
        ..ReadError::new(span, format!("not YAML: {message}"))
    }
}

/// The bytes of a location; a scanner's error has none.
fn bytes(location: &Location) -> Option<Range<usize>> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let length = usize::try_from(location.span().byte_len()?).ok()?;
    Some(start..start + length)
}

/// Reads itself with its place.
struct Tree(Node);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned {
            value: Value(kind),
            referenced,
            defined,
        } = Spanned::<Value>::deserialize(deserializer)?;
        let span = bytes(&referenced).unwrap_or_default();
        let defined = bytes(&defined).unwrap_or_else(|| span.clone());
        let mut node = Node { span, defined, kind };
        // The parser gives the first token of a list or a map; for people it is all of it.
        let end = match &node.kind {
            Kind::List(items) => items.iter().map(|item| item.span.end).max(),
            Kind::Map(entries) => entries.iter().map(|entry| entry.value.span.end).max(),
            _ => None,
        };
        node.span.end = end.unwrap_or(0).max(node.span.end);
        Ok(Self(node))
    }
}

struct Value(Kind);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Self)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Kind, E> {
        Ok(Kind::Int(value))
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Kind, E> {
        i128::try_from(value)
            .map(Kind::Int)
            .map_err(|_| E::custom("the number is too large"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::String(value.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(Tree(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let key_span =
                bytes(&key.referenced).ok_or_else(|| A::Error::custom("the place of a key is unknown"))?;
            let Tree(value) = access.next_value()?;
            entries.push(Entry {
                key: key.value,
                key_span,
                value,
            });
        }
        Ok(Kind::Map(entries))
    }
}

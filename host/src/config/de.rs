//! From the tree to a component's own struct. Every error knows the path of the key or value that it is about.

use std::fmt;

use serde::{
    Deserializer as _,
    de::{self, DeserializeSeed, Expected, IntoDeserializer, Unexpected, Visitor},
    forward_to_deserialize_any,
};

use super::node::{Entry, Kind, Node, Segment, Text};

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// A key that the struct does not have.
    UnknownField {
        field: String,
        expected: &'static [&'static str],
    },
    /// A key that the struct needs.
    MissingField(&'static str),
    /// A name that the enum does not have.
    UnknownVariant {
        variant: String,
        expected: &'static [&'static str],
    },
    /// Another type, or another value. `found` may show the value, `kind` does not.
    Mismatch {
        found: String,
        kind: &'static str,
        expected: String,
    },
    /// What a type says of itself, such as a bad duration. May show the value.
    Custom(String),
    /// A placeholder did not fit; its problem has been reported already.
    Placeholder,
}

/// A fault and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Error {
    /// Innermost first while the error travels up, see [`Error::path`].
    reversed: Vec<Segment>,
    pub(super) fault: Fault,
}

impl Error {
    fn new(fault: Fault) -> Self {
        Self {
            reversed: Vec::new(),
            fault,
        }
    }

    fn below(mut self, segment: Segment) -> Self {
        self.reversed.push(segment);
        self
    }

    /// From the root to the fault.
    pub(super) fn path(&self) -> Vec<Segment> {
        self.reversed.iter().rev().cloned().collect()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Seen only by types that wrap an error in one of their own; the value is not shown.
        match &self.fault {
            Fault::UnknownField { field, .. } => write!(f, "unknown key `{field}`"),
            Fault::MissingField(field) => write!(f, "`{field}` is missing"),
            Fault::UnknownVariant { expected, .. } => write!(f, "expected one of {expected:?}"),
            Fault::Mismatch { kind, expected, .. } => write!(f, "expected {expected}, found {kind}"),
            Fault::Custom(message) => f.write_str(message),
            Fault::Placeholder => f.write_str("placeholder"),
        }
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Fault::Custom(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let (found, kind) = show(&found);
        Self::new(Fault::Mismatch {
            found,
            kind,
            expected: expected.to_string(),
        })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {length} values"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Fault::UnknownVariant {
            variant: short(variant),
            expected,
        })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Fault::UnknownField {
            field: field.to_owned(),
            expected,
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Fault::MissingField(field))
    }
}

/// With the value and without.
fn show(found: &Unexpected<'_>) -> (String, &'static str) {
    match found {
        Unexpected::Bool(value) => (format!("`{value}`"), "a boolean"),
        Unexpected::Unsigned(value) => (format!("`{value}`"), "an integer"),
        Unexpected::Signed(value) => (format!("`{value}`"), "an integer"),
        Unexpected::Float(value) => (format!("`{value}`"), "a number"),
        Unexpected::Str(value) => (format!("the text `{}`", short(value)), "a text"),
        Unexpected::Unit | Unexpected::Option => ("nothing".to_owned(), "nothing"),
        Unexpected::Seq => ("a list".to_owned(), "a list"),
        Unexpected::Map => ("a map".to_owned(), "a map"),
        _ => ("another value".to_owned(), "another value"),
    }
}

/// The beginning of a long text.
fn short(text: &str) -> String {
    const MOST: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    if line.len() == text.len() && text.chars().count() <= MOST {
        return text.to_owned();
    }
    let mut short: String = line.chars().take(MOST).collect();
    short.push('…');
    short
}

/// Texts for placeholders. Types that read a text in their own way take one or another.
const PLACEHOLDERS: [&str; 7] = [
    "placeholder",
    "1s",
    "1MiB",
    "127.0.0.1:1",
    "http://localhost/",
    "00000000-0000-0000-0000-000000000000",
    "1",
];

/// How many forms a placeholder has.
pub(super) const FORMS: usize = PLACEHOLDERS.len();

/// Reads one node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deserializer<'n>(pub(super) &'n Node);

impl Deserializer<'_> {
    /// A boolean or a number out of a text that came from a variable.
    fn parsed<T: std::str::FromStr>(self) -> Option<T> {
        match &self.0.kind {
            Kind::String(Text {
                value,
                interpolated: true,
                ..
            }) => value.trim().parse().ok(),
            _ => None,
        }
    }

    fn placeholder(self) -> bool {
        matches!(self.0.kind, Kind::Placeholder(_))
    }
}

macro_rules! number {
    ($method:ident, $visit:ident, $type:ty) => {
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            if self.placeholder() {
                return visitor.$visit(<$type>::from(1u8));
            }
            match self.parsed::<$type>() {
                Some(value) => visitor.$visit(value),
                None => self.deserialize_any(visitor),
            }
        }
    };
}

impl<'de> de::Deserializer<'de> for Deserializer<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(*value),
            Kind::Int(value) => match (u64::try_from(*value), i64::try_from(*value)) {
                (Ok(value), _) => visitor.visit_u64(value),
                (_, Ok(value)) => visitor.visit_i64(value),
                _ => visitor.visit_i128(*value),
            },
            Kind::Float(value) => visitor.visit_f64(*value),
            Kind::String(text) => visitor.visit_str(&text.value),
            Kind::List(items) => visitor.visit_seq(ListAccess {
                items: items.iter().enumerate(),
            }),
            Kind::Map(entries) => visitor.visit_map(MapAccess {
                entries: entries.iter(),
                current: None,
            }),
            // Types that read several forms, such as a list or a single text, take a text.
            Kind::Placeholder(form) => visitor.visit_str(PLACEHOLDERS[form % FORMS]),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.placeholder() {
            return visitor.visit_bool(false);
        }
        match self.parsed() {
            Some(value) => visitor.visit_bool(value),
            None => self.deserialize_any(visitor),
        }
    }

    number!(deserialize_u8, visit_u8, u8);
    number!(deserialize_u16, visit_u16, u16);
    number!(deserialize_u32, visit_u32, u32);
    number!(deserialize_u64, visit_u64, u64);
    number!(deserialize_u128, visit_u128, u128);
    number!(deserialize_i16, visit_i16, i16);
    number!(deserialize_i32, visit_i32, i32);
    number!(deserialize_i64, visit_i64, i64);
    number!(deserialize_i128, visit_i128, i128);
    number!(deserialize_f32, visit_f32, f32);
    number!(deserialize_f64, visit_f64, f64);

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.kind {
            Kind::Placeholder(form) => visitor.visit_str(PLACEHOLDERS[form % FORMS]),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.placeholder() {
            visitor.visit_seq(ListAccess {
                items: [].iter().enumerate(),
            })
        } else {
            self.deserialize_any(visitor)
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.placeholder() {
            visitor.visit_map(MapAccess {
                entries: [].iter(),
                current: None,
            })
        } else {
            self.deserialize_any(visitor)
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.kind {
            Kind::Null | Kind::Placeholder(_) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0.kind {
            // `api:` with every line below it commented out.
            Kind::Null => visitor.visit_map(MapAccess {
                entries: [].iter(),
                current: None,
            }),
            // serde would take the fields of a struct from a list, by position; people would not.
            Kind::List(_) => Err(de::Error::invalid_type(Unexpected::Seq, &"a map")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.0.kind {
            Kind::String(text) => visitor.visit_enum(text.value.as_str().into_deserializer()),
            Kind::Map(entries) => match entries.as_slice() {
                [entry] => visitor.visit_enum(EnumAccess { entry }),
                _ => Err(de::Error::custom("expected a map with exactly one key")),
            },
            Kind::Placeholder(form) => match variants.get(*form) {
                Some(variant) => visitor.visit_enum((*variant).into_deserializer()),
                None => Err(Error::new(Fault::Placeholder)),
            },
            _ => Err(Error::new(Fault::Mismatch {
                found: self.0.describe().to_owned(),
                kind: self.0.describe(),
                expected: "a text".to_owned(),
            })),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

impl IntoDeserializer<'_, Error> for Deserializer<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct ListAccess<'n> {
    items: std::iter::Enumerate<std::slice::Iter<'n, Node>>,
}

impl<'de> de::SeqAccess<'de> for ListAccess<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some((index, item)) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(Deserializer(item))
            .map(Some)
            .map_err(|error| error.below(Segment::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct MapAccess<'n> {
    entries: std::slice::Iter<'n, Entry>,
    current: Option<&'n Entry>,
}

impl<'de> de::MapAccess<'de> for MapAccess<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.current = self.entries.next();
        let Some(entry) = self.current else {
            return Ok(None);
        };
        seed.deserialize(entry.key.as_str().into_deserializer())
            .map(Some)
            .map_err(|error: Error| error.below(Segment::Key(entry.key.clone())))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let entry = self
            .current
            .take()
            .ok_or_else(|| <Error as de::Error>::custom("a value was asked for before its key"))?;
        seed.deserialize(Deserializer(&entry.value))
            .map_err(|error| error.below(Segment::Key(entry.key.clone())))
    }
}

struct EnumAccess<'n> {
    entry: &'n Entry,
}

impl<'de, 'n> de::EnumAccess<'de> for EnumAccess<'n> {
    type Error = Error;
    type Variant = VariantAccess<'n>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, VariantAccess<'n>), Error> {
        let variant = seed
            .deserialize(self.entry.key.as_str().into_deserializer())
            .map_err(|error: Error| error.below(Segment::Key(self.entry.key.clone())))?;
        Ok((variant, VariantAccess { entry: self.entry }))
    }
}

struct VariantAccess<'n> {
    entry: &'n Entry,
}

impl VariantAccess<'_> {
    fn below(&self) -> impl Fn(Error) -> Error {
        let key = self.entry.key.clone();
        move |error| error.below(Segment::Key(key.clone()))
    }
}

impl<'de> de::VariantAccess<'de> for VariantAccess<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.entry.value.kind {
            Kind::Null => Ok(()),
            _ => Err(<Error as de::Error>::custom("expected no value")).map_err(self.below()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Deserializer(&self.entry.value))
            .map_err(self.below())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        Deserializer(&self.entry.value)
            .deserialize_seq(visitor)
            .map_err(self.below())
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        Deserializer(&self.entry.value)
            .deserialize_map(visitor)
            .map_err(self.below())
    }
}

//! The document tree: JSON borrowed from the input.
//!
//! A string is kept as it stands between its quotes on the wire, escapes included, and a number as it is
//! spelled. Most fields of an audit record pass through untouched, so most of the output is copied bytes, and
//! nothing loses precision. Everything lives in one arena for each event; text is `Copy`, so a rule can hold a
//! string while it changes the tree.

#![expect(
    clippy::inline_always,
    reason = "a name is constant where it is looked up, and its tag only there; values are read and written in one function each, whose \
              parts hand on in registers what calls would hand on in memory"
)]

mod key;
mod names;
pub(crate) mod number;
mod object;
mod original;
mod parse;
mod text;
mod write;

use bumpalo::Bump;
use bumpalo::collections::Vec;

pub(crate) use key::{Key, Path, key, path, tag};
pub(crate) use object::Object;
pub(crate) use original::Original;
pub(crate) use parse::{parse, parse_event};
pub(crate) use text::Text;

/// How deep an input may nest. Every recursion over a tree is bounded by a small multiple of it.
pub(crate) const MAX_DEPTH: usize = 192;

/// One JSON value.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// As spelled on the wire; always a valid JSON number.
    Number(&'a str),
    Text(Text<'a>),
    /// Plain text that is escaped while it is written: the original record, which is too long to copy twice.
    Verbatim(&'a Original<'a>),
    List(List<'a>),
    Object(Object<'a>),
}

impl<'a> Value<'a> {
    #[inline]
    pub(crate) fn text(&self) -> Option<Text<'a>> {
        match self {
            Self::Text(text) => Some(*text),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn list(&self) -> Option<&[Value<'a>]> {
        match self {
            Self::List(members) => Some(members),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn object_mut(&mut self) -> Option<&mut Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// An object, or a list with one in it: nothing that a field of an index can hold unless it is made for objects.
    pub(crate) fn holds_object(&self) -> bool {
        match self {
            Value::Object(_) => true,
            Value::List(members) => members.iter().any(Value::holds_object),
            _ => false,
        }
    }

    /// Null, zero-length text, `[]` or `{}`.
    pub(crate) fn is_void(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::Verbatim(original) => original.text().is_empty(),
            Self::List(members) => members.is_empty(),
            Self::Object(object) => object.is_empty(),
            Self::Bool(_) | Self::Number(_) => false,
        }
    }

    /// The string form of a scalar; `None` for null, lists and objects.
    pub(crate) fn to_text(&self, bump: &'a Bump) -> Option<Text<'a>> {
        match self {
            Self::Text(text) => Some(*text),
            Self::Verbatim(original) => Some(Text::new(original.text(), bump)),
            Self::Number(number) => Some(Text::literal(number::to_text(number, bump))),
            Self::Bool(true) => Some(Text::literal("true")),
            Self::Bool(false) => Some(Text::literal("false")),
            Self::Null | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// Removes null, zero-length text and empty containers at every depth. True if nothing is left.
    pub(crate) fn prune(&mut self) -> bool {
        match self {
            Self::List(members) => {
                let mut void = 0;
                for member in members.iter_mut() {
                    void += usize::from(member.prune());
                }
                // Most have nothing to remove, and then nothing moves.
                if void > 0 {
                    members.retain(|member| !member.is_void());
                }
            }
            Self::Object(object) => object.prune(),
            _ => {}
        }
        self.is_void()
    }
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::Verbatim(a), Self::Verbatim(b)) => a.text() == b.text(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => a == b,
            _ => false,
        }
    }
}

/// The members of a JSON list. Behind a reference, so that every other value is smaller.
#[derive(Debug, PartialEq)]
pub(crate) struct List<'a>(&'a mut Vec<'a, Value<'a>>);

impl<'a> std::ops::Deref for List<'a> {
    type Target = Vec<'a, Value<'a>>;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl std::ops::DerefMut for List<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.0
    }
}

impl Clone for List<'_> {
    fn clone(&self) -> Self {
        let bump = self.0.bump();
        Self(bump.alloc(self.0.clone()))
    }
}

impl<'a> From<Vec<'a, Value<'a>>> for Value<'a> {
    fn from(members: Vec<'a, Value<'a>>) -> Self {
        let bump = members.bump();
        Self::List(List(bump.alloc(members)))
    }
}

impl From<&'static str> for Value<'_> {
    fn from(text: &'static str) -> Self {
        Self::Text(Text::literal(text))
    }
}

impl<'a> From<Text<'a>> for Value<'a> {
    fn from(text: Text<'a>) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

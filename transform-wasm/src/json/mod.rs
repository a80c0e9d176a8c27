//! The document tree: JSON borrowed from the input.
//!
//! A string is kept as it stands between its quotes on the wire, escapes included, and a number as it is
//! spelled. Most fields of an audit record pass through untouched, so most of the output is copied bytes, and
//! nothing loses precision. Everything lives in one arena for each event; text is `Copy`, so a rule can hold a
//! string while it changes the tree.

#![expect(
    clippy::inline_always,
    reason = "a name is constant where it is looked up, and its tag only there"
)]

mod key;
pub(crate) mod number;
mod original;
mod parse;
mod text;
mod write;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bumpalo::Bump;
use bumpalo::collections::Vec;

use key::Hints;
pub(crate) use key::{Key, Path, path, tag};
pub(crate) use original::Original;
pub(crate) use parse::{parse, parse_event};
pub(crate) use text::Text;

/// How deep an input may nest. Every recursion over a tree is bounded by a small multiple of it.
pub(crate) const MAX_DEPTH: usize = 192;

/// Objects up to this size look for duplicate keys one by one, larger ones by sorting.
const SMALL_OBJECT: usize = 48;

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
    List(Vec<'a, Value<'a>>),
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
            (Self::Object(a), Self::Object(b)) => {
                a.len() == b.len()
                    && a.inner
                        .fields
                        .iter()
                        .all(|(key, value)| b.find(key) == Some(value))
            }
            _ => false,
        }
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

/// A JSON object: its fields in the order of their first appearance, each key once.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    /// Behind a reference, because values are moved more often than fields are looked at.
    inner: &'a mut Fields<'a>,
}

#[derive(Debug)]
struct Fields<'a> {
    fields: Vec<'a, (Key<'a>, Value<'a>)>,
    hints: Hints,
}

impl Clone for Object<'_> {
    fn clone(&self) -> Self {
        Self::alloc(self.inner.fields.clone(), self.inner.hints)
    }
}

impl<'a> Object<'a> {
    fn alloc(fields: Vec<'a, (Key<'a>, Value<'a>)>, hints: Hints) -> Self {
        let bump = fields.bump();
        Self {
            inner: bump.alloc(Fields { fields, hints }),
        }
    }

    pub(crate) fn new_in(bump: &'a Bump) -> Self {
        Self::alloc(Vec::new_in(bump), Hints::default())
    }

    /// Of several fields with one key the last value wins.
    pub(crate) fn from_fields(mut fields: Vec<'a, (Key<'a>, Value<'a>)>) -> Self {
        let hints = if fields.len() <= SMALL_OBJECT {
            drop_duplicates_by_search(&mut fields)
        } else {
            drop_duplicates_by_sorting(&mut fields)
        };
        Self::alloc(fields, hints)
    }

    pub(crate) fn len(&self) -> usize {
        self.inner.fields.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inner.fields.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Text<'a>, &Value<'a>)> {
        self.inner.fields.iter().map(|(key, value)| (key.text(), value))
    }

    #[inline(always)]
    fn position(&self, key: &Key<'_>) -> Option<usize> {
        let hint = self.inner.hints.of(key)?;
        match self.inner.fields.get(hint) {
            Some((name, _)) if name == key => Some(hint),
            _ => self.search(key, hint),
        }
    }

    /// Removals have moved it to the left, or the hint is for another key.
    #[inline(never)]
    fn search(&self, key: &Key<'_>, hint: usize) -> Option<usize> {
        let fields = &self.inner.fields;
        let near = hint.min(fields.len());
        let is = |(name, _): &(Key<'a>, Value<'a>)| name == key;
        fields[..near]
            .iter()
            .rposition(is)
            .or_else(|| fields[near..].iter().position(is).map(|at| at + near))
    }

    #[inline(always)]
    pub(crate) fn find(&self, key: &Key<'_>) -> Option<&Value<'a>> {
        self.position(key).map(|at| &self.inner.fields[at].1)
    }

    #[inline(always)]
    pub(crate) fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.find(&Key::plain(key))
    }

    #[inline(always)]
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Value<'a>> {
        self.find_mut(&Key::plain(key))
    }

    #[inline(always)]
    pub(crate) fn find_mut(&mut self, key: &Key<'_>) -> Option<&mut Value<'a>> {
        self.position(key).map(|at| &mut self.inner.fields[at].1)
    }

    /// The value of a key that exists and is not null.
    #[inline(always)]
    pub(crate) fn present(&self, key: &str) -> Option<&Value<'a>> {
        self.get(key).filter(|value| !value.is_null())
    }

    /// The text of a key that is text.
    #[inline(always)]
    pub(crate) fn text(&self, key: &str) -> Option<Text<'a>> {
        self.get(key).and_then(Value::text)
    }

    #[inline(always)]
    pub(crate) fn remove(&mut self, key: &str) -> Option<Value<'a>> {
        self.take(&Key::plain(key))
    }

    #[inline(always)]
    pub(crate) fn take(&mut self, key: &Key<'_>) -> Option<Value<'a>> {
        self.position(key).map(|at| self.inner.fields.remove(at).1)
    }

    /// Sets a key, replacing what was there.
    #[inline]
    pub(crate) fn set(&mut self, key: impl Into<Key<'a>>, value: impl Into<Value<'a>>) {
        *self.slot(key.into()) = value.into();
    }

    /// The value of a key, null if it was not there.
    pub(crate) fn slot(&mut self, key: Key<'a>) -> &mut Value<'a> {
        let at = self.position(&key).unwrap_or_else(|| {
            self.push(key, Value::Null);
            self.inner.fields.len() - 1
        });
        &mut self.inner.fields[at].1
    }

    /// Adds a key that is not there yet.
    fn push(&mut self, key: Key<'a>, value: Value<'a>) {
        let Fields { fields, hints } = &mut *self.inner;
        if fields.is_empty() {
            fields.reserve(8);
        }
        hints.note(&key, fields.len());
        fields.push((key, value));
    }

    /// The value at a path.
    pub(crate) fn at(&self, path: &Path) -> Option<&Value<'a>> {
        let (objects, last) = path.split();
        let mut object = self;
        for key in objects {
            object = object.find(key)?.object()?;
        }
        object.find(last)
    }

    pub(crate) fn at_mut(&mut self, path: &Path) -> Option<&mut Value<'a>> {
        let (object, last) = self.holder_mut(path)?;
        object.find_mut(last)
    }

    pub(crate) fn remove_at(&mut self, path: &Path) -> Option<Value<'a>> {
        let (object, last) = self.holder_mut(path)?;
        object.take(last)
    }

    fn holder_mut<'p>(&mut self, path: &'p Path) -> Option<(&mut Self, &'p Key<'static>)> {
        let (objects, last) = path.split();
        let mut object = self;
        for key in objects {
            object = object.find_mut(key)?.object_mut()?;
        }
        Some((object, last))
    }

    /// The object that holds the last key of a path, and that key. Missing parents are created; a parent that
    /// is not an object gives its key as the error.
    pub(crate) fn parent_of(
        &mut self,
        path: &'static Path,
        bump: &'a Bump,
    ) -> Result<(&mut Object<'a>, Key<'static>), &'static str> {
        let (objects, last) = path.split();
        let mut object = self;
        for key in objects {
            let at = object.position(key).unwrap_or_else(|| {
                object.push(*key, Value::Object(Object::new_in(bump)));
                object.inner.fields.len() - 1
            });
            object = match &mut object.inner.fields[at].1 {
                Value::Object(object) => object,
                _ => return Err(key.text().wire()),
            };
        }
        Ok((object, *last))
    }

    pub(crate) fn prune(&mut self) {
        let mut void = 0;
        for (_, value) in &mut self.inner.fields {
            void += usize::from(value.prune());
        }
        if void > 0 {
            self.inner.fields.retain(|(_, value)| !value.is_void());
        }
    }

    /// Makes a key the first one, for people who read the output.
    pub(crate) fn bring_to_front(&mut self, key: &str) {
        if let Some(at) = self.position(&Key::plain(key)) {
            self.inner.fields[..=at].rotate_right(1);
        }
    }
}

/// The hints let nearly every key pass without a comparison. Returns the hints of what is left.
fn drop_duplicates_by_search<'a>(fields: &mut Vec<'a, (Key<'a>, Value<'a>)>) -> Hints {
    let mut seen = Hints::default();
    let mut at = 0;
    while at < fields.len() {
        let key = fields[at].0;
        if seen.of(&key).is_some()
            && let Some(first) = fields[..at].iter().position(|(name, _)| *name == key)
        {
            let (_, value) = fields.remove(at);
            fields[first].1 = value;
        } else {
            seen.note(&key, at);
            at += 1;
        }
    }
    seen
}

fn drop_duplicates_by_sorting<'a>(fields: &mut Vec<'a, (Key<'a>, Value<'a>)>) -> Hints {
    let mut first_of: BTreeMap<Cow<'_, str>, usize> = BTreeMap::new();
    let mut kept = 0;
    for at in 0..fields.len() {
        match first_of.entry(fields[at].0.text().decoded()) {
            Entry::Occupied(first) => {
                let value = std::mem::replace(&mut fields[at].1, Value::Null);
                fields[*first.get()].1 = value;
            }
            Entry::Vacant(slot) => {
                slot.insert(kept);
                fields.swap(kept, at);
                kept += 1;
            }
        }
    }
    fields.truncate(kept);
    let mut hints = Hints::default();
    for (at, (key, _)) in fields.iter().enumerate() {
        hints.note(key, at);
    }
    hints
}

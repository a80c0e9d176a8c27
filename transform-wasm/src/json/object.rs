//! JSON objects, made for lookups of names that are mostly not there, and for fields that are moved away.
//!
//! Fields stay where they are: one that is taken away leaves a gap, so that nothing behind it moves and every number that the
//! index holds stays true until the object is written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bumpalo::Bump;
use bumpalo::collections::Vec;

use super::key::{Form, Key, Path, are_known};
use super::{Text, Value};

/// Fields that the index can number. An object with more of them is searched.
const INDEXED: usize = u8::MAX as usize;

/// A JSON object: its fields in the order of their first appearance, each key once.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    /// Behind a reference, because values are moved more often than fields are looked at.
    inner: &'a mut Inner<'a>,
}

#[derive(Debug, Clone)]
struct Inner<'a> {
    /// Gaps included.
    fields: Vec<'a, Field<'a>>,
    gaps: usize,
    index: Index,
}

/// A name and its value. Flat, so that it takes no more than it must: fields are what memory is read for.
#[derive(Debug, Clone)]
struct Field<'a> {
    wire: &'a str,
    tag: u32,
    spelling: Spelling,
    /// The field before this one in the same slot of the index, its number and one; 0 if there is none.
    next: u8,
    value: Value<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    As(Form),
    /// There is no field here any more.
    Gone,
}

impl<'a> Field<'a> {
    #[inline(always)]
    fn is(&self, key: &Key<'_>) -> bool {
        self.tag == key.tag() && self.means(key)
    }

    /// Equal tags of names that are not [known](Form::Known) are equal names but for accidents and attacks.
    #[inline(always)]
    fn means(&self, key: &Key<'_>) -> bool {
        match self.spelling {
            Spelling::As(form) => are_known(form, key.form()) || self.spells(key),
            Spelling::Gone => false,
        }
    }

    #[inline(never)]
    fn spells(&self, key: &Key<'_>) -> bool {
        self.name() == key.text()
    }

    #[inline]
    fn name(&self) -> Text<'a> {
        Text::from_wire(self.wire, self.spelling == Spelling::As(Form::Escaped))
    }

    #[inline]
    fn is_there(&self) -> bool {
        self.spelling != Spelling::Gone
    }
}

/// Where in an object the field of a name is. Most lookups are for names that are not there, and end here.
#[derive(Debug, Clone)]
struct Index {
    /// One bit for each name, by another part of its tag than its slot.
    names: u64,
    /// The last field of each slot, its number and one; 0 if there is none.
    slots: [u8; 64],
}

#[inline(always)]
fn slot(tag: u32) -> usize {
    (tag >> 26) as usize
}

#[inline(always)]
fn bit(tag: u32) -> u64 {
    1 << (tag >> 20 & 63)
}

impl Index {
    const EMPTY: Self = Self {
        names: 0,
        slots: [0; 64],
    };
}

impl Clone for Object<'_> {
    fn clone(&self) -> Self {
        let bump = self.inner.fields.bump();
        Self {
            inner: bump.alloc_with(|| self.inner.clone()),
        }
    }
}

impl<'a> Object<'a> {
    pub(crate) fn new_in(bump: &'a Bump) -> Self {
        Self::with_capacity_in(0, bump)
    }

    pub(crate) fn with_capacity_in(fields: usize, bump: &'a Bump) -> Self {
        Self {
            inner: bump.alloc_with(|| Inner {
                fields: Vec::with_capacity_in(fields, bump),
                gaps: 0,
                index: Index::EMPTY,
            }),
        }
    }

    /// Of several fields with one key the last value wins.
    pub(crate) fn from_fields(
        fields: impl IntoIterator<Item = (Key<'a>, Value<'a>)>,
        bump: &'a Bump,
    ) -> Self {
        let fields = fields.into_iter();
        let mut object = Self::with_capacity_in(fields.size_hint().0, bump);
        for (key, value) in fields {
            object.add(key, value);
        }
        object.settle();
        object
    }

    /// Adds a field; the same key once more replaces its value. What is built so has to be [settled](Self::settle).
    #[inline]
    pub(super) fn add(&mut self, key: Key<'a>, value: Value<'a>) {
        let known = if self.inner.fields.len() <= INDEXED {
            self.position(&key)
        } else {
            None
        };
        match known {
            Some(at) => self.inner.fields[at].value = value,
            None => self.push(key, value),
        }
    }

    /// To look for each key of a large object among those before it would take too long: it is done once, by sorting.
    #[inline]
    pub(super) fn settle(&mut self) {
        if self.inner.fields.len() > INDEXED {
            self.drop_duplicates();
        }
    }

    #[cold]
    fn drop_duplicates(&mut self) {
        let fields = &mut self.inner.fields;
        let mut first_of: BTreeMap<Cow<'_, str>, usize> = BTreeMap::new();
        let mut kept = 0;
        for at in 0..fields.len() {
            match first_of.entry(fields[at].name().decoded()) {
                Entry::Occupied(first) => {
                    let value = std::mem::replace(&mut fields[at].value, Value::Null);
                    fields[*first.get()].value = value;
                }
                Entry::Vacant(slot) => {
                    slot.insert(kept);
                    fields.swap(kept, at);
                    kept += 1;
                }
            }
        }
        fields.truncate(kept);
        self.number();
    }

    /// Makes the index anew, after fields have moved.
    fn number(&mut self) {
        let Inner { fields, index, .. } = &mut *self.inner;
        *index = Index::EMPTY;
        for (at, field) in fields.iter_mut().enumerate() {
            field.next = index.note(field.tag, at);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.inner.fields.len() - self.inner.gaps
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Text<'a>, &Value<'a>)> {
        let there = self.inner.fields.iter().filter(|field| field.is_there());
        there.map(|field| (field.name(), &field.value))
    }

    #[inline(always)]
    fn position(&self, key: &Key<'_>) -> Option<usize> {
        if self.may_have(key) {
            self.search(key)
        } else {
            None
        }
    }

    #[inline]
    fn search(&self, key: &Key<'_>) -> Option<usize> {
        let fields = &self.inner.fields;
        let mut next = self.inner.index.slots[slot(key.tag())];
        while next != 0 {
            let at = usize::from(next) - 1;
            let field = fields.get(at)?;
            if field.is(key) {
                return Some(at);
            }
            next = field.next;
        }
        if fields.len() > INDEXED {
            return fields.iter().position(|field| field.is(key));
        }
        None
    }

    #[inline(always)]
    pub(crate) fn get(&self, key: &Key<'_>) -> Option<&Value<'a>> {
        self.position(key).map(|at| &self.inner.fields[at].value)
    }

    #[inline(always)]
    pub(crate) fn get_mut(&mut self, key: &Key<'_>) -> Option<&mut Value<'a>> {
        self.position(key).map(|at| &mut self.inner.fields[at].value)
    }

    /// The value of a key that exists and is not null.
    #[inline(always)]
    pub(crate) fn present(&self, key: &Key<'_>) -> Option<&Value<'a>> {
        self.get(key).filter(|value| !value.is_null())
    }

    /// The text of a key that is text.
    #[inline(always)]
    pub(crate) fn text(&self, key: &Key<'_>) -> Option<Text<'a>> {
        self.get(key).and_then(Value::text)
    }

    #[inline(always)]
    pub(crate) fn remove(&mut self, key: &Key<'_>) -> Option<Value<'a>> {
        let at = self.position(key)?;
        self.inner.gaps += 1;
        let field = &mut self.inner.fields[at];
        field.spelling = Spelling::Gone;
        Some(std::mem::replace(&mut field.value, Value::Null))
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
        &mut self.inner.fields[at].value
    }

    /// Adds a key that is not there yet.
    #[inline]
    fn push(&mut self, key: Key<'a>, value: Value<'a>) {
        let Inner { fields, index, .. } = &mut *self.inner;
        if fields.capacity() == 0 {
            fields.reserve(8);
        }
        let next = index.note(key.tag(), fields.len());
        fields.push(Field {
            wire: key.wire(),
            tag: key.tag(),
            spelling: Spelling::As(key.form()),
            next,
            value,
        });
    }

    /// False if there is nothing at a path, for sure. Most fields that rules ask for are not there, and this says so without a call.
    #[inline(always)]
    pub(crate) fn may_hold(&self, path: &Path) -> bool {
        self.may_have(path.first())
    }

    #[inline(always)]
    fn may_have(&self, key: &Key<'_>) -> bool {
        self.inner.index.names & bit(key.tag()) != 0
    }

    /// The value at a path.
    #[inline(always)]
    pub(crate) fn at(&self, path: &Path) -> Option<&Value<'a>> {
        if self.may_hold(path) {
            self.walk(path)
        } else {
            None
        }
    }

    fn walk(&self, path: &Path) -> Option<&Value<'a>> {
        let (objects, last) = path.split();
        let mut object = self;
        for key in objects {
            object = object.get(key)?.object()?;
        }
        object.get(last)
    }

    #[inline(always)]
    pub(crate) fn at_mut(&mut self, path: &Path) -> Option<&mut Value<'a>> {
        if self.may_hold(path) {
            self.walk_mut(path)
        } else {
            None
        }
    }

    fn walk_mut(&mut self, path: &Path) -> Option<&mut Value<'a>> {
        let (object, last) = self.holder_mut(path)?;
        object.get_mut(last)
    }

    pub(crate) fn remove_at(&mut self, path: &Path) -> Option<Value<'a>> {
        let (object, last) = self.holder_mut(path)?;
        object.remove(last)
    }

    fn holder_mut<'p>(&mut self, path: &'p Path) -> Option<(&mut Self, &'p Key<'static>)> {
        let (objects, last) = path.split();
        let mut object = self;
        for key in objects {
            object = object.get_mut(key)?.object_mut()?;
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
            object = match &mut object.inner.fields[at].value {
                Value::Object(object) => object,
                _ => return Err(key.wire()),
            };
        }
        Ok((object, *last))
    }

    pub(crate) fn prune(&mut self) {
        let Inner { fields, gaps, .. } = &mut *self.inner;
        for field in fields.iter_mut().filter(|field| field.is_there()) {
            if field.value.prune() {
                field.spelling = Spelling::Gone;
                *gaps += 1;
            }
        }
    }

    /// Makes a key the first one, for people who read the output.
    pub(crate) fn bring_to_front(&mut self, key: &Key<'_>) {
        if let Some(at) = self.position(key) {
            self.inner.fields[..=at].rotate_right(1);
            self.number();
        }
    }
}

impl Index {
    /// Notes a field. Returns the one that had its slot.
    #[inline(always)]
    fn note(&mut self, tag: u32, at: usize) -> u8 {
        self.names |= bit(tag);
        // What cannot be numbered is searched for.
        let number = u8::try_from(at + 1).unwrap_or(0);
        std::mem::replace(&mut self.slots[slot(tag)], number)
    }
}

impl PartialEq for Object<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .all(|(name, value)| other.get(&Key::from(name)) == Some(value))
    }
}

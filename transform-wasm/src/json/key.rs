//! The names of fields, made for being looked up.
//!
//! A rule names a field by its path, and nearly all lookups are for fields that are not there. So a name carries a tag, a hash of it,
//! and paths are taken apart, with the tags of their keys, while the mapping is compiled: [`path`], [`key`].

use std::fmt;

use super::{Text, names};

/// On the way to the deepest field of the document, `o365.ext.names.UserType`.
const MAX_OBJECTS: usize = 3;

/// The name of a field. Two names with different tags are different, and two [known](Form::Known) ones with the same tag are the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key<'a> {
    wire: &'a str,
    tag: u32,
    form: Form,
}

/// What is known of the spelling of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Plain, and in the list of [`names`].
    Known,
    Plain,
    /// With a backslash in it.
    Escaped,
}

impl<'a> Key<'a> {
    const NONE: Self = Self {
        wire: "",
        tag: 0,
        form: Form::Plain,
    };

    /// A name that means what it says. To be written it must need no escape; to be looked up it may be anything.
    #[inline]
    pub(crate) fn plain(name: &'a str) -> Self {
        let tag = tag(name.as_bytes());
        Self {
            wire: name,
            tag,
            form: if names::holds(tag, name) {
                Form::Known
            } else {
                Form::Plain
            },
        }
    }

    /// A name in a rule, looked at by the compiler: [`key`].
    pub(crate) const fn constant(name: &'a str) -> Self {
        let tag = tag(name.as_bytes());
        assert!(
            names::lists(tag, name),
            "a name of a rule is not in json/names.rs"
        );
        Self {
            wire: name,
            tag,
            form: Form::Known,
        }
    }

    #[cold]
    fn spelled(text: Text<'a>) -> Self {
        Self {
            wire: text.wire(),
            tag: tag(text.decoded().as_bytes()),
            form: Form::Escaped,
        }
    }

    #[inline(always)]
    pub(super) const fn tag(&self) -> u32 {
        self.tag
    }

    #[inline(always)]
    pub(crate) const fn wire(&self) -> &'a str {
        self.wire
    }

    #[inline(always)]
    pub(super) const fn form(&self) -> Form {
        self.form
    }

    pub(crate) fn text(self) -> Text<'a> {
        Text::from_wire(self.wire, self.form == Form::Escaped)
    }
}

impl From<&Key<'static>> for Key<'_> {
    #[inline(always)]
    fn from(key: &Key<'static>) -> Self {
        *key
    }
}

impl<'a> From<Text<'a>> for Key<'a> {
    /// However a name is spelled, its tag is of what it means.
    #[inline(always)]
    fn from(text: Text<'a>) -> Self {
        if text.is_escaped() {
            Self::spelled(text)
        } else {
            Self::plain(text.wire())
        }
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag && (are_known(self.form, other.form) || self.text() == other.text())
    }
}

/// Whether equal tags are equal names.
#[inline(always)]
pub(super) fn are_known(one: Form, other: Form) -> bool {
    one == Form::Known && other == Form::Known
}

/// Whether short texts are the same, without a call.
#[inline]
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    match (one, other) {
        ([], []) => true,
        _ if one.len() != other.len() => false,
        _ if one.len() <= 16 => words(one) == words(other),
        _ => one == other,
    }
}

/// A hash of a name: of its length, and of its first and last eight bytes.
#[inline(always)]
pub(crate) const fn tag(name: &[u8]) -> u32 {
    let (head, tail) = words(name);
    let mixed = (head ^ tail.rotate_left(29) ^ (name.len() as u64) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}

/// The first and the last eight bytes, which overlap in a short name; all of one of up to 16.
#[inline(always)]
const fn words(name: &[u8]) -> (u64, u64) {
    match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            (Some(head), Some(tail)) => (u32::from_le_bytes(*head) as u64, u32::from_le_bytes(*tail) as u64),
            _ => match name {
                [first, .., last] => (*first as u64, (*last as u64) << 8 | (name[1] as u64) << 16),
                [only] => (*only as u64, 0),
                [] => (0, 0),
            },
        },
    }
}

/// The way to a field through objects.
#[derive(Debug)]
pub(crate) struct Path {
    text: &'static str,
    /// Of the objects on the way.
    objects: [Key<'static>; MAX_OBJECTS],
    depth: usize,
    /// Of the field.
    last: Key<'static>,
}

impl Path {
    /// From keys with dots between them. For [`path`], which lets the compiler do it.
    pub(crate) const fn new(text: &'static str) -> Self {
        let mut objects = [Key::NONE; MAX_OBJECTS];
        let (mut depth, mut rest, mut at) = (0, text, 0);
        while at < rest.len() {
            if rest.as_bytes()[at] == b'.' {
                let (key, behind) = rest.split_at(at);
                objects[depth] = Key::constant(key);
                depth += 1;
                rest = behind.split_at(1).1;
                at = 0;
            } else {
                at += 1;
            }
        }
        Self {
            text,
            objects,
            depth,
            last: Key::constant(rest),
        }
    }

    /// As written.
    pub(crate) const fn text(&self) -> &'static str {
        self.text
    }

    /// The key at the top.
    #[inline(always)]
    pub(super) const fn first(&self) -> &Key<'static> {
        if self.depth == 0 {
            &self.last
        } else {
            &self.objects[0]
        }
    }

    /// The keys of the objects on the way, and the key of the field.
    #[inline]
    pub(super) fn split(&self) -> (&[Key<'static>], &Key<'static>) {
        (&self.objects[..self.depth], &self.last)
    }
}

/// As it is spelled.
impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wire)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// A path to a field, taken apart by the compiler.
macro_rules! static_path {
    ($text:literal) => {
        const { &$crate::json::Path::new($text) }
    };
}
// `path` itself is an attribute of the compiler.
pub(crate) use static_path as path;

/// The name of a field, looked at by the compiler.
macro_rules! static_key {
    ($text:literal) => {
        const { &$crate::json::Key::constant($text) }
    };
}
pub(crate) use static_key as key;

#[cfg(test)]
mod tests {
    use super::{Key, Text, path};

    #[test]
    fn paths_are_taken_apart() {
        let user_type = path!("o365.ext.names.UserType");
        let (objects, last) = user_type.split();
        let objects: Vec<_> = objects.iter().map(|key| key.wire).collect();
        assert_eq!(
            (objects.as_slice(), last.wire),
            (&["o365", "ext", "names"][..], "UserType")
        );
        assert_eq!(path!("tags").split().1.wire, "tags");
        assert!(path!("tags").split().0.is_empty());
    }

    #[test]
    fn a_name_is_the_same_however_it_is_spelled() {
        let spelled = Key::from(Text::from_wire(r"\u0053ubject", true));
        assert!(spelled == Key::plain("Subject"));
        for name in ["", "a", "ab", "abc", "abcd", "abcde", "abcdefgh", "abcdefghi"] {
            assert!(
                Key::from(Text::from_wire(name, false)) == Key::plain(name),
                "{name}"
            );
        }
    }
}

//! The names of fields, made for being looked up.
//!
//! A rule names a field by its path, and nearly all lookups are for fields that are not there. So a name carries a tag, a hash of it,
//! and paths are taken apart, with the tags of their keys, while the mapping is compiled: [`path`].

use std::fmt;

use super::Text;

/// On the way to the deepest field of the document, `o365.ext.names.UserType`.
const MAX_OBJECTS: usize = 3;

/// The name of a field. Two names with different tags are different.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key<'a> {
    wire: &'a str,
    tag: u32,
    escaped: bool,
}

impl<'a> Key<'a> {
    /// A name that means what it says. To be written it must need no escape; to be looked up it may be anything.
    #[inline(always)]
    pub(crate) const fn plain(name: &'a str) -> Self {
        Self {
            wire: name,
            tag: tag(name.as_bytes()),
            escaped: false,
        }
    }

    #[cold]
    fn spelled(text: Text<'a>) -> Self {
        Self {
            wire: text.wire(),
            tag: tag(text.decoded().as_bytes()),
            escaped: true,
        }
    }

    #[inline(always)]
    pub(super) const fn tag(&self) -> u32 {
        self.tag
    }

    #[inline(always)]
    pub(super) const fn wire(&self) -> &'a str {
        self.wire
    }

    #[inline(always)]
    pub(super) const fn is_escaped(&self) -> bool {
        self.escaped
    }

    pub(crate) fn text(self) -> Text<'a> {
        Text::from_wire(self.wire, self.escaped)
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
        self.tag == other.tag && self.text() == other.text()
    }
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
    let mixed = (head ^ tail.rotate_left(29) ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
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
        let mut objects = [Key::plain(""); MAX_OBJECTS];
        let (mut depth, mut rest, mut at) = (0, text, 0);
        while at < rest.len() {
            if rest.as_bytes()[at] == b'.' {
                let (key, behind) = rest.split_at(at);
                objects[depth] = Key::plain(key);
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
            last: Key::plain(rest),
        }
    }

    /// As written.
    pub(crate) const fn text(&self) -> &'static str {
        self.text
    }

    /// The keys of the objects on the way, and the key of the field.
    #[inline]
    pub(super) fn split(&self) -> (&[Key<'static>], &Key<'static>) {
        (&self.objects[..self.depth], &self.last)
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

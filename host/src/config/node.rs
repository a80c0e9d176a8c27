//! What a person wrote, as a tree in which every node knows its place in the file.

use std::{fmt, ops::Range};

/// A value and where it stands.
#[derive(Clone, PartialEq)]
pub(super) struct Node {
    /// Bytes of the file. An alias has the place where it is used.
    pub(super) span: Range<usize>,
    /// Bytes of the file at which an aliased value was written; otherwise the same as `span`.
    pub(super) defined: Range<usize>,
    /// The value.
    pub(super) kind: Kind,
}

/// A value.
#[derive(Clone, PartialEq)]
pub(super) enum Kind {
    /// `null`, `~`, or nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A text.
    String(Text),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file, without duplicate keys.
    Map(Vec<Entry>),
    /// Stands for a value that has already been reported as wrong or missing, so that the rest can be checked. The number
    /// says how many forms of it did not fit.
    Placeholder(usize),
}

/// A text.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Text {
    /// The text after interpolation.
    pub(super) value: String,
    /// Whether a variable took part. Such a text may be read as a number or a boolean where one is wanted.
    pub(super) interpolated: bool,
    /// Whether a variable took part whose name says that it is a secret.
    pub(super) secret: bool,
}

impl From<String> for Text {
    fn from(value: String) -> Self {
        Self {
            value,
            ..Self::default()
        }
    }
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// The key.
    pub(super) key: String,
    /// Bytes of the file.
    pub(super) key_span: Range<usize>,
    /// The value.
    pub(super) value: Node,
}

impl Node {
    /// A node at its own place.
    pub(super) fn new(kind: Kind, span: Range<usize>) -> Self {
        Self {
            defined: span.clone(),
            span,
            kind,
        }
    }

    /// The entries, if this is a map.
    pub(super) fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a key, if this is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key == key)
    }

    /// The text, if this is one.
    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(&text.value),
            _ => None,
        }
    }

    /// What this is, for a message: never the value itself, which may be a secret.
    pub(super) fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a boolean",
            Kind::Int(_) => "an integer",
            Kind::Float(_) => "a number",
            Kind::String(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
            Kind::Placeholder(_) => "a value",
        }
    }

    /// The node at a path, and the bytes of its key if it has one.
    pub(super) fn find(&self, path: &[Segment]) -> Option<Found<'_>> {
        let mut found = Found {
            key_span: None,
            node: self,
        };
        for segment in path {
            found = match (segment, &found.node.kind) {
                (Segment::Key(key), Kind::Map(_)) => {
                    let entry = found.node.get(key)?;
                    Found {
                        key_span: Some(entry.key_span.clone()),
                        node: &entry.value,
                    }
                }
                (Segment::Index(index), Kind::List(items)) => Found {
                    key_span: None,
                    node: items.get(*index)?,
                },
                _ => return None,
            };
        }
        Some(found)
    }

    /// The node at a path, to be changed.
    pub(super) fn find_mut(&mut self, path: &[Segment]) -> Option<&mut Self> {
        let mut node = self;
        for segment in path {
            node = match (segment, &mut node.kind) {
                (Segment::Key(key), Kind::Map(entries)) => {
                    &mut entries.iter_mut().find(|entry| entry.key == *key)?.value
                }
                (Segment::Index(index), Kind::List(items)) => items.get_mut(*index)?,
                _ => return None,
            };
        }
        Some(node)
    }

    /// The same as JSON, to be compared. Numbers that JSON does not have become `null`.
    #[cfg(test)]
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.kind {
            Kind::Null | Kind::Placeholder(_) => serde_json::Value::Null,
            Kind::Bool(value) => (*value).into(),
            Kind::Int(value) => serde_json::Number::from_i128(*value).into(),
            Kind::Float(value) => (*value).into(),
            Kind::String(text) => text.value.as_str().into(),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_json()))
                .collect(),
        }
    }
}

/// A node that was looked up.
#[derive(Debug)]
pub(super) struct Found<'n> {
    /// Bytes of its key.
    pub(super) key_span: Option<Range<usize>>,
    /// The node.
    pub(super) node: &'n Node,
}

// Without the values: they may be secrets.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}", self.describe(), self.span)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Node::new(self.clone(), 0..0).describe())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a text of {} bytes", self.value.len())
    }
}

/// One step of a path through the tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Segment {
    /// Into a map.
    Key(String),
    /// Into a list.
    Index(usize),
}

impl From<&str> for Segment {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

/// Reads `tenants[1].id`. Keys with dots cannot be written that way; none of ours have any.
pub(super) fn parse_path(text: &str) -> Vec<Segment> {
    let mut path = Vec::new();
    for part in text.split('.').filter(|part| !part.is_empty()) {
        let (key, indices) = part.split_once('[').unwrap_or((part, ""));
        if !key.is_empty() {
            path.push(Segment::Key(key.to_owned()));
        }
        path.extend(
            indices
                .split('[')
                .filter_map(|index| index.trim_end_matches(']').parse().ok())
                .map(Segment::Index),
        );
    }
    path
}

/// Writes `tenants[1].id`.
pub(super) fn format_path(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Segment::Index(index) => {
                text.push('[');
                text.push_str(&index.to_string());
                text.push(']');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_a_round_trip() {
        for path in ["", "module", "tenants[1].id", "a.b[0][12].c"] {
            assert_eq!(format_path(&parse_path(path)), path);
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let node = Node::new(Kind::String("hunter2".to_owned().into()), 3..10);
        assert_eq!(format!("{node:?} {:?}", node.kind), "a text at 3..10 a text");
    }
}

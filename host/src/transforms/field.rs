//! Places in an event that the options of a transform name.

use std::borrow::Cow;

use o365_core::{Value, config::Problem};
use vrl::path::{OwnedSegment, OwnedValuePath, parse_value_path};

/// Reads a path such as `source.ip`.
pub(super) fn parse(text: &str, option: &str) -> Result<OwnedValuePath, Problem> {
    match parse_value_path(text) {
        Ok(path) if !path.segments.is_empty() => Ok(path),
        _ => Err(Problem::new(option, format!("`{text}` is not a path of a field"))
            .hint("write names with dots between them, such as `source.ip`")),
    }
}

/// The place `name` beside the field at `path`: `source.geo` for `source.ip`.
pub(super) fn beside(path: &OwnedValuePath, name: &str) -> OwnedValuePath {
    let mut segments = path.segments.clone();
    segments.pop();
    segments.push(OwnedSegment::field(name));
    OwnedValuePath::from(segments)
}

/// A value as text, if it is one.
pub(super) fn text(value: &Value) -> Option<Cow<'_, str>> {
    value.as_bytes().map(|bytes| String::from_utf8_lossy(bytes))
}

/// Writes `new` at `path`, unless something that is no object stands in the way: that is somebody's data, and stays.
pub(super) fn write(root: &mut Value, path: &OwnedValuePath, new: Value) {
    for end in 0..path.segments.len() {
        let parent = OwnedValuePath::from(path.segments[..end].to_vec());
        match root.get(&parent) {
            None => break,
            Some(Value::Object(_)) => {}
            Some(_) => return,
        }
    }
    root.insert(path, new);
}

/// An object of these members.
pub(super) fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    Value::Object(
        members
            .into_iter()
            .filter_map(|(key, value)| Some((key.into(), value?)))
            .collect(),
    )
}

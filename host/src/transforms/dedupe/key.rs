//! What makes two events the same.

use o365_core::{InvalidDocument, LogEvent, Value};
use sha2::{Digest as _, Sha256};
use vrl::path::{OwnedTargetPath, OwnedValuePath, PathPrefix, parse_target_path};

/// Two events with the same digest are the same: nobody finds two others.
pub(super) type Digest = [u8; 32];

/// Which fields are compared.
#[derive(Debug)]
pub(super) enum Key {
    /// These; one that is missing is like one that is missing.
    Match(Vec<OwnedTargetPath>),
    /// These, of events that have all of them; others are not compared.
    All(Vec<OwnedTargetPath>),
    /// The document but these.
    Ignore(Vec<OwnedValuePath>),
}

impl Key {
    /// Vector's default. Audit records have none of these fields, and must not all be the same for that.
    pub(super) fn usual() -> Self {
        let names = ["message", "host", "timestamp"];
        Self::All(
            names
                .iter()
                .filter_map(|name| parse_target_path(name).ok())
                .collect(),
        )
    }

    /// Metadata says where an event came from, which differs for repeats: it is never compared but by name.
    pub(super) fn ignoring(paths: Vec<OwnedTargetPath>) -> Self {
        let of_document = paths.into_iter().filter(|path| path.prefix == PathPrefix::Event);
        Self::Ignore(of_document.map(|path| path.path).collect())
    }

    /// The digest of what is compared of an event; `None` if there is nothing to compare.
    pub(super) fn of(&self, event: &mut LogEvent) -> Result<Option<Digest>, InvalidDocument> {
        let mut hasher = Sha256::new();
        match self {
            Self::Match(paths) | Self::All(paths) => {
                let of_metadata = |path: &OwnedTargetPath| path.prefix == PathPrefix::Metadata;
                let metadata = paths.iter().any(of_metadata).then(|| event.metadata().to_value());
                let document = event.value()?;
                for path in paths {
                    let root = if of_metadata(path) {
                        metadata.as_ref()
                    } else {
                        Some(document)
                    };
                    match (root.and_then(|root| root.get(&path.path)), self) {
                        (Some(value), _) => add(&mut hasher, value),
                        (None, Self::All(_)) => return Ok(None),
                        (None, _) => hasher.update([MISSING]),
                    }
                }
            }
            Self::Ignore(paths) if paths.is_empty() => add(&mut hasher, event.value()?),
            Self::Ignore(paths) => {
                let mut document = event.value()?.clone();
                for path in paths {
                    // With what becomes empty: Vector compares fields, and an object without any is none.
                    document.remove(path, true);
                }
                add(&mut hasher, &document);
            }
        }
        Ok(Some(hasher.finalize().into()))
    }
}

const MISSING: u8 = 0;

/// Adds a value, so that no two different ones give the same bytes: each with its type, and with its length if it has one.
fn add(hasher: &mut Sha256, value: &Value) {
    let mut tagged = |tag: u8, bytes: &[u8]| {
        hasher.update([tag]);
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    match value {
        Value::Null => tagged(1, &[]),
        Value::Boolean(value) => tagged(2, &[u8::from(*value)]),
        Value::Integer(value) => tagged(3, &value.to_le_bytes()),
        Value::Float(value) => tagged(4, &value.to_le_bytes()),
        Value::Timestamp(value) => tagged(5, value.to_rfc3339().as_bytes()),
        Value::Regex(value) => tagged(6, value.as_str().as_bytes()),
        Value::Array(items) => {
            tagged(7, &(items.len() as u64).to_le_bytes());
            for item in items {
                add(hasher, item);
            }
        }
        // Its keys are sorted.
        Value::Object(members) => {
            tagged(8, &(members.len() as u64).to_le_bytes());
            for (key, value) in members {
                hasher.update((key.len() as u64).to_le_bytes());
                hasher.update(key.as_bytes());
                add(hasher, value);
            }
        }
        // Texts, in either form.
        value => tagged(9, value.as_bytes().map_or(&[], |bytes| bytes)),
    }
}

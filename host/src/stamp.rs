//! Tells one version of a file from the next.

use std::{fs, path::Path, time::SystemTime};

/// What a file looked like: when it was changed, and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(SystemTime, u64);

impl Stamp {
    /// What it looks like now; nothing if there is none.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self(metadata.modified().ok()?, metadata.len()))
    }
}

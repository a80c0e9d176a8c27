//! When a file is full, and how it is then called.

use std::{
    fs::File,
    io::Result,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::wasm::ByteSize;

/// When the file that is being written is put aside for a new one. Default: never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rotation {
    /// What a file may have, as it lies on disk: at least `1KiB`. What is written together stays together: if that is more, it
    /// has a file of its own.
    pub max_bytes: Option<ByteSize>,
    /// How old a file may become, from its creation on: at least `1s`. Looked at before something is written.
    #[serde(deserialize_with = "o365_core::duration::deserialize_some")]
    pub max_age: Option<Duration>,
}

impl Rotation {
    /// Whether a file of this length and age must not get so many bytes more.
    pub(super) fn is_due(&self, length: u64, more: u64, age: Duration) -> bool {
        length > 0
            && (self.max_bytes.is_some_and(|most| length + more > most.0)
                || self.max_age.is_some_and(|most| age >= most))
    }
}

/// How long the file has been there. `opened` is what is known where file systems do not remember.
pub(super) fn age(file: &File, opened: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    let made = file.metadata().and_then(|file| file.created());
    let made = made.map_or(opened, DateTime::from);
    (now - made).to_std().unwrap_or_default()
}

/// Gives a file its final name: `audit.1.ndjson` for `audit.ndjson`, with a number that is higher than all that are
/// there, so that nothing is overwritten. The caller has the file's lock.
pub(super) fn put_aside(path: &Path) -> Result<PathBuf> {
    let (stem, suffix) = parts(path);
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let mut last = 0;
    for entry in std::fs::read_dir(dir.unwrap_or(Path::new(".")))? {
        let name = entry?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix(stem)?.strip_prefix('.')?.strip_suffix(suffix));
        last = last.max(number.and_then(|number| number.parse().ok()).unwrap_or(0_u64));
    }
    let aside = path.with_file_name(format!("{stem}.{}{suffix}", last + 1));
    std::fs::rename(path, &aside)?;
    Ok(aside)
}

/// What stands before the number, and what after it. The ending stays at the end, where programs look for it. The last
/// part of a date is none.
fn parts(path: &Path) -> (&str, &str) {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let bare = name
        .strip_suffix(".gz")
        .or_else(|| name.strip_suffix(".zst"))
        .unwrap_or(name);
    let at = bare
        .rfind('.')
        .filter(|at| *at > 0 && bare[at + 1..].starts_with(|first: char| first.is_ascii_alphabetic()));
    name.split_at(at.unwrap_or(bare.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stands_before_the_ending() {
        for (name, parted) in [
            ("/a.b/audit.ndjson", ("audit", ".ndjson")),
            ("audit-2026.11.25.ndjson.gz", ("audit-2026.11.25", ".ndjson.gz")),
            ("audit.zst", ("audit", ".zst")),
            ("audit.2026.11.25", ("audit.2026.11.25", "")),
            (".hidden", (".hidden", "")),
            ("audit", ("audit", "")),
        ] {
            assert_eq!(parts(Path::new(name)), parted, "{name}");
        }
    }

    #[test]
    fn a_number_is_higher_than_all_that_are_there() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "a.ndjson",
            "a.2.ndjson",
            "a.10.ndjson",
            "a.x.ndjson",
            "b.99.ndjson",
        ] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        let aside = put_aside(&dir.path().join("a.ndjson")).unwrap();
        assert_eq!(aside, dir.path().join("a.11.ndjson"));
        assert_eq!(std::fs::read_to_string(aside).unwrap(), "a.ndjson");
    }

    #[test]
    fn an_empty_file_is_never_full() {
        let rotation = Rotation {
            max_bytes: Some(ByteSize(10)),
            max_age: Some(Duration::from_secs(5)),
        };
        let due = |length, more, seconds| rotation.is_due(length, more, Duration::from_secs(seconds));
        assert!(!due(0, 100, 100));
        assert!(!due(5, 5, 4) && due(5, 6, 4) && due(5, 5, 5));
        assert!(!Rotation::default().is_due(u64::MAX / 2, 1, Duration::MAX));
    }
}

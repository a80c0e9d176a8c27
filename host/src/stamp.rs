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

/// A file that somebody looks at now and then. Looking is cheaper than it is clever: it works on every file system, and when
/// a file is replaced by renaming.
#[derive(Debug)]
pub(crate) struct Watched {
    /// What the file looked like when it was last read.
    read: Option<Stamp>,
    /// What it looked like the last time.
    looked: Option<Stamp>,
}

impl Watched {
    /// A file that has been read when it looked like this.
    pub(crate) fn since(stamp: Option<Stamp>) -> Self {
        Self {
            read: stamp,
            looked: stamp,
        }
    }

    /// Whether it is time to read the file again: it has changed, and looks the same as the last time. Half of it may have
    /// been there then. One that is gone is about to be replaced, or will be missed at the next start.
    pub(crate) fn has_changed(&mut self, now: Option<Stamp>) -> bool {
        let settled = now == self.looked;
        self.looked = now;
        if !settled || now.is_none() || now == self.read {
            return false;
        }
        self.read = now;
        true
    }
}

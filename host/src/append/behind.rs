//! What has been written is hardly read again by this machine, so the system need not remember it.
//!
//! Left alone, the system fills all free memory with a file that grows: everything else that it remembers for other programs goes
//! away for it, in a container it counts as memory of this program, and each page is taken from memory that nobody has used for long.
//! A system in a virtual machine has to ask for such memory outside, which costs more than the write itself (`docs/benchmarks.md`).

use std::{fs::File, ops::Range};

/// What stays, so that a program that follows the file finds in memory what is new.
const KEPT: u64 = 32 << 20;
/// What is forgotten at a time, at least.
const STEP: u64 = 8 << 20;

/// How much of a file the system has been told to forget.
#[derive(Debug)]
pub(super) struct Behind {
    /// Where this process began to write: what was there before is not its business.
    begin: u64,
    /// What lies before has been forgotten.
    forgotten: u64,
}

impl Behind {
    /// Of a file that had this length before the first write.
    pub(super) fn beginning_at(length: u64) -> Self {
        Self {
            begin: length,
            forgotten: length,
        }
    }

    /// Something was written, and the file ends here now.
    pub(super) fn forget(&mut self, file: &File, end: u64) {
        if let Some(range) = self.due(end) {
            advise(file, range);
        }
    }

    /// What has to be forgotten now. Unless much is written at once, each part comes several times: what is not on disk yet is only
    /// brought there, and goes at another time.
    fn due(&mut self, end: u64) -> Option<Range<u64>> {
        if end < self.forgotten {
            // Somebody has cut it.
            self.begin = self.begin.min(end);
            self.forgotten = end;
        }
        let to = end.saturating_sub(KEPT);
        if to < self.forgotten.saturating_add(STEP) {
            return None;
        }
        let from = self.forgotten.saturating_sub(KEPT).max(self.begin);
        self.forgotten = to;
        Some(from..to)
    }
}

#[cfg(target_os = "linux")]
fn advise(file: &File, range: Range<u64>) {
    use rustix::fs::{Advice, fadvise};

    let length = std::num::NonZeroU64::new(range.end - range.start);
    // It is no more than advice: a file system that does not take it has lost nothing.
    let _ = fadvise(file, range.start, length, Advice::DontNeed);
}

#[cfg(not(target_os = "linux"))]
fn advise(_file: &File, _range: Range<u64>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_wrote_is_forgotten_but_for_its_end() {
        let mib = |n: u64| n << 20;
        let mut behind = Behind::beginning_at(mib(100));
        assert_eq!(behind.due(mib(100)), None);
        assert_eq!(behind.due(mib(139)), None, "too little");
        assert_eq!(behind.due(mib(140)), Some(mib(100)..mib(108)));
        assert_eq!(behind.due(mib(140)), None);
        assert_eq!(
            behind.due(mib(148)),
            Some(mib(100)..mib(116)),
            "the first part once more"
        );
        assert_eq!(behind.due(mib(200)), Some(mib(100)..mib(168)));
        assert_eq!(behind.due(mib(208)), Some(mib(136)..mib(176)));
        assert_eq!(behind.due(mib(50)), None, "somebody has cut it");
        assert_eq!(behind.due(mib(90)), Some(mib(50)..mib(58)));
    }
}

//! The folder of the letters: which file is written, when the next one begins, and when the folder is full.
//!
//! `dead-letters-2026-11-25.ndjson`, then `dead-letters-2026-11-25_0002.ndjson` and so on: names sort by age. Several processes may
//! write into the same folder, and a replay takes files away, so sizes are looked up on disk each time: that costs little
//! beside the wait for the disk.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use o365_core::ComponentError;

use super::options::FolderOptions;
use crate::{append::Appender, wasm::ByteSize};

const PREFIX: &str = "dead-letters-";
const SUFFIX: &str = ".ndjson";
/// What is appended to the name of a file whose letters have been sent again.
pub(super) const REPLAYED: &str = ".replayed";

/// See the module.
#[derive(Debug)]
pub(super) struct Folder {
    options: FolderOptions,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    day: String,
    path: PathBuf,
    file: Appender,
}

/// A file in the folder.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    day: String,
    number: u32,
    /// Sent again: it counts no more, and its number is taken.
    replayed: bool,
    path: PathBuf,
    bytes: u64,
}

impl Folder {
    pub(super) fn new(options: FolderOptions) -> Self {
        Self { options, open: None }
    }

    /// Appends whole lines to the file of `day`, on disk when it returns; or refuses them all because the folder is full.
    pub(super) fn write(&mut self, text: &[u8], day: &str) -> Result<(), ComponentError> {
        let more = text.len() as u64;
        let found = files(&self.options.path, &self.options.replayed).map_err(|error| self.failed(&error))?;
        let used: u64 = found.iter().map(|file| file.bytes).sum();
        if used.saturating_add(more) > self.options.max_bytes.0 {
            return Err(self.full(used, more));
        }
        // Not if it is full, or was taken away.
        let has_room = |path: &Path| {
            let file = found.iter().find(|file| file.path == path);
            file.is_some_and(|file| file.bytes < self.options.max_file_bytes.0)
        };
        let goes_on = self
            .open
            .take()
            .filter(|open| open.day == day && has_room(&open.path));
        let append = || {
            let mut open = match goes_on {
                Some(open) => open,
                None => self.start(day, &found)?,
            };
            open.file.append(text)?;
            Ok(open)
        };
        let open = append().map_err(|error| self.failed(&error))?;
        self.open = Some(open);
        Ok(())
    }

    /// The last file of the day, or the one after it.
    fn start(&self, day: &str, found: &[Found]) -> std::io::Result<Open> {
        let last = found.iter().rfind(|file| file.day == day);
        let number = match last {
            None => 1,
            Some(last)
                if last.replayed
                    || last.bytes >= self.options.max_file_bytes.0
                    || self.options.replayed.contains(&last.path) =>
            {
                last.number.saturating_add(1)
            }
            Some(last) => last.number,
        };
        let name = match number {
            1 => format!("{PREFIX}{day}{SUFFIX}"),
            _ => format!("{PREFIX}{day}_{number:04}{SUFFIX}"),
        };
        let path = self.options.path.join(name);
        Ok(Open {
            day: day.to_owned(),
            file: Appender::open(&path)?,
            path,
        })
    }

    fn failed(&self, error: &std::io::Error) -> ComponentError {
        format!(
            "writing a dead-letter file in `{}` failed: {error}; free some space or fix its permissions, then start again: \
             the events will be fetched again",
            self.options.path.display()
        )
        .into()
    }

    fn full(&self, used: u64, more: u64) -> ComponentError {
        let folder = self.options.path.display();
        format!(
            "the dead letters in `{folder}` have {} and {} more would exceed `dead_letter.max_bytes` ({}); repair what fails and \
             send them again with `o365-host replay {folder} --config FILE`, or move files away, or raise the limit, then start \
             again: nothing was dropped, the events will be fetched again",
            ByteSize(used),
            ByteSize(more),
            self.options.max_bytes
        )
        .into()
    }
}

/// Bytes of the letters that have not been sent again.
pub(super) fn used(options: &FolderOptions) -> std::io::Result<u64> {
    let found = files(&options.path, &options.replayed)?;
    Ok(found.iter().map(|file| file.bytes).sum())
}

/// The files of a folder whose letters have not been sent again, oldest first.
pub(super) fn waiting(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let found = files(folder, &[])?.into_iter();
    Ok(found
        .filter(|file| !file.replayed)
        .map(|file| file.path)
        .collect())
}

/// What is in a folder, oldest first. What counts no more, or is being sent, has no bytes.
fn files(folder: &Path, sending: &[PathBuf]) -> std::io::Result<Vec<Found>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some((day, number, replayed)) = name.to_str().and_then(parse) else {
            continue;
        };
        let path = folder.join(&name);
        let bytes = if replayed || sending.contains(&path) {
            0
        } else {
            match entry.metadata() {
                Ok(metadata) => metadata.len(),
                // Taken away since.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
        };
        found.push(Found {
            day: day.to_owned(),
            number,
            replayed,
            path,
            bytes,
        });
    }
    found.sort();
    Ok(found)
}

/// Day, number, and whether the letters have been sent again.
fn parse(name: &str) -> Option<(&str, u32, bool)> {
    let (stem, rest) = name.strip_prefix(PREFIX)?.split_once(SUFFIX)?;
    let replayed = match rest {
        "" => false,
        rest if rest.starts_with(REPLAYED) => true,
        _ => return None,
    };
    match stem.split_once('_') {
        None => Some((stem, 1, replayed)),
        Some((day, number)) => Some((day, number.parse().ok()?, replayed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: &str = "2026-11-25";

    fn folder(path: &Path, max_file_bytes: u64, max_bytes: u64) -> Folder {
        Folder::new(FolderOptions {
            path: path.to_owned(),
            max_file_bytes: ByteSize(max_file_bytes),
            max_bytes: ByteSize(max_bytes),
            replayed: Vec::new(),
        })
    }

    /// Names and contents, sorted.
    fn contents(path: &Path) -> Vec<(String, String)> {
        let mut all: Vec<_> = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, std::fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        all.sort();
        all
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        list.iter().map(own).collect()
    }

    #[test]
    fn a_file_that_is_full_is_followed_by_the_next_and_names_sort_by_age() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = folder(dir.path(), 10, 1_000);
        for line in ["111111\n", "222222\n", "333333\n", "444444\n", "555555\n"] {
            folder.write(line.as_bytes(), DAY).unwrap();
        }
        folder.write(b"next day\n", "2026-11-26").unwrap();
        let expected = [
            ("dead-letters-2026-11-25.ndjson", "111111\n222222\n"),
            ("dead-letters-2026-11-25_0002.ndjson", "333333\n444444\n"),
            ("dead-letters-2026-11-25_0003.ndjson", "555555\n"),
            ("dead-letters-2026-11-26.ndjson", "next day\n"),
        ];
        assert_eq!(contents(dir.path()), pairs(&expected));
        let waiting = waiting(dir.path()).unwrap();
        assert_eq!(waiting, expected.map(|(name, _)| dir.path().join(name)));
    }

    #[test]
    fn the_next_process_goes_on_with_the_last_file_and_repairs_its_end() {
        let dir = tempfile::tempdir().unwrap();
        folder(dir.path(), 10, 1_000).write(b"{\"a\":1}\n", DAY).unwrap();
        let first = dir.path().join("dead-letters-2026-11-25.ndjson");
        std::fs::write(&first, "{\"a\":1}\n{\"b").unwrap();
        // The torn line fills the file.
        folder(dir.path(), 10, 1_000).write(b"{\"c\":3}\n", DAY).unwrap();
        let second = dir.path().join("dead-letters-2026-11-25_0002.ndjson");
        std::fs::write(&second, "{\"d").unwrap();
        folder(dir.path(), 10, 1_000).write(b"{\"e\":5}\n", DAY).unwrap();
        assert_eq!(std::fs::read_to_string(second).unwrap(), "{\"e\":5}\n");
    }

    #[test]
    fn a_full_folder_refuses_until_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let mut ours = folder(dir.path(), 10, 20);
        ours.write(b"111111\n", DAY).unwrap();
        // A neighbour's letters count when it matters.
        folder(dir.path(), 10, 20).write(b"222222\n", DAY).unwrap();
        let before = contents(dir.path());
        let error = ours.write(b"333333\n", DAY).unwrap_err().to_string();
        for part in [
            "have 14B",
            "7B more",
            "(20B)",
            "o365-host replay",
            "nothing was dropped",
        ] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(contents(dir.path()), before);
        // What fits exactly is taken, and what was replayed or is foreign does not count.
        ours.write(b"33333\n", DAY).unwrap();
        let first = dir.path().join("dead-letters-2026-11-25.ndjson");
        std::fs::rename(&first, first.with_extension("ndjson.replayed")).unwrap();
        std::fs::write(dir.path().join("notes.txt"), vec![b'x'; 100]).unwrap();
        ours.write(b"444444\n", DAY).unwrap();
        assert_eq!(used(&ours.options).unwrap(), 13);
    }

    #[test]
    fn what_is_being_replayed_gets_no_letters_and_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = folder(dir.path(), 100, 20);
        first.write(b"1111111111111\n", DAY).unwrap();
        let mut replay = folder(dir.path(), 100, 20);
        replay.options.replayed = vec![dir.path().join("dead-letters-2026-11-25.ndjson")];
        replay.write(b"again failed\n", DAY).unwrap();
        // The same new file for the next one.
        let mut replay = Folder::new(replay.options.clone());
        replay.write(b"and\n", DAY).unwrap();
        let expected = [
            ("dead-letters-2026-11-25.ndjson", "1111111111111\n"),
            ("dead-letters-2026-11-25_0002.ndjson", "again failed\nand\n"),
        ];
        assert_eq!(contents(dir.path()), pairs(&expected));
    }

    #[test]
    fn a_number_is_not_used_twice() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("dead-letters-2026-11-25.ndjson.replayed"),
            "old\n",
        )
        .unwrap();
        folder(dir.path(), 100, 100).write(b"new\n", DAY).unwrap();
        let expected = [
            ("dead-letters-2026-11-25.ndjson.replayed", "old\n"),
            ("dead-letters-2026-11-25_0002.ndjson", "new\n"),
        ];
        assert_eq!(contents(dir.path()), pairs(&expected));
    }
}

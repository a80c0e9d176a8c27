//! A file of lines that several processes may append to: a collection and a backfill, each killed at any moment.
//!
//! Whoever appends holds the file's lock for as long, so that lines are whole whatever their length. If the file is not as
//! this process left it, its end is looked at first: half a line may stand there, which nobody will complete. A file that
//! somebody has moved away or deleted is not written to any more: what follows goes to a new one.

use std::{
    fs::{File, OpenOptions},
    io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use tracing::warn;

/// The start of the last line is looked for in so many bytes, then in ever more.
const TAIL_BYTES: u64 = 64 * 1024;
/// Nobody moves a file that often in a row; some network file systems only look as if.
const REOPENINGS: u32 = 3;

/// See the module.
#[derive(Debug)]
pub(crate) struct Appender {
    path: PathBuf,
    file: File,
    /// The length that this process has left.
    end: Option<u64>,
}

impl Appender {
    /// Opens the file, or makes it and its directory.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        if let Some(dir) = dir {
            std::fs::create_dir_all(dir)?;
        }
        let is_new = !path.exists();
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)?;
        if is_new {
            sync_directory(dir.unwrap_or(Path::new(".")))?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            end: None,
        })
    }

    /// Appends whole lines and waits until they are on disk.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<()> {
        let mut locked = lock(&self.file)?;
        // Under the lock, so that nobody moves it before the lines are in it.
        let mut attempts = 0..REOPENINGS;
        while attempts.next().is_some() && self.was_moved()? {
            *self = Self::open(&self.path)?;
            locked = lock(&self.file)?;
        }
        let written = self.write(lines);
        if locked {
            self.file.unlock()?;
        }
        written?;
        self.file.sync_data()
    }

    /// Whether something else, or nothing, has the path now.
    fn was_moved(&self) -> Result<bool> {
        let there = match std::fs::metadata(&self.path) {
            Ok(there) => there,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let ours = self.file.metadata()?;
            Ok((ours.dev(), ours.ino()) != (there.dev(), there.ino()))
        }
        #[cfg(not(unix))]
        {
            drop(there);
            Ok(false)
        }
    }

    fn write(&mut self, lines: &[u8]) -> Result<()> {
        let length = self.file.metadata()?.len();
        let length = if self.end == Some(length) {
            length
        } else {
            self.repair(length)?
        };
        // If this fails half-way, the next attempt finds a length that it does not expect.
        self.end = None;
        self.file.write_all(lines)?;
        self.end = Some(length + lines.len() as u64);
        Ok(())
    }

    /// A process that died while writing leaves half a line at the end. It was never acknowledged, so its event comes
    /// again; half of it must not stay in front of the next line. A whole document that only lacks its line feed is kept.
    fn repair(&mut self, length: u64) -> Result<u64> {
        let torn = self.torn(length)?;
        if torn.is_empty() {
            return Ok(length);
        }
        if serde_json::from_slice::<serde::de::IgnoredAny>(&torn).is_ok() {
            self.file.write_all(b"\n")?;
            return Ok(length + 1);
        }
        warn!(path = %self.path.display(), bytes = torn.len(), "removing half a line that a killed process left");
        let length = length - torn.len() as u64;
        self.file.set_len(length)?;
        Ok(length)
    }

    /// What follows the last line feed.
    fn torn(&mut self, length: u64) -> Result<Vec<u8>> {
        let mut size = 1;
        loop {
            let start = length.saturating_sub(size);
            self.file.seek(SeekFrom::Start(start))?;
            let mut tail = Vec::new();
            Read::by_ref(&mut self.file)
                .take(length - start)
                .read_to_end(&mut tail)?;
            if (tail.len() as u64) < length - start {
                return Err(Error::new(
                    ErrorKind::UnexpectedEof,
                    "somebody else is cutting the file",
                ));
            }
            match tail.iter().rposition(|byte| *byte == b'\n') {
                Some(at) => return Ok(tail.split_off(at + 1)),
                None if start == 0 => return Ok(tail),
                None => size = (size * 8).max(TAIL_BYTES),
            }
        }
    }
}

/// Waits until nobody else has the file's lock. False on a file system without locks: then only one process may write, as
/// it has always been.
pub(crate) fn lock(file: &File) -> Result<bool> {
    match file.lock() {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(false),
        Err(error) => Err(error),
    }
}

/// A new file survives a power failure only if its directory has it.
pub(crate) fn sync_directory(dir: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn what_a_killed_neighbour_left_is_repaired_before_the_next_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.ndjson");
        let mut ours = Appender::open(&path).unwrap();
        ours.append(b"{\"n\":1}\n").unwrap();
        let mut neighbour = OpenOptions::new().append(true).open(&path).unwrap();
        neighbour.write_all(b"{\"n\":2}\n{\"n\":").unwrap();
        ours.append(b"{\"n\":3}\n").unwrap();
        // Longer than what is looked at first.
        neighbour.write_all(&vec![b'x'; 1_000_000]).unwrap();
        ours.append(b"{\"n\":4}\n").unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_moved_or_deleted_gets_no_more_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.ndjson");
        let mut file = Appender::open(&path).unwrap();
        file.append(b"1\n").unwrap();
        std::fs::rename(&path, dir.path().join("moved")).unwrap();
        file.append(b"2\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"2\n");
        std::fs::remove_file(&path).unwrap();
        file.append(b"3\n").unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!((read("moved"), read("out.ndjson")), ("1\n".into(), "3\n".into()));
    }

    #[test]
    fn lines_of_any_length_stay_whole_among_many_writers() {
        const WRITERS: u8 = 4;
        const LINES: usize = 40;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.ndjson");
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let path = &path;
                scope.spawn(move || {
                    let mut file = Appender::open(path).unwrap();
                    for line in 0..LINES {
                        let mut text = vec![b'a' + writer; 1 + line * 5_000];
                        text.push(b'\n');
                        file.append(&text).unwrap();
                    }
                });
            }
        });
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lengths: Vec<_> = text
            .lines()
            .map(|line| {
                let writer = line.as_bytes()[0];
                assert!(line.bytes().all(|byte| byte == writer), "mixed lines");
                (writer, line.len())
            })
            .collect();
        lengths.sort_unstable();
        lengths.dedup();
        assert_eq!(lengths.len(), LINES * usize::from(WRITERS));
    }
}

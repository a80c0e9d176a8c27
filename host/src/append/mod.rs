//! A file of lines that several processes may append to: a collection and a backfill, each killed at any moment.
//!
//! Whoever appends holds the file's lock for as long, so that lines are whole whatever their length. If the file is not as
//! this process left it, its end is looked at first: half a line may stand there, which nobody will complete. A file that
//! somebody has moved away or deleted is not written to any more: what follows goes to a new one.

mod behind;
mod pieces;
mod rotation;
mod shape;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    fs::{File, OpenOptions},
    io::{Error, ErrorKind, Result, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use tracing::{info, warn};

use self::behind::Behind;
pub(crate) use self::pieces::Pieces;
pub use self::rotation::Rotation;
use self::shape::End;
pub(crate) use self::shape::Shape;
use crate::private;

/// Nobody moves a file that often in a row; some network file systems only look as if.
const REOPENINGS: u32 = 3;

/// How a file is written.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    /// What it is made of.
    pub(crate) shape: Shape,
    /// What stands at the start of each file.
    pub(crate) header: Vec<u8>,
    /// When it is put aside for a new one.
    pub(crate) rotation: Rotation,
    /// Whether it is on disk before something counts as written.
    pub(crate) sync: bool,
    /// Whether what is made, the file and folders above it, is for its owner only. What is there stays as it is.
    pub(crate) private: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            shape: Shape::default(),
            header: Vec::new(),
            rotation: Rotation::default(),
            sync: true,
            private: false,
        }
    }
}

impl Manner {
    fn make_directory(&self, dir: &Path) -> Result<()> {
        if self.private {
            private::create_dir_all(dir)
        } else {
            std::fs::create_dir_all(dir)
        }
    }

    fn open(&self, path: &Path) -> Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true);
        if self.private {
            private::owner_only(&mut options);
        }
        options.open(path)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Appender {
    path: PathBuf,
    manner: Arc<Manner>,
    file: File,
    /// The length that this process has left.
    end: Option<u64>,
    /// When something was first written.
    opened: Option<DateTime<Utc>>,
    /// From the first write on.
    behind: Option<Behind>,
}

impl Appender {
    /// Opens a file of JSON lines, or makes it and its directory, for its owner only.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let manner = Manner {
            private: true,
            ..Manner::default()
        };
        Self::open_as(path, Arc::new(manner))
    }

    /// The same for a file of another kind.
    pub(crate) fn open_as(path: &Path, manner: Arc<Manner>) -> Result<Self> {
        let dir = directory(path);
        manner.make_directory(dir)?;
        let is_new = !path.exists();
        let file = manner.open(path)?;
        if is_new && manner.sync {
            sync_directory(dir)?;
        }
        Ok(Self {
            path: path.to_owned(),
            manner,
            file,
            end: None,
            opened: None,
            behind: None,
        })
    }

    /// Appends whole lines and waits until they are on disk, unless that was not wished for.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<()> {
        let lines = Pieces::from(lines.to_vec());
        self.append_at(&lines, DateTime::UNIX_EPOCH).map(drop)
    }

    /// The same at this time, which decides whether the file is too old. Returns the bytes that were written.
    ///
    /// After an error nothing of the lines is in the file, as far as the file system lets itself be asked for that.
    pub(crate) fn append_at(&mut self, lines: &Pieces, now: DateTime<Utc>) -> Result<u64> {
        let mut locked = self.lock_what_is_there()?;
        let written = self.write(lines, now, &mut locked);
        if locked {
            self.file.unlock()?;
        }
        let (before, bytes) = written?;
        if self.manner.sync
            && let Err(error) = self.file.sync_data()
        {
            self.withdraw(before, before + bytes);
            return Err(error);
        }
        let behind = self.behind.get_or_insert_with(|| Behind::beginning_at(before));
        behind.forget(&self.file, before + bytes);
        Ok(bytes)
    }

    /// Under the lock, so that nobody who heeds it moves the file before the lines are in it.
    fn lock_what_is_there(&mut self) -> Result<bool> {
        let mut locked = lock(&self.file)?;
        let mut attempts = 0..REOPENINGS;
        while attempts.next().is_some() && self.was_moved()? {
            *self = Self::open_as(&self.path, Arc::clone(&self.manner))?;
            locked = lock(&self.file)?;
        }
        Ok(locked)
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

    /// Returns the length before and the bytes that were written.
    fn write(&mut self, lines: &Pieces, now: DateTime<Utc>, locked: &mut bool) -> Result<(u64, u64)> {
        let mut length = self.whole_length()?;
        let mut bytes = self.bytes(lines, length == Some(0))?;
        let opened = *self.opened.get_or_insert(now);
        let is_full = length.is_none_or(|length| {
            let age = rotation::age(&self.file, opened, now);
            self.manner.rotation.is_due(length, bytes.len() as u64, age)
        });
        if is_full {
            match rotation::put_aside(&self.path) {
                Ok(aside) => {
                    info!(path = %self.path.display(), to = %aside.display(), "put aside, a new file begins");
                }
                // Somebody who does not heed the lock was faster.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            // Makes the new file, and with it puts the new name of the old one on disk.
            *locked = self.lock_what_is_there()?;
            length = self.whole_length()?;
            bytes = self.bytes(lines, length == Some(0))?;
            self.opened = Some(now);
        }
        let length = length.ok_or_else(|| Error::new(ErrorKind::InvalidData, "it cannot be decompressed"))?;
        self.end = None;
        if let Err((error, end)) = write_or_cut(&mut self.file, &bytes, length) {
            self.end = end;
            return Err(error);
        }
        let written = bytes.len() as u64;
        self.end = Some(length + written);
        Ok((length, written))
    }

    fn bytes<'l>(&self, lines: &'l Pieces, is_first: bool) -> Result<Cow<'l, Pieces>> {
        let header = &self.manner.header;
        self.manner.shape.bytes(if is_first && !header.is_empty() {
            Cow::Owned(lines.behind(header))
        } else {
            Cow::Borrowed(lines)
        })
    }

    /// What could not be brought to the disk is taken back, unless somebody else has written behind it.
    fn withdraw(&mut self, before: u64, after: u64) {
        self.end = None;
        let withdrawn = lock(&self.file).and_then(|locked| {
            if self.file.metadata()?.len() == after {
                self.file.set_len(before)?;
            }
            if locked { self.file.unlock() } else { Ok(()) }
        });
        if let Err(error) = withdrawn {
            warn!(path = %self.path.display(), %error, "what did not get to the disk cannot be taken back, it may stand there twice");
        }
    }

    /// How long the file is, after its end is whole. None if it cannot be made so.
    ///
    /// A process that died while writing leaves half a line at the end. It was never acknowledged, so its event comes
    /// again; half of it must not stay in front of the next line. A whole document that only lacks its line feed is kept.
    fn whole_length(&mut self) -> Result<Option<u64>> {
        let length = self.file.metadata()?.len();
        if self.end == Some(length) {
            return Ok(Some(length));
        }
        let known = self.end.filter(|end| *end < length).unwrap_or(0);
        match self.manner.shape.end(&mut self.file, known, length)? {
            End::At(end) if end == length => Ok(Some(length)),
            End::At(end) => {
                warn!(path = %self.path.display(), bytes = length - end, "removing half a line that a killed process left");
                self.file.set_len(end)?;
                Ok(Some(end))
            }
            End::LacksLineFeed => {
                self.file.write_all(b"\n")?;
                Ok(Some(length + 1))
            }
            End::Unknown => {
                warn!(path = %self.path.display(), "something in it cannot be decompressed, so it is left as it is");
                Ok(None)
            }
        }
    }
}

/// What can be made shorter.
trait Cut: Write {
    fn cut(&mut self, length: u64) -> Result<()>;
}

impl Cut for File {
    fn cut(&mut self, length: u64) -> Result<()> {
        self.set_len(length)
    }
}

/// All or nothing: what is half must not stay, not even until the next attempt, which may never come. With the error comes
/// the length, if it is known.
fn write_or_cut(
    file: &mut impl Cut,
    bytes: &Pieces,
    length: u64,
) -> std::result::Result<(), (Error, Option<u64>)> {
    bytes
        .write_to(file)
        .map_err(|error| (error, file.cut(length).is_ok().then_some(length)))
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
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

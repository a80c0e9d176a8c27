//! A file of lines that several processes may append to: a collection and a backfill, each killed at any moment.
//!
//! Whoever appends holds the file's lock for as long, so that lines are whole whatever their length. If the file is not as
//! this process left it, its end is looked at first: half a line may stand there, which nobody will complete. A file that
//! somebody has moved away or deleted is not written to any more: what follows goes to a new one.

mod pieces;
mod rotation;
mod shape;

use std::{
    borrow::Cow,
    fs::{File, OpenOptions},
    io::{Error, ErrorKind, Result, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use tracing::{info, warn};

pub(crate) use self::pieces::Pieces;
pub use self::rotation::Rotation;
use self::shape::End;
pub(crate) use self::shape::Shape;

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
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            shape: Shape::default(),
            header: Vec::new(),
            rotation: Rotation::default(),
            sync: true,
        }
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
}

impl Appender {
    /// Opens a file of JSON lines, or makes it and its directory.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::open_as(path, Arc::default())
    }

    /// The same for a file of another kind.
    pub(crate) fn open_as(path: &Path, manner: Arc<Manner>) -> Result<Self> {
        let dir = directory(path);
        std::fs::create_dir_all(dir)?;
        let is_new = !path.exists();
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)?;
        if is_new && manner.sync {
            sync_directory(dir)?;
        }
        Ok(Self {
            path: path.to_owned(),
            manner,
            file,
            end: None,
            opened: None,
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

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        process::{Command, Stdio},
        thread,
    };

    use super::*;
    use crate::{sinks::Compression, wasm::ByteSize};

    /// A disk with room for so many bytes.
    struct Small {
        bytes: Vec<u8>,
        room: usize,
        cuts: bool,
    }

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            let fits = bytes.len().min(self.room - self.bytes.len());
            if fits == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.bytes.extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    impl Cut for Small {
        fn cut(&mut self, length: u64) -> Result<()> {
            if !self.cuts {
                return Err(ErrorKind::Other.into());
            }
            self.bytes.truncate(usize::try_from(length).unwrap());
            Ok(())
        }
    }

    #[test]
    fn what_does_not_fit_is_not_there_by_half() {
        let mut disk = Small {
            bytes: b"1\n".to_vec(),
            room: 6,
            cuts: true,
        };
        let (error, end) = write_or_cut(&mut disk, &Pieces::from(b"22222\n".to_vec()), 2).unwrap_err();
        assert_eq!((error.kind(), end), (ErrorKind::StorageFull, Some(2)));
        assert_eq!(disk.bytes, b"1\n");
        disk.room = 8;
        write_or_cut(&mut disk, &Pieces::from(b"22222\n".to_vec()), 2).unwrap();
        assert_eq!(disk.bytes, b"1\n22222\n");
        disk.cuts = false;
        let (_, end) = write_or_cut(&mut disk, &Pieces::from(b"3\n".to_vec()), 8).unwrap_err();
        assert_eq!(end, None, "nobody knows how long it is");
    }

    fn manner(shape: Shape) -> Manner {
        Manner {
            shape,
            ..Manner::default()
        }
    }

    /// What the usual program makes of a file.
    fn decompressed(how: Compression, path: &Path) -> String {
        let bytes = std::fs::read(path).unwrap();
        let mut text = String::new();
        match how {
            Compression::None => text = String::from_utf8(bytes).unwrap(),
            Compression::Gzip => {
                flate2::read::MultiGzDecoder::new(bytes.as_slice())
                    .read_to_string(&mut text)
                    .unwrap();
                let zcat = Command::new("gzip")
                    .arg("-dc")
                    .stdin(File::open(path).unwrap())
                    .stderr(Stdio::inherit())
                    .output();
                match zcat {
                    Ok(told) => assert_eq!(
                        (told.status.code(), told.stdout),
                        (Some(0), text.clone().into_bytes())
                    ),
                    Err(error) => eprintln!("\n!!! SKIPPED: gzip is not there ({error})\n"),
                }
            }
            Compression::Zstd => {
                let bytes = zstd::decode_all(bytes.as_slice()).unwrap();
                text = String::from_utf8(bytes).unwrap();
            }
        }
        text
    }

    #[test]
    fn a_torn_frame_is_removed_wherever_it_was_torn() {
        let dir = tempfile::tempdir().unwrap();
        for how in [Compression::Gzip, Compression::Zstd] {
            let path = dir.path().join("out");
            let _ = std::fs::remove_file(&path);
            let manner = Arc::new(manner(Shape::Compressed(how)));
            let mut file = Appender::open_as(&path, Arc::clone(&manner)).unwrap();
            file.append(b"{\"n\":1}\n").unwrap();
            let one = std::fs::read(&path).unwrap();
            file.append(b"{\"n\":2}\n").unwrap();
            let two = std::fs::read(&path).unwrap();
            for torn in one.len()..two.len() {
                std::fs::write(&path, &two[..torn]).unwrap();
                let mut file = Appender::open_as(&path, Arc::clone(&manner)).unwrap();
                file.append(b"{\"n\":3}\n").unwrap();
                assert_eq!(
                    decompressed_quietly(how, &path),
                    "{\"n\":1}\n{\"n\":3}\n",
                    "{how:?} {torn}"
                );
            }
            // Half a frame of a neighbour, behind a whole one of his.
            let mut file = Appender::open_as(&path, Arc::clone(&manner)).unwrap();
            file.append(b"{\"n\":4}\n").unwrap();
            let mut neighbour = OpenOptions::new().append(true).open(&path).unwrap();
            neighbour.write_all(&two[..two.len() - 1]).unwrap();
            file.append(b"{\"n\":5}\n").unwrap();
            assert_eq!(
                decompressed(how, &path),
                "{\"n\":1}\n{\"n\":3}\n{\"n\":4}\n{\"n\":1}\n{\"n\":5}\n"
            );
        }
    }

    fn decompressed_quietly(how: Compression, path: &Path) -> String {
        let bytes = std::fs::read(path).unwrap();
        let mut text = String::new();
        match how {
            Compression::Gzip => flate2::read::MultiGzDecoder::new(bytes.as_slice())
                .read_to_string(&mut text)
                .map(drop),
            _ => zstd::Decoder::new(bytes.as_slice())
                .and_then(|mut zstd| zstd.read_to_string(&mut text).map(drop)),
        }
        .unwrap();
        text
    }

    #[test]
    fn a_damaged_file_is_put_aside_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        for (how, ending) in [(Compression::Gzip, "gz"), (Compression::Zstd, "zst")] {
            let path = dir.path().join(format!("out.{ending}"));
            std::fs::write(&path, "no frame at all, and long enough to be sure").unwrap();
            let mut file = Appender::open_as(&path, Arc::new(manner(Shape::Compressed(how)))).unwrap();
            file.append(b"1\n").unwrap();
            let aside = std::fs::read_to_string(dir.path().join(format!("out.1.{ending}"))).unwrap();
            assert_eq!(aside, "no frame at all, and long enough to be sure");
            assert_eq!(decompressed(how, &path), "1\n");
        }
    }

    #[test]
    fn each_file_has_its_header_once_also_after_half_of_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.csv");
        std::fs::write(&path, "a,").unwrap();
        let manner = Arc::new(Manner {
            header: b"a,b\n".to_vec(),
            rotation: Rotation {
                max_bytes: Some(ByteSize(12)),
                max_age: None,
            },
            ..manner(Shape::Lines)
        });
        for line in ["1,2\n", "3,4\n", "5,6\n"] {
            // Another process each time. A number is a whole JSON document, and yet half a line.
            let mut file = Appender::open_as(&path, Arc::clone(&manner)).unwrap();
            file.append(line.as_bytes()).unwrap();
            drop(file);
            OpenOptions::new()
                .append(true)
                .open(&path)
                .unwrap()
                .write_all(b"9")
                .unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("out.1.csv"), "a,b\n1,2\n3,4\n");
        assert_eq!(read("out.csv"), "a,b\n5,6\n9");
    }

    #[test]
    fn many_writers_rotate_and_lose_and_repeat_nothing() {
        const WRITERS: usize = 4;
        const LINES: usize = 60;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.ndjson");
        let manner = Arc::new(Manner {
            rotation: Rotation {
                max_bytes: Some(ByteSize(200)),
                max_age: None,
            },
            sync: false,
            ..Manner::default()
        });
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (path, manner) = (&path, &manner);
                scope.spawn(move || {
                    let mut file = Appender::open_as(path, Arc::clone(manner)).unwrap();
                    for line in 0..LINES {
                        file.append(format!("{}\n", writer * LINES + line).as_bytes())
                            .unwrap();
                    }
                });
            }
        });
        let mut numbers = Vec::new();
        let mut files = 0;
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            assert!(text.len() <= 200 && text.ends_with('\n'), "{text}");
            numbers.extend(text.lines().map(|line| line.parse::<usize>().unwrap()));
            files += 1;
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..WRITERS * LINES).collect::<Vec<_>>());
        assert!(files >= 4, "{files} files");
    }

    #[test]
    fn an_old_file_is_put_aside_before_the_next_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.ndjson");
        let manner = Arc::new(Manner {
            rotation: Rotation {
                max_bytes: None,
                max_age: Some(std::time::Duration::from_hours(1)),
            },
            ..Manner::default()
        });
        let now = o365_core::Clock::now(&o365_core::SystemClock);
        let mut file = Appender::open_as(&path, manner).unwrap();
        file.append_at(&Pieces::from(b"1\n".to_vec()), now).unwrap();
        file.append_at(
            &Pieces::from(b"2\n".to_vec()),
            now + chrono::TimeDelta::minutes(59),
        )
        .unwrap();
        file.append_at(
            &Pieces::from(b"3\n".to_vec()),
            now + chrono::TimeDelta::minutes(61),
        )
        .unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(
            (read("out.1.ndjson"), read("out.ndjson")),
            ("1\n2\n".into(), "3\n".into())
        );
    }

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

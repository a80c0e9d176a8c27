//! Lines of a file of letters, one at a time.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Result, Seek, SeekFrom},
    path::Path,
};

/// More than any letter has: an event has at most 256 MiB, and quoting makes it longer.
const MAX_LINE_BYTES: u64 = 2 << 30;

/// See the module.
#[derive(Debug)]
pub(super) struct Lines {
    reader: BufReader<File>,
    /// Where the next line begins.
    at: u64,
    /// Lines before it.
    number: u64,
}

/// A line that is not blank.
#[derive(Debug)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: u64,
    /// Its first byte.
    pub(super) start: u64,
    pub(super) text: Vec<u8>,
    /// Whether it ends with a line feed.
    pub(super) whole: bool,
}

impl Lines {
    /// Begins at a byte, which is the first one after `number` lines.
    pub(super) fn open(path: &Path, at: u64, number: u64) -> Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(at))?;
        Ok(Self {
            reader: BufReader::with_capacity(64 * 1024, file),
            at,
            number,
        })
    }

    /// The byte after what has been read, and how many lines are before it.
    pub(super) fn place(&self) -> (u64, u64) {
        (self.at, self.number)
    }

    pub(super) fn next(&mut self) -> Result<Option<Line>> {
        loop {
            let mut text = Vec::new();
            let read = (&mut self.reader)
                .take(MAX_LINE_BYTES)
                .read_until(b'\n', &mut text)? as u64;
            if read == 0 {
                return Ok(None);
            }
            let start = self.at;
            self.at += read;
            self.number += 1;
            let whole = text.ends_with(b"\n");
            if read == MAX_LINE_BYTES && !whole {
                return Err(std::io::Error::other("a line is longer than 2 GiB"));
            }
            if !text.trim_ascii().is_empty() {
                return Ok(Some(Line {
                    number: self.number,
                    start,
                    text,
                    whole,
                }));
            }
        }
    }
}

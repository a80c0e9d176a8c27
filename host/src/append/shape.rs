//! What whole things a file is made of, and where the last whole one ends.

use std::{
    borrow::Cow,
    fs::File,
    io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Seek, SeekFrom},
};

use super::Pieces;
use crate::sinks::Compression;

/// The start of the last line is looked for in so many bytes, then in ever more.
const TAIL_BYTES: u64 = 64 * 1024;

/// What a file is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    /// JSON documents, one a line: one that only lacks its line feed is whole.
    #[default]
    Json,
    /// Lines.
    Lines,
    /// Members of gzip, or frames of Zstandard: one for each write.
    Compressed(Compression),
}

/// Where the last whole thing ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Here; what follows is half of something.
    At(u64),
    /// At the end of the file, but for a line feed.
    LacksLineFeed,
    /// Something stands amid the file that cannot be read, so nobody knows what follows it.
    Unknown,
}

impl Shape {
    /// Lines as they are written.
    pub(super) fn bytes(self, lines: Cow<'_, Pieces>) -> Result<Cow<'_, Pieces>> {
        match self {
            Self::Json | Self::Lines => Ok(lines),
            Self::Compressed(how) => Ok(Cow::Owned(how.compress(lines.joined())?.into())),
        }
    }

    /// Looks for the end of what is whole. What stands before `from` is known to be.
    pub(super) fn end(self, file: &mut File, from: u64, length: u64) -> Result<End> {
        match self {
            Self::Json | Self::Lines => {
                let torn = torn(file, length)?;
                let whole = self == Self::Json
                    && !torn.is_empty()
                    && serde_json::from_slice::<serde::de::IgnoredAny>(&torn).is_ok();
                Ok(if whole {
                    End::LacksLineFeed
                } else {
                    End::At(length - torn.len() as u64)
                })
            }
            Self::Compressed(how) => {
                file.seek(SeekFrom::Start(from))?;
                let mut bytes = Counted {
                    inner: BufReader::with_capacity(1 << 16, Read::by_ref(file).take(length - from)),
                    read: from,
                };
                let mut end = from;
                while !bytes.fill_buf()?.is_empty() {
                    match skip(how, &mut bytes) {
                        Ok(()) => end = bytes.read,
                        Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                        Err(error) if error.raw_os_error().is_some() => return Err(error),
                        // Another look from the start: the file may have been cut, and then grown.
                        Err(_) if from > 0 => return self.end(file, 0, length),
                        Err(_) => return Ok(End::Unknown),
                    }
                }
                Ok(End::At(end))
            }
        }
    }
}

/// Reads one member or frame, with its checksum.
fn skip(how: Compression, bytes: &mut impl BufRead) -> Result<()> {
    let mut nowhere = std::io::sink();
    match how {
        Compression::None => std::io::copy(bytes, &mut nowhere)?,
        Compression::Gzip => std::io::copy(&mut flate2::bufread::GzDecoder::new(bytes), &mut nowhere)?,
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?.single_frame();
            std::io::copy(&mut decoder, &mut nowhere)?
        }
    };
    Ok(())
}

/// Knows its place.
struct Counted<R> {
    inner: R,
    read: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.read += amount as u64;
        self.inner.consume(amount);
    }
}

/// What follows the last line feed.
fn torn(file: &mut File, length: u64) -> Result<Vec<u8>> {
    let mut size = 1;
    loop {
        let start = length.saturating_sub(size);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        Read::by_ref(file).take(length - start).read_to_end(&mut tail)?;
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

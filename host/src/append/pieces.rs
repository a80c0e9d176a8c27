//! Text in pieces that are written together.

use std::io::{ErrorKind, IoSlice, Result, Write};

use bytes::Bytes;

/// Text whose pieces lie where they were made: a document is not copied on its way into a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pieces {
    pieces: Vec<Bytes>,
    bytes: usize,
}

impl Pieces {
    pub(crate) fn push(&mut self, piece: impl Into<Bytes>) {
        let piece = piece.into();
        if !piece.is_empty() {
            self.bytes += piece.len();
            self.pieces.push(piece);
        }
    }

    /// Bytes of all pieces.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// The pieces in one.
    pub(super) fn joined(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    /// The same with something before it.
    pub(super) fn behind(&self, first: &[u8]) -> Self {
        let mut all = Self::default();
        all.push(Bytes::copy_from_slice(first));
        self.pieces.iter().for_each(|piece| all.push(piece.clone()));
        all
    }

    /// Writes all of them, as many at a time as the system takes.
    pub(crate) fn write_to(&self, to: &mut impl Write) -> Result<()> {
        let mut slices: Vec<IoSlice<'_>> = self.pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            match to.write_vectored(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl From<Vec<u8>> for Pieces {
    fn from(text: Vec<u8>) -> Self {
        let mut pieces = Self::default();
        pieces.push(text);
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes at a time, and is interrupted every other time.
    struct Slow {
        bytes: Vec<u8>,
        most: usize,
        calls: usize,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(2) {
                return Err(ErrorKind::Interrupted.into());
            }
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            let taken = &all[..all.len().min(self.most)];
            self.bytes.extend_from_slice(taken);
            Ok(taken.len())
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_is_written_however_little_is_taken() {
        let mut pieces = Pieces::default();
        for piece in ["{\"a\":1}", "\n", "", "{\"b\":22}", "\n"] {
            pieces.push(piece);
        }
        let expect = b"{\"a\":1}\n{\"b\":22}\n";
        assert_eq!(
            (pieces.len(), pieces.joined().as_slice()),
            (expect.len(), expect.as_slice())
        );
        for most in 1..=expect.len() {
            let mut slow = Slow {
                bytes: Vec::new(),
                most,
                calls: 0,
            };
            pieces.write_to(&mut slow).unwrap();
            assert_eq!(slow.bytes, expect, "{most} bytes at a time");
        }
        let behind = pieces.behind(b"x\n");
        assert_eq!(
            (behind.len(), behind.joined().as_slice()),
            (19, b"x\n{\"a\":1}\n{\"b\":22}\n".as_slice())
        );
        let mut full = Slow {
            bytes: Vec::new(),
            most: 0,
            calls: 0,
        };
        assert_eq!(
            pieces.write_to(&mut full).unwrap_err().kind(),
            ErrorKind::WriteZero
        );
    }
}

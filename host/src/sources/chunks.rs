//! Memory to read into, again and again.
//!
//! What is read is handed on in slices, so a chunk is free when the last of its slices is gone. Memory that comes anew from the
//! system for each chunk costs as much as reading it does.

use std::collections::VecDeque;

use bytes::BytesMut;

/// Chunks that are kept: those whose slices fit between a source and a sink.
const KEPT: usize = 48;

/// See the module.
#[derive(Debug)]
pub(super) struct Chunks {
    /// Room in a chunk, in bytes.
    size: usize,
    used: VecDeque<BytesMut>,
}

impl Chunks {
    pub(super) fn of(size: usize) -> Self {
        Self {
            size,
            used: VecDeque::new(),
        }
    }

    /// An empty chunk with room for so much at least: the oldest one that is free, or a new one of the usual size.
    pub(super) fn take(&mut self, room: usize) -> BytesMut {
        let free = self.used.iter_mut().position(|chunk| chunk.try_reclaim(room));
        free.and_then(|at| self.used.remove(at))
            .unwrap_or_else(|| BytesMut::with_capacity(room.max(self.size)))
    }

    /// For when its slices are gone.
    pub(super) fn give_back(&mut self, mut chunk: BytesMut) {
        chunk.clear();
        if self.used.len() < KEPT {
            self.used.push_back(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a chunk, fills it and returns what was in it.
    fn fill(chunks: &mut Chunks) -> bytes::Bytes {
        let mut chunk = chunks.take(8);
        assert!(chunk.is_empty() && chunk.capacity() >= 16);
        chunk.extend_from_slice(b"0123456789abcdef");
        let slice = chunk.split_to(16).freeze();
        chunks.give_back(chunk);
        slice
    }

    #[test]
    fn a_chunk_is_used_again_when_its_last_slice_is_gone() {
        let mut chunks = Chunks::of(16);
        let held = fill(&mut chunks);
        for _ in 0..100 {
            fill(&mut chunks);
            assert_eq!(chunks.used.len(), 2);
        }
        assert_eq!(held.as_ref(), b"0123456789abcdef");
    }

    #[test]
    fn no_more_are_kept_than_are_of_use() {
        let mut chunks = Chunks::of(16);
        let held: Vec<_> = (0..2 * KEPT).map(|_| fill(&mut chunks)).collect();
        assert_eq!(chunks.used.len(), KEPT);
        // Larger than any of them.
        assert_eq!(chunks.take(17).capacity(), 17);
        drop(held);
        assert!(chunks.take(17).capacity() >= 17);
        fill(&mut chunks);
        assert_eq!(chunks.used.len(), KEPT);
    }
}

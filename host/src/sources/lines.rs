//! Newline-delimited JSON from any reader, in batches.
//!
//! Reading blocks, so it happens on a thread of its own. Lines are slices of the chunk that they were read with:
//! nothing is copied. What has been read is passed on before the next read, so a line typed at a terminal does not wait
//! for a hundred others.

use std::{io::Read, sync::Arc, thread};

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use o365_core::{ComponentError, EventBatch, EventMetadata, LogEvent, Origin, SourceContext};
use tokio::sync::mpsc;

use super::chunks::Chunks;

const CHUNK_BYTES: usize = 128 * 1024;
/// Less is not worth a read.
const LEAST_READ: usize = 16 * 1024;
const QUEUE: usize = 4;
/// Longer lines are no audit events; reading on would fill the memory.
const MAX_LINE_BYTES: usize = 256 * 1024 * 1024;

type Lines = Result<Vec<Bytes>, String>;

/// Sends every line of `reader` as an event and waits until all of them are dealt with. `name` is for messages.
pub(super) async fn send_lines(
    cx: &SourceContext,
    name: &str,
    reader: impl Read + Send + 'static,
) -> Result<(), ComponentError> {
    let (sender, mut receiver) = mpsc::channel::<Lines>(QUEUE);
    // Not a task of the runtime: a read from a terminal cannot be cancelled, and must not hold up the end.
    thread::Builder::new()
        .name(format!("{}-reader", cx.key))
        .spawn(move || read_all(reader, &sender))?;

    let origin = Arc::new(Origin {
        source_id: Some(cx.key.clone()),
        file: Some(name.to_owned()),
        ..Origin::default()
    });
    let (notifier, status) = cx.out.notifier();
    let mut index = 0;
    let mut failed = None;
    loop {
        let lines = tokio::select! {
            lines = receiver.recv() => lines,
            () = cx.shutdown.cancelled() => None,
        };
        let lines = match lines {
            None => break,
            Some(Ok(lines)) => lines,
            Some(Err(reason)) => {
                failed = Some(format!("reading `{name}` failed after {index} events: {reason}"));
                break;
            }
        };
        let batch: EventBatch = lines
            .into_iter()
            .map(|line| {
                let metadata = EventMetadata::new(Arc::clone(&origin), index, notifier.finalizer());
                index += 1;
                LogEvent::new(line, metadata)
            })
            .collect();
        cx.out.send_batch(batch).await?;
    }
    drop(notifier);
    if !status.status().await.is_final() {
        return Err(format!("not every event of `{name}` was delivered: run it again").into());
    }
    failed.map_or(Ok(()), |reason| Err(reason.into()))
}

fn read_all(mut reader: impl Read, sender: &mpsc::Sender<Lines>) {
    let mut splitter = Splitter::new();
    loop {
        let (lines, more) = match splitter.read(&mut reader) {
            Ok((lines, more)) => (lines, more),
            Err(reason) => {
                // Nobody listening means that the source has ended for another reason.
                let _ = sender.blocking_send(Err(reason));
                return;
            }
        };
        for batch in batches(lines) {
            if sender.blocking_send(Ok(batch)).is_err() {
                return;
            }
        }
        if !more {
            return;
        }
    }
}

/// Lines in batches of the same size.
fn batches(lines: Vec<Bytes>) -> impl Iterator<Item = Vec<Bytes>> {
    let share = EventBatch::share(lines.len(), 1);
    let mut lines = lines.into_iter();
    std::iter::from_fn(move || {
        let batch: Vec<_> = lines.by_ref().take(share).collect();
        (!batch.is_empty()).then_some(batch)
    })
}

struct Splitter {
    pending: BytesMut,
    /// Bytes of `pending` that are known to hold no line feed.
    scanned: usize,
    /// Whether `pending` has grown for a long line.
    grown: bool,
    chunks: Chunks,
}

impl Splitter {
    fn new() -> Self {
        // What is left of a chunk after a whole read is not worth another one: batches would be large and small in turn.
        let mut chunks = Chunks::of(CHUNK_BYTES + LEAST_READ / 2);
        Self {
            pending: chunks.take(0),
            scanned: 0,
            grown: false,
            chunks,
        }
    }

    /// How much to read next. Where there is too little room behind what is pending, that moves to another chunk; a long line
    /// grows in its place.
    fn room(&mut self) -> usize {
        let length = self.pending.len();
        let spare = |pending: &BytesMut| (pending.capacity() - pending.len()).min(CHUNK_BYTES);
        if spare(&self.pending) >= LEAST_READ {
            return spare(&self.pending);
        }
        if length >= CHUNK_BYTES {
            self.grown = true;
            return CHUNK_BYTES;
        }
        let mut chunk = self.chunks.take(length + LEAST_READ);
        chunk.extend_from_slice(&self.pending);
        let used = std::mem::replace(&mut self.pending, chunk);
        // One that has grown is too large to be kept for what comes.
        if !std::mem::take(&mut self.grown) {
            self.chunks.give_back(used);
        }
        spare(&self.pending)
    }

    /// Reads once; returns the lines that are complete now, without blank ones, and whether there may be more.
    fn read(&mut self, reader: &mut impl Read) -> Result<(Vec<Bytes>, bool), String> {
        let room = self.room();
        let start = self.pending.len();
        self.pending.resize(start + room, 0);
        let count = loop {
            match reader.read(self.pending.get_mut(start..).unwrap_or_default()) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                result => break result.map_err(|error| error.to_string())?,
            }
        };
        self.pending.truncate(start + count);
        let mut lines = Vec::new();
        let line_feed = |bytes: &[u8], from: usize| {
            bytes
                .get(from..)
                .and_then(|rest| memchr(b'\n', rest))
                .map(|at| from + at)
        };
        while let Some(end) = line_feed(&self.pending, self.scanned) {
            let line = self.pending.split_to(end).freeze();
            self.pending.advance(1);
            self.scanned = 0;
            push_line(&mut lines, &line);
        }
        self.scanned = self.pending.len();
        if self.pending.len() > MAX_LINE_BYTES {
            return Err(format!("a line is longer than {} MiB", MAX_LINE_BYTES >> 20));
        }
        if count == 0 {
            let line = self.pending.split().freeze();
            push_line(&mut lines, &line);
        }
        Ok((lines, count > 0))
    }
}

fn push_line(lines: &mut Vec<Bytes>, line: &Bytes) {
    let trimmed = line.trim_ascii();
    if !trimmed.is_empty() {
        lines.push(line.slice_ref(trimmed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out a few bytes at a time, as a terminal or a pipe does.
    struct Trickle(Vec<u8>, usize);

    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.len().min(self.1).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    fn lines(text: &str, step: usize) -> Vec<String> {
        let (mut reader, mut splitter) = (Trickle(text.as_bytes().to_vec(), step), Splitter::new());
        let mut all = Vec::new();
        loop {
            let (lines, more) = splitter.read(&mut reader).unwrap();
            all.extend(
                lines
                    .iter()
                    .map(|line| String::from_utf8_lossy(line).into_owned()),
            );
            if !more {
                return all;
            }
        }
    }

    #[test]
    fn splits_at_any_chunk_size() {
        for step in [1, 2, 3, 7, 1_000] {
            assert_eq!(
                lines("{\"a\":1}\r\n\n  {\"b\":2}\n{\"c\":3}", step),
                ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]
            );
        }
        assert!(lines("", 8).is_empty());
        assert!(lines("\n\n", 8).is_empty());
    }

    /// While lines of all chunks are held, among them long ones.
    #[test]
    fn what_was_read_stays_what_it_was() {
        let line = |number: usize| format!("{{\"n\":{number},\"a\":\"{}\"}}", "x".repeat(number * 7 % 3_000));
        let long = |number: usize| if number % 50 == 49 { 300_000 } else { 1 };
        let text: String = (0..400)
            .map(|number| format!("{}{}\n", line(number), " ".repeat(long(number))))
            .collect();
        for step in [5_000, usize::MAX] {
            let (mut reader, mut splitter) = (Trickle(text.clone().into_bytes(), step), Splitter::new());
            let mut held = Vec::new();
            while {
                let (lines, more) = splitter.read(&mut reader).unwrap();
                held.extend(lines);
                more
            } {}
            assert_eq!(held.len(), 400);
            for (number, held) in held.iter().enumerate() {
                assert_eq!(held.as_ref(), line(number).as_bytes());
            }
        }
    }

    #[test]
    fn a_chunk_that_grew_for_a_long_line_is_not_kept() {
        let text = format!(
            "{}\n{}",
            "x".repeat(20 * CHUNK_BYTES),
            "y\n".repeat(20 * CHUNK_BYTES)
        );
        let (mut reader, mut splitter) = (Trickle(text.into_bytes(), usize::MAX), Splitter::new());
        while splitter.read(&mut reader).unwrap().1 {}
        let capacity = splitter.pending.capacity();
        assert!(!splitter.grown && capacity <= 2 * CHUNK_BYTES, "{capacity}");
    }

    #[test]
    fn every_line_is_in_a_batch() {
        for (lines, expect) in [(0, vec![]), (1, vec![1]), (163, vec![82, 81])] {
            let batches = batches(vec![Bytes::from_static(b"{}"); lines]);
            assert_eq!(batches.map(|batch| batch.len()).collect::<Vec<_>>(), expect);
        }
    }

    #[test]
    fn a_long_line_spans_chunks() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(3 * CHUNK_BYTES));
        assert_eq!(
            lines(&format!("{long}\n{long}"), CHUNK_BYTES),
            [long.clone(), long]
        );
    }
}

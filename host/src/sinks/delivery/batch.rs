//! Puts events together: by count, by bytes, and by the age of the first.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use o365_core::{EventBatch, FailedEvent, Failure, LogEvent};
use tokio::time::{Instant, sleep_until};

use super::{Batch, options::BatchOptions};

/// An event as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The text.
    pub body: Bytes,
    /// What tells the server that it has it already.
    pub id: Option<String>,
    /// What the server sorts by: a subject, a partition's key.
    pub key: Option<Bytes>,
}

impl Encoded {
    /// A text without an id or a key.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            id: None,
            key: None,
        }
    }
}

/// See the module. What it has begun stays in it when [`Batcher::next`] is given up.
pub(super) struct Batcher {
    input: BoxStream<'static, EventBatch>,
    options: BatchOptions,
    /// Events that came with those of the last batch.
    waiting: VecDeque<LogEvent>,
    /// The first of the next batch.
    too_many: Option<(LogEvent, Result<Encoded, Failure>)>,
    batch: Batch,
    bytes: u64,
    /// When the first event of the batch came.
    since: Option<Instant>,
    ended: bool,
}

impl Batcher {
    pub(super) fn new(input: BoxStream<'static, EventBatch>, options: BatchOptions) -> Self {
        Self {
            input,
            options,
            waiting: VecDeque::new(),
            too_many: None,
            batch: Batch::default(),
            bytes: 0,
            since: None,
            ended: false,
        }
    }

    /// From now on a batch has no more bytes than this.
    pub(super) fn limit_bytes(&mut self, bytes: u64) {
        self.options.max_bytes.0 = bytes;
    }

    /// The next batch, never an empty one, or `None` at the end.
    ///
    /// # Cancel safety
    /// Safe: no event is lost when the future is dropped.
    pub(super) async fn next(
        &mut self,
        encode: impl Fn(&mut LogEvent) -> Result<Encoded, Failure>,
    ) -> Option<Batch> {
        loop {
            // What is still there when the input has ended follows in further batches.
            if self.fill(&encode) || self.ended {
                let batch = self.take();
                return (!batch.events.is_empty() || !batch.unwritable.is_empty()).then_some(batch);
            }
            let old = async {
                match self.since {
                    Some(since) => sleep_until(since + self.options.timeout).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                batch = self.input.next() => match batch {
                    Some(batch) => self.waiting.extend(batch),
                    None => self.ended = true,
                },
                () = old => return Some(self.take()),
            }
        }
    }

    /// Takes what waits. Whether the batch is full.
    fn fill(&mut self, encode: &impl Fn(&mut LogEvent) -> Result<Encoded, Failure>) -> bool {
        loop {
            let (event, encoded) = match self.too_many.take() {
                Some(event) => event,
                None => match self.waiting.pop_front() {
                    Some(mut event) => {
                        let encoded = encode(&mut event);
                        (event, encoded)
                    }
                    None => return false,
                },
            };
            let size = encoded.as_ref().map_or(0, |encoded| encoded.body.len() as u64);
            if self.bytes + size > self.options.max_bytes.0 && !self.batch.events.is_empty() {
                self.too_many = Some((event, encoded));
                return true;
            }
            self.since.get_or_insert_with(Instant::now);
            match encoded {
                Ok(encoded) => {
                    self.bytes += size;
                    self.batch.events.push(event);
                    self.batch.encoded.push(encoded);
                }
                Err(failure) => self.batch.unwritable.push(FailedEvent { event, failure }),
            }
            let count = self.batch.events.len() + self.batch.unwritable.len();
            if count >= self.options.max_events as usize || self.bytes >= self.options.max_bytes.0 {
                return true;
            }
        }
    }

    fn take(&mut self) -> Batch {
        self.bytes = 0;
        self.since = None;
        std::mem::take(&mut self.batch)
    }
}

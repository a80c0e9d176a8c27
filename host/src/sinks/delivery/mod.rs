//! What all sinks that talk to a server have in common: batches, several requests at a time, retries, and a verdict for each
//! event.
//!
//! ```text
//! input ──► Batcher ──► request ─┐
//!           count, bytes,        ├─ as many at a time as Limit allows ──► Destination::deliver ──► a verdict for each event
//!           age                  ┘        ▲                                      │
//!                                         └── back-off, only what is left ◄──────┤ again
//!                                              halves ◄──────────────────────────┤ not as a whole
//!                                                           acknowledgement ◄────┤ delivered
//!                                                           dead letter ◄────────┘ refused
//! ```
//!
//! A sink is a [`Destination`]: how an event is written, and how a batch of them is sent. It need not know about time,
//! order or memory. What waits for a server that is down holds its place, so that the pipeline waits, and nothing is
//! dropped: retries go on for ever unless `request.retry_attempts` says otherwise.

mod batch;
mod limit;
mod options;
mod remote;
mod room;
mod stats;
#[cfg(test)]
mod tests;
mod verdict;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
pub use batch::Encoded;
use futures_util::{
    StreamExt,
    stream::{BoxStream, FuturesUnordered},
};
use o365_core::{
    ComponentError, ComponentKey, EventBatch, EventStatus, FailedEvent, LogEvent, RefusedEvents, StreamSink,
    backoff::Jitter,
};
pub use options::{BatchOptions, Concurrency, OneOrMore, RequestOptions};
pub use remote::{Remote, RemoteConfig, RemoteOptions};
pub use stats::SinkStats;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};
pub use verdict::{Again, Answer, Verdict};

use self::{batch::Batcher, limit::Limit, room::Room};

/// Where a sink sends to.
#[async_trait]
pub trait Destination: Send + Sync + 'static {
    /// How an event is written, or why it cannot be: then it is refused.
    fn encode(&self, event: &mut LogEvent) -> Result<Encoded, o365_core::Failure>;

    /// Sends events in one request, and says what became of them. Called again with what is left.
    async fn deliver(&self, events: &[Encoded]) -> Answer;

    /// Whether it can be reached now, without changing anything there: what was found, in words, or what is wrong and what to
    /// do about it.
    async fn check(&self) -> Result<String, ComponentError>;

    /// How requests are made, if that is not what the options say.
    fn request(&self, options: RequestOptions) -> RequestOptions {
        options
    }
}

/// The sink of a destination. See the module.
pub struct Delivery<D> {
    pub(crate) key: ComponentKey,
    pub(crate) destination: D,
    pub(crate) batch: BatchOptions,
    pub(crate) request: RequestOptions,
    /// Whether the destination is looked at, at the start.
    pub(crate) healthcheck: bool,
    pub(crate) stats: Arc<SinkStats>,
}

impl<D> std::fmt::Debug for Delivery<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<D: Destination> StreamSink for Delivery<D> {
    async fn run(
        self: Box<Self>,
        input: BoxStream<'static, EventBatch>,
        refused: RefusedEvents,
    ) -> Result<(), ComponentError> {
        let mut limit = Limit::new(self.request.concurrency);
        let mut room = Room::new(self.batch.max_bytes.0);
        let mut batcher = Batcher::new(input, self.batch);
        let requests = Requests {
            sink: &self,
            refused,
            jitter: Jitter::random(),
        };
        let check = self.say_how_it_is();
        tokio::pin!(check);
        let mut checking = self.healthcheck;
        let mut in_flight = FuturesUnordered::new();
        let mut ended = false;
        while !(ended && in_flight.is_empty()) {
            self.stats.set_limit(limit.get());
            tokio::select! {
                () = &mut check, if checking => checking = false,
                Some(done) = in_flight.next(), if !in_flight.is_empty() => {
                    let done: Result<Done, ComponentError> = done;
                    let done = done?;
                    limit.observe(done, in_flight.len() + 1);
                    room.observe(&done);
                    batcher.limit_bytes(room.get());
                }
                batch = batcher.next(|event| self.destination.encode(event)), if !ended && in_flight.len() < limit.get() => {
                    match batch {
                        Some(batch) => in_flight.push(requests.send(batch)),
                        None => ended = true,
                    }
                }
            }
        }
        Ok(())
    }
}

impl<D: Destination> Delivery<D> {
    /// A pipeline whose destination is down starts all the same: events wait.
    async fn say_how_it_is(&self) {
        let sink = &self.key;
        let within = self.request.timeout;
        match timeout(within, self.destination.check()).await {
            Ok(Ok(found)) => info!(%sink, "health check: {found}"),
            Ok(Err(error)) => warn!(%sink, %error, "health check failed, events wait until it is repaired"),
            Err(_) => warn!(%sink, ?within, "health check: no answer, events wait until there is one"),
        }
    }
}

/// How a request ended: for the [`Limit`].
#[derive(Debug, Clone, Copy)]
struct Done {
    /// How long the last attempt took; nothing if there was none, because no event could be written.
    took: Option<Duration>,
    /// Whether any attempt said that the server has too much to do, or got no answer.
    overloaded: bool,
    /// The bytes of the smallest attempt with several events that was too large.
    too_large: Option<u64>,
}

impl Done {
    fn was_too_large(&mut self, batch: &Batch) {
        let bytes = batch.bytes();
        self.too_large = Some(self.too_large.map_or(bytes, |least| least.min(bytes)));
    }
}

/// Whole requests that a server has to refuse with 429 in a row before smaller ones are tried.
const CROWDED: u32 = 3;
/// Bytes of a request that is small enough for any server; one that refuses it is really busy.
const SMALL: u64 = 64 << 10;

struct Requests<'s, D> {
    sink: &'s Delivery<D>,
    refused: RefusedEvents,
    jitter: Jitter,
}

/// Events that go together, and how they are written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<LogEvent>,
    pub(super) encoded: Vec<Encoded>,
    /// Those that could not be written.
    pub(super) unwritable: Vec<FailedEvent>,
}

impl Batch {
    fn bytes(&self) -> u64 {
        self.encoded.iter().map(|event| event.body.len() as u64).sum()
    }

    /// Takes the second half away.
    fn halve(&mut self) -> Self {
        let at = self.events.len() / 2;
        Self {
            events: self.events.split_off(at),
            encoded: self.encoded.split_off(at),
            unwritable: Vec::new(),
        }
    }
}

impl<D: Destination> Requests<'_, D> {
    /// Until every event of the batch has come to its end.
    async fn send(&self, mut batch: Batch) -> Result<Done, ComponentError> {
        self.refuse(std::mem::take(&mut batch.unwritable)).await;
        let mut done = Done {
            took: None,
            overloaded: false,
            too_large: None,
        };
        let mut open = vec![batch];
        while let Some(mut batch) = open.pop() {
            let (mut failures, mut crowded) = (0, 0);
            while !batch.events.is_empty() {
                let began = Instant::now();
                let answer = self.attempt(&batch).await;
                done.took = Some(began.elapsed());
                let again = match answer {
                    Answer::Divide(failure) | Answer::TooLarge(failure) if batch.events.len() == 1 => {
                        let events = batch.events.drain(..);
                        let failed = events.map(|event| FailedEvent {
                            event,
                            failure: failure.clone(),
                        });
                        let failed = failed.collect();
                        self.refuse(failed).await;
                        continue;
                    }
                    Answer::Divide(_) | Answer::TooLarge(_) => {
                        if matches!(answer, Answer::TooLarge(_)) {
                            done.was_too_large(&batch);
                        }
                        open.push(batch.halve());
                        continue;
                    }
                    Answer::Again(again) => {
                        crowded = if again.crowded { crowded + 1 } else { 0 };
                        again
                    }
                    Answer::Each(verdicts) => match self.judge(&mut batch, verdicts).await {
                        Some(again) => again,
                        None => continue,
                    },
                };
                failures += 1;
                done.overloaded |= again.overloaded;
                self.wait(&batch, failures, &again).await?;
                if crowded >= CROWDED && batch.events.len() > 1 && batch.bytes() > SMALL {
                    // As if it had said that it was too large, which it may mean.
                    crowded = 0;
                    done.was_too_large(&batch);
                    open.push(batch.halve());
                }
            }
        }
        Ok(done)
    }

    async fn attempt(&self, batch: &Batch) -> Answer {
        let _running = self.sink.stats.request();
        let deliver = self.sink.destination.deliver(&batch.encoded);
        let limit = self.sink.request.timeout;
        timeout(limit, deliver).await.unwrap_or_else(|_| {
            let limit = o365_core::duration::format(limit);
            Answer::again(format!("no answer within {limit} (`request.timeout`)"))
        })
    }

    /// Ends events as the server says, and keeps those that are to be sent again. Why, if there are any.
    async fn judge(&self, batch: &mut Batch, verdicts: Vec<Verdict>) -> Option<Again> {
        let mut left = Batch::default();
        let (mut refused, mut again) = (Vec::new(), None);
        let mut verdicts = verdicts.into_iter();
        let events = batch.events.drain(..).zip(batch.encoded.drain(..));
        for (event, encoded) in events {
            // A server that says less than it was asked has not taken the rest.
            let verdict = verdicts
                .next()
                .unwrap_or_else(|| Verdict::again("the answer has no entry for this event"));
            match verdict {
                Verdict::Delivered => {
                    self.sink.stats.sent.add(1, encoded.body.len() as u64);
                    event.finish(EventStatus::Delivered);
                }
                Verdict::Refused(failure) => refused.push(FailedEvent { event, failure }),
                Verdict::Again(reason) => {
                    left.events.push(event);
                    left.encoded.push(encoded);
                    again.get_or_insert(reason);
                }
            }
        }
        self.refuse(refused).await;
        *batch = left;
        again
    }

    async fn refuse(&self, failed: Vec<FailedEvent>) {
        self.sink.stats.refused(failed.len() as u64);
        self.refused.keep(failed).await;
    }

    /// Waits before the next attempt, or gives up.
    async fn wait(&self, batch: &Batch, failures: u32, again: &Again) -> Result<(), ComponentError> {
        let (sink, options) = (&self.sink.key, &self.sink.request);
        if options.retry_attempts.is_some_and(|most| failures > most) {
            return Err(format!(
                "{} events were not taken after {failures} attempts: {}; repair the cause and start again, they will be \
                 sent again. Without `request.retry_attempts` the sink would go on trying",
                batch.events.len(),
                again.reason
            )
            .into());
        }
        self.sink.stats.retried();
        let wait = options.backoff().wait(failures, again.after, &self.jitter);
        // The first one may be nothing; after that it should be seen, and not fill the log.
        if failures == 1 {
            info!(%sink, reason = %again.reason, events = batch.events.len(), "events were not taken, they are sent again");
        } else if failures.is_power_of_two() {
            warn!(%sink, reason = %again.reason, events = batch.events.len(), attempts = failures, ?wait, "events are still not taken");
        }
        sleep(wait).await;
        Ok(())
    }
}

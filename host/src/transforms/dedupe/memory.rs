//! What has passed, and what became of it.

use std::mem;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt, future::BoxFuture};
use hashlink::LruCache;
use o365_core::{BatchNotifier, EventStatus, LogEvent, finalize::EventFinalizers};

use super::key::Digest;

/// For how long an event is remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    pub(super) max: TimeDelta,
    pub(super) refresh_on_drop: bool,
}

/// The last events that passed; one that comes again is the last once more.
pub(super) struct Memory(LruCache<Digest, Passed>);

struct Passed {
    at: DateTime<Utc>,
    end: End,
}

enum End {
    /// The event is on its way. This becomes ready when the last copy of it is gone.
    Ahead(BoxFuture<'static, EventStatus>),
    /// Delivered, refused for good, or dropped on purpose; or nobody waits to know.
    Final,
    /// It has to be sent again.
    Again,
}

impl Memory {
    pub(super) fn new(events: usize) -> Self {
        Self(LruCache::new(events))
    }

    /// Another one of the same size.
    pub(super) fn empty(&self) -> Self {
        Self::new(self.0.capacity())
    }

    /// Whether a like event has passed. If not, this one has from now on.
    pub(super) fn has_seen(
        &mut self,
        digest: Digest,
        event: &mut LogEvent,
        age: Option<Age>,
        now: DateTime<Utc>,
    ) -> bool {
        if let Some(passed) = self.0.get_mut(&digest)
            && passed.counts()
        {
            // A clock that was set back must not keep events away for long.
            let young = age.is_none_or(|age| (now - passed.at).abs() < age.max);
            if young {
                if age.is_some_and(|age| age.refresh_on_drop) {
                    passed.at = now;
                }
                return true;
            }
        }
        let passed = Passed {
            at: now,
            end: watch(event),
        };
        self.0.insert(digest, passed);
        false
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Passed {
    /// Whether the event need not pass again.
    fn counts(&mut self) -> bool {
        if let End::Ahead(end) = &mut self.end {
            self.end = match end.now_or_never() {
                None => return true,
                Some(status) if status.is_final() => End::Final,
                Some(_) => End::Again,
            };
        }
        !matches!(self.end, End::Again)
    }
}

/// Learns of the end of an event, before its source does: the source may send it again at once.
fn watch(event: &mut LogEvent) -> End {
    let finalizers = event.metadata_mut().finalizers_mut();
    if finalizers.is_empty() {
        return End::Final;
    }
    let (notifier, receiver) = BatchNotifier::new();
    // The first of an event's finalizers is the first to be dropped.
    let mut all = EventFinalizers::from(notifier.finalizer());
    all.merge(mem::take(finalizers));
    *finalizers = all;
    End::Ahead(receiver.status().boxed())
}

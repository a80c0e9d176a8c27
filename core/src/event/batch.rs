//! Events travel together.

use tracing::Span;

use super::LogEvent;

/// A batch that was merged of more pieces of work than that names the first ones only.
const MAX_SPANS: usize = 32;

/// Some events on their way through a pipeline, in order.
#[derive(Debug, Clone, Default)]
pub struct EventBatch(Vec<LogEvent>);

impl EventBatch {
    /// Events that a source sends together. Larger batches are not mapped faster.
    pub const MOST_EVENTS: usize = 128;

    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for `events`.
    pub fn with_capacity(events: usize) -> Self {
        Self(Vec::with_capacity(events))
    }

    /// How many events each batch gets when so many go into at least so many batches, and none has more than
    /// [`MOST_EVENTS`](Self::MOST_EVENTS). Workers take batches in turn: if every other batch was small, one of two workers would
    /// do nearly everything.
    pub fn share(events: usize, batches: usize) -> usize {
        events.div_ceil(events.div_ceil(Self::MOST_EVENTS).max(batches).max(1))
    }

    /// Appends an event.
    pub fn push(&mut self, event: LogEvent) {
        self.0.push(event);
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of memory that the documents take, roughly.
    pub fn size(&self) -> usize {
        self.0.iter().map(LogEvent::size).sum()
    }

    /// The pieces of work that the events belong to, each once, as far as they are traced: one for a batch of one content
    /// blob, several for one that was merged. At most 32.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut last = std::ptr::null();
        for event in &self.0 {
            for (work, span) in event.metadata().finalizers().spans() {
                if work == last {
                    continue;
                }
                last = work;
                let known = spans.iter().any(|known| known.id() == span.id());
                if !span.is_none() && !known && spans.len() < MAX_SPANS {
                    spans.push(span.clone());
                }
            }
        }
        spans
    }

    /// The events in order.
    pub fn iter(&self) -> std::slice::Iter<'_, LogEvent> {
        self.0.iter()
    }

    /// The events in order, to be read or changed.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, LogEvent> {
        self.0.iter_mut()
    }

    /// Takes the events out and leaves an empty batch.
    #[must_use]
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

impl From<Vec<LogEvent>> for EventBatch {
    fn from(events: Vec<LogEvent>) -> Self {
        Self(events)
    }
}

impl FromIterator<LogEvent> for EventBatch {
    fn from_iter<T: IntoIterator<Item = LogEvent>>(events: T) -> Self {
        Self(events.into_iter().collect())
    }
}

impl Extend<LogEvent> for EventBatch {
    fn extend<T: IntoIterator<Item = LogEvent>>(&mut self, events: T) {
        self.0.extend(events);
    }
}

impl IntoIterator for EventBatch {
    type Item = LogEvent;
    type IntoIter = std::vec::IntoIter<LogEvent>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a EventBatch {
    type Item = &'a LogEvent;
    type IntoIter = std::slice::Iter<'a, LogEvent>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a mut EventBatch {
    type Item = &'a mut LogEvent;
    type IntoIter = std::slice::IterMut<'a, LogEvent>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use tracing::{Span, info_span};

    use super::*;
    use crate::{BatchNotifier, EventMetadata};

    #[test]
    fn what_goes_into_several_batches_is_shared_evenly() {
        let shares = [0, 1, 128, 129, 200, 256, 300].map(|events| EventBatch::share(events, 1));
        assert_eq!(shares, [0, 1, 128, 65, 100, 128, 100]);
        let shares = [0, 1, 2, 3, 10].map(|batches| EventBatch::share(200, batches));
        assert_eq!(shares, [100, 100, 100, 67, 20]);
    }

    /// Gives every span a number, and does nothing else.
    struct Numbers(std::sync::atomic::AtomicU64);

    impl tracing::Subscriber for Numbers {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            let number = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tracing::span::Id::from_u64(number + 1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {}
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    fn of(works: &[&BatchNotifier]) -> EventBatch {
        let event = |work: &&BatchNotifier| {
            let metadata = EventMetadata::new(std::sync::Arc::default(), 0, work.finalizer());
            LogEvent::new("{}", metadata)
        };
        works.iter().map(event).collect()
    }

    #[test]
    fn a_batch_knows_the_works_that_are_traced_each_once() {
        tracing::subscriber::with_default(Numbers(0.into()), || {
            let (one, two) = (info_span!("one"), info_span!("two"));
            let ids = [one.id(), two.id()];
            let (first, second) = (BatchNotifier::traced(one), BatchNotifier::traced(two));
            let untraced = BatchNotifier::traced(Span::none());
            let batch = of(&[&first, &first, &untraced, &second, &first]);
            let found: Vec<_> = batch.spans().iter().map(Span::id).collect();
            assert_eq!(found, ids);
            assert!(of(&[&untraced]).spans().is_empty());

            let many: Vec<_> = (0..100)
                .map(|_| BatchNotifier::traced(info_span!("many")))
                .collect();
            assert_eq!(of(&many.iter().collect::<Vec<_>>()).spans().len(), MAX_SPANS);
        });
    }
}

//! Events travel together.

use super::LogEvent;

/// Some events on their way through a pipeline, in order.
#[derive(Debug, Clone, Default)]
pub struct EventBatch(Vec<LogEvent>);

impl EventBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for `events`.
    pub fn with_capacity(events: usize) -> Self {
        Self(Vec::with_capacity(events))
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

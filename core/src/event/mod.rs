//! What moves through a pipeline: one audit record, where it came from, and who waits for its end.

mod batch;
mod document;
mod metadata;

pub use batch::EventBatch;
use bytes::Bytes;
pub use document::{Document, InvalidDocument};
pub use metadata::{EventMetadata, Origin};
use vrl::value::Value;

use crate::finalize::EventStatus;

/// One event: a lazy [`Document`] and its [`EventMetadata`].
///
/// A clone is a second copy of the same event, as a fan-out makes it: both must come to an end before the source
/// is told (see [`crate::finalize`]).
#[derive(Debug, Clone)]
pub struct LogEvent {
    document: Document,
    metadata: EventMetadata,
}

impl LogEvent {
    /// An event that has just been received.
    pub fn new(document: impl Into<Document>, metadata: EventMetadata) -> Self {
        Self {
            document: document.into(),
            metadata,
        }
    }

    /// An event without origin and without anybody who waits for it: for tests and tools.
    pub fn untracked(document: impl Into<Document>) -> Self {
        Self::new(document, EventMetadata::untracked())
    }

    /// The document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The document, to be read as a value or as bytes, or changed.
    pub fn document_mut(&mut self) -> &mut Document {
        &mut self.document
    }

    /// Where the event came from.
    pub fn metadata(&self) -> &EventMetadata {
        &self.metadata
    }

    /// Where the event came from, to be changed.
    pub fn metadata_mut(&mut self) -> &mut EventMetadata {
        &mut self.metadata
    }

    /// The parts.
    pub fn into_parts(self) -> (Document, EventMetadata) {
        (self.document, self.metadata)
    }

    /// The document as JSON text, on one line as long as its bytes were.
    pub fn to_bytes(&mut self) -> Bytes {
        self.document.to_bytes()
    }

    /// The document as a value.
    pub fn value(&mut self) -> Result<&Value, InvalidDocument> {
        self.document.value()
    }

    /// Says how this copy of the event ended. The worst of several statuses counts.
    pub fn update_status(&mut self, status: EventStatus) {
        self.metadata.finalizers_mut().update(status);
    }

    /// Ends this copy of the event.
    pub fn finish(mut self, status: EventStatus) {
        self.update_status(status);
    }

    /// Drops this copy of the event on purpose: the source will not send it again.
    pub fn discard(self) {
        self.finish(EventStatus::Dropped);
    }

    /// Bytes of memory that the document takes, roughly.
    pub fn size(&self) -> usize {
        self.document.size()
    }
}

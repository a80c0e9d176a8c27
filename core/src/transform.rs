//! What happens to events on their way.
//!
//! Three shapes, as in Vector: a [`FunctionTransform`] sees one event at a time and has one output, a
//! [`SyncTransform`] sees a batch and has several outputs, a [`TaskTransform`] owns the stream. The first two are pure
//! CPU work: the host runs them on threads of their own, one clone for each.
//!
//! No event may vanish in a transform. It is passed on, or pushed as failed (the host keeps it as a dead letter), or
//! [discarded](crate::LogEvent::discard).

use std::fmt;

use futures_util::stream::BoxStream;

use crate::event::{EventBatch, LogEvent};

/// A transform, ready to run.
pub enum Transform {
    /// One event at a time, one output.
    Function(Box<dyn FunctionTransform>),
    /// A batch at a time, several outputs.
    Synchronous(Box<dyn SyncTransform>),
    /// Owns the stream.
    Task(Box<dyn TaskTransform>),
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function(_) => "Transform::Function",
            Self::Synchronous(_) => "Transform::Synchronous",
            Self::Task(_) => "Transform::Task",
        })
    }
}

/// What a [`FunctionTransform`] makes of its events.
#[derive(Debug, Default)]
pub struct OutputBuffer {
    events: EventBatch,
    failed: Vec<FailedEvent>,
}

impl OutputBuffer {
    /// Passes an event on.
    pub fn push(&mut self, event: LogEvent) {
        self.events.push(event);
    }

    /// Gives up on an event.
    pub fn fail(&mut self, event: LogEvent, failure: Failure) {
        self.failed.push(FailedEvent { event, failure });
    }
}

/// Transforms one event at a time.
pub trait FunctionTransform: Send {
    /// Pushes any number of events that come of `event`.
    fn transform(&mut self, output: &mut OutputBuffer, event: LogEvent);

    /// A copy for another thread.
    fn clone_box(&self) -> Box<dyn FunctionTransform>;
}

/// Transforms a batch at a time, into several outputs.
pub trait SyncTransform: Send {
    /// Pushes what comes of the batch, in its order.
    fn transform_batch(&mut self, batch: EventBatch, outputs: &mut TransformOutputs);

    /// Whether what becomes of an event depends on those before it. Such a transform runs on one thread, which sees every
    /// event in order.
    fn needs_order(&self) -> bool {
        false
    }

    /// A copy for another thread.
    fn clone_box(&self) -> Box<dyn SyncTransform>;
}

/// Transforms the whole stream: for state over time, such as aggregation.
pub trait TaskTransform: Send {
    /// The output stream; it ends when `input` has ended and everything that was held back has been passed on.
    fn transform(self: Box<Self>, input: BoxStream<'static, EventBatch>) -> BoxStream<'static, EventBatch>;
}

/// Why a transform gave up on an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable word for what went wrong, for metrics: `mapping`, `trap`, `deadline`, `invalid_output`, `program`, …
    pub kind: &'static str,
    /// What went wrong, for people.
    pub reason: String,
    /// What failed in detail, such as the digest of a component or a backtrace; keys as they go to the dead letter.
    pub details: Vec<(&'static str, String)>,
}

impl Failure {
    /// A failure without details.
    pub fn new(kind: &'static str, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            details: Vec::new(),
        }
    }

    /// Adds a detail.
    #[must_use]
    pub fn detail(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.details.push((key, value.into()));
        self
    }
}

/// An event that a transform gave up on, as it was when it came in.
#[derive(Debug)]
pub struct FailedEvent {
    /// The event.
    pub event: LogEvent,
    /// Why.
    pub failure: Failure,
}

/// The outputs of a [`SyncTransform`]: the default one, the named ones that its description lists, and failures.
#[derive(Debug, Default)]
pub struct TransformOutputs {
    default: EventBatch,
    named: Vec<(String, EventBatch)>,
    failed: Vec<FailedEvent>,
}

impl TransformOutputs {
    /// Outputs with the given names besides the default one.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let named = names.into_iter().map(|name| (name, EventBatch::new())).collect();
        Self {
            named,
            ..Self::default()
        }
    }

    /// Passes an event on.
    pub fn push(&mut self, event: LogEvent) {
        self.default.push(event);
    }

    /// Passes an event to a named output.
    ///
    /// # Panics
    /// When the transform's description does not list the name, which is an error in the transform.
    pub fn push_to(&mut self, name: &str, event: LogEvent) {
        let output = self.named.iter_mut().find(|(known, _)| known == name);
        output
            .unwrap_or_else(|| unreachable!("output {name} is not in the description"))
            .1
            .push(event);
    }

    /// Gives up on an event.
    pub fn fail(&mut self, event: LogEvent, failure: Failure) {
        self.failed.push(FailedEvent { event, failure });
    }

    /// Takes over what a [`FunctionTransform`] made.
    pub fn append(&mut self, buffer: OutputBuffer) {
        self.default.extend(buffer.events);
        self.failed.extend(buffer.failed);
    }

    /// Takes the default output.
    pub fn take_default(&mut self) -> EventBatch {
        self.default.take()
    }

    /// Takes the named outputs.
    pub fn take_named(&mut self) -> impl Iterator<Item = (&str, EventBatch)> {
        self.named
            .iter_mut()
            .map(|(name, batch)| (name.as_str(), batch.take()))
    }

    /// How many events were given up on.
    pub fn failed(&self) -> usize {
        self.failed.len()
    }

    /// Takes the failures.
    pub fn take_failed(&mut self) -> Vec<FailedEvent> {
        std::mem::take(&mut self.failed)
    }
}

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod account;
pub mod backoff;
mod buffer;
mod clock;
pub mod config;
pub mod duration;
mod event;
pub mod finalize;
mod key;
mod secret;
mod shutdown;
mod sink;
mod source;
#[cfg(feature = "testing")]
pub mod testing;
mod trace;
mod traffic;
mod transform;

pub use account::Account;
pub use buffer::{BatchReceiver, BatchSender, Capacity, Closed, WeakBatchSender, channel, channel_counted};
pub use clock::{Clock, ManualClock, SystemClock};
pub use event::{Document, EventBatch, EventMetadata, InvalidDocument, LogEvent, Origin};
pub use finalize::{BatchNotifier, BatchStatusReceiver, EventStatus};
pub use key::ComponentKey;
pub use secret::SensitiveString;
pub use shutdown::{ShutdownSignal, ShutdownTrigger};
pub use sink::{KeepRefused, RefusedEvents, Sink, StreamSink};
pub use source::{RunMode, Source, SourceContext, SourceSender};
pub use trace::TRACE_TARGET;
pub use traffic::Traffic;
pub use transform::{
    FailedEvent, Failure, FunctionTransform, OutputBuffer, SyncTransform, TaskTransform, Transform,
    TransformOutputs,
};

/// What a component's task ends with when it cannot go on: an error for the person who reads it at night.
pub type ComponentError = Box<dyn std::error::Error + Send + Sync>;

/// The value that programs see. It is VRL's, so that no conversion lies between an event and a program.
pub use vrl::value::{KeyString, ObjectMap, Value};

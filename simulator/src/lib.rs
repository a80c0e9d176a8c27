#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod clock;
mod config;
mod content_type;
mod error;
mod fault;
mod files;
mod generate;
mod handle;
mod http;
mod json;
mod random;
mod report;
mod server;
mod world;

pub use clock::SimClock;
pub use config::{DEFAULT_NOW, ListingQuirks, READ_DLP_ROLE, READ_ROLE, SimulatorConfig, TenantSpec};
pub use content_type::{ContentType, UnknownContentType};
pub use error::SimulatorError;
pub use fault::{Action, Count, FaultPlan, FaultRule, Operation, RetryAfter};
pub use handle::{BlobContent, BlobSpec, SimulatorHandle};
pub use report::{BlobReport, Incident, Report, SubscriptionCall, WindowRequest};
pub use server::{RunningSimulator, Simulator};

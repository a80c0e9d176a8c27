#![doc = include_str!("../README.md")]
#![forbid(unsafe_op_in_unsafe_fn)]

mod context;
#[cfg(all(target_arch = "wasm32", o365_counted))]
mod counters;
mod document;
mod extensions;
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
pub mod floor;
#[cfg(target_arch = "wasm32")]
mod guest;
mod identity;
mod json;
mod mapper;
mod mapping;
mod options;
mod profile;
mod record_type;
mod record_type_table;
mod time;
mod workload;

pub use context::Context;
pub use identity::document_id;
pub use mapper::{Mapper, Outcome};
pub use options::ConfigError;

/// The transform's short and stable name.
pub const NAME: &str = "o365-ecs";
/// The transform's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What the transform does, in one line.
pub const DESCRIPTION: &str = "Office 365 audit events to the Elastic Common Schema";
/// What the documents follow.
pub const OUTPUT_SCHEMA: &str = "ecs-8.11";

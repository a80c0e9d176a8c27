//! Runs Office 365 audit pipelines: sources, WebAssembly components, VRL programs, sinks.
//!
//! [`config`] reads what a person wrote, [`topology`] plans, builds and runs it, [`wasm`] is the sandbox,
//! [`transforms`], [`sources`] and [`sinks`] are the components, [`enrichment`] is what programs look up, [`fixtures`] and
//! [`unit_tests`] test them, [`api`], [`metrics`] and [`telemetry`] show how it is doing, [`cli`] are the commands,
//! [`allocator`] keeps memory small.

pub mod allocator;
pub mod api;
mod append;
pub mod cli;
pub mod config;
pub mod coverage;
pub mod dead_letter;
pub mod encoding;
pub mod enrichment;
pub mod fixtures;
pub mod folder;
pub mod metrics;
mod private;
pub mod registry;
pub mod reloads;
pub mod roster;
pub mod sinks;
pub mod sources;
mod stamp;
pub mod telemetry;
pub mod time_zone;
pub mod topology;
pub mod transforms;
pub mod unit_tests;
pub mod wasm;

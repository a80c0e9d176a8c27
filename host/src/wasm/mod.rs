//! The component host: WebAssembly transforms in a sandbox.
//!
//! State is sorted by lifetime. Once a process: an [`WasmEngine`] and the thread that minds deadlines. Once for each
//! configured transform: a [`Slot`], and in it a [`Module`], checked, compiled and linked, until another one
//! takes over. Once for each worker thread: an instance, replaced after a trap, after a take-over and after a
//! bounded number of batches.
//!
//! A component gets a `log` import and nothing else: no clock, no files, no network; `wasi` in the configuration grants
//! the little that components of other languages need (`wasi/`). A memory limit and a deadline are always on. A trap, a time-out or a bad answer costs at most the guilty event.

mod answer;
mod bench;
mod bindings;
mod cache;
mod canary;
mod deadline;
mod engine;
mod guest_log;
#[cfg(test)]
#[allow(dead_code, reason = "the end-to-end tests share it")]
mod guests;
mod inspect;
mod instance;
mod log_budget;
mod module;
mod shadow;
mod size;
mod slot;
#[cfg(test)]
mod tests;
mod transform;
mod wasi;
mod watch;
mod world;

pub use bench::{BenchError, Comparison, Corpus, Measured, Runner, compare};
pub use engine::WasmEngine;
pub use inspect::{Described, Finding, Inspection, Kind, inspect};
pub(crate) use module::{BUILTIN_ECS_NAME, hex};
pub use module::{Limits, Module, ModuleError};
pub use shadow::{ShadowConfig, ShadowStatus};
pub use size::ByteSize;
pub use slot::{Refused, Slot, SlotStatus, Swap};
pub use transform::{SlotHandle, WasmConfig};
pub use wasi::WasiGrants;
pub use watch::{LOOK_EVERY, follow_file, watch};
pub use world::{Export, Import, Obstacle, WasiUse};

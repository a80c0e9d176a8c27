//! The component host: WebAssembly transforms in a sandbox.
//!
//! State is sorted by lifetime. Once a process: an [`WasmEngine`] and its ticker. Once for each
//! configured transform: a [`Module`], checked, compiled and linked. Once for each worker thread: an
//! instance, replaced after a trap and after a bounded number of batches.
//!
//! A component gets a `log` import and nothing else: no WASI, no clock, no files, no network. A memory limit and a
//! deadline are always on. A trap, a time-out or a bad answer costs at most the guilty event.

mod bindings;
mod cache;
mod engine;
mod instance;
mod module;
mod size;
#[cfg(test)]
mod tests;
mod transform;

pub use engine::WasmEngine;
pub(crate) use module::hex;
pub use module::{Limits, Module, ModuleError};
pub use size::ByteSize;
pub use transform::WasmConfig;

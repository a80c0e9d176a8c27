//! Transforms that are not components.

mod remap;

pub use remap::RemapConfig;

//! `type: file`: events appended to files, on disk before they are acknowledged.

mod config;
mod sink;
#[cfg(test)]
mod tests;

pub use config::FileConfig;

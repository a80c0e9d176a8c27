//! `type: console`: events on standard output or standard error.

mod config;
mod sink;
#[cfg(test)]
mod tests;

pub use config::{ConsoleConfig, ConsoleTarget};

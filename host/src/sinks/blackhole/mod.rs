//! `type: blackhole`: takes everything and keeps nothing, for tests and measurements.

mod config;
mod sink;
#[cfg(test)]
mod tests;

pub use config::BlackholeConfig;

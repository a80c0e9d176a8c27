//! End-to-end tests: the program as its users run it, against the simulator. One file a promise.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test ends with a panic, and says aloud what it skips"
)]

mod support;

mod api;
mod backfill;
mod bad_input;
mod check;
mod component;
mod demo;
mod examples;
mod faults;
mod golden;
mod kill;
mod kills;
mod memory;
mod once;
mod refused;
mod signals;
mod state;
mod tables;
mod test;
mod transform;
mod unit_tests;
mod vector;
#[cfg(unix)]
mod warnings;

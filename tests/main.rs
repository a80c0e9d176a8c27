//! End-to-end tests: the program as its users run it, against the simulator. One file a promise.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test ends with a panic, and says aloud what it skips"
)]

/// Components that the host's own tests use, too.
#[allow(dead_code, reason = "not every kind is needed here")]
#[path = "../host/src/wasm/guests.rs"]
mod guests;
mod local_api;
mod support;

mod api;
mod backfill;
mod bad_input;
mod balance;
mod check;
mod component;
mod demo;
mod detections;
mod examples;
mod faults;
mod files;
mod golden;
#[cfg(target_os = "linux")]
mod hostile;
mod http;
mod kill;
mod kills;
mod kit;
mod logs;
mod memory;
mod numbered;
mod once;
mod proxy;
mod refused;
#[cfg(unix)]
mod reload;
mod replay;
#[cfg(target_os = "linux")]
mod servers;
mod signals;
mod simulate;
mod state;
#[cfg(unix)]
mod swap;
mod tables;
mod test;
mod top;
mod traces;
mod transform;
mod unit_tests;
mod vector;
#[cfg(unix)]
mod warnings;

//! The simulator, tested from outside, over HTTP: what it does is what its users rely on.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails in a helper of a test fails the test"
)]

mod blobs;
mod faults;
mod gate;
mod listing;
mod subscriptions;
mod support;
mod tokens;
mod wire;
mod world;

//! Unit tests of transforms, as Vector has them: the `tests` of a configuration.
//!
//! ```yaml
//! tests:
//!   - name: a forwarding rule is marked
//!     inputs:
//!       - { insert_at: ecs, type: raw, value: '{"Operation": "New-InboxRule"}' }
//!     outputs:
//!       - extract_from: tidy
//!         conditions: ['.labels.alert == "forwarding"']
//!     no_outputs_from: [tidy.dropped]
//! ```
//!
//! ```text
//! written ── plan (pure: names, topology) ──► Plan ── prepare (compiles) ──► Prepared ── run ──► Ran ── judge ──► Verdict
//! ```
//!
//! [`written`] is what a person wrote, [`plan`] finds what makes no sense, [`prepare`] compiles programs and makes events,
//! [`run`] sends them through the transforms between the places that a test names, with sources and sinks of its own, and
//! [`judge`] asks the conditions.

mod ends;
pub mod judge;
pub mod plan;
pub mod prepare;
pub mod run;
#[cfg(test)]
mod tests;
pub mod written;

pub use written::UnitTest;

use o365_core::config::Problem;

/// Something that is wrong with the tests themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestProblem {
    /// The place of the test among `tests`.
    pub test: usize,
    /// What is wrong; its field is below the test, such as `inputs[0].insert_at`.
    pub problem: Problem,
}

//! How fast the mapping is: natively, as a component, and beside other ways to do the same job.
//!
//! `cargo bench -p o365-bench` measures with criterion; `cargo xtask bench` measures all in turn and writes `docs/benchmarks.md`,
//! `cargo xtask bench --instructions` compares instruction counts with those that are committed.

pub mod compare;
pub mod contestants;
pub mod corpus;
pub mod value;
pub mod vrl;

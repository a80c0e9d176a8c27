//! End-to-end tests: the program as its users run it, against the simulator. One file a promise.

mod support;

mod bad_input;
mod component;
mod demo;
mod examples;
mod kill;
mod once;
mod signals;
mod transform;

//! What components of other languages need to start: the parts of WASI 0.2 that cannot reach anything outside.
//!
//! Many toolchains make components that import clocks, streams, files and sockets, whatever the program does. With `wasi` in
//! the configuration all of these imports are there, and most are empty: no environment, no arguments, no input, no files.
//! Clocks stand still, random numbers are the same at every start and output is discarded, unless granted. What would reach
//! files or the network is not implemented: a call of it is a trap.
//!
//! This is not wasmtime-wasi, see `docs/decisions/0007-wasi-of-our-own.md`: nothing here opens, connects or blocks beyond
//! a deadline.

mod clocks;
mod grants;
mod link;
mod random;
mod stdio;

use std::time::Instant;

use wasmtime::{Trap, component::ResourceTable};

pub use self::grants::WasiGrants;
pub(super) use self::link::{Part, link, part};
use self::{random::Random, stdio::Lines};
use super::guest_log::{self, GuestLog};

/// Handles that an instance may hold at a time; they live in the host's memory.
const HANDLES: usize = 1_024;

mod bindings {
    // What bindgen writes has no documentation and its own idea of visibility.
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated code")]

    wasmtime::component::bindgen!({
        path: "src/wasm/wasi/wit",
        world: "granted",
        imports: { default: trappable },
        with: {
            "wasi:io/poll.pollable": super::clocks::Pollable,
            "wasi:io/streams.input-stream": super::stdio::Input,
            "wasi:io/streams.output-stream": super::stdio::Output,
        },
    });
}

/// What one instance has of it.
pub(super) struct Wasi {
    grants: WasiGrants,
    handles: ResourceTable,
    /// Where its monotonic clock begins.
    started: Instant,
    /// When the call that runs must have ended.
    pub(super) deadline: Instant,
    random: Random,
    stdout: Lines,
    stderr: Lines,
    log: GuestLog,
}

impl Wasi {
    pub(super) fn new(grants: WasiGrants, now: Instant, log: GuestLog) -> Self {
        let mut handles = ResourceTable::new();
        handles.set_max_capacity(HANDLES);
        Self {
            grants,
            handles,
            started: now,
            deadline: now,
            random: Random::new(grants.random),
            stdout: Lines::new(guest_log::INFO),
            stderr: Lines::new(guest_log::WARN),
            log,
        }
    }

    /// Every function begins with this. Code of the component is stopped by its own checks; but components within a
    /// component can be connected so that calls of these functions are all that runs.
    pub(super) fn on_time(&self) -> wasmtime::Result<()> {
        if Instant::now() >= self.deadline {
            return Err(Trap::Interrupt.into());
        }
        Ok(())
    }

    /// Logs what has been written without an end of line. Whoever prints a last word before a trap seldom ends it.
    pub(super) fn end_lines(&mut self) {
        self.stdout.end(&self.log);
        self.stderr.end(&self.log);
    }
}

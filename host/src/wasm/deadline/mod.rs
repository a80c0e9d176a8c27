//! How the code of a component is stopped at its deadline.
//!
//! Code that runs cannot be interrupted from outside, it has to look. wasmtime lets it compare an epoch in every loop
//! and at the beginning of every function, which takes an eighth of the time of our mapping. Here it looks by writing
//! a byte to a page of its own: [`checks`] puts these writes into the code, [`memory`] gives each core instance such a
//! page, and [`watchdog`] takes the page away when the time is up. The next write traps. Where there is no page, there
//! is nothing to compare: it costs a fortieth of the time (`docs/benchmarks.md`).
//!
//! This needs memory whose protection can be changed, so other systems than Unix keep the epochs.

#[cfg(unix)]
mod checks;
#[cfg(any(test, not(unix)))]
mod epochs;
#[cfg(unix)]
mod memory;
#[cfg(all(test, unix))]
mod tests;
#[cfg(unix)]
mod watchdog;

#[cfg(not(unix))]
pub(super) use epochs::{Clock, Epochs as Deadlines};
#[cfg(unix)]
pub(super) use watchdog::{Clock, Watchdog as Deadlines};

use std::{
    io,
    sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};

/// How often clocks are looked at: code is stopped soon after its deadline, and never too early.
const TICK: Duration = Duration::from_millis(10);

/// A thread that does something with every tick, until this is dropped.
struct Ticker {
    _alive: SyncSender<()>,
}

impl Ticker {
    fn start(mut tick: impl FnMut() + Send + 'static) -> io::Result<Self> {
        let (alive, ended) = sync_channel(0);
        thread::Builder::new()
            .name("wasm-deadline".to_owned())
            .spawn(move || {
                while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    tick();
                }
            })?;
        Ok(Self { _alive: alive })
    }
}

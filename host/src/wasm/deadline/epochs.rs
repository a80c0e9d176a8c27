//! wasmtime's own way to stop code, where nothing better is to be had.

#![allow(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "the same functions as the watchdog has"
)]

use std::{
    borrow::Cow,
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use wasmtime::{Config, Engine, Store};

use super::TICK;

/// Moves the epoch of one engine.
pub(in crate::wasm) struct Epochs {
    // Dropping it ends the thread.
    _alive: SyncSender<()>,
}

impl Epochs {
    /// Part of the name of compiled code.
    pub(in crate::wasm) const CODE: u32 = 0;

    pub(in crate::wasm) fn configure(config: &mut Config) {
        config.epoch_interruption(true);
    }

    pub(in crate::wasm) fn start(engine: &Engine) -> io::Result<Self> {
        let (alive, ended) = sync_channel(0);
        let ticking = engine.clone();
        thread::Builder::new()
            .name("wasm-deadline".to_owned())
            .spawn(move || tick(&ticking, &ended))?;
        Ok(Self { _alive: alive })
    }

    pub(in crate::wasm) fn prepare(component: &[u8]) -> wasmtime::Result<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(component))
    }

    pub(in crate::wasm) fn asked_for(_bytes: usize, _maximum: Option<usize>) -> bool {
        false
    }

    pub(in crate::wasm) fn clock(&self) -> Clock {
        Clock
    }
}

fn tick(engine: &Engine, ended: &Receiver<()>) {
    while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        engine.increment_epoch();
    }
}

/// The clock of one instance is in its store.
pub(in crate::wasm) struct Clock;

impl Clock {
    pub(in crate::wasm) fn run<S, T>(
        &self,
        store: &mut Store<S>,
        deadline: Duration,
        call: impl FnOnce(&mut Store<S>) -> wasmtime::Result<T>,
    ) -> wasmtime::Result<T> {
        store.set_epoch_deadline(ticks(deadline));
        call(store)
    }
}

/// The epoch may move right after the deadline is set, so one tick is added: never early, at most two ticks late.
fn ticks(deadline: Duration) -> u64 {
    let ticks = deadline.as_nanos().div_ceil(TICK.as_nanos()) + 1;
    u64::try_from(ticks).unwrap_or(u64::MAX / 2).min(u64::MAX / 2)
}

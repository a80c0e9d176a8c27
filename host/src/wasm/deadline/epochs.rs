//! wasmtime's own way to stop code, where nothing better is to be had.

#![allow(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "the same functions as the watchdog has"
)]

use std::{borrow::Cow, io, time::Duration};

use wasmtime::{Config, Engine, Store};

use super::{TICK, Ticker};

/// Moves the epoch of one engine.
pub(in crate::wasm) struct Epochs {
    _ticker: Ticker,
}

impl Epochs {
    /// Part of the name of compiled code.
    pub(in crate::wasm) const CODE: u32 = 0;

    pub(in crate::wasm) fn configure(config: &mut Config) {
        config.epoch_interruption(true);
    }

    pub(in crate::wasm) fn start(engine: &Engine) -> io::Result<Self> {
        let engine = engine.clone();
        let ticker = Ticker::start(move || engine.increment_epoch())?;
        Ok(Self { _ticker: ticker })
    }

    pub(in crate::wasm) fn prepare(component: &[u8]) -> wasmtime::Result<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(component))
    }

    pub(in crate::wasm) fn has_refused(_error: &wasmtime::Error) -> bool {
        false
    }

    pub(in crate::wasm) fn asked_for(_bytes: usize, _maximum: Option<usize>) -> bool {
        false
    }

    pub(in crate::wasm) fn clock(&self) -> Clock {
        Clock
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

//! Clocks and waiting. A clock that is not granted stands still, and waiting for it would never end: that is a trap. With a
//! clock a component may wait, but never beyond the deadline of the call: the watchdog stops only code of the component, so the host must
//! not wait for longer.

use std::{
    thread,
    time::{Duration, Instant},
};

use o365_core::{Clock, SystemClock};
use wasmtime::{Trap, bail, component::Resource};

use super::{
    Wasi,
    bindings::wasi::{
        clocks::{
            monotonic_clock,
            wall_clock::{self, Datetime},
        },
        io::poll,
    },
};

/// Something that a component can wait for.
#[derive(Debug, Clone, Copy)]
#[expect(unreachable_pub, reason = "what bindgen writes re-exports it")]
pub enum Pollable {
    /// Output is never held up, and the end of input is there already.
    Ready,
    /// When the monotonic clock has come so far, in nanoseconds.
    At(u64),
}

impl Pollable {
    fn is_ready(self, now: u64) -> bool {
        match self {
            Self::Ready => true,
            Self::At(at) => at <= now,
        }
    }
}

impl Wasi {
    /// The monotonic clock, in nanoseconds.
    fn monotonic(&self) -> u64 {
        if self.grants.clocks {
            u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
        } else {
            0
        }
    }

    /// Waits until the first of them is ready.
    fn wait(&self, pollables: &[Pollable]) -> wasmtime::Result<()> {
        let now = self.monotonic();
        if pollables.iter().any(|pollable| pollable.is_ready(now)) {
            return Ok(());
        }
        let earliest = pollables.iter().filter_map(|pollable| match pollable {
            Pollable::Ready => None,
            Pollable::At(at) => Some(*at),
        });
        let Some(earliest) = earliest.min() else {
            bail!("the component waits for nothing");
        };
        if !self.grants.clocks {
            bail!(
                "the component waits for a time, but its clock stands still: grant it with `wasi: {{ clocks: true }}`"
            );
        }
        let time = Duration::from_nanos(earliest - now);
        if time > self.deadline.saturating_duration_since(Instant::now()) {
            // It would not be done in time: there is nothing to wait for.
            return Err(Trap::Interrupt.into());
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "this is what the component asks for, within its deadline"
        )]
        thread::sleep(time);
        Ok(())
    }

    fn pollable(&mut self, pollable: Pollable) -> wasmtime::Result<Resource<Pollable>> {
        Ok(self.handles.push(pollable)?)
    }

    pub(super) fn ready(&mut self) -> wasmtime::Result<Resource<Pollable>> {
        self.pollable(Pollable::Ready)
    }
}

impl poll::HostPollable for Wasi {
    fn ready(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<bool> {
        self.on_time()?;
        Ok(self.handles.get(&pollable)?.is_ready(self.monotonic()))
    }

    fn block(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<()> {
        self.on_time()?;
        let pollable = *self.handles.get(&pollable)?;
        self.wait(&[pollable])
    }

    fn drop(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<()> {
        self.on_time()?;
        self.handles.delete(pollable)?;
        Ok(())
    }
}

impl poll::Host for Wasi {
    fn poll(&mut self, pollables: Vec<Resource<Pollable>>) -> wasmtime::Result<Vec<u32>> {
        self.on_time()?;
        let pollables = pollables
            .iter()
            .map(|pollable| Ok(*self.handles.get(pollable)?))
            .collect::<wasmtime::Result<Vec<_>>>()?;
        self.wait(&pollables)?;
        let now = self.monotonic();
        let ready = (0..)
            .zip(&pollables)
            .filter(|(_, pollable)| pollable.is_ready(now));
        Ok(ready.map(|(index, _)| index).collect())
    }
}

impl monotonic_clock::Host for Wasi {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.on_time()?;
        Ok(self.monotonic())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        self.on_time()?;
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<Pollable>> {
        self.on_time()?;
        self.pollable(Pollable::At(when))
    }

    fn subscribe_duration(&mut self, time: u64) -> wasmtime::Result<Resource<Pollable>> {
        self.on_time()?;
        let at = self.monotonic().saturating_add(time);
        self.pollable(Pollable::At(at))
    }
}

impl wall_clock::Host for Wasi {
    fn now(&mut self) -> wasmtime::Result<Datetime> {
        self.on_time()?;
        if !self.grants.clocks {
            return Ok(Datetime {
                seconds: 0,
                nanoseconds: 0,
            });
        }
        let now = SystemClock.now();
        Ok(Datetime {
            // A machine whose clock is before 1970 has other worries.
            seconds: u64::try_from(now.timestamp()).unwrap_or(0),
            nanoseconds: now.timestamp_subsec_nanos().min(999_999_999),
        })
    }

    fn resolution(&mut self) -> wasmtime::Result<Datetime> {
        self.on_time()?;
        Ok(Datetime {
            seconds: 0,
            nanoseconds: 1,
        })
    }
}

//! Clocks of instances, and the thread that looks at them.

use std::{
    borrow::Cow,
    io,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tracing::error;
use wasm_encoder::reencode;
use wasmparser::{Validator, WasmFeatures};
use wasmtime::{Config, Engine, Store, Trap, WasmBacktrace};

use super::{
    Ticker, checks,
    memory::{Creator, Making, PAGE_BYTES, Space},
};

/// No code of the component runs.
const IDLE: u64 = u64::MAX;
/// The time was up, and the pages are taken away.
const EXPIRED: u64 = 0;

type Clocks = Arc<Mutex<Vec<Weak<Shared>>>>;

/// One for each engine.
pub(in crate::wasm) struct Watchdog {
    began: Instant,
    clocks: Clocks,
    _ticker: Ticker,
}

impl Watchdog {
    /// Part of the name of compiled code.
    pub(in crate::wasm) const CODE: u32 = checks::VERSION;

    pub(in crate::wasm) fn configure(config: &mut Config) {
        // The checks have a memory of their own.
        config.wasm_multi_memory(true);
        config.with_host_memory(Arc::new(Creator));
        // Images of memory are mapped into wasmtime's own only: what a memory holds at first is copied.
        config.memory_init_cow(false);
    }

    pub(in crate::wasm) fn start(_engine: &Engine) -> io::Result<Self> {
        let began = Instant::now();
        let clocks = Clocks::default();
        let watched = Arc::clone(&clocks);
        let ticker = Ticker::start(move || watch(&watched, nanoseconds(began.elapsed())))?;
        Ok(Self {
            began,
            clocks,
            _ticker: ticker,
        })
    }

    /// A component with code that looks at the clock.
    pub(in crate::wasm) fn prepare(component: &[u8]) -> wasmtime::Result<Cow<'_, [u8]>> {
        // What refers to a memory that is not there would find that of the checks. What the engine knows of WebAssembly,
        // it sees to itself.
        Validator::new_with_features(WasmFeatures::all()).validate_all(component)?;
        Ok(Cow::Owned(checks::add(component)?))
    }

    /// Whether [`prepare`](Self::prepare) has refused a valid component.
    pub(in crate::wasm) fn has_refused(error: &wasmtime::Error) -> bool {
        matches!(
            error.downcast_ref::<reencode::Error<checks::Refused>>(),
            Some(reencode::Error::UserError(_))
        )
    }

    /// Whether a memory that is being made was not asked for by the component; in bytes.
    pub(in crate::wasm) fn asked_for(bytes: usize, maximum: Option<usize>) -> bool {
        let pages = |bytes: usize| u64::try_from(bytes / PAGE_BYTES).ok();
        pages(bytes).is_some_and(|minimum| checks::is_for_checks(minimum, maximum.and_then(pages)))
    }

    /// A clock for a new instance.
    pub(in crate::wasm) fn clock(&self) -> Clock {
        let shared = Arc::new(Shared {
            ends: AtomicU64::new(IDLE),
            pages: Mutex::default(),
        });
        let mut clocks = self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        clocks.push(Arc::downgrade(&shared));
        Clock {
            began: self.began,
            shared,
        }
    }
}

/// Looks at the clocks of all instances that there still are.
fn watch(clocks: &Mutex<Vec<Weak<Shared>>>, now: u64) {
    let mut clocks = clocks.lock().unwrap_or_else(PoisonError::into_inner);
    clocks.retain(|clock| {
        clock.upgrade().is_some_and(|clock| {
            clock.look(now);
            true
        })
    });
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(IDLE - 1)
}

/// The clock of one instance.
pub(in crate::wasm) struct Clock {
    /// When the watchdog's time began.
    began: Instant,
    shared: Arc<Shared>,
}

impl Clock {
    /// Makes an instance, or calls one. If that takes longer than `deadline`, it fails with [`Trap::Interrupt`], and
    /// the instance cannot be used any more, as after every trap.
    pub(in crate::wasm) fn run<S, T>(
        &self,
        store: &mut Store<S>,
        deadline: Duration,
        call: impl FnOnce(&mut Store<S>) -> wasmtime::Result<T>,
    ) -> wasmtime::Result<T> {
        let _making = Making::memories_of(&self.shared);
        let ends = nanoseconds(self.began.elapsed().saturating_add(deadline)).clamp(EXPIRED + 1, IDLE - 1);
        self.shared.ends.store(ends, Ordering::Release);
        let answer = call(store);
        if self.shared.ends.swap(IDLE, Ordering::AcqRel) == EXPIRED {
            return Err(interrupted(answer.err()));
        }
        answer
    }
}

/// To the code, its deadline looks like a bad access to memory.
fn interrupted(error: Option<wasmtime::Error>) -> wasmtime::Error {
    let interrupt = wasmtime::Error::from(Trap::Interrupt);
    match error.map(wasmtime::Error::downcast::<WasmBacktrace>) {
        Some(Ok(backtrace)) => interrupt.context(backtrace),
        _ => interrupt,
    }
}

/// What the watchdog knows of an instance.
pub(super) struct Shared {
    /// Nanoseconds since the watchdog began, [`IDLE`] or [`EXPIRED`].
    ends: AtomicU64,
    /// What the code looks at.
    pages: Mutex<Vec<Arc<Space>>>,
}

impl Shared {
    /// Registers a page that is taken away at the deadline.
    pub(super) fn stops(&self, page: &Arc<Space>) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.push(Arc::clone(page));
        // It has come too late for the watchdog.
        if self.ends.load(Ordering::Acquire) == EXPIRED {
            close(page);
        }
    }

    fn look(&self, now: u64) {
        let ends = self.ends.load(Ordering::Acquire);
        if ends == EXPIRED || now < ends {
            return;
        }
        // It fails if the call has ended just now.
        let expires = self
            .ends
            .compare_exchange(ends, EXPIRED, Ordering::AcqRel, Ordering::Acquire);
        if expires.is_err() {
            return;
        }
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let left_open = pages.iter().filter(|page| !close(page)).count();
        if left_open > 0 {
            // Tries again with the next look, unless the call has ended.
            let _ = self
                .ends
                .compare_exchange(EXPIRED, ends, Ordering::AcqRel, Ordering::Acquire);
        }
    }
}

/// Whether the page is inaccessible now.
fn close(page: &Space) -> bool {
    if let Err(error) = page.close() {
        error!(%error, "a component that is past its deadline cannot be stopped: the system refuses to protect its page");
        return false;
    }
    true
}

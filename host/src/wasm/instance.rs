//! One running copy of a component, with its memory limit and its deadline.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{Level, event, warn};
use wasmtime::{ResourceLimiter, Store, StoreLimits, StoreLimitsBuilder};

use super::{
    bindings::{
        Transform, TransformPre,
        exports::o365::transform::mapper::{Metadata, Outcome},
        o365::transform::host,
    },
    engine::{TICK, WasmEngine},
    log_budget::{LogBudget, Verdict},
    module::Limits,
};

/// Longer lines are cut.
const LOG_LINE_BYTES: usize = 1_024;

/// What the host keeps beside an instance.
pub(super) struct HostState {
    limits: Metered,
    transform: String,
    log: Arc<LogBudget>,
}

impl host::Host for HostState {
    fn log(&mut self, level: u8, message: String) {
        match self.log.take(Instant::now()) {
            Verdict::Drop => return,
            Verdict::Write { dropped: 0 } => {}
            Verdict::Write { dropped } => {
                warn!(transform = %self.transform, dropped, "the component logs too much, lines were dropped");
            }
        }
        let end = message.floor_char_boundary(LOG_LINE_BYTES);
        let message = message.get(..end).unwrap_or_default().escape_debug();
        let transform = &self.transform;
        match level {
            1 => event!(Level::ERROR, %transform, "component: {message}"),
            2 => event!(Level::WARN, %transform, "component: {message}"),
            4 => event!(Level::DEBUG, %transform, "component: {message}"),
            5 => event!(Level::TRACE, %transform, "component: {message}"),
            _ => event!(Level::INFO, %transform, "component: {message}"),
        }
    }
}

/// Limits, and how much memory they have let the instance have.
struct Metered {
    limits: StoreLimits,
    memory: usize,
}

impl ResourceLimiter for Metered {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = self.limits.memory_growing(current, desired, maximum)?;
        if allowed {
            // A component may have several memories.
            self.memory += desired.saturating_sub(current);
        }
        Ok(allowed)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.limits.memory_grow_failed(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.limits.table_growing(current, desired, maximum)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.limits.table_grow_failed(error)
    }

    fn instances(&self) -> usize {
        self.limits.instances()
    }

    fn tables(&self) -> usize {
        self.limits.tables()
    }

    fn memories(&self) -> usize {
        self.limits.memories()
    }
}

/// See the module. After any error it must not be used again.
pub(super) struct Instance {
    store: Store<HostState>,
    transform: Transform,
    deadline_ticks: u64,
    /// Batches that it has seen.
    pub(super) batches: u64,
}

impl Instance {
    pub(super) fn start(
        engine: &WasmEngine,
        pre: &TransformPre<HostState>,
        limits: Limits,
        transform: &str,
        log: Arc<LogBudget>,
    ) -> wasmtime::Result<Self> {
        let memory = usize::try_from(limits.memory.0).unwrap_or(usize::MAX);
        let store_limits = StoreLimitsBuilder::new()
            .memory_size(memory)
            .trap_on_grow_failure(true)
            .build();
        let state = HostState {
            limits: Metered {
                limits: store_limits,
                memory: 0,
            },
            transform: transform.to_owned(),
            log,
        };
        let mut store = Store::new(engine.raw(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(usize::try_from(limits.output.0).unwrap_or(usize::MAX));
        let deadline_ticks = ticks(limits.deadline);
        store.set_epoch_deadline(deadline_ticks);
        let transform = pre.instantiate(&mut store)?;
        Ok(Self {
            store,
            transform,
            deadline_ticks,
            batches: 0,
        })
    }

    /// Linear memory that it has, in bytes. It never gives any back.
    pub(super) fn memory(&self) -> usize {
        self.store.data().limits.memory
    }

    /// What the component says of itself. Works before [`Self::configure`].
    pub(super) fn describe(&mut self) -> wasmtime::Result<Metadata> {
        self.begin_call();
        self.transform
            .o365_transform_mapper()
            .call_describe(&mut self.store)
    }

    pub(super) fn configure(&mut self, options: &str) -> wasmtime::Result<Result<(), String>> {
        self.begin_call();
        self.transform
            .o365_transform_mapper()
            .call_configure(&mut self.store, options)
    }

    /// One outcome for each event; the number of outcomes is for the caller to check.
    pub(super) fn transform_batch(
        &mut self,
        context: &str,
        events: &[&[u8]],
    ) -> wasmtime::Result<Vec<Outcome>> {
        self.begin_call();
        self.batches += 1;
        self.transform
            .o365_transform_mapper()
            .call_transform_batch(&mut self.store, context, events)
    }

    fn begin_call(&mut self) {
        self.store.set_epoch_deadline(self.deadline_ticks);
    }
}

/// The epoch may move right after the deadline is set, so one tick is added: never early, at most two ticks late.
fn ticks(deadline: Duration) -> u64 {
    let ticks = deadline.as_nanos().div_ceil(TICK.as_nanos()) + 1;
    u64::try_from(ticks).unwrap_or(u64::MAX / 2).min(u64::MAX / 2)
}

//! One running copy of a component, with its memory limit and its deadline.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use wasmtime::{ResourceLimiter, Store, StoreLimits, StoreLimitsBuilder};

use super::{
    bindings::{
        Transform, TransformPre,
        exports::o365::transform::mapper::{Metadata, Outcome},
        o365::transform::host,
    },
    deadline::{Clock, Deadlines},
    engine::WasmEngine,
    guest_log::GuestLog,
    log_budget::LogBudget,
    module::Limits,
    wasi::Wasi,
};

/// What the host keeps beside an instance.
pub(super) struct HostState {
    limits: Metered,
    log: GuestLog,
    pub(super) wasi: Wasi,
}

impl host::Host for HostState {
    fn log(&mut self, level: u8, message: String) {
        self.log.line(level, &message);
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
        if Deadlines::asked_for(desired, maximum) {
            return Ok(true);
        }
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
    clock: Clock,
    deadline: Duration,
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
        let log = GuestLog::new(transform, log);
        let state = HostState {
            limits: Metered {
                limits: store_limits,
                memory: 0,
            },
            log: log.clone(),
            wasi: Wasi::new(limits.wasi.unwrap_or_default(), Instant::now(), log),
        };
        let mut store = Store::new(engine.raw(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(usize::try_from(limits.output.0).unwrap_or(usize::MAX));
        let clock = engine.deadlines().clock();
        let transform = in_time(&clock, &mut store, limits.deadline, |store| {
            pre.instantiate(store)
        })?;
        Ok(Self {
            transform,
            store,
            clock,
            deadline: limits.deadline,
            batches: 0,
        })
    }

    /// Linear memory that it has, in bytes. It never gives any back.
    pub(super) fn memory(&self) -> usize {
        self.store.data().limits.memory
    }

    /// What the component says of itself. Works before [`Self::configure`].
    pub(super) fn describe(&mut self) -> wasmtime::Result<Metadata> {
        self.call(|transform, store| transform.o365_transform_mapper().call_describe(store))
    }

    pub(super) fn configure(&mut self, options: &str) -> wasmtime::Result<Result<(), String>> {
        self.call(|transform, store| transform.o365_transform_mapper().call_configure(store, options))
    }

    /// One outcome for each event; the number of outcomes is for the caller to check.
    pub(super) fn transform_batch(
        &mut self,
        context: &str,
        events: &[&[u8]],
    ) -> wasmtime::Result<Vec<Outcome>> {
        self.batches += 1;
        self.call(|transform, store| {
            let mapper = transform.o365_transform_mapper();
            mapper.call_transform_batch(store, context, events)
        })
    }

    fn call<T>(
        &mut self,
        function: impl FnOnce(&Transform, &mut Store<HostState>) -> wasmtime::Result<T>,
    ) -> wasmtime::Result<T> {
        in_time(&self.clock, &mut self.store, self.deadline, |store| {
            function(&self.transform, store)
        })
    }
}

/// The deadline counts from now: for code of the component, and for waiting in the host.
fn in_time<T>(
    clock: &Clock,
    store: &mut Store<HostState>,
    deadline: Duration,
    call: impl FnOnce(&mut Store<HostState>) -> wasmtime::Result<T>,
) -> wasmtime::Result<T> {
    store.data_mut().wasi.deadline = Instant::now() + deadline;
    let answer = clock.run(store, deadline, call);
    store.data_mut().wasi.end_lines();
    answer
}

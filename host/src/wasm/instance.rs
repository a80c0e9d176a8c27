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
    fn log(&mut self, level: u8, message: String) -> wasmtime::Result<()> {
        self.wasi.on_time()?;
        self.log.line(level, &message);
        Ok(())
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
        // A component may have several memories. Each has its own maximum, and the limit is for all of them.
        let all = self.memory.saturating_add(desired.saturating_sub(current));
        let allowed = self.limits.memory_growing(current, desired, maximum)?
            && self.limits.memory_growing(self.memory, all, None)?;
        if allowed {
            self.memory = all;
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
        let log = GuestLog::new(transform, log);
        let mut store = store(engine, limits, log);
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

/// A store with the limits of one instance.
fn store(engine: &WasmEngine, limits: Limits, log: GuestLog) -> Store<HostState> {
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
        log: log.clone(),
        wasi: Wasi::new(limits.wasi.unwrap_or_default(), Instant::now(), log),
    };
    let mut store = Store::new(engine.raw(), state);
    store.limiter(|state| &mut state.limits);
    store.set_hostcall_fuel(usize::try_from(limits.output.0).unwrap_or(usize::MAX));
    store
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

#[cfg(test)]
mod tests {
    use wasmtime::{Trap, component::Linker};

    use super::{super::wasi, *};

    #[test]
    fn the_memory_limit_is_for_all_memories_of_an_instance() {
        let limits = StoreLimitsBuilder::new()
            .memory_size(10)
            .trap_on_grow_failure(true)
            .build();
        let mut metered = Metered { limits, memory: 0 };
        assert!(metered.memory_growing(0, 4, None).unwrap());
        assert!(metered.memory_growing(0, 5, None).unwrap());
        assert!(metered.memory_growing(4, 5, None).unwrap());
        assert!(metered.memory_growing(5, 6, None).is_err());
        assert_eq!(metered.memory, 10);
    }

    /// What the others have is nothing to do with how large one memory says that it will ever be.
    #[test]
    fn the_maximum_of_a_memory_is_for_that_memory() {
        let limits = StoreLimitsBuilder::new()
            .memory_size(100)
            .trap_on_grow_failure(true)
            .build();
        let mut metered = Metered { limits, memory: 0 };
        assert!(metered.memory_growing(0, 10, None).unwrap());
        assert!(metered.memory_growing(0, 1, Some(5)).unwrap());
        assert!(metered.memory_growing(1, 6, Some(5)).is_err());
        assert_eq!(metered.memory, 11);
    }

    /// wasmtime's own code between components has no checks. Here it is all that runs: each level calls the one below
    /// twice, the second time to clean up after the first, and at the bottom are functions of the host.
    #[test]
    fn components_that_only_call_each_other_are_stopped() {
        let level = |n: u32| {
            let below = n - 1;
            format!(
                r#"(instance $c{n} (instantiate $twice
                    (with "u" (func $c{below} "u")) (with "t" (func $c{below} "t"))))"#
            )
        };
        let levels: String = (1..=40).map(level).collect();
        let text = format!(
            r#"(component
                (import "wasi:io/streams@0.2.0" (instance $streams (export "input-stream" (type (sub resource)))))
                (alias export $streams "input-stream" (type $input))
                (import "wasi:cli/stdin@0.2.0" (instance $stdin
                    (alias outer 1 $input (type $same))
                    (export "input-stream" (type $stream (eq $same)))
                    (export "get-stdin" (func (result (own $stream))))))
                (component $bottom
                    (import "input" (type $input (sub resource)))
                    (import "get" (func $get (result (own $input))))
                    (core module $m (memory (export "m") 1))
                    (core instance $m (instantiate $m))
                    (core func $get (canon lower (func $get)))
                    (core func $drop (canon resource.drop $input))
                    (func (export "u") (result u32) (canon lift (core func $get) (post-return (core func $drop))))
                    (func (export "t") (result (tuple u8 u8))
                        (canon lift (core func $get) (memory (core memory $m "m")) (post-return (core func $drop)))))
                (component $twice
                    (import "u" (func $u (result u32)))
                    (import "t" (func $t (result (tuple u8 u8))))
                    (core module $m (memory (export "m") 1))
                    (core instance $m (instantiate $m))
                    (core func $u (canon lower (func $u)))
                    (core func $t (canon lower (func $t) (memory (core memory $m "m"))))
                    (func (export "u") (result u32) (canon lift (core func $u) (post-return (core func $t))))
                    (func (export "t") (result (tuple u8 u8))
                        (canon lift (core func $u) (memory (core memory $m "m")) (post-return (core func $t)))))
                (instance $c0 (instantiate $bottom
                    (with "input" (type $input)) (with "get" (func $stdin "get-stdin"))))
                {levels}
                (component $begin
                    (import "u" (func $u (result u32)))
                    (core func $u (canon lower (func $u)))
                    (core module $m (import "" "u" (func $u (result i32))) (func $f (drop (call $u))) (start $f))
                    (core instance (instantiate $m (with "" (instance (export "u" (func $u)))))))
                (instance (instantiate $begin (with "u" (func $c40 "u")))))"#
        );
        let engine = WasmEngine::new(None).unwrap();
        let component = engine.compile(&wat::parse_str(text).unwrap()).unwrap();
        let mut linker = Linker::new(engine.raw());
        wasi::link(&mut linker, engine.raw(), &component).unwrap();
        let log = GuestLog::new("test", Arc::new(LogBudget::new(Instant::now())));
        let mut store = store(&engine, Limits::default(), log);
        let clock = engine.deadlines().clock();
        let error = in_time(&clock, &mut store, Duration::from_millis(50), |store| {
            linker.instantiate(store, &component)
        })
        .expect_err("it would take a year");
        assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Interrupt), "{error:?}");
    }
}

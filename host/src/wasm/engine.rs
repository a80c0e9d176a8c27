//! The engine: compiler settings, the epoch ticker, the cache of compiled code.

use std::{
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use wasmtime::{Config, Engine};

use super::cache::CodeCache;

/// How often the epoch moves; deadlines are multiples of it, rounded up.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// One for each process, shared by every transform.
pub struct WasmEngine {
    engine: Engine,
    cache: Option<CodeCache>,
    // Dropping it ends the ticker.
    _alive: SyncSender<()>,
}

impl WasmEngine {
    /// An engine that keeps compiled code below `cache_dir`, or nowhere.
    pub fn new(cache_dir: Option<PathBuf>) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        config.wasm_component_model(true);
        // So that `perf report` names the functions of a component. It needs code that was just compiled.
        #[cfg(feature = "profiling")]
        config.profiler(wasmtime::ProfilingStrategy::PerfMap);
        let engine = Engine::new(&config)?;
        let cache = cache_dir.map(|dir| CodeCache::new(dir, &engine));
        let (alive, ended) = sync_channel(0);
        let ticking = engine.clone();
        thread::Builder::new()
            .name("wasm-epoch".to_owned())
            .spawn(move || tick(&ticking, &ended))
            .map_err(|error| wasmtime::Error::msg(format!("starting the epoch thread: {error}")))?;
        Ok(Self {
            engine,
            cache,
            _alive: alive,
        })
    }

    pub(super) fn raw(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn cache(&self) -> Option<&CodeCache> {
        self.cache.as_ref()
    }
}

impl std::fmt::Debug for WasmEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WasmEngine")
    }
}

fn tick(engine: &Engine, ended: &Receiver<()>) {
    while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        engine.increment_epoch();
    }
}

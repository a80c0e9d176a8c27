//! The engine: compiler settings, deadlines, the cache of compiled code.

use std::path::PathBuf;

use wasmtime::{Config, Engine, component::Component};

use super::{cache::CodeCache, deadline::Deadlines};
use crate::allocator;

/// One for each process, shared by every transform.
pub struct WasmEngine {
    engine: Engine,
    cache: Option<CodeCache>,
    deadlines: Deadlines,
}

impl WasmEngine {
    /// An engine that keeps compiled code below `cache_dir`, or nowhere.
    pub fn new(cache_dir: Option<PathBuf>) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config.wasm_component_model(true);
        Deadlines::configure(&mut config);
        // So that `perf report` names the functions of a component. It needs code that was just compiled.
        #[cfg(feature = "profiling")]
        config.profiler(wasmtime::ProfilingStrategy::PerfMap);
        let engine = Engine::new(&config)?;
        let cache = cache_dir.map(|dir| CodeCache::new(dir, &engine));
        let deadlines = Deadlines::start(&engine)
            .map_err(|error| wasmtime::Error::msg(format!("starting the thread for deadlines: {error}")))?;
        Ok(Self {
            engine,
            cache,
            deadlines,
        })
    }

    pub(super) fn raw(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn cache(&self) -> Option<&CodeCache> {
        self.cache.as_ref()
    }

    pub(super) fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }
}

impl std::fmt::Debug for WasmEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WasmEngine")
    }
}

/// Compiles a component to code that stops at its deadline. It takes some 30 MB, and the program would keep them.
pub(super) fn compile(engine: &Engine, component: &[u8]) -> wasmtime::Result<Component> {
    let compiled = Deadlines::compile(engine, component);
    allocator::give_back();
    compiled
}

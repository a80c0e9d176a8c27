//! The engine: compiler settings, deadlines, the cache of compiled code.

use std::path::PathBuf;

use wasmtime::{Config, Engine, component::Component};

use super::{cache::CodeCache, deadline::Deadlines};
use crate::allocator;

/// One for each process, shared by every transform.
pub struct WasmEngine {
    config: Config,
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
            config,
            engine,
            cache,
            deadlines,
        })
    }

    pub(super) fn raw(&self) -> &Engine {
        &self.engine
    }

    /// A compiled component, from the cache or compiled now. `digest` is that of `bytes`.
    pub(super) fn component(&self, digest: &str, bytes: &[u8]) -> wasmtime::Result<Component> {
        let Some(cache) = &self.cache else {
            return self.compile(bytes);
        };
        if let Some(component) = cache.load(&self.engine, digest) {
            return Ok(component);
        }
        let code = self.machine_code(bytes)?;
        cache.store(digest, &code);
        self.run_code(&code)
    }

    /// The same, without the cache.
    pub(super) fn compile(&self, bytes: &[u8]) -> wasmtime::Result<Component> {
        self.run_code(&self.machine_code(bytes)?)
    }

    /// An engine keeps what it has needed to compile, 15 MB for our mapping, in case that it compiles again. So another
    /// one does it, which is gone afterwards.
    fn machine_code(&self, bytes: &[u8]) -> wasmtime::Result<Vec<u8>> {
        let prepared = Deadlines::prepare(bytes)?;
        let code = Engine::new(&self.config)?.precompile_component(&prepared);
        allocator::give_back();
        code
    }

    #[expect(unsafe_code, reason = "nothing else makes a component of code")]
    fn run_code(&self, code: &[u8]) -> wasmtime::Result<Component> {
        // SAFETY: `machine_code` has just made it, by an engine of the same settings.
        unsafe { Component::deserialize(&self.engine, code) }
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

//! The place of a component in a pipeline, where another one can take over while events flow.
//!
//! A new component is read, checked, compiled, configured and tried on the canary fixtures beside the running one. Then the
//! slot names it as the current one, and each worker of the transform goes over to it before its next batch: no batch, and
//! so no event, is mapped by two of them. What is refused changes nothing.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use o365_core::ComponentKey;
use tracing::{info, warn};

use super::{
    canary,
    engine::WasmEngine,
    module::{BUILTIN_ECS_NAME, Limits, Module, ModuleError},
    shadow::{Shadow, ShadowConfig, ShadowStatus},
};
use crate::stamp::Stamp;

/// What a module is made of.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    /// `builtin:ecs` or a path.
    pub(super) module: String,
    /// Where relative paths start.
    pub(super) dir: PathBuf,
    pub(super) limits: Limits,
    /// A JSON object.
    pub(super) options: String,
    /// Fixtures that it must pass.
    pub(super) canary: Option<PathBuf>,
    /// A candidate beside it.
    pub(super) shadow: Option<ShadowConfig>,
}

/// Why a component is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is no component of the world, or does not take its options.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// It does not do what the canary fixtures expect.
    #[error("the component does not pass the canary fixtures: {0}")]
    Canary(String),
    /// The candidate of the shadow run cannot be used.
    #[error("the candidate of the shadow run: {0}")]
    Shadow(String),
    /// There is none to let take over.
    #[error("there is no candidate: the transform has no `shadow`")]
    NoCandidate,
    /// There is none to go back to.
    #[error("there is no previous component to go back to: it has not been swapped since the start")]
    NoPrevious,
}

impl Recipe {
    fn load(&self, engine: &Arc<WasmEngine>) -> Result<Module, Refused> {
        let module = Module::load(engine, &self.module, &self.dir, self.limits, self.options.clone())?;
        self.try_out(&module)?;
        Ok(module)
    }

    /// Nothing gets events that does not pass.
    fn try_out(&self, module: &Module) -> Result<(), Refused> {
        match &self.canary {
            Some(place) => canary::check(module, &self.dir.join(place)).map_err(Refused::Canary),
            None => Ok(()),
        }
    }

    fn load_shadow(&self, engine: &Arc<WasmEngine>, key: &ComponentKey) -> Result<Option<Shadow>, Refused> {
        let Some(config) = &self.shadow else {
            return Ok(None);
        };
        let options = config
            .options
            .as_ref()
            .map_or_else(|| self.options.clone(), ToString::to_string);
        let module = Module::load(engine, &config.module, &self.dir, self.limits, options)
            .map_err(|error| Refused::Shadow(format!("{error} ({})", error.hint())))?;
        Shadow::start(key, Arc::new(module), config, &self.dir)
            .map(Some)
            .map_err(Refused::Shadow)
    }

    /// The file; nothing if it is built in.
    fn file(&self) -> Option<PathBuf> {
        (self.module != BUILTIN_ECS_NAME).then(|| self.dir.join(&self.module))
    }
}

/// How a swap ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    /// It is the component that runs already.
    Unchanged,
    /// Another one has taken over.
    Done {
        /// Digest of the one before.
        from: String,
        /// Digest of the one that maps events from now on.
        to: String,
        /// From reading the file to the take-over.
        took: Duration,
    },
}

/// What has happened in a slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlotStatus {
    /// Digest of the component that maps events.
    pub digest: String,
    /// Digest of the one before, to which the transform can go back.
    pub previous: Option<String>,
    /// How often another component took over.
    pub swapped: u64,
    /// How often one was refused.
    pub refused: u64,
    /// How long the last take-over took.
    pub took: Option<Duration>,
    /// Why the last one was refused, unless another one has taken over since.
    pub refusal: Option<String>,
}

/// What becomes of a file that is as it was when it was read last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unchanged {
    TakesOver,
    IsLeftAlone,
}

struct Running {
    current: Arc<Module>,
    previous: Option<Arc<Module>>,
    /// Digest of what was read last from the file, whether it runs or not.
    read: String,
    status: SlotStatus,
}

/// See the module.
pub struct Slot {
    key: ComponentKey,
    engine: Arc<WasmEngine>,
    recipe: Recipe,
    running: Mutex<Running>,
    /// Moves with each take-over.
    generation: AtomicU64,
    /// One swap at a time.
    changing: Mutex<()>,
    /// What the file looked like when the first component was read from it.
    stamp: Option<Stamp>,
    watched: bool,
    shadow: Option<Shadow>,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slot {
    /// Loads the first component.
    pub(super) fn open(
        key: ComponentKey,
        engine: Arc<WasmEngine>,
        recipe: Recipe,
        watched: bool,
    ) -> Result<Self, Refused> {
        // Before it is read: what changes meanwhile is seen later.
        let stamp = recipe.file().and_then(|file| Stamp::of(&file));
        let current = Arc::new(recipe.load(&engine)?);
        let shadow = recipe.load_shadow(&engine, &key)?;
        let status = SlotStatus {
            digest: current.digest().to_owned(),
            ..SlotStatus::default()
        };
        Ok(Self {
            key,
            engine,
            recipe,
            running: Mutex::new(Running {
                current,
                previous: None,
                read: status.digest.clone(),
                status,
            }),
            generation: AtomicU64::new(0),
            changing: Mutex::new(()),
            stamp,
            watched,
            shadow,
        })
    }

    /// The transform's name.
    pub fn key(&self) -> &ComponentKey {
        &self.key
    }

    /// As configured: `builtin:ecs` or a path.
    pub fn module(&self) -> &str {
        &self.recipe.module
    }

    /// What has happened so far.
    pub fn status(&self) -> SlotStatus {
        lock(&self.running).status.clone()
    }

    pub(super) fn shadow(&self) -> Option<&Shadow> {
        self.shadow.as_ref()
    }

    /// What the comparison with the candidate has found, if there is one.
    pub fn shadow_status(&self) -> Option<ShadowStatus> {
        self.shadow.as_ref().map(Shadow::status)
    }

    /// The run is over: lets the candidate of a shadow run finish, for some seconds at most.
    pub fn finish(&self) {
        if let Some(shadow) = &self.shadow {
            shadow.finish();
        }
    }

    /// Lets the candidate of the shadow run take over, which ends the comparison. It keeps its options.
    pub fn promote(&self) -> Result<Swap, Refused> {
        let _one_at_a_time = lock(&self.changing);
        let began = Instant::now();
        let shadow = self.shadow.as_ref().ok_or(Refused::NoCandidate)?;
        let module = shadow.module();
        if let Err(refused) = self.recipe.try_out(&module) {
            self.refuse(module.name(), &refused);
            return Err(refused);
        }
        shadow.end();
        Ok(self.take_over(module, began))
    }

    /// Moves when another component has taken over. Cheap.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(super) fn current(&self) -> Arc<Module> {
        Arc::clone(&lock(&self.running).current)
    }

    /// Whether its file is to be watched.
    pub(super) fn is_watched(&self) -> bool {
        self.watched
    }

    pub(super) fn first_stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// What the file looks like now; nothing if there is none.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        self.recipe.file().and_then(|file| Stamp::of(&file))
    }

    /// Reads the file again, and lets what is in it take over. Takes as long as loading and compiling do: up to seconds.
    pub fn reload(&self) -> Result<Swap, Refused> {
        self.read_again(Unchanged::TakesOver)
    }

    /// As [`Self::reload`], for whoever knows only that the file may be another one: one that is as it was does not undo what
    /// an operator has chosen since, by a promotion or by going back.
    pub fn follow_file(&self) -> Result<Swap, Refused> {
        self.read_again(Unchanged::IsLeftAlone)
    }

    fn read_again(&self, unchanged: Unchanged) -> Result<Swap, Refused> {
        let _one_at_a_time = lock(&self.changing);
        let began = Instant::now();
        match self.recipe.load(&self.engine) {
            Ok(module) => {
                let digest = module.digest().to_owned();
                let before = std::mem::replace(&mut lock(&self.running).read, digest);
                if unchanged == Unchanged::TakesOver || before != module.digest() {
                    return Ok(self.take_over(Arc::new(module), began));
                }
                lock(&self.running).status.refusal = None;
                Ok(Swap::Unchanged)
            }
            Err(refused) => {
                self.refuse(&self.recipe.module, &refused);
                Err(refused)
            }
        }
    }

    /// Goes back to the component before the last take-over. Doing it twice goes forth again.
    pub fn roll_back(&self) -> Result<Swap, Refused> {
        let _one_at_a_time = lock(&self.changing);
        let previous = lock(&self.running).previous.clone();
        match previous {
            Some(module) => Ok(self.take_over(module, Instant::now())),
            None => Err(Refused::NoPrevious),
        }
    }

    fn take_over(&self, module: Arc<Module>, began: Instant) -> Swap {
        let mut running = lock(&self.running);
        if module.is_same_as(&running.current) {
            running.status.refusal = None;
            return Swap::Unchanged;
        }
        let before = std::mem::replace(&mut running.current, module);
        let (from, to) = (before.digest().to_owned(), running.current.digest().to_owned());
        running.previous = Some(before);
        self.generation.fetch_add(1, Ordering::Release);
        let took = began.elapsed();
        let status = &mut running.status;
        status.digest.clone_from(&to);
        status.previous = Some(from.clone());
        status.swapped += 1;
        status.took = Some(took);
        status.refusal = None;
        info!(transform = %self.key, %from, %to, took_ms = took.as_millis(), "another component has taken over");
        Swap::Done { from, to, took }
    }

    fn refuse(&self, module: &str, refused: &Refused) {
        let mut running = lock(&self.running);
        running.status.refused += 1;
        running.status.refusal = Some(refused.to_string());
        warn!(transform = %self.key, module, reason = %refused, running = %running.status.digest,
            "the component is refused, the one before goes on");
    }
}

//! A component that has been read, checked against the world, compiled and linked.

use std::{
    fmt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, HasSelf, Linker};

use super::{
    bindings::{Transform, TransformPre},
    deadline::Deadlines,
    engine::WasmEngine,
    instance::{HostState, Instance},
    log_budget::LogBudget,
    size::ByteSize,
    wasi::{self, WasiGrants},
    world::{Obstacle, WORLD, World},
};

/// The ECS mapping that comes with the host.
const BUILTIN_ECS: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../transform-wasm/component/o365_ecs.wasm"
));

/// The name of [`BUILTIN_ECS`] in a configuration.
pub(crate) const BUILTIN_ECS_NAME: &str = "builtin:ecs";

/// What a component may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of one instance.
    pub memory: ByteSize,
    /// Time for one batch of at most 128 events or 256 kB.
    pub deadline: Duration,
    /// What the host takes over from the component in one call: an answer, or a line of the log. Parts of an answer may
    /// overlap in the component's memory, so that it can be far larger than that.
    pub output: ByteSize,
    /// What it gets of WASI; nothing means that a component that imports any is refused.
    pub wasi: Option<WasiGrants>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: ByteSize(256 << 20),
            deadline: Duration::from_secs(5),
            output: ByteSize(64 << 20),
            wasi: None,
        }
    }
}

/// Why a file cannot be used as a transform.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// As configured.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// `builtin:something`.
    #[error("there is no built-in component `{0}`")]
    UnknownBuiltin(String),
    /// A core module instead of a component.
    #[error("`{0}` is a core WebAssembly module, not a component")]
    CoreModule(String),
    /// Something else altogether.
    #[error("`{path}` is not a WebAssembly component: {reason}")]
    NotAComponent {
        /// As configured.
        path: String,
        /// What the parser said.
        reason: String,
    },
    /// A component with something in it that keeps the host from stopping it.
    #[error("`{path}` cannot be stopped at its deadline: {reason}")]
    Unstoppable {
        /// As configured.
        path: String,
        /// What it has.
        reason: String,
    },
    /// A component of another world.
    #[error("`{path}` does not implement the world `{WORLD}`: {}", joined(obstacles))]
    OtherWorld {
        /// As configured.
        path: String,
        /// What is missing or too much.
        obstacles: Vec<Obstacle>,
    },
    /// The component has the right exports and does not run.
    #[error("`{path}` cannot be started: {reason}")]
    Start {
        /// As configured.
        path: String,
        /// What the engine said.
        reason: String,
    },
    /// The component refused its options.
    #[error("the component refuses its options: {0}")]
    Options(String),
}

impl ModuleError {
    /// A component that begins like one was not made into machine code.
    pub(super) fn not_compiled(name: &str, error: &wasmtime::Error) -> Self {
        let (path, reason) = (name.to_owned(), format!("{error:#}"));
        if Deadlines::has_refused(error) {
            Self::Unstoppable { path, reason }
        } else {
            Self::NotAComponent { path, reason }
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "give a path relative to the configuration file, or `builtin:ecs`".to_owned(),
            Self::UnknownBuiltin(_) => format!("the built-in component is `{BUILTIN_ECS_NAME}`"),
            Self::CoreModule(_) => {
                "wrap it with `wasm-tools component new` (docs/reference/wasm.md); it must use wit/transform.wit".to_owned()
            }
            Self::NotAComponent { .. } => "the file must be a compiled component (.wasm)".to_owned(),
            Self::Unstoppable { .. } => {
                "build the component in another way: docs/reference/wasm.md has the limits".to_owned()
            }
            Self::OtherWorld { obstacles, .. } => {
                let mut hints: Vec<String> = obstacles.iter().map(Obstacle::hint).collect();
                hints.dedup();
                hints.join("; ")
            }
            Self::Start { .. } => "raise `memory_limit` or `deadline` if the component needs more to start".to_owned(),
            Self::Options(_) => "compare `options` with the component's documentation".to_owned(),
        }
    }
}

fn joined(obstacles: &[Obstacle]) -> String {
    let words: Vec<_> = obstacles.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// One for each configured transform.
pub struct Module {
    /// As configured, for messages.
    name: String,
    /// SHA-256 of the file, in hex.
    digest: String,
    engine: Arc<WasmEngine>,
    pre: TransformPre<HostState>,
    limits: Limits,
    options: String,
    log: Arc<LogBudget>,
}

impl Module {
    /// Reads, checks, compiles and links a component, starts one instance and configures it.
    ///
    /// `name` is `builtin:ecs` or a path; a relative one starts at `dir`. `options` is a JSON object.
    pub fn load(
        engine: &Arc<WasmEngine>,
        name: &str,
        dir: &Path,
        limits: Limits,
        options: String,
    ) -> Result<Self, ModuleError> {
        let bytes = read(name, dir)?;
        check_preamble(name, &bytes)?;
        let digest = hex(&Sha256::digest(&bytes));
        let component = engine
            .component(&digest, &bytes)
            .map_err(|error| ModuleError::not_compiled(name, &error))?;
        let obstacles = World::of(engine.raw(), &component, limits.wasi).obstacles;
        if !obstacles.is_empty() {
            return Err(ModuleError::OtherWorld {
                path: name.to_owned(),
                obstacles,
            });
        }
        let pre = link(engine, name, &component, limits)?;
        let module = Self {
            name: name.to_owned(),
            digest,
            engine: Arc::clone(engine),
            pre,
            limits,
            options,
            log: Arc::new(LogBudget::new(Instant::now())),
        };
        module.instantiate("check")?;
        Ok(module)
    }

    /// A fresh, configured instance. `transform` is the name that its log lines carry.
    pub(super) fn instantiate(&self, transform: &str) -> Result<Instance, ModuleError> {
        Instance::start(
            &self.engine,
            &self.pre,
            self.limits,
            transform,
            Arc::clone(&self.log),
        )
        .and_then(|mut instance| Ok((instance.configure(&self.options)?, instance)))
        .map_err(|error| cannot_start(&self.name, &error))
        .and_then(|(answer, instance)| answer.map(|()| instance).map_err(ModuleError::Options))
    }

    /// As configured.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the file, in hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether it does the same: the same component with the same options.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.digest == other.digest && self.options == other.options
    }

    /// Whether the component is ours, and so trusted to write JSON.
    pub(super) fn is_builtin(&self) -> bool {
        self.name == BUILTIN_ECS_NAME
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// Connects a component of our world with what the host offers.
pub(super) fn link(
    engine: &WasmEngine,
    name: &str,
    component: &Component,
    limits: Limits,
) -> Result<TransformPre<HostState>, ModuleError> {
    let mut linker = Linker::new(engine.raw());
    let granted = match limits.wasi {
        Some(_) => wasi::link(&mut linker, engine.raw(), component),
        None => Ok(()),
    };
    granted
        .and_then(|()| Transform::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state))
        .and_then(|()| linker.instantiate_pre(component))
        .and_then(TransformPre::new)
        .map_err(|error| cannot_start(name, &error))
}

pub(super) fn cannot_start(name: &str, error: &wasmtime::Error) -> ModuleError {
    ModuleError::Start {
        path: name.to_owned(),
        reason: format!("{error:#}"),
    }
}

pub(super) fn read(name: &str, dir: &Path) -> Result<Vec<u8>, ModuleError> {
    match name.strip_prefix("builtin:") {
        Some(_) if name == BUILTIN_ECS_NAME => Ok(BUILTIN_ECS.to_vec()),
        Some(_) => Err(ModuleError::UnknownBuiltin(name.to_owned())),
        None => std::fs::read(dir.join(name)).map_err(|source| ModuleError::Read {
            path: dir.join(name).display().to_string(),
            source,
        }),
    }
}

/// Tells a core module from a component: both begin with `\0asm`, the next four bytes are version and layer.
pub(super) fn check_preamble(name: &str, bytes: &[u8]) -> Result<(), ModuleError> {
    match bytes {
        [b'\0', b'a', b's', b'm', _, _, 0, 0, ..] => Err(ModuleError::CoreModule(name.to_owned())),
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        _ => Err(ModuleError::NotAComponent {
            path: name.to_owned(),
            reason: "it does not begin with the bytes `\\0asm`".to_owned(),
        }),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

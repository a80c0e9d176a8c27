//! What a file is, for the person who made it: everything that can be said without giving it an event.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    engine::WasmEngine,
    instance::Instance,
    log_budget::LogBudget,
    module::{self, Limits, ModuleError, hex},
    world::{Export, HOST_VERSION, Import, Obstacle, WasiUse, World},
};

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A WebAssembly component.
    Component,
    /// A WebAssembly module that is no component.
    CoreModule,
    /// Neither.
    Other,
}

/// What a component says of itself, see `metadata` in `wit/transform.wit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Described {
    /// Short and stable.
    pub name: String,
    /// Of the transform.
    pub version: String,
    /// One line for people.
    pub description: String,
    /// What its documents follow.
    pub output_schema: String,
}

/// Something that keeps the file from running here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub problem: String,
    /// How to repair it.
    pub to_do: String,
}

/// What was found out about a file.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// As given.
    pub file: String,
    /// Its size.
    pub bytes: usize,
    /// In hex.
    pub sha256: String,
    /// What kind of file it is.
    pub kind: Kind,
    /// Version of `o365:transform` that it implements; nothing if it implements none.
    pub implements: Option<String>,
    /// The newest version that this host runs; it runs every older minor version of the same major version, too.
    pub host_version: String,
    /// Whether this host runs it.
    pub runs: bool,
    /// Why not.
    pub problems: Vec<Finding>,
    /// What it asks for.
    pub imports: Vec<Import>,
    /// What it can use of WASI; nothing if it imports none.
    pub wasi: Option<WasiUse>,
    /// What it offers.
    pub exports: Vec<Export>,
    /// What it says of itself, if it runs.
    pub describes: Option<Described>,
    /// Time to compile it, without any cache.
    pub compile_seconds: Option<f64>,
    /// Linear memory of an instance that has just described itself.
    pub instance_memory_bytes: Option<usize>,
}

/// Looks at a file as a start would, and goes on as far as it can. `name` is `builtin:ecs` or a path; a relative one
/// starts at `dir`. An error means that there is nothing to look at.
pub fn inspect(
    engine: &Arc<WasmEngine>,
    name: &str,
    dir: &Path,
    limits: Limits,
) -> Result<Inspection, ModuleError> {
    let bytes = module::read(name, dir)?;
    let mut found = Inspection {
        file: name.to_owned(),
        bytes: bytes.len(),
        sha256: hex(&Sha256::digest(&bytes)),
        kind: Kind::Component,
        implements: None,
        host_version: HOST_VERSION.to_string(),
        runs: false,
        problems: Vec::new(),
        imports: Vec::new(),
        wasi: None,
        exports: Vec::new(),
        describes: None,
        compile_seconds: None,
        instance_memory_bytes: None,
    };
    if let Err(error) = look(engine, name, &bytes, limits, &mut found) {
        found.kind = match error {
            ModuleError::CoreModule(_) => Kind::CoreModule,
            ModuleError::NotAComponent { .. } => Kind::Other,
            _ => Kind::Component,
        };
        found.problems.push(Finding {
            problem: error.to_string(),
            to_do: error.hint(),
        });
    }
    found.runs = found.problems.is_empty();
    Ok(found)
}

fn look(
    engine: &Arc<WasmEngine>,
    name: &str,
    bytes: &[u8],
    limits: Limits,
    found: &mut Inspection,
) -> Result<(), ModuleError> {
    module::check_preamble(name, bytes)?;
    let began = Instant::now();
    let component = engine
        .compile(bytes)
        .map_err(|error| ModuleError::not_compiled(name, &error))?;
    found.compile_seconds = Some(seconds(began.elapsed()));
    let world = World::of(engine.raw(), &component, limits.wasi);
    found.implements = world.version.as_ref().map(ToString::to_string);
    found.imports = world.imports;
    found.wasi = world.wasi;
    found.exports = world.exports;
    if !world.obstacles.is_empty() {
        let finding = |obstacle: &Obstacle| Finding {
            problem: obstacle.to_string(),
            to_do: obstacle.hint(),
        };
        found.problems.extend(world.obstacles.iter().map(finding));
        return Ok(());
    }
    let pre = module::link(engine, name, &component, limits)?;
    let log = Arc::new(LogBudget::new(Instant::now()));
    let (said, instance) = Instance::start(engine, &pre, limits, "inspect", log)
        .and_then(|mut instance| Ok((instance.describe()?, instance)))
        .map_err(|error| module::cannot_start(name, &error))?;
    found.instance_memory_bytes = Some(instance.memory());
    found.describes = Some(Described {
        name: said.name,
        version: said.version,
        description: said.description,
        output_schema: said.output_schema,
    });
    Ok(())
}

/// To the microsecond: more digits would be noise.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

//! Who maps, and what they are measured against.

use std::{hint::black_box, path::Path, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use o365_ecs::{Context, Mapper, Outcome, floor};
use o365_host::wasm::{Limits, Module, Runner, WasmEngine};

use crate::{value, vrl::Vrl};

/// Events of one call, as the host makes them.
pub type Batch<'a> = [&'a [u8]];

/// The mapping as the reference has it: what can be written in VRL, too.
pub const WITHOUT_EXTENSIONS: &str = r#"{ "extensions": false }"#;

type Work = Box<dyn FnMut(&Batch<'_>) -> Result<()>>;

/// Something that works on batches of events.
pub struct Contestant {
    /// Short, for tables.
    pub name: &'static str,
    /// What it does, for people.
    pub what: &'static str,
    work: Work,
}

impl Contestant {
    fn new(
        name: &'static str,
        what: &'static str,
        work: impl FnMut(&Batch<'_>) -> Result<()> + 'static,
    ) -> Self {
        Self {
            name,
            what,
            work: Box::new(work),
        }
    }

    /// Works on a batch and throws the result away.
    pub fn run(&mut self, batch: &Batch<'_>) -> Result<()> {
        (self.work)(batch)
    }
}

impl std::fmt::Debug for Contestant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Contestant").field(&self.name).finish()
    }
}

/// All of them, ready to run; `module` is the component, a path or `builtin:ecs`.
pub fn all(module: &str) -> Result<Vec<Contestant>> {
    Ok(vec![
        Contestant::new("parse", "borrowed tree: parse", |batch| {
            for event in batch {
                ensure!(floor::parse(event), "not JSON");
            }
            Ok(())
        }),
        each("floor", "borrowed tree: parse and write", |event, out| {
            ensure!(floor::parse_and_write(event, out), "not JSON");
            Ok(())
        }),
        native("native", "native mapping, default options", "{}")?,
        native(
            "native-reference",
            "native mapping without extensions",
            WITHOUT_EXTENSIONS,
        )?,
        component(
            "component",
            "component with memory limit, deadline and output limit, default options",
            module,
            "{}",
        )?,
        component(
            "component-reference",
            "the same component without extensions",
            module,
            WITHOUT_EXTENSIONS,
        )?,
        Contestant::new("value-parse", "`serde_json::Value`: parse", |batch| {
            for event in batch {
                black_box(serde_json::from_slice::<serde_json::Value>(event)?);
            }
            Ok(())
        }),
        each(
            "value-floor",
            "`serde_json::Value`: parse and write",
            |event, out| {
                let value: serde_json::Value = serde_json::from_slice(event)?;
                serde_json::to_writer(out, &value).context("a value is always writable")
            },
        ),
        each(
            "value",
            "`serde_json::Value`: the general part of the mapping",
            value::map,
        ),
        vrl()?,
    ])
}

/// One that writes the documents of a batch into one buffer.
fn each(
    name: &'static str,
    what: &'static str,
    mut map: impl FnMut(&[u8], &mut Vec<u8>) -> Result<()> + 'static,
) -> Contestant {
    let mut out = Vec::new();
    Contestant::new(name, what, move |batch| {
        out.clear();
        for event in batch {
            map(event, &mut out)?;
        }
        black_box(&out);
        Ok(())
    })
}

/// The mapping as a library.
pub fn native(name: &'static str, what: &'static str, options: &str) -> Result<Contestant> {
    let mapper = Mapper::configure(options)?;
    let context = Context::default();
    Ok(each(name, what, move |event, out| {
        ensure!(mapper.map(&context, event, out) == Outcome::Emit, "not mapped");
        Ok(())
    }))
}

/// A component as the host runs it: memory limit, deadline and output limit on.
#[derive(Debug)]
pub struct Component {
    runner: Runner,
    // The engine's clock, which the deadline needs, ticks as long as the module lives.
    _module: Module,
}

impl Component {
    /// Compiles and starts one: a path, or `builtin:ecs`.
    pub fn start(name: &str, options: &str) -> Result<Self> {
        let engine = Arc::new(WasmEngine::new(None)?);
        let limits = Limits::default();
        let module = Module::load(&engine, name, Path::new("."), limits, options.to_owned())?;
        Ok(Self {
            runner: Runner::start(&module)?,
            _module: module,
        })
    }

    /// Maps a batch; `answer` gets each document, or nothing for an event that has none.
    pub fn map(&mut self, batch: &Batch<'_>, answer: impl FnMut(Option<Vec<u8>>)) -> Result<()> {
        Ok(self.runner.map(batch, answer)?)
    }
}

fn component(name: &'static str, what: &'static str, module: &str, options: &str) -> Result<Contestant> {
    let mut component = Component::start(module, options)?;
    Ok(Contestant::new(name, what, move |batch| {
        let mut mapped = 0;
        component.map(batch, |document| {
            mapped += usize::from(black_box(document).is_some());
        })?;
        ensure!(mapped == batch.len(), "not mapped");
        Ok(())
    }))
}

fn vrl() -> Result<Contestant> {
    let mut vrl = Vrl::compile()?;
    Ok(each(
        "vrl",
        "the same mapping without extensions in VRL",
        move |event, out| vrl.map(event, out),
    ))
}

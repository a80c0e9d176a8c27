//! `cargo xtask wasm --train`: finds out which branches the mapping takes, so that the compiler lays out its code for them.
//!
//! The module is compiled to count its branches, maps the events of the simulator, and hands out its counters
//! (`transform-wasm/src/counters.rs`). What LLVM makes of them is committed, since every build of the component needs it.

use anyhow::Result;

use super::build::{self, Purpose};
use super::toolchain::Toolchain;
use super::{Places, component, write};
use crate::workspace;

/// Writes the profile anew. Compiles the host, which maps the events.
pub(crate) fn train(places: &Places, toolchain: &Toolchain, clean: bool) -> Result<()> {
    let mut merger = toolchain.merger(places)?;
    let core = build::core_module(places, toolchain, Purpose::Count, clean)?;
    let counted = places.build.join("counted.wasm");
    write(&counted, &component::from_core(&core)?)?;
    let counts = counted.with_extension("profraw");
    let mut map = workspace::cargo();
    map.current_dir(&places.root)
        .args([
            "run",
            "--locked",
            "--release",
            "--package",
            "o365-bench",
            "--",
            "train",
        ])
        .args([&counted, &counts]);
    workspace::run(&mut map)?;
    merger
        .arg("merge")
        .arg("--output")
        .arg(&places.profile)
        .arg(&counts);
    workspace::run(&mut merger)
}

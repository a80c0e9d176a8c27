//! `cargo xtask bench --scale`: the whole program, as released, in processes of its own: how much it does, what of the machine it
//! takes for that, and how soon it begins.

mod end_to_end;
mod idle;
mod process;
mod start;
mod transform;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::page::{self, SCALE};
use crate::workspace;

/// What is measured with, and where.
struct Bench {
    /// The program.
    host: PathBuf,
    /// The program that makes corpora.
    corpora: PathBuf,
    /// Real events, if there are any.
    real: Option<PathBuf>,
    /// Made anew for each run.
    dir: PathBuf,
}

impl Bench {
    /// An empty folder.
    fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }
}

/// Measures and writes its part of the page. `full` takes ten million events and five thousand tenants, about half an hour.
pub(super) fn run(root: &Path, full: bool) -> Result<()> {
    let corpora = super::build(root, "o365-bench")?;
    let host = super::build(root, "o365-host")?;
    let dir = host.with_file_name("scale");
    let real = root.join("../shared/corpus/audit-real.ndjson.gz");
    let bench = Bench {
        real: real.exists().then_some(real),
        host,
        corpora,
        dir,
    };
    let mut text = format!("{}.\n", page::machine());
    let parts: [&dyn Fn() -> Result<String>; 4] = [
        &|| transform::measure(&bench),
        &|| end_to_end::measure(&bench, full),
        &|| start::measure(&bench),
        &|| idle::measure(&bench, full),
    ];
    for part in parts {
        let found = part()?;
        // All of it takes long, and may be interrupted.
        println!("{found}");
        text += &found;
    }
    page::write(root, &SCALE, &text)?;
    std::fs::remove_dir_all(&bench.dir).context("the folder of the measurement cannot be removed")
}

/// Copies a folder with all in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.exists() {
        workspace::run(std::process::Command::new("cp").arg("-r").arg(from).arg(to))?;
    }
    Ok(())
}

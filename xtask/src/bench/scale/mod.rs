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

/// What is measured apart, and is a part of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Part {
    Workers,
    EndToEnd,
    Start,
    Idle,
}

impl Part {
    const ALL: [Self; 4] = [Self::Workers, Self::EndToEnd, Self::Start, Self::Idle];

    fn heading(self) -> &'static str {
        match self {
            Self::Workers => "Workers",
            Self::EndToEnd => "End to end",
            Self::Start => "Start",
            Self::Idle => "Idle tenants",
        }
    }

    fn measure(self, bench: &Bench, full: bool) -> Result<String> {
        match self {
            Self::Workers => transform::measure(bench),
            Self::EndToEnd => end_to_end::measure(bench, full),
            Self::Start => start::measure(bench),
            Self::Idle => idle::measure(bench, full),
        }
    }
}

/// Measures these parts, or all, and writes each as soon as it is known: all of it takes long, and may be interrupted. `full`
/// takes ten million events and five thousand tenants, too.
pub(super) fn run(root: &Path, full: bool, parts: &[Part]) -> Result<()> {
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
    let parts = if parts.is_empty() { &Part::ALL } else { parts };
    for part in parts {
        let found = format!("{}. {}", page::machine(), part.measure(&bench, full)?);
        println!("{found}");
        page::write_part(root, &SCALE, part.heading(), &found)?;
    }
    std::fs::remove_dir_all(&bench.dir).context("the folder of the measurement cannot be removed")
}

/// Copies a folder with all in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.exists() {
        workspace::run(std::process::Command::new("cp").arg("-r").arg(from).arg(to))?;
    }
    Ok(())
}

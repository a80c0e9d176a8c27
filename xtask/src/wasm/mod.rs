//! `cargo xtask wasm`: builds the component that the host embeds, and proves that the committed one is what the
//! source builds.
//!
//! The same source, compiler, cargo and linker give the same bytes wherever the checkout lies. Another compiler
//! gives other bytes, so the record beside the component names the tools that made it; bytes are compared only
//! with the same tools, and otherwise the source is compared by digest and the behaviour by the tests.

mod apt;
mod build;
mod component;
mod debian;
mod provenance;
mod source;
mod toolchain;
mod train;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::workspace;
use build::Purpose;
use provenance::{Provenance, sha256};
use toolchain::Toolchain;

/// What every message about a stale component ends with.
const REPAIR: &str = "repair it with: cargo xtask wasm";

/// Build the WASM component that the host embeds, or check the committed one.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a command line")]
pub(crate) struct Options {
    /// Build, compare with the committed component, and change nothing.
    #[arg(long)]
    check: bool,
    /// Only compare digests with the record: fast, and needs no toolchain.
    #[arg(long, conflicts_with_all = ["check", "toolchain", "clean"])]
    digest: bool,
    /// Which compiler: the active one, if it has the wasm target, else Debian's.
    #[arg(long, value_enum, default_value_t)]
    toolchain: Choice,
    /// Compile the dependencies anew too.
    #[arg(long)]
    clean: bool,
    /// First find out anew which branches the mapping takes: after larger changes, for the fastest code.
    #[arg(long, conflicts_with_all = ["check", "digest"])]
    train: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Choice {
    /// The active one if it has the wasm target, else Debian's.
    #[default]
    Auto,
    /// The active one, which needs `rustup target add wasm32-unknown-unknown`.
    Rustup,
    /// Debian's, downloaded with apt into `target/wasm-toolchain`; it compiles its own standard library.
    Debian,
}

/// Where things lie, all below the workspace's root.
#[derive(Debug)]
struct Places {
    root: PathBuf,
    /// The committed component.
    component: PathBuf,
    /// The committed profile: which branches the mapping takes, and how often.
    profile: PathBuf,
    /// The committed record of how it was made.
    record: PathBuf,
    /// The component of the last build, for `--check` and for tests.
    built: PathBuf,
    /// Debian's compiler.
    toolchains: PathBuf,
    /// Cargo's target directories.
    build: PathBuf,
}

impl Places {
    /// `target/` is meant literally, whatever `CARGO_TARGET_DIR` says: cargo's hashes of packages that lie
    /// outside the workspace depend on the absolute path, and with them the bytes.
    fn new(root: &Path) -> Self {
        let folder = root.join("transform-wasm/component");
        let build = root.join("target/wasm-build");
        Self {
            root: root.to_owned(),
            component: folder.join("o365_ecs.wasm"),
            profile: root.join(source::PROFILE),
            record: folder.join("o365_ecs.toml"),
            built: build.join("o365_ecs.wasm"),
            toolchains: root.join("target/wasm-toolchain"),
            build,
        }
    }
}

/// `cargo xtask wasm`.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let places = Places::new(root);
    if options.digest {
        println!("{}", source::digest(root)?);
        return committed_matches_source(&places);
    }
    if options.check {
        // The cheap answer first.
        committed_matches_source(&places)?;
    }
    let toolchain = Toolchain::find(&places, options.toolchain)?;
    println!("compiler: {}", toolchain.describe());
    let code = source::digest_of_code(root)?;
    let trained = if options.train {
        train::train(&places, &toolchain, options.clean)?;
        code.clone()
    } else {
        trained_before(&places.record)
    };
    if trained != code {
        println!("the profile was made of other sources; code for these: cargo xtask wasm --train");
    }
    let digest = source::digest(root)?;
    let core = build::core_module(&places, &toolchain, Purpose::Ship, options.clean)?;
    if source::digest(root)? != digest {
        bail!("the sources changed while they were compiled; try again");
    }
    let component = component::from_core(&core)?;
    component::check_world(&component)?;
    let made = Provenance::new(&component, &core, digest, trained, toolchain.identity.clone());
    write(&places.built, &component)?;
    println!(
        "component: {} bytes, sha256 {}",
        made.component_bytes, made.sha256
    );
    if options.check {
        compare(&places, &made, &component)
    } else {
        commit(&places, &made, &component)
    }
}

/// What the profile was made of. Empty if the record does not tell: to write it anew is what this step is for.
fn trained_before(record: &Path) -> String {
    Provenance::read(record).map_or_else(|_| String::new(), |record| record.trained)
}

fn commit(places: &Places, made: &Provenance, component: &[u8]) -> Result<()> {
    let unchanged = std::fs::read(&places.component).is_ok_and(|committed| committed == component);
    write(&places.component, component)?;
    write(&places.record, made.to_text()?.as_bytes())?;
    let state = if unchanged { "unchanged" } else { "written" };
    println!("{}: {state}", shown(places, &places.component));
    println!("{}: written", shown(places, &places.record));
    Ok(())
}

/// The committed component against the one just built.
fn compare(places: &Places, made: &Provenance, component: &[u8]) -> Result<()> {
    let record = Provenance::read(&places.record)?;
    let committed = shown(places, &places.component);
    if record.tools == made.tools {
        if workspace::read_bytes(&places.component)? != component {
            bail!("{committed} is stale: the same compiler builds other bytes from this source; {REPAIR}");
        }
        println!("{committed} is what the source builds, byte for byte");
        return Ok(());
    }
    println!("{committed} was made by {}", record.tools);
    println!("  this build was made by {}", made.tools);
    println!("  bytes can't be compared across compilers; the source digest is the recorded one");
    println!("  compare the behaviour over all fixtures with:");
    println!(
        "    O365_COMPONENT='{}' cargo test -p o365-host --test end_to_end component",
        places.built.display()
    );
    Ok(())
}

/// The committed component is the recorded one, and the record is of this source. Needs no compiler.
fn committed_matches_source(places: &Places) -> Result<()> {
    let record = Provenance::read(&places.record)?;
    let committed = shown(places, &places.component);
    if sha256(&workspace::read_bytes(&places.component)?) != record.sha256 {
        bail!("{committed} is not the component that its record describes; {REPAIR}");
    }
    if source::digest(&places.root)? != record.source {
        bail!("{committed} is stale: its sources have changed since it was built; {REPAIR}");
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().context("a file has a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be created", folder.display()))?;
    std::fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}

fn shown(places: &Places, path: &Path) -> String {
    path.strip_prefix(&places.root)
        .unwrap_or(path)
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_missing_can_be_repaired() {
        assert_eq!(trained_before(Path::new("/nowhere/o365_ecs.toml")), "");
    }

    #[test]
    fn committed_component_is_what_the_source_builds() {
        let places = Places::new(&workspace::root().unwrap());
        if let Err(error) = committed_matches_source(&places) {
            panic!("{error:#}");
        }
        component::check_world(&workspace::read_bytes(&places.component).unwrap()).unwrap();
    }
}

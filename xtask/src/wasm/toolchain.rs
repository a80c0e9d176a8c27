//! Which compiler builds the component, and what has to be told to cargo for it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::provenance::Tools;
use super::source::Lock;
use super::{Choice, Places, debian};
use crate::workspace;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// What a person can always do.
pub(crate) const ADVICE: &str = "with rustup and the internet: rustup target add wasm32-unknown-unknown";

/// Who distributes the compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The active toolchain, with a standard library for wasm.
    Active,
    /// Debian's packages, with the standard library compiled from source.
    Debian,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active toolchain",
            Self::Debian => "Debian",
        })
    }
}

/// A compiler that can build for wasm here.
#[derive(Debug)]
pub(crate) struct Toolchain {
    pub(crate) identity: Tools,
    /// `rustc --print sysroot`.
    pub(crate) sysroot: PathBuf,
    /// `None`: whatever cargo takes.
    debian: Option<debian::Paths>,
}

impl Toolchain {
    pub(crate) fn find(places: &Places, choice: Choice) -> Result<Self> {
        let sysroot = active_sysroot()?;
        let has_target = sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir();
        match choice {
            Choice::Rustup | Choice::Auto if has_target => Self::active(places, sysroot),
            Choice::Rustup => bail!("the active toolchain has no {TARGET}; {ADVICE}"),
            Choice::Auto => {
                println!("the active toolchain has no {TARGET}: taking Debian's");
                Self::debian(places)
            }
            Choice::Debian => Self::debian(places),
        }
    }

    fn active(places: &Places, sysroot: PathBuf) -> Result<Self> {
        let identity = identify(places, Kind::Active, &mut active_rustc(), "rust-lld")?;
        Ok(Self {
            identity,
            sysroot,
            debian: None,
        })
    }

    fn debian(places: &Places) -> Result<Self> {
        let paths = debian::set_up(places).with_context(|| {
            format!("the active toolchain has no {TARGET} ({ADVICE}), and Debian's compiler cannot be set up")
        })?;
        let linker = workspace::stdout_of(paths.environment(Command::new(&paths.linker)).arg("--version"))?;
        let linker = linker.lines().next().unwrap_or_default().to_owned();
        let identity = identify(
            places,
            Kind::Debian,
            &mut paths.environment(Command::new(&paths.rustc)),
            &linker,
        )?;
        Ok(Self {
            identity,
            sysroot: paths.sysroot.clone(),
            debian: Some(paths),
        })
    }

    pub(crate) fn describe(&self) -> String {
        self.identity.to_string()
    }

    /// A cargo that uses this compiler.
    pub(crate) fn cargo(&self) -> Command {
        let cargo = workspace::cargo();
        let Some(debian) = &self.debian else {
            return cargo;
        };
        let mut cargo = debian.environment(cargo);
        cargo
            .env("RUSTC", &debian.rustc)
            // `-Z build-std` on a stable compiler.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", &debian.linker);
        cargo
    }

    /// The program that merges profiles (`llvm-profdata`).
    pub(crate) fn merger(&self, places: &Places) -> Result<Command> {
        let tools = &self.identity;
        if let Some(debian) = &self.debian {
            return debian.merger(places, &tools.llvm);
        }
        let program = self
            .sysroot
            .join("lib/rustlib")
            .join(&tools.host)
            .join("bin/llvm-profdata");
        ensure!(
            program.is_file(),
            "the active toolchain has no llvm-profdata; with rustup: rustup component add llvm-tools"
        );
        Ok(Command::new(program))
    }

    /// What follows `cargo rustc`.
    pub(crate) fn cargo_arguments(&self) -> &'static [&'static str] {
        if self.debian.is_some() {
            &["-Zbuild-std=std,panic_abort"]
        } else {
            &[]
        }
    }
}

fn active_rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

fn active_sysroot() -> Result<PathBuf> {
    let sysroot = workspace::stdout_of(active_rustc().args(["--print", "sysroot"]))?;
    Ok(Path::new(sysroot.trim()).to_owned())
}

fn identify(places: &Places, toolchain: Kind, rustc: &mut Command, linker: &str) -> Result<Tools> {
    let rustc = workspace::stdout_of(rustc.arg("-vV"))?;
    let cargo = workspace::stdout_of(workspace::cargo().arg("-vV"))?;
    Ok(Tools {
        toolchain,
        rustc: field(&rustc, "release")?,
        rustc_commit: field(&rustc, "commit-hash")?,
        llvm: field(&rustc, "LLVM version")?,
        host: field(&rustc, "host")?,
        cargo: field(&cargo, "release")?,
        linker: linker.to_owned(),
        wit_component: Lock::read(&places.root)?
            .version_used_by("xtask", "wit-component")?
            .to_owned(),
    })
}

/// A line `name: value` of `-vV`.
fn field(version: &str, name: &str) -> Result<String> {
    version
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .map(str::to_owned)
        .with_context(|| format!("no `{name}` in the version: {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_verbose_version() {
        let version = "rustc 1.96.0 (ac68faa20 2026-05-25)\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        assert_eq!(field(version, "release").unwrap(), "1.96.0");
        assert_eq!(field(version, "LLVM version").unwrap(), "22.1.8");
        field(version, "commit-hash").unwrap_err();
    }
}

//! Debian's compiler in a folder of our own: for machines whose toolchain has no wasm target and cannot fetch one.
//!
//! Debian has no precompiled standard library for `wasm32-unknown-unknown` beside its newest compiler, but it has
//! the library's source and everything that it needs, so cargo compiles it. The packages are unpacked below `target/`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::Places;
use super::apt::{self, Apt, entries, is_installed};
use crate::workspace;

/// The packages of one compiler: Debian keeps a newer one beside its own, for browsers.
#[derive(Debug)]
struct Family {
    compiler: &'static str,
    library: &'static str,
    library_source: &'static str,
}

const FAMILIES: [Family; 2] = [
    Family {
        compiler: "rustc-web",
        library: "libstd-rust-web-dev",
        library_source: "rust-web-src",
    },
    Family {
        compiler: "rustc",
        library: "libstd-rust-dev",
        library_source: "rust-src",
    },
];

/// What is used of the unpacked packages.
#[derive(Debug)]
pub(crate) struct Paths {
    pub(crate) sysroot: PathBuf,
    pub(crate) rustc: PathBuf,
    pub(crate) linker: PathBuf,
    /// The compiler's own shared libraries.
    libraries: OsString,
}

impl Paths {
    fn inside(root: &Path) -> Result<Self> {
        let usr = root.join("usr");
        Ok(Self {
            rustc: usr.join("bin/rustc"),
            linker: only_entry(&usr.join("bin"), "wasm-ld")?,
            libraries: libraries(&usr.join("lib"))?,
            sysroot: usr,
        })
    }

    /// A program that finds the compiler's shared libraries.
    pub(crate) fn environment(&self, mut program: Command) -> Command {
        program.env("LD_LIBRARY_PATH", &self.libraries);
        program
    }

    /// The program that merges profiles, of the compiler's own LLVM. Only training needs it.
    pub(crate) fn merger(&self, places: &Places, llvm: &str) -> Result<Command> {
        let major = llvm.split('.').next().unwrap_or_default();
        let folder = places.toolchains.join(format!("debian-llvm-{major}"));
        apt::unpacked(&folder, |_| Ok(vec![format!("llvm-{major}")]))?;
        let program = folder.join(format!("usr/lib/llvm-{major}/bin/llvm-profdata"));
        Ok(self.environment(Command::new(program)))
    }

    /// Whether all shared libraries are there, and compiler and library source belong together.
    fn check(&self) -> Result<()> {
        for program in [&self.rustc, &self.linker] {
            workspace::stdout_of(self.environment(Command::new(program)).arg("--version"))?;
        }
        let source = self.sysroot.join("lib/rustlib/src/rust/library/Cargo.lock");
        ensure!(source.is_file(), "{} is missing", source.display());
        Ok(())
    }
}

/// The compiler of an earlier run, or else a new one.
pub(crate) fn set_up(places: &Places) -> Result<Paths> {
    let root = places.toolchains.join("debian");
    let oldest = oldest_compiler(&places.root)?;
    apt::unpacked(&root, |apt| compiler(apt, &oldest))?;
    let paths = Paths::inside(&root)?;
    paths.check().with_context(|| {
        format!(
            "{0} is incomplete; remove it and try again: rm -r {0}",
            root.display()
        )
    })?;
    Ok(paths)
}

/// `rust-version` of the workspace.
fn oldest_compiler(root: &Path) -> Result<String> {
    let manifest: toml::Table = workspace::read_text(&root.join("Cargo.toml"))?.parse()?;
    let version = manifest
        .get("workspace")
        .and_then(|table| table.get("package")?.get("rust-version")?.as_str());
    Ok(version.context("the workspace has no rust-version")?.to_owned())
}

/// The names of all packages that are needed and not installed.
fn compiler(apt: &Apt, oldest: &str) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    for family in &FAMILIES {
        let Some(version) = apt.candidate(family.compiler)? else {
            continue;
        };
        if is_at_least(&version, oldest) {
            return packages(apt, family);
        }
        seen.push(format!("{} {version}", family.compiler));
    }
    let seen = if seen.is_empty() {
        "none".to_owned()
    } else {
        seen.join(", ")
    };
    bail!("no compiler of {oldest} or later (there is: {seen})")
}

fn packages(apt: &Apt, family: &Family) -> Result<Vec<String>> {
    let mut packages: BTreeSet<String> = [family.compiler, family.library, family.library_source]
        .map(str::to_owned)
        .into();
    let mut llvm = None;
    for dependency in apt.dependencies(family.library)? {
        // `libstd-rust-web-1.96`: the compiler itself, as a shared library.
        if dependency.starts_with("libstd-rust") {
            llvm = apt
                .dependencies(&dependency)?
                .into_iter()
                .find(|name| name.starts_with("libllvm"));
            packages.insert(dependency);
        }
    }
    let llvm = llvm.with_context(|| format!("{} names no LLVM", family.library))?;
    let version = llvm.trim_start_matches("libllvm");
    let linker = format!("lld-{version}");
    ensure!(apt.candidate(&linker)?.is_some(), "there is no {linker}");
    for package in [linker, llvm] {
        let missing = apt
            .dependencies(&package)?
            .into_iter()
            .filter(|name| !is_installed(name));
        packages.extend(missing);
        packages.insert(package);
    }
    Ok(packages.into_iter().collect())
}

/// `1.96.0+dfsg1-1~deb12u2` against `1.95`, by the first two numbers.
fn is_at_least(version: &str, oldest: &str) -> bool {
    let numbers = |version: &str| {
        let mut parts = version
            .split(|c: char| !c.is_ascii_digit())
            .map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    };
    numbers(version) >= numbers(oldest)
}

/// `wasm-ld-22` for the prefix `wasm-ld`: the version is in the name.
fn only_entry(folder: &Path, prefix: &str) -> Result<PathBuf> {
    entries(folder)?
        .into_iter()
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
        })
        .with_context(|| format!("{} has no {prefix}", folder.display()))
}

/// The folders of shared libraries, `lib` itself and the one named after the machine (`lib/x86_64-linux-gnu`).
fn libraries(lib: &Path) -> Result<OsString> {
    let mut folders = entries(lib)?;
    folders.retain(|path| path.to_string_lossy().ends_with("-linux-gnu"));
    folders.push(lib.to_owned());
    std::env::join_paths(folders).context("a path contains a colon")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_versions_by_number() {
        assert!(is_at_least("1.96.0+dfsg1-1~deb12u2", "1.95"));
        assert!(is_at_least("1.100.0", "1.95"));
        assert!(!is_at_least("1.85.0+dfsg3-1", "1.95"));
        assert!(!is_at_least("1.63.0+dfsg1-2", "1.95"));
    }
}

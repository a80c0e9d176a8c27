//! Debian's compiler in a folder of our own: for machines whose toolchain has no wasm target and cannot fetch one.
//!
//! Debian has no precompiled standard library for `wasm32-unknown-unknown` beside its newest compiler, but it has
//! the library's source and everything that it needs, so cargo compiles it. The packages are downloaded with apt,
//! which checks their signatures, and unpacked below `target/`; nothing is installed and nothing asks for root.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use super::Places;
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
    if !root.is_dir() {
        let partial = places.toolchains.join("debian.partial");
        download_and_unpack(&places.root, &partial)?;
        std::fs::rename(&partial, &root)
            .with_context(|| format!("{} cannot be renamed", partial.display()))?;
    }
    let paths = Paths::inside(&root)?;
    paths.check().with_context(|| {
        format!(
            "{0} is incomplete; remove it and try again: rm -r {0}",
            root.display()
        )
    })?;
    Ok(paths)
}

fn download_and_unpack(workspace_root: &Path, partial: &Path) -> Result<()> {
    for tool in ["apt-get", "apt-cache", "dpkg-query", "dpkg-deb", "tar"] {
        ensure!(is_on_path(tool), "this is not Debian: there is no `{tool}`");
    }
    if partial.exists() {
        std::fs::remove_dir_all(partial)
            .with_context(|| format!("{} cannot be removed", partial.display()))?;
    }
    let archives = partial.join("archives");
    std::fs::create_dir_all(&archives)
        .with_context(|| format!("{} cannot be created", archives.display()))?;

    let oldest = oldest_compiler(workspace_root)?;
    let mut apt = Apt { options: Vec::new() };
    if let Err(stale) = fetch(&apt, &oldest, &archives) {
        println!("apt's lists do not do ({stale:#}): updating a copy of them");
        apt = Apt::updated(&partial.join("apt"))?;
        fetch(&apt, &oldest, &archives)?;
    }
    for archive in entries(&archives)? {
        println!(
            "unpacking {}",
            archive.file_name().unwrap_or_default().to_string_lossy()
        );
        unpack(&archive, partial)?;
    }
    std::fs::remove_dir_all(&archives).context("the downloaded packages cannot be removed")?;
    Ok(())
}

fn fetch(apt: &Apt, oldest: &str, archives: &Path) -> Result<()> {
    let packages = apt.choose(oldest)?;
    println!("downloading from Debian: {}", packages.join(" "));
    let mut download = apt.command("apt-get");
    download
        .args(["-qq", "download"])
        .args(&packages)
        .current_dir(archives);
    workspace::stdout_of(&mut download).map(drop)
}

/// Only what cargo reads: the whole source package is ten times as large.
fn unpack(archive: &Path, root: &Path) -> Result<()> {
    let mut reader = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(archive)
        .stdout(Stdio::piped())
        .spawn()
        .context("`dpkg-deb` cannot be started")?;
    let stream = reader.stdout.take().context("`dpkg-deb` has no output")?;
    let mut writer = Command::new("tar");
    writer
        .args(["-x", "--anchored", "--wildcards", "--no-wildcards-match-slash"])
        .args([
            "--exclude=./usr/share",
            "--exclude=./usr/src/*/compiler",
            "--exclude=./usr/src/*/src",
        ])
        .arg("-C")
        .arg(root)
        .stdin(stream);
    workspace::run(&mut writer)?;
    let status = reader.wait().context("`dpkg-deb` is lost")?;
    ensure!(
        status.success(),
        "{} cannot be unpacked ({status})",
        archive.display()
    );
    Ok(())
}

/// `rust-version` of the workspace.
fn oldest_compiler(root: &Path) -> Result<String> {
    let manifest: toml::Table = workspace::read_text(&root.join("Cargo.toml"))?.parse()?;
    let version = manifest
        .get("workspace")
        .and_then(|table| table.get("package")?.get("rust-version")?.as_str());
    Ok(version.context("the workspace has no rust-version")?.to_owned())
}

/// apt, with the system's lists or with our own.
#[derive(Debug)]
struct Apt {
    options: Vec<OsString>,
}

impl Apt {
    /// Lists of today in a folder of ours, for which nobody has to be root.
    fn updated(folder: &Path) -> Result<Self> {
        let (lists, cache) = (folder.join("lists"), folder.join("cache"));
        for part in [&lists, &cache] {
            std::fs::create_dir_all(part.join("partial"))
                .with_context(|| format!("{} cannot be created", part.display()))?;
        }
        let option = |name: &str, value: &Path| {
            let mut option = OsString::from(format!("-o{name}="));
            option.push(value);
            option
        };
        let apt = Self {
            options: vec![
                option("Dir::State::Lists", &lists),
                option("Dir::Cache", &cache),
                // The folder of a person is not for apt's own user.
                OsString::from("-oAPT::Sandbox::User=root"),
            ],
        };
        workspace::stdout_of(apt.command("apt-get").args(["-qq", "update"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(&self.options).env("LC_ALL", "C");
        command
    }

    /// The names of all packages that are needed and not installed.
    fn choose(&self, oldest: &str) -> Result<Vec<String>> {
        let mut seen = Vec::new();
        for family in &FAMILIES {
            let Some(version) = self.candidate(family.compiler)? else {
                continue;
            };
            if is_at_least(&version, oldest) {
                return self.packages(family);
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

    fn packages(&self, family: &Family) -> Result<Vec<String>> {
        let mut packages: BTreeSet<String> = [family.compiler, family.library, family.library_source]
            .map(str::to_owned)
            .into();
        let mut llvm = None;
        for dependency in self.dependencies(family.library)? {
            // `libstd-rust-web-1.96`: the compiler itself, as a shared library.
            if dependency.starts_with("libstd-rust") {
                llvm = self
                    .dependencies(&dependency)?
                    .into_iter()
                    .find(|name| name.starts_with("libllvm"));
                packages.insert(dependency);
            }
        }
        let llvm = llvm.with_context(|| format!("{} names no LLVM", family.library))?;
        let version = llvm.trim_start_matches("libllvm");
        let linker = format!("lld-{version}");
        ensure!(self.candidate(&linker)?.is_some(), "there is no {linker}");
        for package in [linker, llvm] {
            let missing = self
                .dependencies(&package)?
                .into_iter()
                .filter(|name| !is_installed(name));
            packages.extend(missing);
            packages.insert(package);
        }
        Ok(packages.into_iter().collect())
    }

    /// The version that would be installed.
    fn candidate(&self, package: &str) -> Result<Option<String>> {
        let policy = workspace::stdout_of(self.command("apt-cache").args(["policy", package]))?;
        let version = policy
            .lines()
            .find_map(|line| line.trim().strip_prefix("Candidate: "));
        Ok(version.filter(|version| *version != "(none)").map(str::to_owned))
    }

    /// The names that a package depends on; of alternatives the first.
    fn dependencies(&self, package: &str) -> Result<Vec<String>> {
        let shown =
            workspace::stdout_of(
                self.command("apt-cache")
                    .args(["show", "--no-all-versions", package]),
            )?;
        let line = shown
            .lines()
            .find_map(|line| line.strip_prefix("Depends: "))
            .unwrap_or_default();
        Ok(names(line).map(str::to_owned).collect())
    }
}

/// `libc6 (>= 2.34), gcc | clang` as `libc6`, `gcc`.
fn names(depends: &str) -> impl Iterator<Item = &str> {
    depends
        .split(',')
        .filter_map(|one| one.split(['(', '|', ':', ' ']).find(|word| !word.is_empty()))
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

fn is_installed(package: &str) -> bool {
    workspace::stdout_of(Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}\n", package]))
        .is_ok_and(|status| status.lines().any(|line| line == "installed"))
}

fn is_on_path(tool: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(tool).is_file()))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths = read
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .with_context(|| format!("{} cannot be read", folder.display()))?;
    paths.sort();
    Ok(paths)
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
    fn reads_the_names_of_dependencies() {
        let line = "libc6 (>= 2.34), gcc | clang, libllvm22 (= 1:22.1.8-1~deb12u1), python3:any";
        assert_eq!(
            names(line).collect::<Vec<_>>(),
            ["libc6", "gcc", "libllvm22", "python3"]
        );
        assert_eq!(names("").count(), 0);
    }

    #[test]
    fn compares_versions_by_number() {
        assert!(is_at_least("1.96.0+dfsg1-1~deb12u2", "1.95"));
        assert!(is_at_least("1.100.0", "1.95"));
        assert!(!is_at_least("1.85.0+dfsg3-1", "1.95"));
        assert!(!is_at_least("1.63.0+dfsg1-2", "1.95"));
    }
}

//! Compiles the mapping to a core module, in a way that leaves no trace of the machine in it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::toolchain::{TARGET, Toolchain};
use super::{Places, source};
use crate::workspace;

const PROFILE: &str = "wasm";
const PACKAGE: &str = "o365-ecs";
const CRATE: &str = "o365_ecs";

/// Settings of the user that would change the code.
const FOREIGN_SETTINGS: [&str; 5] = [
    "RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
];

/// Only branches are counted: counting values, such as the lengths of copies, needs LLVM's runtime.
const NO_VALUES: &str = "-Cllvm-args=-disable-vp=true";

/// What a module is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To map, as fast as the committed profile lets it.
    Ship,
    /// To count its own branches, for the next profile.
    Count,
}

impl Purpose {
    /// Flags of the compiler, which take part in the code.
    fn rustflags(self, places: &Places) -> Result<Vec<String>> {
        match self {
            Self::Ship => {
                let profile = places.profile.to_str().context("a path is not UTF-8")?;
                Ok(vec![
                    format!("-Cprofile-use={profile}"),
                    NO_VALUES.to_owned(),
                    // Functions that have changed since are compiled as if nothing were known of them.
                    "-Cllvm-args=-no-pgo-warn-mismatch".to_owned(),
                ])
            }
            Self::Count => Ok(vec![
                "-Cprofile-generate".to_owned(),
                // There is no file system to write to: `transform-wasm/src/counters.rs` hands the counters out.
                "-Zno-profiler-runtime".to_owned(),
                NO_VALUES.to_owned(),
                "--cfg=o365_counted".to_owned(),
            ]),
        }
    }
}

/// The core module of the mapping.
///
/// Dependencies are compiled once for each compiler and purpose, unless `clean`; our own crate always.
pub(crate) fn core_module(
    places: &Places,
    toolchain: &Toolchain,
    purpose: Purpose,
    clean: bool,
) -> Result<Vec<u8>> {
    let tools = &toolchain.identity;
    let commit = tools.rustc_commit.get(..9).unwrap_or(&tools.rustc_commit);
    let counted = if purpose == Purpose::Count { "-counted" } else { "" };
    let target_dir = places.build.join(format!("{}-{commit}{counted}", tools.rustc));
    if clean && target_dir.exists() {
        std::fs::remove_dir_all(&target_dir)
            .with_context(|| format!("{} cannot be removed", target_dir.display()))?;
    }
    let output = target_dir.join(TARGET).join(PROFILE);
    forget_our_crate(&output)?;

    println!("building {PACKAGE} for {TARGET} in {}", target_dir.display());
    let mut cargo = toolchain.cargo();
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"CARGO_PROFILE_") {
            cargo.env_remove(name);
        }
    }
    for name in FOREIGN_SETTINGS {
        cargo.env_remove(name);
    }
    let mut rustflags = rustflags(places, toolchain)?;
    rustflags.extend(purpose.rustflags(places)?);
    cargo
        .current_dir(&places.root)
        .env("CARGO_TARGET_DIR", &target_dir)
        // Takes precedence over every other place for flags, and allows spaces in paths.
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags.join("\u{1f}"))
        .env("CARGO_INCREMENTAL", "0")
        .env("RUSTC_WRAPPER", "")
        .env("SOURCE_DATE_EPOCH", "0")
        .args([
            "rustc",
            "--locked",
            "--package",
            PACKAGE,
            "--lib",
            "--crate-type",
            "cdylib",
        ])
        .args(["--profile", PROFILE, "--target", TARGET])
        .args(toolchain.cargo_arguments());
    if purpose == Purpose::Count {
        // One of its flags is not stable.
        cargo.env("RUSTC_BOOTSTRAP", "1");
    }
    workspace::run(&mut cargo)?;

    let module = output.join(CRATE).with_extension("wasm");
    all_inputs_are_digested(places, &module.with_extension("d"))?;
    let module = workspace::read_bytes(&module)?;
    no_path_inside(places, &module)?;
    Ok(module)
}

/// Cargo goes by modification times, which a checkout or a copy may set to anything.
fn forget_our_crate(output: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(output.join(".fingerprint")) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry.context("a fingerprint cannot be read")?;
        if entry.file_name().to_string_lossy().starts_with(PACKAGE) {
            std::fs::remove_dir_all(entry.path()).context("a fingerprint cannot be removed")?;
        }
    }
    Ok(())
}

/// Every path that a compiler may write into the module, replaced by a fixed one. The last fitting rule wins, so the
/// more special ones come later.
fn rustflags(places: &Places, toolchain: &Toolchain) -> Result<Vec<String>> {
    let commit = format!("/rustc/{}", toolchain.identity.rustc_commit);
    let library_source = Path::new("lib/rustlib/src/rust");
    let sysroot = &toolchain.sysroot;
    let mut rules = vec![
        (places.root.clone(), "/o365"),
        (cargo_home()?, "/cargo"),
        (sysroot.clone(), "/sysroot"),
        (sysroot.join(library_source), commit.as_str()),
    ];
    if let Ok(real) = sysroot.join(library_source).canonicalize() {
        rules.push((real, &commit));
    }
    // Sources below the workspace's root are named relative to it.
    let relative: Vec<_> = rules
        .iter()
        .skip(1)
        .filter_map(|(from, to)| Some((from.strip_prefix(&places.root).ok()?.to_owned(), *to)))
        .collect();
    rules.extend(relative);
    rules
        .into_iter()
        .map(|(from, to)| {
            let from = from.to_str().context("a path is not UTF-8")?;
            Ok(format!("--remap-path-prefix={from}={to}"))
        })
        .collect()
}

fn cargo_home() -> Result<PathBuf> {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".cargo")))
        .context("there is no home directory: set CARGO_HOME")
}

/// The compiler lists what it read; of ours it must be what the digest covers, or a stale component could pass.
fn all_inputs_are_digested(places: &Places, list: &Path) -> Result<()> {
    let text = workspace::read_text(list)?;
    let foreign: Vec<_> = inputs(&text)
        .filter_map(|input| Some(input.strip_prefix(&places.root).ok()?.to_owned()))
        .filter(|input| !source::covers(input) && !input.starts_with("target") && !is_prose(input))
        .map(|input| input.display().to_string())
        .collect();
    if !foreign.is_empty() {
        bail!(
            "the component is also made from {}: move it to transform-wasm/src, or add it to the digest in \
             xtask/src/wasm/source.rs",
            foreign.join(", ")
        );
    }
    Ok(())
}

/// Documentation included in a doc comment leaves no byte in the module.
fn is_prose(input: &Path) -> bool {
    input.extension().is_some_and(|extension| extension == "md")
}

/// The inputs in `output: input input ...`, where a space inside a name is escaped by a backslash.
fn inputs(list: &str) -> impl Iterator<Item = PathBuf> {
    let line = list.lines().next().unwrap_or_default();
    let line = line.split_once(": ").map_or("", |(_, inputs)| inputs);
    let mark = "\u{0}";
    let line = line.replace("\\ ", mark);
    let names: Vec<_> = line
        .split(' ')
        .map(|name| PathBuf::from(name.replace(mark, " ")))
        .collect();
    names.into_iter().filter(|name| !name.as_os_str().is_empty())
}

/// A path of this machine in the module would give other bytes on another one.
fn no_path_inside(places: &Places, module: &[u8]) -> Result<()> {
    for path in [places.root.clone(), cargo_home()?] {
        let path = path.to_str().context("a path is not UTF-8")?;
        if module.windows(path.len()).any(|window| window == path.as_bytes()) {
            bail!("the module contains the path {path}: add a rule to xtask/src/wasm/build.rs");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_compilers_list_of_inputs() {
        let list = "/out/o365_ecs.wasm: /w/transform-wasm/src/lib.rs /my\\ work/wit/transform.wit\n";
        let found: Vec<_> = inputs(list).collect();
        assert_eq!(
            found,
            [
                Path::new("/w/transform-wasm/src/lib.rs"),
                Path::new("/my work/wit/transform.wit")
            ]
        );
    }
}

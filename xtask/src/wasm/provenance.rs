//! The record beside the committed component: what it is, what it was made from, and by which tools.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::REPAIR;
use super::toolchain::Kind;
use crate::workspace;

const HEADER: &str = "# How o365_ecs.wasm was made. Written by `cargo xtask wasm`; checked by `cargo test -p xtask`\n\
                      # and `cargo xtask wasm --check`. Not for editing.\n\n";

/// The content of `o365_ecs.toml`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provenance {
    /// Of the component.
    pub(crate) sha256: String,
    /// Digest of everything of ours that the component is made from: see `source.rs`.
    pub(crate) source: String,
    /// Digest of the same without the profile, when the profile was made. It may be older: then it fits less well.
    pub(crate) trained: String,
    /// Size of the component.
    pub(crate) component_bytes: usize,
    /// Size of the core module inside it.
    pub(crate) core_module_bytes: usize,
    /// Same tools, same bytes.
    pub(crate) tools: Tools,
}

/// What decides the bytes besides the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tools {
    /// Who distributes the compiler.
    pub(crate) toolchain: Kind,
    /// `release` of `rustc -vV`.
    pub(crate) rustc: String,
    /// `commit-hash` of `rustc -vV`.
    pub(crate) rustc_commit: String,
    /// `LLVM version` of `rustc -vV`.
    pub(crate) llvm: String,
    /// Where the compiler runs; it is part of cargo's hashes.
    pub(crate) host: String,
    /// `release` of `cargo -vV`.
    pub(crate) cargo: String,
    /// First line of the linker's version; `rust-lld` is part of its compiler.
    pub(crate) linker: String,
    /// Version of the library that makes the core module a component.
    pub(crate) wit_component: String,
}

impl fmt::Display for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commit = self.rustc_commit.get(..9).unwrap_or(&self.rustc_commit);
        write!(
            f,
            "rustc {} ({commit}, {}, LLVM {}, {}), cargo {}, {}, wit-component {}",
            self.rustc, self.toolchain, self.llvm, self.host, self.cargo, self.linker, self.wit_component
        )
    }
}

impl Provenance {
    pub(crate) fn new(component: &[u8], core: &[u8], source: String, trained: String, tools: Tools) -> Self {
        Self {
            sha256: sha256(component),
            source,
            trained,
            component_bytes: component.len(),
            core_module_bytes: core.len(),
            tools,
        }
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = workspace::read_text(path).context(REPAIR)?;
        toml::from_str(&text).with_context(|| format!("{} is not a record of ours; {REPAIR}", path.display()))
    }

    pub(crate) fn to_text(&self) -> Result<String> {
        let text = toml::to_string(self).context("a record is representable as TOML")?;
        Ok(format!("{HEADER}{text}"))
    }
}

/// In hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_file() {
        let tools = Tools {
            toolchain: Kind::Debian,
            rustc: "1.96.0".to_owned(),
            rustc_commit: "ac68faa20c58".to_owned(),
            llvm: "22.1.8".to_owned(),
            host: "x86_64-unknown-linux-gnu".to_owned(),
            cargo: "1.95.0".to_owned(),
            linker: "Debian LLD 22.1.8".to_owned(),
            wit_component: "0.248.0".to_owned(),
        };
        let record = Provenance::new(b"component", b"core", "0123".to_owned(), "4567".to_owned(), tools);
        let folder = std::env::temp_dir().join(format!("xtask-provenance-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("o365_ecs.toml");
        std::fs::write(&path, record.to_text().unwrap()).unwrap();
        let read = Provenance::read(&path);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read.unwrap(), record);
    }

    #[test]
    fn a_missing_record_names_the_repair() {
        let error = Provenance::read(Path::new("/nowhere/o365_ecs.toml")).unwrap_err();
        assert!(format!("{error:#}").contains("cargo xtask wasm"), "{error:#}");
    }
}

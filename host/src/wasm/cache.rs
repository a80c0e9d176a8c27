//! Compiled code on disk, so that a start costs milliseconds instead of a compilation.
//!
//! A file is named after everything that its content depends on: the digest of the component, the version and the
//! settings of the engine. It begins with the digest of its own content, so a half-written or damaged file is
//! noticed and compiled anew. Code is loaded from the data directory of this process and from nowhere else.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::Write,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use tracing::{debug, warn};
use wasmtime::{Engine, component::Component};

use super::deadline::Deadlines;
use crate::private;

const DIGEST_BYTES: usize = 32;

pub(super) struct CodeCache {
    dir: PathBuf,
    engine_key: String,
}

impl CodeCache {
    pub(super) fn new(dir: PathBuf, engine: &Engine) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Deadlines::CODE.hash(&mut hasher);
        Self {
            dir,
            engine_key: format!("{:016x}", hasher.finish()),
        }
    }

    /// A compiled component, if it is there and sound.
    pub(super) fn load(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let path = self.path(digest);
        let component = load(engine, &path)?;
        debug!(path = %path.display(), "compiled component loaded from the cache");
        Some(component)
    }

    /// Keeps what was compiled. A cache that cannot be used costs time, never the start.
    pub(super) fn store(&self, digest: &str, code: &[u8]) {
        let path = self.path(digest);
        if let Err(error) = store(&path, code) {
            warn!(path = %path.display(), %error, "compiled component not cached, the next start will compile it again");
        }
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}-{}.cwasm", self.engine_key))
    }
}

fn load(engine: &Engine, path: &Path) -> Option<Component> {
    let content = fs::read(path).ok()?;
    let (digest, code) = content.split_at_checked(DIGEST_BYTES)?;
    if Sha256::digest(code).as_slice() != digest {
        warn!(path = %path.display(), "cached component is damaged, compiling it again");
        return None;
    }
    deserialize(engine, path, code)
}

#[expect(unsafe_code, reason = "loading compiled code is the whole point of the cache")]
fn deserialize(engine: &Engine, path: &Path, code: &[u8]) -> Option<Component> {
    // SAFETY: the code was written by `store` below into a directory that only this program writes to (mode 0700),
    // by an engine with the same version and settings (both are part of the name), and its digest has been checked.
    // Whoever can write there can replace the ledger and the configuration's programs as well.
    match unsafe { Component::deserialize(engine, code) } {
        Ok(component) => Some(component),
        Err(error) => {
            warn!(path = %path.display(), %error, "cached component refused by the engine, compiling it again");
            None
        }
    }
}

fn store(path: &Path, code: &[u8]) -> std::io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    private::create_dir_all(dir)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = fs::File::create(&temporary)?;
    file.write_all(&Sha256::digest(code))?;
    file.write_all(code)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

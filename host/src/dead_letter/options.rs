//! The section `dead_letter` of a configuration.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::wasm::ByteSize;

/// Less holds hardly a letter.
const LEAST: ByteSize = ByteSize(1 << 10);

/// Where letters are kept, and how many. There is no option to delete any: that is for a person to do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeadLetterConfig {
    /// Folder; a relative path starts at the working directory. Default `<data_dir>/dead-letters`.
    #[serde(deserialize_with = "folder")]
    pub path: Option<PathBuf>,
    /// A file that has reached this size is closed, and the next one begins. At least `1KiB`, default `100MiB`.
    #[serde(deserialize_with = "size")]
    pub max_file_bytes: ByteSize,
    /// What all files together may have. A letter that would exceed it ends the pipeline. At least `1KiB`, default `10GiB`.
    #[serde(deserialize_with = "size")]
    pub max_bytes: ByteSize,
}

impl Default for DeadLetterConfig {
    fn default() -> Self {
        Self {
            path: None,
            max_file_bytes: ByteSize(100 << 20),
            max_bytes: ByteSize(10 << 30),
        }
    }
}

impl DeadLetterConfig {
    /// The folder that this describes.
    pub fn folder(&self, data_dir: &Path) -> FolderOptions {
        FolderOptions {
            path: self.path.clone().unwrap_or_else(|| data_dir.join("dead-letters")),
            max_file_bytes: self.max_file_bytes,
            max_bytes: self.max_bytes,
            replayed: Vec::new(),
        }
    }
}

/// A folder of letters.
#[derive(Debug, Clone)]
pub struct FolderOptions {
    /// Where it is; made if it is missing.
    pub path: PathBuf,
    /// Size at which a file is closed.
    pub max_file_bytes: ByteSize,
    /// Size of all files at which no letter is taken any more.
    pub max_bytes: ByteSize,
    /// Files in it that are being sent again: nothing is appended to them, and they do not count, since they will leave.
    pub replayed: Vec<PathBuf>,
}

fn folder<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    if path.as_os_str().is_empty() {
        return Err(D::Error::custom("names no folder: leave `path` out, or give one"));
    }
    Ok(Some(path))
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    let size = ByteSize::deserialize(deserializer)?;
    if size < LEAST {
        return Err(D::Error::custom(format_args!(
            "`{size}` is too small: at least `1KiB`"
        )));
    }
    Ok(size)
}

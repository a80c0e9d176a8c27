//! What a `file` sink is told.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use chrono::{
    DateTime, Utc,
    format::{Item, StrftimeItems},
};
use o365_core::{
    ComponentError, Sink,
    backoff::Jitter,
    config::{BuildError, ComponentContext, Description, Problem, SinkConfig},
};
use serde::Deserialize;

use super::sink::FileSink;
use crate::{
    append::{Manner, Rotation, Shape},
    encoding::{Codec, Encoding},
    folder::writable,
    sinks::Compression,
    wasm::ByteSize,
};

/// A smaller file holds hardly an event.
const LEAST: ByteSize = ByteSize(1 << 10);

/// Options of a `file` sink.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// Path with strftime fields of the time of writing (UTC), such as `./out/audit-%Y-%m-%d.ndjson`. A relative path
    /// starts at the working directory. Missing directories are made.
    pub path: String,
    /// The form. Default `json`.
    #[serde(default)]
    pub encoding: Encoding,
    /// `none` (default), `gzip` or `zstd`. The path gets no ending by itself.
    #[serde(default)]
    pub compression: Compression,
    /// When a file is put aside for a new one. Default: never; a new path is a new file all the same.
    #[serde(default)]
    pub rotation: Rotation,
    /// Whether events are on disk before they are acknowledged. With `false` the system has them, and a power failure can
    /// lose what was acknowledged in the last half a minute or so. Default `true`.
    #[serde(default = "yes")]
    pub fsync: bool,
}

fn yes() -> bool {
    true
}

#[async_trait]
impl SinkConfig for FileConfig {
    fn describe(&self) -> Description {
        Description {
            component_type: "file",
            summary: format!("appends events to `{}`", self.path),
            outputs: Vec::new(),
        }
    }

    fn validate(&self, _cx: &ComponentContext) -> Vec<Problem> {
        if self.path.is_empty() || self.path.ends_with('/') {
            return vec![
                Problem::new("path", "names no file")
                    .hint("write something like `./out/audit-%Y-%m-%d.ndjson`"),
            ];
        }
        if StrftimeItems::new(&self.path).any(|item| matches!(item, Item::Error)) {
            return vec![
                Problem::new("path", format!("`{}` has an unknown `%` field", self.path))
                    .hint("use strftime fields such as %Y %m %d %H, and %% for a percent sign"),
            ];
        }
        let mut problems = Vec::new();
        if self.rotation.max_bytes.is_some_and(|most| most < LEAST) {
            problems.push(Problem::new("rotation.max_bytes", "is too small").hint("use at least `1KiB`"));
        }
        if self
            .rotation
            .max_age
            .is_some_and(|most| most < Duration::from_secs(1))
        {
            problems.push(Problem::new("rotation.max_age", "is too short").hint("use at least `1s`"));
        }
        problems
    }

    async fn build(&self, cx: &ComponentContext) -> Result<Sink, BuildError> {
        let problems = self.validate(cx);
        if !problems.is_empty() {
            return Err(problems.into());
        }
        let shape = match (self.compression, &self.encoding.codec) {
            (Compression::None, Codec::Json | Codec::Original) => Shape::Json,
            (Compression::None, Codec::Pretty | Codec::Csv(_)) => Shape::Lines,
            (compression, _) => Shape::Compressed(compression),
        };
        let manner = Manner {
            shape,
            header: self.encoding.codec.header().to_vec(),
            rotation: self.rotation,
            sync: self.fsync,
            private: false,
        };
        Ok(Box::new(FileSink {
            key: cx.key.clone(),
            path: self.path.clone(),
            codec: self.encoding.codec.clone(),
            manner: Arc::new(manner),
            clock: Arc::clone(&cx.clock),
            stats: cx.services.get().unwrap_or_default(),
            jitter: Jitter::random(),
            open: None,
        }))
    }

    async fn healthcheck(&self, cx: &ComponentContext) -> Result<String, ComponentError> {
        let path = path_at(&self.path, cx.clock.now());
        tokio::task::spawn_blocking(move || can_append(&path)).await?
    }
}

/// Whether the file that would be written now can be appended to, or made.
fn can_append(path: &Path) -> Result<String, ComponentError> {
    let refused = |at: &Path, error: std::io::Error| {
        format!(
            "`{}` cannot be written: {error}; give the user that runs this program the right to write there, or choose \
             another `path`",
            at.display()
        )
    };
    if path.exists() {
        let opened = std::fs::OpenOptions::new().append(true).open(path);
        opened.map_err(|error| refused(path, error))?;
        return Ok(format!("`{}` can be appended to", path.display()));
    }
    writable(path.parent().unwrap_or(path)).map_err(|(at, error)| refused(at, error))?;
    Ok(format!("`{}` can be made", path.display()))
}

pub(super) fn path_at(template: &str, now: DateTime<Utc>) -> PathBuf {
    PathBuf::from(now.format(template).to_string())
}

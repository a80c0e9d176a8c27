//! `type: file`: events appended to files, on disk before they are acknowledged.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use chrono::format::{Item, StrftimeItems};
use futures_util::{StreamExt, stream::BoxStream};
use o365_core::{
    Clock, ComponentError, EventBatch, EventStatus, Sink, StreamSink,
    config::{BuildError, ComponentContext, Description, Problem, SinkConfig},
};
use serde::Deserialize;
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom},
};
use tracing::warn;

use crate::encoding::Encoding;

/// Batches that are written together when they are waiting anyway: one fsync for all of them.
const GROUP_BATCHES: usize = 64;

/// A torn line at the end of a file is looked for in so many bytes.
const TAIL_BYTES: u64 = 64 * 1024 * 1024;

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
        Vec::new()
    }

    async fn build(&self, cx: &ComponentContext) -> Result<Sink, BuildError> {
        let problems = self.validate(cx);
        if !problems.is_empty() {
            return Err(problems.into());
        }
        Ok(Box::new(FileSink {
            path: self.path.clone(),
            encoding: self.encoding,
            clock: Arc::clone(&cx.clock),
            open: HashMap::new(),
        }))
    }
}

struct FileSink {
    path: String,
    encoding: Encoding,
    clock: Arc<dyn Clock>,
    /// At most the current file and the one before it.
    open: HashMap<PathBuf, File>,
}

#[async_trait]
impl StreamSink for FileSink {
    async fn run(mut self: Box<Self>, input: BoxStream<'static, EventBatch>) -> Result<(), ComponentError> {
        let mut groups = input.ready_chunks(GROUP_BATCHES);
        let mut text = Vec::new();
        while let Some(mut group) = groups.next().await {
            text.clear();
            let events = group.iter_mut().flat_map(EventBatch::iter_mut);
            events.for_each(|event| self.encoding.codec.encode(event, false, &mut text));
            let path = PathBuf::from(self.clock.now().format(&self.path).to_string());
            self.append(&path, &text).await.map_err(|error| {
                format!(
                    "writing to `{}` failed: {error}; make room or fix the permissions and start again, \
                     what was not written will be fetched again",
                    path.display()
                )
            })?;
            group
                .into_iter()
                .flatten()
                .for_each(|event| event.finish(EventStatus::Delivered));
        }
        Ok(())
    }
}

impl FileSink {
    /// Appends whole lines and waits until they are on disk.
    async fn append(&mut self, path: &Path, text: &[u8]) -> std::io::Result<()> {
        if !self.open.contains_key(path) {
            // A new day, a new file: the old one is complete and on disk.
            self.open.clear();
            self.open.insert(path.to_owned(), open(path).await?);
        }
        if let Some(file) = self.open.get_mut(path) {
            file.write_all(text).await?;
            file.flush().await?;
            file.sync_data().await?;
        }
        Ok(())
    }
}

async fn open(path: &Path) -> std::io::Result<File> {
    if let Some(dir) = path.parent() {
        tokio::fs::create_dir_all(dir).await?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .await?;
    repair_tail(path, &mut file).await?;
    file.seek(SeekFrom::End(0)).await?;
    Ok(file)
}

/// A process that died while writing leaves half a line at the end. It was never acknowledged, so its event comes again;
/// half of it must not stay in front of the next line. A whole document that only lacks its line feed is kept.
async fn repair_tail(path: &Path, file: &mut File) -> std::io::Result<()> {
    let length = file.metadata().await?.len();
    let start = length.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start)).await?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail).await?;
    let line_start = tail
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let torn = tail.split_off(line_start);
    if torn.is_empty() {
        return Ok(());
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(&torn).is_ok() {
        file.seek(SeekFrom::End(0)).await?;
        return file.write_all(b"\n").await;
    }
    warn!(path = %path.display(), bytes = torn.len(), "removing half a line that a killed process left");
    file.set_len(length - torn.len() as u64).await
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use o365_core::{ManualClock, testing::sink_contract};

    use super::*;

    fn documents(count: usize) -> Vec<Bytes> {
        (0..count)
            .map(|number| format!("{{\"n\":{number}}}").into())
            .collect()
    }

    fn sink(path: &Path) -> Sink {
        let clock = ManualClock::at("2026-11-25T23:59:59Z".parse().unwrap());
        let path = path.to_str().unwrap().to_owned();
        Box::new(FileSink {
            path,
            encoding: Encoding::default(),
            clock: Arc::new(clock),
            open: HashMap::new(),
        })
    }

    #[tokio::test]
    async fn keeps_the_contract_of_sinks_and_writes_every_line_once() {
        let dir = tempfile::tempdir().unwrap();
        sink_contract(
            || sink(&dir.path().join("deep/audit-%Y-%m-%d.ndjson")),
            documents(10),
        )
        .await;
        let text = std::fs::read_to_string(dir.path().join("deep/audit-2026-11-25.ndjson")).unwrap();
        let expected: String = (0..10).map(|number| format!("{{\"n\":{number}}}\n")).collect();
        assert_eq!(text, expected);
    }

    #[tokio::test]
    async fn repairs_what_a_killed_process_left() {
        let dir = tempfile::tempdir().unwrap();
        for (left, kept) in [
            ("{\"a\":1}\n{\"b\":", "{\"a\":1}\n"),
            ("{\"a\":1}\n{\"b\":2}", "{\"a\":1}\n{\"b\":2}\n"),
            ("{\"a", ""),
            ("", ""),
        ] {
            let path = dir.path().join("torn.ndjson");
            std::fs::write(&path, left).unwrap();
            sink_contract(|| sink(&path), documents(1)).await;
            assert_eq!(
                std::fs::read_to_string(&path).unwrap(),
                format!("{kept}{{\"n\":0}}\n")
            );
        }
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_opened_is_an_error_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let batch: EventBatch = [o365_core::LogEvent::untracked("{}")].into_iter().collect();
        let result = sink(dir.path())
            .run(futures_util::stream::iter([batch]).boxed())
            .await;
        let error = result.unwrap_err().to_string();
        assert!(error.contains(dir.path().to_str().unwrap()), "{error}");
    }
}

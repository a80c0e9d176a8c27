//! `type: file`: events appended to files, on disk before they are acknowledged.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use chrono::{
    DateTime, Utc,
    format::{Item, StrftimeItems},
};
use futures_util::{StreamExt, stream::BoxStream};
use o365_core::{
    Clock, ComponentError, EventBatch, EventStatus, RefusedEvents, Sink, StreamSink,
    config::{BuildError, ComponentContext, Description, Problem, SinkConfig},
};
use serde::Deserialize;

use super::delivery::SinkStats;
use crate::{append::Appender, encoding::Encoding, folder::writable};

/// Batches that are written together when they are waiting anyway: one fsync for all of them.
const GROUP_BATCHES: usize = 64;
/// Text that is written together, and a batch more. What is written and not acknowledged when the process is killed comes
/// again, so it must not be much; and it is held in memory.
const GROUP_BYTES: usize = 1024 * 1024;

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
            stats: cx.services.get().unwrap_or_default(),
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

fn path_at(template: &str, now: DateTime<Utc>) -> PathBuf {
    PathBuf::from(now.format(template).to_string())
}

struct FileSink {
    path: String,
    encoding: Encoding,
    clock: Arc<dyn Clock>,
    stats: Arc<SinkStats>,
    /// The current file.
    open: Option<(PathBuf, Appender)>,
}

#[async_trait]
impl StreamSink for FileSink {
    async fn run(
        mut self: Box<Self>,
        input: BoxStream<'static, EventBatch>,
        _refused: RefusedEvents,
    ) -> Result<(), ComponentError> {
        let mut ready = input.ready_chunks(GROUP_BATCHES);
        let mut text = Vec::new();
        while let Some(batches) = ready.next().await {
            let mut batches = batches.into_iter().peekable();
            while batches.peek().is_some() {
                text.clear();
                let mut group = Vec::new();
                while text.len() < GROUP_BYTES
                    && let Some(mut batch) = batches.next()
                {
                    let codec = self.encoding.codec;
                    batch
                        .iter_mut()
                        .for_each(|event| codec.encode(event, false, &mut text));
                    group.push(batch);
                }
                let path = path_at(&self.path, self.clock.now());
                text = self.append(&path, text).await.map_err(|error| {
                    format!(
                        "writing to `{}` failed: {error}; make room or fix the permissions and start again, \
                         what was not written will be fetched again",
                        path.display()
                    )
                })?;
                let events: usize = group.iter().map(EventBatch::len).sum();
                self.stats.sent.add(events as u64, text.len() as u64);
                group
                    .into_iter()
                    .flatten()
                    .for_each(|event| event.finish(EventStatus::Delivered));
            }
        }
        Ok(())
    }
}

impl FileSink {
    /// Appends whole lines and waits until they are on disk. Gives the text back, for its room.
    async fn append(&mut self, path: &Path, text: Vec<u8>) -> std::io::Result<Vec<u8>> {
        // A new day, a new file: the old one is complete and on disk.
        let open = self.open.take().filter(|(open, _)| open == path);
        let path = path.to_owned();
        let write = move || {
            let mut file = match open {
                Some((_, file)) => file,
                None => Appender::open(&path)?,
            };
            file.append(&text)?;
            Ok::<_, std::io::Error>(((path, file), text))
        };
        let (open, text) = tokio::task::spawn_blocking(write)
            .await
            .map_err(std::io::Error::other)??;
        self.open = Some(open);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use o365_core::{
        ManualClock,
        testing::{Refused, sink_contract},
    };

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
            stats: Arc::default(),
            open: None,
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
            .run(
                futures_util::stream::iter([batch]).boxed(),
                Refused::default().events(),
            )
            .await;
        let error = result.unwrap_err().to_string();
        assert!(error.contains(dir.path().to_str().unwrap()), "{error}");
    }
}

//! Dead letters: events that a transform or a sink gave up on, kept for ever until a person looks at them.
//!
//! One JSON object a line: when, which component, the kind and reason of the failure, where the event came from, and
//! the original. A letter is on disk (fsync) before its event counts as dealt with; if it cannot be written, the
//! event counts as not delivered, its source sends it again, and the pipeline ends with the reason.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use o365_core::{Clock, ComponentError, ComponentKey, EventStatus, FailedEvent};
use serde_json::{Map, Value, json};
use tokio::{
    fs::{File, OpenOptions},
    io::AsyncWriteExt,
    sync::mpsc,
};
use tracing::warn;

/// Batches of letters that may wait for the disk.
const QUEUE: usize = 16;

/// Where letters go.
#[derive(Debug, Clone)]
pub enum Target {
    /// A file for each day below this directory: `dead-letters-2026-11-25.ndjson`.
    Directory(PathBuf),
    /// One file, appended to.
    File(PathBuf),
    /// The process's standard error, for commands that a person runs by hand.
    Stderr,
}

/// Hands letters to the writer.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    sender: mpsc::Sender<Letters>,
    count: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Letters {
    component: ComponentKey,
    failed: Vec<FailedEvent>,
}

impl DeadLetters {
    /// The handle, and the writer that must be run.
    pub fn new(target: Target, clock: Arc<dyn Clock>) -> (Self, Writer) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let count = Arc::new(AtomicU64::new(0));
        (
            Self {
                sender,
                count: Arc::clone(&count),
            },
            Writer {
                receiver,
                target,
                clock,
                count,
                open: None,
            },
        )
    }

    /// Keeps events that `component` gave up on. When the writer is gone, the events are given up: their sources
    /// learn that they were not delivered.
    pub async fn keep(&self, component: &ComponentKey, failed: Vec<FailedEvent>) {
        if !failed.is_empty() {
            // The events of a refused letter are dropped without a status, which says what happened.
            let _ = self
                .sender
                .send(Letters {
                    component: component.clone(),
                    failed,
                })
                .await;
        }
    }

    /// The number of letters written, without a handle: the writer can end.
    pub fn counter(&self) -> impl Fn() -> u64 + Send + Sync + use<> {
        let count = Arc::clone(&self.count);
        move || count.load(Ordering::Relaxed)
    }
}

/// Writes letters until every handle is gone.
#[derive(Debug)]
pub struct Writer {
    receiver: mpsc::Receiver<Letters>,
    target: Target,
    clock: Arc<dyn Clock>,
    count: Arc<AtomicU64>,
    open: Option<(PathBuf, File)>,
}

impl Writer {
    /// Runs until every handle is gone.
    pub async fn run(mut self) -> Result<(), ComponentError> {
        while let Some(letters) = self.receiver.recv().await {
            let Letters {
                component,
                mut failed,
            } = letters;
            let mut text = Vec::new();
            for failed in &mut failed {
                warn!(%component, kind = failed.failure.kind, reason = %failed.failure.reason, "event kept as a dead letter");
                let letter = letter(&component, failed, &*self.clock);
                text.extend_from_slice(letter.to_string().as_bytes());
                text.push(b'\n');
            }
            self.write(&text).await?;
            self.count.fetch_add(failed.len() as u64, Ordering::Relaxed);
            for failed in failed {
                failed.event.finish(EventStatus::Rejected);
            }
        }
        Ok(())
    }

    async fn write(&mut self, text: &[u8]) -> Result<(), ComponentError> {
        let path = match &self.target {
            Target::Stderr => {
                let mut stderr = tokio::io::stderr();
                stderr.write_all(text).await?;
                return Ok(stderr.flush().await?);
            }
            Target::File(path) => path.clone(),
            Target::Directory(dir) => dir.join(format!(
                "dead-letters-{}.ndjson",
                self.clock.now().format("%Y-%m-%d")
            )),
        };
        let failed = |error: std::io::Error| -> ComponentError {
            format!("writing the dead-letter file `{}` failed: {error}; free some space or fix its permissions, then \
                     start again: the events will be fetched again", path.display())
            .into()
        };
        if self.open.as_ref().is_none_or(|(open, _)| *open != path) {
            self.open = Some((path.clone(), open(&path).await.map_err(failed)?));
        }
        if let Some((_, file)) = &mut self.open {
            file.write_all(text).await.map_err(failed)?;
            file.flush().await.map_err(failed)?;
            file.sync_data().await.map_err(failed)?;
        }
        Ok(())
    }
}

async fn open(path: &Path) -> std::io::Result<File> {
    if let Some(dir) = path.parent() {
        tokio::fs::create_dir_all(dir).await?;
    }
    OpenOptions::new().create(true).append(true).open(path).await
}

fn letter(component: &ComponentKey, failed: &mut FailedEvent, clock: &dyn Clock) -> Value {
    let original = failed.event.to_bytes();
    let metadata = failed.event.metadata();
    let mut letter = Map::new();
    letter.insert(
        "timestamp".to_owned(),
        json!(clock.now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
    );
    letter.insert("component".to_owned(), json!(component));
    letter.insert("kind".to_owned(), json!(failed.failure.kind));
    letter.insert("reason".to_owned(), json!(failed.failure.reason));
    letter.extend(
        failed
            .failure
            .details
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value))),
    );
    letter.insert("origin".to_owned(), json!(&**metadata.origin()));
    letter.insert("index".to_owned(), json!(metadata.index()));
    match std::str::from_utf8(&original) {
        Ok(text) => letter.insert("original".to_owned(), json!(text)),
        // Not text: hex keeps every byte.
        Err(_) => letter.insert("original_hex".to_owned(), json!(crate::wasm::hex(&original))),
    };
    Value::Object(letter)
}

#[cfg(test)]
mod tests {
    use o365_core::{Failure, SystemClock, testing::tracked_batch};

    use super::*;

    fn failed(documents: Vec<bytes::Bytes>) -> (Vec<FailedEvent>, o365_core::BatchStatusReceiver) {
        let (batch, status) = tracked_batch(documents);
        let failure = Failure::new("mapping", "no such thing").detail("component_digest", "abc");
        (
            batch
                .into_iter()
                .map(|event| FailedEvent {
                    event,
                    failure: failure.clone(),
                })
                .collect(),
            status,
        )
    }

    #[tokio::test]
    async fn keeps_the_original_and_the_reason_then_acknowledges() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/letters.ndjson");
        let (letters, writer) = DeadLetters::new(Target::File(path.clone()), Arc::new(SystemClock));
        let (events, status) = failed(vec![r#"{"a":"ü"}"#.into(), bytes::Bytes::from_static(b"\xff{")]);
        letters.keep(&"ecs".into(), events).await;
        drop(letters);
        writer.run().await.unwrap();
        assert_eq!(status.status().await, EventStatus::Rejected);
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["original"], r#"{"a":"ü"}"#);
        assert_eq!(lines[0]["component"], "ecs");
        assert_eq!(lines[0]["kind"], "mapping");
        assert_eq!(lines[0]["component_digest"], "abc");
        assert_eq!(lines[0]["origin"]["content_id"], "test-blob");
        assert_eq!(lines[1]["original_hex"], "ff7b");
    }

    #[tokio::test]
    async fn a_letter_that_cannot_be_written_is_not_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let (letters, writer) = DeadLetters::new(Target::File(dir.path().to_owned()), Arc::new(SystemClock));
        let (events, status) = failed(vec!["{}".into()]);
        letters.keep(&"ecs".into(), events).await;
        drop(letters);
        let error = writer.run().await.unwrap_err().to_string();
        assert!(error.contains("dead-letter file"), "{error}");
        assert_eq!(status.status().await, EventStatus::Errored);
    }
}

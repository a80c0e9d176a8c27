//! Dead letters: events that a transform gave up on, kept for ever until a person looks at them.
//!
//! ```text
//! stage ── DeadLetters ── queue ──► Writer ──► Folder: files by day and number, with a limit
//!                                                 │
//!                component <── Replayed (source) <┘  `o365-host replay`, when the cause has been repaired
//! ```
//!
//! One JSON object a line (`letter.rs`): when, which component, the kind and reason of the failure, where the event came from,
//! and the original. A letter is on disk (fsync) before its event counts as dealt with; if it cannot be written, or the
//! folder is full (`folder.rs`), the event counts as not delivered, its source sends it again, and the pipeline ends with the
//! reason. Nothing is ever deleted or dropped. [`replay`] reads letters and lets their events enter where they failed.

mod folder;
mod letter;
mod options;
pub mod replay;

use std::{
    io::Write,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use folder::Folder;
pub use letter::Letter;
use o365_core::{Clock, ComponentError, ComponentKey, EventStatus, FailedEvent, KeepRefused, RefusedEvents};
pub use options::{DeadLetterConfig, FolderOptions};
use tokio::sync::mpsc;
use tracing::warn;

use crate::append::Appender;

/// Batches of letters that may wait for the disk.
const QUEUE: usize = 16;

/// Where letters go.
#[derive(Debug, Clone)]
pub enum Target {
    /// Files in a folder, as the configuration says.
    Folder(FolderOptions),
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
    folder: Option<FolderOptions>,
}

/// How full the folder is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// What its letters have.
    pub used: u64,
    /// What they may have.
    pub max: u64,
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
        let folder = match &target {
            Target::Folder(options) => Some(options.clone()),
            Target::File(_) | Target::Stderr => None,
        };
        let place = match target {
            Target::Folder(options) => Place::Folder(Folder::new(options)),
            Target::File(path) => Place::File { path, open: None },
            Target::Stderr => Place::Stderr,
        };
        (
            Self {
                sender,
                count: Arc::clone(&count),
                folder,
            },
            Writer {
                receiver,
                place: Some(place),
                clock,
                count,
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

    /// The place for what a sink's destination refuses.
    pub fn refused_by(&self, component: ComponentKey) -> RefusedEvents {
        RefusedEvents::new(RefusedBy(component, self.clone()))
    }

    /// The number of letters written, without a handle: the writer can end.
    pub fn counter(&self) -> impl Fn() -> u64 + Send + Sync + use<> {
        let count = Arc::clone(&self.count);
        move || count.load(Ordering::Relaxed)
    }

    /// How full the folder is now, without a handle. Nothing if letters go elsewhere or it cannot be looked at.
    pub fn usage(&self) -> impl Fn() -> Option<Usage> + Send + Sync + use<> {
        let folder = self.folder.clone();
        move || {
            let folder = folder.as_ref()?;
            Some(Usage {
                used: folder::used(folder).ok()?,
                max: folder.max_bytes.0,
            })
        }
    }
}

/// A sink, and where its letters go.
struct RefusedBy(ComponentKey, DeadLetters);

#[async_trait]
impl KeepRefused for RefusedBy {
    async fn keep(&self, refused: Vec<FailedEvent>) {
        self.1.keep(&self.0, refused).await;
    }
}

/// Writes letters until every handle is gone.
#[derive(Debug)]
pub struct Writer {
    receiver: mpsc::Receiver<Letters>,
    /// Nothing while a thread is writing to it.
    place: Option<Place>,
    clock: Arc<dyn Clock>,
    count: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Place {
    Folder(Folder),
    File { path: PathBuf, open: Option<Appender> },
    Stderr,
}

impl Writer {
    /// Runs until every handle is gone.
    pub async fn run(mut self) -> Result<(), ComponentError> {
        while let Some(letters) = self.receiver.recv().await {
            let Letters {
                component,
                mut failed,
            } = letters;
            let now = self.clock.now();
            let mut text = Vec::new();
            for failed in &mut failed {
                let letter = letter::write(&component, failed, now);
                text.extend_from_slice(letter.to_string().as_bytes());
                text.push(b'\n');
            }
            self.write(text, now.format("%Y-%m-%d").to_string()).await?;
            self.count.fetch_add(failed.len() as u64, Ordering::Relaxed);
            for failed in failed {
                warn!(%component, kind = failed.failure.kind, reason = %failed.failure.reason, "event kept as a dead letter");
                failed.event.finish(EventStatus::Rejected);
            }
        }
        Ok(())
    }

    async fn write(&mut self, text: Vec<u8>, day: String) -> Result<(), ComponentError> {
        if let Some(mut place) = self.place.take() {
            let write = move || place.write(&text, &day).map(|()| place);
            self.place = Some(tokio::task::spawn_blocking(write).await??);
        }
        Ok(())
    }
}

impl Place {
    /// On disk when it returns.
    fn write(&mut self, text: &[u8], day: &str) -> Result<(), ComponentError> {
        match self {
            Self::Stderr => {
                let mut stderr = std::io::stderr().lock();
                stderr.write_all(text)?;
                Ok(stderr.flush()?)
            }
            Self::Folder(folder) => folder.write(text, day),
            Self::File { path, open } => {
                let mut append = || -> std::io::Result<()> {
                    let file = match open {
                        Some(file) => file,
                        None => open.insert(Appender::open(path)?),
                    };
                    file.append(text)
                };
                append().map_err(|error| {
                    format!(
                        "writing the dead-letter file `{}` failed: {error}; free some space or fix its permissions, then \
                         start again: the events will be fetched again",
                        path.display()
                    )
                    .into()
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use o365_core::{Failure, SystemClock, testing::tracked_batch};
    use serde_json::Value;

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

    #[tokio::test]
    async fn what_a_full_folder_refuses_is_not_acknowledged_and_its_use_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let options = DeadLetterConfig {
            max_bytes: crate::wasm::ByteSize(1_000),
            ..DeadLetterConfig::default()
        };
        let target = || Target::Folder(options.folder(dir.path()));
        let (letters, writer) = DeadLetters::new(target(), Arc::new(SystemClock));
        let (first, first_status) = failed(vec!["{}".into()]);
        let (second, second_status) = failed(vec!["x".repeat(1_000).into()]);
        letters.keep(&"ecs".into(), first).await;
        letters.keep(&"ecs".into(), second).await;
        let (usage, count) = (letters.usage(), letters.counter());
        assert_eq!(usage(), Some(Usage { used: 0, max: 1_000 }));
        drop(letters);
        let error = writer.run().await.unwrap_err().to_string();
        assert!(error.contains("dead_letter.max_bytes"), "{error}");
        assert_eq!(first_status.status().await, EventStatus::Rejected);
        assert_eq!(second_status.status().await, EventStatus::Errored);
        let file = std::fs::read_dir(dir.path().join("dead-letters"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let used = file.metadata().unwrap().len();
        assert_eq!((usage(), count()), (Some(Usage { used, max: 1_000 }), 1));
    }
}

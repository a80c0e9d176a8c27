//! The source that sends letters: those that enter at one component.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use async_trait::async_trait;
use o365_core::{
    BatchNotifier, ComponentKey, Source, SourceContext,
    config::{BuildError, ComponentContext, Description, Problem, SourceConfig},
};
use tokio::sync::mpsc;

use super::{Part, lines::Lines};
use crate::dead_letter::Letter;

/// Letters that are sent together, and bytes, and a letter more.
const BATCH_LETTERS: usize = 128;
const BATCH_BYTES: usize = 1 << 20;
/// Batches that may wait.
const QUEUE: usize = 2;

/// See the module. It reads the part once, in order, and ends when every event of it is dealt with.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// What to read.
    pub part: Part,
    /// Only the letters of this component; all of them otherwise.
    pub only: Option<ComponentKey>,
    /// How many were sent.
    pub sent: Arc<AtomicU64>,
}

#[async_trait]
impl SourceConfig for Replayed {
    fn describe(&self) -> Description {
        Description {
            component_type: "replay",
            summary: format!("sends the letters in `{}` again", self.part.path.display()),
            outputs: Vec::new(),
        }
    }

    fn validate(&self, _cx: &ComponentContext) -> Vec<Problem> {
        Vec::new()
    }

    async fn build(&self, cx: SourceContext) -> Result<Source, BuildError> {
        let this = self.clone();
        Ok(Box::pin(async move {
            let (sender, mut receiver) = mpsc::channel(QUEUE);
            let reader = this.clone();
            thread::Builder::new()
                .name(format!("{}-reader", cx.key))
                .spawn(move || {
                    if let Err(error) = reader.read(&sender) {
                        // Nobody listening means that the source has ended for another reason.
                        let _ = sender.blocking_send(Err(error));
                    }
                })?;
            let (notifier, status) = BatchNotifier::new();
            loop {
                let letters = tokio::select! {
                    biased;
                    () = cx.shutdown.cancelled() => break,
                    letters = receiver.recv() => match letters {
                        Some(letters) => letters?,
                        None => break,
                    },
                };
                let count = letters.len() as u64;
                let events = letters.into_iter().map(|letter| letter.into_event(&notifier));
                cx.out.send_batch(events.collect()).await?;
                this.sent.fetch_add(count, Ordering::Relaxed);
            }
            drop((notifier, cx.out));
            if status.status().await.is_final() {
                Ok(())
            } else {
                Err("not every event was delivered".into())
            }
        }))
    }
}

impl Replayed {
    /// Reads the part; ends early when nobody wants more.
    fn read(&self, sender: &mpsc::Sender<Result<Vec<Letter>, String>>) -> Result<(), String> {
        let path = &self.part.path;
        let failed = |error: std::io::Error| format!("`{}` cannot be read: {error}", path.display());
        let mut lines = Lines::open(path, self.part.from, self.part.lines_before).map_err(failed)?;
        let mut batch = Vec::new();
        let mut bytes = 0;
        while lines.place().0 < self.part.to
            && let Some(line) = lines.next().map_err(failed)?
        {
            let letter = Letter::read(&line.text).map_err(|reason| {
                format!(
                    "{}:{}: the line {reason}; it has changed since it was checked",
                    path.display(),
                    line.number
                )
            })?;
            if self.only.as_ref().is_some_and(|only| *only != letter.component) {
                continue;
            }
            bytes += line.text.len();
            batch.push(letter);
            if batch.len() >= BATCH_LETTERS || bytes >= BATCH_BYTES {
                bytes = 0;
                if sender.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
                    return Ok(());
                }
            }
        }
        if !batch.is_empty() {
            let _ = sender.blocking_send(Ok(batch));
        }
        Ok(())
    }
}

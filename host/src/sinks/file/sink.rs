//! Writes groups of batches, and waits when there is no room.

use std::{
    io::{Error, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use o365_core::{
    Clock, ComponentError, ComponentKey, EventBatch, EventStatus, RefusedEvents, StreamSink,
    backoff::{Backoff, Jitter},
};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::config::path_at;
use crate::{
    append::{Appender, Manner, Pieces},
    encoding::Codec,
    sinks::delivery::SinkStats,
};

/// Batches that are written together when they are waiting anyway: one fsync for all of them.
const GROUP_BATCHES: usize = 64;
/// Text that is written together, and a batch more. What is written and not acknowledged when the process is killed comes
/// again, so it must not be much; and it is held in memory.
const GROUP_BYTES: usize = 1024 * 1024;
/// How long a full disk is left alone.
const PATIENCE: Backoff = Backoff::secs(1, 30);

/// See [`super::FileConfig`].
pub(super) struct FileSink {
    pub(super) key: ComponentKey,
    pub(super) path: String,
    pub(super) codec: Codec,
    pub(super) manner: Arc<Manner>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stats: Arc<SinkStats>,
    pub(super) jitter: Jitter,
    /// The current file.
    pub(super) open: Option<(PathBuf, Appender)>,
}

#[async_trait]
impl StreamSink for FileSink {
    async fn run(
        mut self: Box<Self>,
        input: BoxStream<'static, EventBatch>,
        _refused: RefusedEvents,
    ) -> Result<(), ComponentError> {
        self.stats.set_limit(1);
        let mut input = input.fuse();
        while let Some(first) = input.next().await {
            let mut text = Pieces::default();
            let mut group = Vec::new();
            let mut next = Some(first);
            while let Some(mut batch) = next.take() {
                batch
                    .iter_mut()
                    .for_each(|event| self.codec.lines(event, false, &mut text));
                group.push(batch);
                // What does not fit stays in the channel, which holds up those who send more.
                if text.len() < GROUP_BYTES && group.len() < GROUP_BATCHES {
                    next = input.next().now_or_never().flatten();
                }
            }
            let written = self.write(text).await?;
            let events: usize = group.iter().map(EventBatch::len).sum();
            self.stats.sent.add(events as u64, written);
            group
                .into_iter()
                .flatten()
                .for_each(|event| event.finish(EventStatus::Delivered));
        }
        Ok(())
    }
}

impl FileSink {
    /// Writes, and while there is no room waits for some: nothing is dropped, and what waits holds its place, so that the
    /// pipeline waits, too.
    async fn write(&mut self, text: Pieces) -> Result<u64, ComponentError> {
        let text = Arc::new(text);
        let sink = self.key.clone();
        let stats = Arc::clone(&self.stats);
        let _writing = stats.request();
        let (mut failures, began) = (0_u32, Instant::now());
        let written = loop {
            let path = path_at(&self.path, self.clock.now());
            match self.append(&path, Arc::clone(&text)).await {
                Ok(written) => break written,
                Err(error) if is_no_room(&error) => {
                    failures = failures.saturating_add(1);
                    stats.retried();
                    let wait = PATIENCE.wait(failures, None, &self.jitter);
                    warn!(
                        %sink, path = %path.display(), %error, failures, ?wait,
                        "there is no room for the events: nothing is lost, the sink waits and tries again; make room"
                    );
                    sleep(wait).await;
                }
                Err(error) => {
                    return Err(format!(
                        "writing to `{}` failed: {error}; repair the disk or the permissions and start again, what was \
                         not written will be fetched again",
                        path.display()
                    )
                    .into());
                }
            }
        };
        if failures > 0 {
            info!(%sink, failures, waited = ?began.elapsed(), "there is room again, the sink goes on");
        }
        Ok(written)
    }

    /// Appends whole lines and waits until they are on disk.
    async fn append(&mut self, path: &Path, text: Arc<Pieces>) -> Result<u64, Error> {
        // A new day, a new file: the old one is complete and on disk.
        let open = self.open.take().filter(|(open, _)| open == path);
        let (path, manner, now) = (path.to_owned(), Arc::clone(&self.manner), self.clock.now());
        let write = move || {
            let mut file = match open {
                Some((_, file)) => file,
                None => match Appender::open_as(&path, manner) {
                    Ok(file) => file,
                    Err(error) => return (None, Err(error)),
                },
            };
            let written = file.append_at(&text, now);
            // Kept after an error, too: it knows what of the file is whole.
            (Some((path, file)), written)
        };
        let (open, written) = tokio::task::spawn_blocking(write).await.map_err(Error::other)?;
        self.open = open;
        written
    }
}

/// Somebody has to delete something, or give more, and then it goes on. Everything else may have damaged the file or is
/// wrong in the configuration.
pub(super) fn is_no_room(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

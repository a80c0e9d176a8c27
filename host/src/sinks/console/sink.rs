//! Writes events as they come.

use std::{io::Write, sync::Arc};

use async_trait::async_trait;
use futures_util::{StreamExt, stream::BoxStream};
use o365_core::{ComponentError, EventBatch, EventStatus, LogEvent, RefusedEvents, StreamSink};
use tokio::task::spawn_blocking;

use crate::{append::Pieces, encoding::Encoding, sinks::delivery::SinkStats};

/// Batches that are written together at most, if so many are ready.
const GROUP: usize = 8;

/// See the module.
pub(super) struct Console {
    pub(super) encoding: Encoding,
    pub(super) colour: bool,
    pub(super) stats: Arc<SinkStats>,
    pub(super) writer: Box<dyn Write + Send>,
}

#[async_trait]
impl StreamSink for Console {
    async fn run(
        self: Box<Self>,
        input: BoxStream<'static, EventBatch>,
        _refused: RefusedEvents,
    ) -> Result<(), ComponentError> {
        let Self {
            encoding: Encoding { codec },
            colour,
            stats,
            mut writer,
        } = *self;
        writer = write(writer, codec.header().to_vec().into()).await?;
        let mut ready = input.ready_chunks(GROUP);
        while let Some(mut batches) = ready.next().await {
            let mut text = Pieces::default();
            for event in batches.iter_mut().flat_map(EventBatch::iter_mut) {
                codec.lines(event, colour, &mut text);
            }
            let bytes = text.len() as u64;
            writer = write(writer, text).await?;
            let events: usize = batches.iter().map(EventBatch::len).sum();
            stats.sent.add(events as u64, bytes);
            batches.into_iter().flatten().for_each(delivered);
        }
        Ok(())
    }
}

/// Writes on a thread that may wait: the terminal, or who reads the pipe, takes its time.
async fn write(mut writer: Box<dyn Write + Send>, text: Pieces) -> Result<Box<dyn Write + Send>, String> {
    let written = spawn_blocking(move || {
        text.write_to(&mut writer)?;
        writer.flush()?;
        Ok(writer)
    });
    written
        .await
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(failed)
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` has it")]
fn failed(error: std::io::Error) -> String {
    format!("writing to the console failed: {error}")
}

fn delivered(event: LogEvent) {
    event.finish(EventStatus::Delivered);
}

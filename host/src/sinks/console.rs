//! `type: console`: events on standard output or standard error.

use std::{
    io::{IsTerminal, Write},
    sync::Arc,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream::BoxStream};
use o365_core::{
    ComponentError, EventBatch, EventStatus, LogEvent, RefusedEvents, Sink, StreamSink,
    config::{BuildError, ComponentContext, Description, Problem, SinkConfig},
};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use super::delivery::SinkStats;
use crate::{append::Pieces, encoding::Encoding};

/// Batches that are written together at most, if so many are ready.
const GROUP: usize = 8;

/// Options of a `console` sink.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// `stdout` (default) or `stderr`.
    #[serde(default)]
    pub target: ConsoleTarget,
    /// The form. Default `json`; `pretty` is coloured on a terminal.
    #[serde(default)]
    pub encoding: Encoding,
}

/// Where a `console` sink writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsoleTarget {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
}

#[async_trait]
impl SinkConfig for ConsoleConfig {
    fn describe(&self) -> Description {
        Description {
            component_type: "console",
            summary: "writes events to standard output or standard error".to_owned(),
            outputs: Vec::new(),
        }
    }

    fn validate(&self, _cx: &ComponentContext) -> Vec<Problem> {
        Vec::new()
    }

    async fn build(&self, cx: &ComponentContext) -> Result<Sink, BuildError> {
        let colour = match self.target {
            ConsoleTarget::Stdout => std::io::stdout().is_terminal(),
            ConsoleTarget::Stderr => std::io::stderr().is_terminal(),
        };
        let writer: Box<dyn Write + Send> = match self.target {
            ConsoleTarget::Stdout => Box::new(std::io::stdout()),
            ConsoleTarget::Stderr => Box::new(std::io::stderr()),
        };
        Ok(Box::new(Console {
            encoding: self.encoding.clone(),
            colour,
            stats: cx.services.get().unwrap_or_default(),
            writer,
        }))
    }
}

struct Console {
    encoding: Encoding,
    colour: bool,
    stats: Arc<SinkStats>,
    writer: Box<dyn Write + Send>,
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

#[cfg(test)]
mod tests {
    use o365_core::testing::{Refused, sink_contract, tracked_batch};

    use super::*;
    use crate::encoding::Codec;

    fn sink(writer: impl Write + Send + 'static) -> Sink {
        Box::new(Console {
            encoding: Encoding { codec: Codec::Json },
            colour: false,
            stats: Arc::default(),
            writer: Box::new(writer),
        })
    }

    #[tokio::test]
    async fn keeps_the_contract_of_sinks() {
        let documents = (0..10)
            .map(|number| format!("{{\"n\":{number}}}").into())
            .collect();
        sink_contract(|| sink(std::io::sink()), documents).await;
    }

    #[tokio::test]
    async fn what_a_closed_pipe_did_not_take_is_not_delivered() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (batch, status) = tracked_batch(vec!["{\"a\":1}".into()]);
        let result = sink(writer)
            .run(
                futures_util::stream::iter([batch]).boxed(),
                Refused::default().events(),
            )
            .await;
        assert!(
            result
                .unwrap_err()
                .to_string()
                .contains("writing to the console failed")
        );
        assert_eq!(status.status().await, EventStatus::Errored);
    }
}

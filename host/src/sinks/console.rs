//! `type: console`: events on standard output or standard error.

use std::{io::IsTerminal, sync::Arc};

use async_trait::async_trait;
use futures_util::{StreamExt, stream::BoxStream};
use o365_core::{
    ComponentError, EventBatch, EventStatus, LogEvent, RefusedEvents, Sink, StreamSink,
    config::{BuildError, ComponentContext, Description, Problem, SinkConfig},
};
use serde::Deserialize;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::delivery::SinkStats;
use crate::encoding::Encoding;

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
        let writer: Box<dyn AsyncWrite + Send + Unpin> = match self.target {
            ConsoleTarget::Stdout => Box::new(tokio::io::stdout()),
            ConsoleTarget::Stderr => Box::new(tokio::io::stderr()),
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
    writer: Box<dyn AsyncWrite + Send + Unpin>,
}

#[async_trait]
impl StreamSink for Console {
    async fn run(
        mut self: Box<Self>,
        mut input: BoxStream<'static, EventBatch>,
        _refused: RefusedEvents,
    ) -> Result<(), ComponentError> {
        let mut text = self.encoding.codec.header().to_vec();
        if !text.is_empty() {
            self.write(&text).await.map_err(failed)?;
        }
        while let Some(mut batch) = input.next().await {
            text.clear();
            batch
                .iter_mut()
                .for_each(|event| self.encoding.codec.encode(event, self.colour, &mut text));
            self.write(&text).await.map_err(failed)?;
            self.stats.sent.add(batch.len() as u64, text.len() as u64);
            batch.into_iter().for_each(delivered);
        }
        Ok(())
    }
}

impl Console {
    async fn write(&mut self, text: &[u8]) -> std::io::Result<()> {
        self.writer.write_all(text).await?;
        self.writer.flush().await
    }
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

    fn sink(writer: impl AsyncWrite + Send + Unpin + 'static) -> Sink {
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
        sink_contract(|| sink(tokio::io::sink()), documents).await;
    }

    #[tokio::test]
    async fn what_a_closed_pipe_did_not_take_is_not_delivered() {
        let (writer, reader) = tokio::io::duplex(8);
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

//! Takes events as they come.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt, stream::BoxStream};
use o365_core::{ComponentError, ComponentKey, EventBatch, EventStatus, RefusedEvents, StreamSink};
use tracing::info;

use crate::sinks::delivery::SinkStats;

/// See the module.
pub(super) struct Blackhole {
    pub(super) key: ComponentKey,
    pub(super) print_interval: Option<Duration>,
    pub(super) stats: Arc<SinkStats>,
}

impl Blackhole {
    fn take(&self, batch: EventBatch) {
        let (events, mut bytes) = (batch.len() as u64, 0);
        for mut event in batch {
            // Written as any other sink would, so that measurements are honest.
            bytes += event.to_bytes().len() as u64;
            event.finish(EventStatus::Delivered);
        }
        self.stats.sent.add(events, bytes);
    }

    fn report(&self) {
        info!(sink = %self.key, events = self.stats.sent.events(), bytes = self.stats.sent.bytes(), "taken so far");
    }
}

#[async_trait]
impl StreamSink for Blackhole {
    async fn run(
        mut self: Box<Self>,
        mut input: BoxStream<'static, EventBatch>,
        _refused: RefusedEvents,
    ) -> Result<(), ComponentError> {
        let mut timer = self.print_interval.map(tokio::time::interval);
        loop {
            let tick = async {
                match &mut timer {
                    Some(timer) => timer.tick().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                batch = input.next() => match batch {
                    Some(batch) => self.take(batch),
                    None => break,
                },
                _ = tick => self.report(),
            }
        }
        self.report();
        Ok(())
    }
}

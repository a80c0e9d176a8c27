//! `type: blackhole`: takes everything and keeps nothing, for tests and measurements.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt, stream::BoxStream};
use o365_core::{
    ComponentError, ComponentKey, EventBatch, EventStatus, RefusedEvents, Sink, StreamSink,
    config::{BuildError, ComponentContext, Description, Problem, SinkConfig},
};
use serde::Deserialize;
use tracing::info;

use super::delivery::SinkStats;

/// Options of a `blackhole` sink.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlackholeConfig {
    /// How often the totals are logged, such as `10s`. Default: only at the end.
    #[serde(default, deserialize_with = "o365_core::duration::deserialize_some")]
    pub print_interval: Option<Duration>,
}

#[async_trait]
impl SinkConfig for BlackholeConfig {
    fn describe(&self) -> Description {
        Description {
            component_type: "blackhole",
            summary: "takes everything and keeps nothing".to_owned(),
            outputs: Vec::new(),
        }
    }

    fn validate(&self, _cx: &ComponentContext) -> Vec<Problem> {
        match self.print_interval {
            Some(interval) if interval < Duration::from_millis(100) => {
                vec![Problem::new("print_interval", "is too short").hint("use 100ms or more")]
            }
            _ => Vec::new(),
        }
    }

    async fn build(&self, cx: &ComponentContext) -> Result<Sink, BuildError> {
        let problems = self.validate(cx);
        if !problems.is_empty() {
            return Err(problems.into());
        }
        Ok(Box::new(Blackhole {
            key: cx.key.clone(),
            print_interval: self.print_interval,
            stats: cx.services.get().unwrap_or_default(),
        }))
    }
}

struct Blackhole {
    key: ComponentKey,
    print_interval: Option<Duration>,
    stats: Arc<SinkStats>,
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

#[cfg(test)]
mod tests {
    use o365_core::testing::sink_contract;

    use super::*;

    #[tokio::test]
    async fn keeps_the_contract_of_sinks() {
        let documents = (0..10)
            .map(|number| format!("{{\"n\":{number}}}").into())
            .collect();
        let sink = || {
            Box::new(Blackhole {
                key: "hole".into(),
                print_interval: None,
                stats: Arc::default(),
            }) as Sink
        };
        sink_contract(sink, documents).await;
    }
}

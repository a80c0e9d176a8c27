//! What may be said of a `blackhole` sink.

use std::time::Duration;

use async_trait::async_trait;
use o365_core::{
    Sink,
    config::{BuildError, ComponentContext, Description, Problem, SinkConfig},
};
use serde::Deserialize;

use super::sink::Blackhole;

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

//! What may be said of a `console` sink.

use std::io::{IsTerminal, Write};

use async_trait::async_trait;
use o365_core::{
    Sink,
    config::{BuildError, ComponentContext, Description, Problem, SinkConfig},
};
use serde::Deserialize;

use super::sink::Console;
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

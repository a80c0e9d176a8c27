//! `type: stdin`: one event a line from standard input.

use async_trait::async_trait;
use o365_core::{
    Source, SourceContext,
    config::{BuildError, ComponentContext, Description, Problem, SourceConfig},
};
use serde::Deserialize;

use super::lines::send_lines;

/// A `stdin` source has no options. It ends with its input.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StdinConfig {}

#[async_trait]
impl SourceConfig for StdinConfig {
    fn describe(&self) -> Description {
        Description {
            component_type: "stdin",
            summary: "reads one event a line from standard input".to_owned(),
            outputs: Vec::new(),
        }
    }

    fn validate(&self, _cx: &ComponentContext) -> Vec<Problem> {
        Vec::new()
    }

    async fn build(&self, cx: SourceContext) -> Result<Source, BuildError> {
        Ok(Box::pin(async move {
            send_lines(&cx, "stdin", std::io::stdin()).await
        }))
    }
}

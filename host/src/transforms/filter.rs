//! `type: filter`: Vector's transform of that name. Events for which the condition does not hold are dropped on purpose.

use async_trait::async_trait;
use o365_core::{
    Failure, FunctionTransform, LogEvent, OutputBuffer, Transform,
    config::{BuildError, ComponentContext, Description, TransformConfig},
};
use serde::Deserialize;

use super::condition::{Condition, ConditionConfig, NoAnswer, compile_all};

/// Options of a `filter` transform.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterConfig {
    /// What passes.
    pub condition: ConditionConfig,
}

#[async_trait]
impl TransformConfig for FilterConfig {
    fn describe(&self) -> Description {
        Description {
            component_type: "filter",
            summary: "drops events for which a condition does not hold".to_owned(),
            outputs: Vec::new(),
        }
    }

    fn runs_programs(&self) -> bool {
        true
    }

    async fn build(&self, cx: &ComponentContext) -> Result<Transform, BuildError> {
        let conditions = vec![("condition".to_owned(), self.condition.clone())];
        let mut conditions = compile_all(conditions, &cx.services).await?;
        let condition = conditions.pop().expect("as many as were given");
        Ok(Transform::Function(Box::new(Filter(condition))))
    }
}

#[derive(Debug, Clone)]
struct Filter(Condition);

impl FunctionTransform for Filter {
    fn transform(&mut self, output: &mut OutputBuffer, mut event: LogEvent) {
        match self.0.holds(&mut event) {
            Ok(true) => output.push(event),
            // Whoever wrote `abort` wanted it.
            Ok(false) | Err(NoAnswer::Aborted(_)) => event.discard(),
            Err(error) => output.fail(event, failure(&error)),
        }
    }

    fn clone_box(&self) -> Box<dyn FunctionTransform> {
        Box::new(self.clone())
    }
}

/// Why an event has no answer, for the dead letters: it is not known whether anybody wants it.
pub(super) fn failure(error: &NoAnswer) -> Failure {
    let kind = match error {
        NoAnswer::Document(_) => "invalid_document",
        NoAnswer::Aborted(_) | NoAnswer::Failed(_) => "condition",
    };
    Failure::new(kind, error.to_string())
}

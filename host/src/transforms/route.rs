//! `type: route`: Vector's transform of that name. An event goes to every output whose condition holds, and to
//! `_unmatched` if none does. There is no default output.

use std::sync::Arc;

use async_trait::async_trait;
use indexmap::IndexMap;
use o365_core::{
    EventBatch, LogEvent, SyncTransform, Transform, TransformOutputs,
    config::{BuildError, ComponentContext, Description, Problem, TransformConfig},
};
use serde::Deserialize;

use super::{
    condition::{Condition, ConditionConfig, NoAnswer, compile_all},
    filter::failure,
};

const UNMATCHED: &str = "_unmatched";
/// Names that Vector keeps for itself.
const RESERVED: [&str; 2] = [UNMATCHED, "_default"];

/// Options of a `route` transform.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Outputs, and what goes there.
    #[serde(default)]
    pub route: IndexMap<String, ConditionConfig>,
    /// Whether events for which no condition holds go to the output `_unmatched` instead of being dropped. Default `true`.
    #[serde(default = "yes")]
    pub reroute_unmatched: bool,
}

fn yes() -> bool {
    true
}

impl RouteConfig {
    fn names_problems(&self) -> Vec<Problem> {
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let names = self.route.keys();
        names
            .filter_map(|name| {
                let field = format!("route.{name}");
                if RESERVED.contains(&name.as_str()) {
                    Some(
                        Problem::new(field, format!("the name `{name}` of an output is reserved"))
                            .hint("events for which no condition holds go to `_unmatched` anyway"),
                    )
                } else if name.is_empty() || !name.chars().all(fine) {
                    Some(
                        Problem::new(field, format!("`{name}` is not a name for an output"))
                            .hint("use letters, digits, `_` and `-`"),
                    )
                } else {
                    None
                }
            })
            .collect()
    }
}

#[async_trait]
impl TransformConfig for RouteConfig {
    fn describe(&self) -> Description {
        let unmatched = self.reroute_unmatched.then(|| UNMATCHED.to_owned());
        let routes = self.route.keys().filter(|name| *name != UNMATCHED).cloned();
        Description {
            component_type: "route",
            summary: "sends events to outputs by conditions".to_owned(),
            outputs: routes.chain(unmatched).collect(),
        }
    }

    fn has_default_output(&self) -> bool {
        false
    }

    fn runs_programs(&self) -> bool {
        true
    }

    async fn build(&self, cx: &ComponentContext) -> Result<Transform, BuildError> {
        let mut problems = self.names_problems();
        let conditions = self
            .route
            .iter()
            .map(|(name, condition)| (format!("route.{name}"), condition.clone()))
            .collect();
        match compile_all(conditions, &cx.services).await {
            Ok(conditions) if problems.is_empty() => Ok(Transform::Synchronous(Box::new(Route {
                names: self.route.keys().cloned().collect(),
                conditions,
                reroute_unmatched: self.reroute_unmatched,
            }))),
            Ok(_) => Err(problems.into()),
            Err(found) => {
                problems.extend(found);
                Err(problems.into())
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Route {
    names: Arc<[String]>,
    /// In the order of the names.
    conditions: Vec<Condition>,
    reroute_unmatched: bool,
}

impl Route {
    fn route(&mut self, mut event: LogEvent, outputs: &mut TransformOutputs) {
        let mut failed = None;
        let mut matched: Option<&str> = None;
        for (name, condition) in self.names.iter().zip(&mut self.conditions) {
            match condition.holds(&mut event) {
                Ok(true) => {
                    // The last output gets the event itself, those before it a copy.
                    if let Some(name) = matched.replace(name) {
                        outputs.push_to(name, event.clone());
                    }
                }
                Ok(false) | Err(NoAnswer::Aborted(_)) => {}
                Err(error @ NoAnswer::Document(_)) => return outputs.fail(event, failure(&error)),
                // The other outputs do not suffer, as in Vector.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match (matched, failed) {
            (Some(name), _) => outputs.push_to(name, event),
            (None, _) if self.reroute_unmatched => outputs.push_to(UNMATCHED, event),
            // It might have been wanted.
            (None, Some(error)) => outputs.fail(event, failure(&error)),
            (None, None) => event.discard(),
        }
    }
}

impl SyncTransform for Route {
    fn transform_batch(&mut self, batch: EventBatch, outputs: &mut TransformOutputs) {
        for event in batch {
            self.route(event, outputs);
        }
    }

    fn clone_box(&self) -> Box<dyn SyncTransform> {
        Box::new(self.clone())
    }
}

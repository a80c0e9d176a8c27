//! `type: dedupe`: Vector's transform of that name. An event like one that came before is dropped on purpose.
//!
//! What Vector's does not know are events that come again because they were *not* delivered. Such an event must not fall
//! victim to its own first attempt: an event counts as seen while it is on its way and once it has come to its end, and
//! no longer when it has to be sent again.
//!
//! What is remembered are digests, [`CacheConfig::num_events`] of them, whatever the size of the events.

mod key;
mod memory;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use key::Key;
use memory::{Age, Memory};
use o365_core::{
    Clock, EventBatch, Failure, LogEvent, SyncTransform, Transform, TransformOutputs,
    config::{BuildError, ComponentContext, Description, Problem, TransformConfig},
};
use serde::Deserialize;
use vrl::path::{OwnedTargetPath, parse_target_path};

/// Options of a `dedupe` transform.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DedupeConfig {
    /// What makes two events the same. Default: `timestamp`, `host` and `message` of events that have all three.
    #[serde(default)]
    pub fields: Option<FieldsConfig>,
    /// How much is remembered.
    #[serde(default)]
    pub cache: CacheConfig,
    /// For how long. Default: until it falls out of the cache.
    #[serde(default)]
    pub time_settings: Option<TimeSettings>,
}

/// Which fields are compared: one of the two.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldsConfig {
    /// These.
    #[serde(default, rename = "match")]
    pub only: Option<Vec<String>>,
    /// All but these.
    #[serde(default)]
    pub ignore: Option<Vec<String>>,
}

/// How much is remembered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// Events; about 300 bytes each. At least 1, default `5000`.
    pub num_events: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { num_events: 5000 }
    }
}

/// For how long events are remembered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeSettings {
    /// An event passes again this many milliseconds after it has passed.
    pub max_age_ms: u64,
    /// Whether each dropped event starts that time anew. Default `false`.
    #[serde(default)]
    pub refresh_on_drop: bool,
}

impl DedupeConfig {
    fn key(&self) -> Result<Key, Vec<Problem>> {
        let Some(fields) = &self.fields else {
            return Ok(Key::usual());
        };
        match (&fields.only, &fields.ignore) {
            (Some(only), None) if only.is_empty() => Err(vec![
                Problem::new("fields.match", "no field is named: all events would be the same")
                    .hint("name what identifies an event, such as `event.id`"),
            ]),
            (Some(only), None) => Ok(Key::Match(paths("fields.match", only)?)),
            (None, Some(ignore)) => Ok(Key::ignoring(paths("fields.ignore", ignore)?)),
            _ => Err(vec![
                Problem::new("fields", "exactly one of `match` and `ignore` must be given")
                    .hint("`match: [event.id]` compares only that, `ignore: [event.ingested]` all but that"),
            ]),
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let none = (self.cache.num_events == 0)
            .then(|| Problem::new("cache.num_events", "must be at least 1").hint("the default is 5000"));
        let no_time = self
            .time_settings
            .as_ref()
            .filter(|settings| settings.max_age_ms == 0)
            .map(|_| {
                Problem::new("time_settings.max_age_ms", "must be at least 1")
                    .hint("leave `time_settings` out to remember events however old they are")
            });
        none.into_iter().chain(no_time).collect()
    }
}

fn paths(field: &str, texts: &[String]) -> Result<Vec<OwnedTargetPath>, Vec<Problem>> {
    let (mut paths, mut problems) = (Vec::new(), Vec::new());
    for (at, text) in texts.iter().enumerate() {
        match parse_target_path(text) {
            Ok(path) if !path.path.is_root() => paths.push(path),
            _ => problems.push(
                Problem::new(
                    format!("{field}[{at}]"),
                    format!("`{text}` is not a path of a field"),
                )
                .hint("write names with dots between them, such as `event.id`"),
            ),
        }
    }
    if problems.is_empty() {
        Ok(paths)
    } else {
        Err(problems)
    }
}

#[async_trait]
impl TransformConfig for DedupeConfig {
    fn describe(&self) -> Description {
        Description {
            component_type: "dedupe",
            summary: "drops events that came before".to_owned(),
            outputs: Vec::new(),
        }
    }

    async fn build(&self, cx: &ComponentContext) -> Result<Transform, BuildError> {
        let mut problems = self.problems();
        match self.key() {
            Ok(key) if problems.is_empty() => Ok(Transform::Synchronous(Box::new(Dedupe {
                key: Arc::new(key),
                memory: Memory::new(self.cache.num_events),
                age: self.time_settings.as_ref().map(|settings| Age {
                    max: TimeDelta::try_milliseconds(i64::try_from(settings.max_age_ms).unwrap_or(i64::MAX))
                        .unwrap_or(TimeDelta::MAX),
                    refresh_on_drop: settings.refresh_on_drop,
                }),
                clock: Arc::clone(&cx.clock),
            }))),
            key => {
                problems.extend(key.err().into_iter().flatten());
                Err(problems.into())
            }
        }
    }
}

struct Dedupe {
    key: Arc<Key>,
    memory: Memory,
    age: Option<Age>,
    clock: Arc<dyn Clock>,
}

impl Dedupe {
    fn pass(&mut self, mut event: LogEvent, outputs: &mut TransformOutputs) {
        match self.key.of(&mut event) {
            Ok(Some(digest)) => {
                if self
                    .memory
                    .has_seen(digest, &mut event, self.age, self.clock.now())
                {
                    event.discard();
                } else {
                    outputs.push(event);
                }
            }
            Ok(None) => outputs.push(event),
            Err(error) => outputs.fail(event, Failure::new("invalid_document", error.to_string())),
        }
    }
}

impl SyncTransform for Dedupe {
    fn transform_batch(&mut self, batch: EventBatch, outputs: &mut TransformOutputs) {
        for event in batch {
            self.pass(event, outputs);
        }
    }

    /// The first of several like events is the one that passes, and one memory knows them all.
    fn needs_order(&self) -> bool {
        true
    }

    fn clone_box(&self) -> Box<dyn SyncTransform> {
        Box::new(Self {
            key: Arc::clone(&self.key),
            memory: self.memory.empty(),
            age: self.age,
            clock: Arc::clone(&self.clock),
        })
    }
}

//! `type: remap`: Vector's transform of that name, with its options.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use o365_core::{
    EventBatch, Failure, LogEvent, SyncTransform, Transform, TransformOutputs, Value,
    config::{BuildError, ComponentContext, Description, Problem, Services, TransformConfig},
};
use serde::Deserialize;
use vrl::{
    compiler::{
        CompileConfig, ExpressionError, Program, TargetValue, TimeZone,
        runtime::{Runtime, Terminate},
    },
    diagnostic::{DiagnosticMessage, Note},
    owned_value_path,
    value::{KeyString, ObjectMap, Secrets},
};

use super::program::{ProgramText, uses_metadata};
use crate::time_zone::{self, DefaultTimeZone};

const DROPPED: &str = "dropped";

/// Options of a `remap` transform. Exactly one of `source`, `file` and `files` is given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemapConfig {
    /// The program.
    #[serde(default)]
    pub source: Option<String>,
    /// A file with the program; a relative path starts at the configuration file.
    #[serde(default)]
    pub file: Option<String>,
    /// Files that make up the program, joined in this order.
    #[serde(default)]
    pub files: Option<Vec<String>>,
    /// Time zone of timestamps that have none, such as `Europe/Berlin`. Default: `timezone` of the configuration.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Whether an event on which the program fails is dropped (to the dead letters, or to the output `dropped` with
    /// `reroute_dropped`) instead of passed on unchanged. Default `false`.
    #[serde(default)]
    pub drop_on_error: bool,
    /// Whether an event on which the program aborts is dropped instead of passed on unchanged. Default `true`.
    #[serde(default = "yes")]
    pub drop_on_abort: bool,
    /// Whether dropped events go to the output `dropped`, with the reason below `.metadata.dropped`. Default `false`.
    #[serde(default)]
    pub reroute_dropped: bool,
}

fn yes() -> bool {
    true
}

impl RemapConfig {
    /// A program given as text, with Vector's defaults.
    pub fn from_source(source: impl Into<String>) -> Self {
        Self {
            source: Some(source.into()),
            drop_on_abort: true,
            ..Self::default()
        }
    }

    /// A program in a file, with Vector's defaults.
    pub fn from_file(file: impl Into<String>) -> Self {
        Self {
            file: Some(file.into()),
            drop_on_abort: true,
            ..Self::default()
        }
    }

    fn program(&self, dir: &Path) -> Result<ProgramText, Problem> {
        match (&self.source, &self.file, &self.files) {
            (Some(source), None, None) => Ok(ProgramText::inline("program", "source", source)),
            (None, Some(file), None) => ProgramText::read("file", dir, std::slice::from_ref(file), false),
            (None, None, Some(files)) if !files.is_empty() => ProgramText::read("files", dir, files, true),
            _ => Err(
                Problem::new("", "exactly one of `source`, `file` and `files` must be given")
                    .hint("write the program below `source: |`, or name a file"),
            ),
        }
    }

    fn time_zone(&self, services: &Services) -> Result<TimeZone, Problem> {
        match &self.timezone {
            Some(name) => {
                time_zone::parse(name).map_err(|error| Problem::new("timezone", error).hint(time_zone::HINT))
            }
            None => Ok(services
                .get::<DefaultTimeZone>()
                .map(|zone| *zone)
                .unwrap_or_default()
                .0),
        }
    }
}

#[async_trait]
impl TransformConfig for RemapConfig {
    fn describe(&self) -> Description {
        Description {
            component_type: "remap",
            summary: "changes events with a VRL program".to_owned(),
            outputs: if self.reroute_dropped {
                vec![DROPPED.to_owned()]
            } else {
                Vec::new()
            },
        }
    }

    fn files_to_watch(&self) -> Vec<PathBuf> {
        let files = self.file.iter().chain(self.files.iter().flatten());
        files.map(PathBuf::from).collect()
    }

    fn runs_programs(&self) -> bool {
        true
    }

    async fn build(&self, cx: &ComponentContext) -> Result<Transform, BuildError> {
        let program = self.program(&cx.config_dir);
        let time_zone = self.time_zone(&cx.services);
        let (program, time_zone) = match (program, time_zone) {
            (Ok(program), Ok(time_zone)) => (program, time_zone),
            (program, time_zone) => {
                return Err([program.err(), time_zone.err()]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .into());
            }
        };
        let services = cx.services.clone();
        let compiled = tokio::task::spawn_blocking(move || {
            let compiled = program.compile(CompileConfig::default(), &services)?;
            Ok::<_, Problem>((program.warnings(&compiled), compiled.program))
        });
        let (warnings, program) = compiled
            .await
            .map_err(|error| Problem::new("source", format!("compiling it failed: {error}")))??;
        if let Some(warnings) = warnings {
            tracing::warn!(component = %cx.key, "the VRL program compiles, with warnings:\n{warnings}");
        }
        Ok(Transform::Synchronous(Box::new(Remap {
            component: cx.key.to_string(),
            uses_metadata: uses_metadata(&program),
            program: Arc::new(program),
            time_zone,
            runtime: Runtime::default(),
            on_error: Fate::of(self.drop_on_error, self.reroute_dropped, Fate::Fail),
            on_abort: Fate::of(self.drop_on_abort, self.reroute_dropped, Fate::Discard),
            failures: Arc::default(),
        })))
    }
}

struct Remap {
    component: String,
    uses_metadata: bool,
    program: Arc<Program>,
    time_zone: TimeZone,
    runtime: Runtime,
    on_error: Fate,
    on_abort: Fate,
    failures: Arc<Failures>,
}

/// Events on which the program failed and that were passed on: nothing else tells of them.
#[derive(Debug, Default)]
struct Failures(AtomicU64);

impl Failures {
    /// Says so at the first event, and whenever there are twice as many. Not why: the message may quote the event.
    fn count(&self, component: &str) {
        let events = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        if events.is_power_of_two() {
            tracing::warn!(
                component,
                events,
                "the program failed, and the events were passed on unchanged; `drop_on_error: true` keeps such events \
                 with the reason"
            );
        }
    }
}

/// What becomes of an event whose program did not come to its end.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It goes on, unchanged.
    PassOn,
    /// It goes to the output `dropped`, with the reason.
    Reroute,
    /// It becomes a dead letter.
    Fail,
    /// It is gone on purpose: the program's author said that it is not wanted.
    Discard,
}

impl Fate {
    fn of(dropped: bool, reroute: bool, otherwise: Self) -> Self {
        match (dropped, reroute) {
            (false, _) => Self::PassOn,
            (true, true) => Self::Reroute,
            (true, false) => otherwise,
        }
    }
}

impl SyncTransform for Remap {
    fn transform_batch(&mut self, batch: EventBatch, outputs: &mut TransformOutputs) {
        for event in batch {
            self.transform(event, outputs);
        }
    }

    fn clone_box(&self) -> Box<dyn SyncTransform> {
        Box::new(Self {
            component: self.component.clone(),
            program: Arc::clone(&self.program),
            time_zone: self.time_zone,
            runtime: Runtime::default(),
            failures: Arc::clone(&self.failures),
            ..*self
        })
    }
}

impl Remap {
    fn transform(&mut self, mut event: LogEvent, outputs: &mut TransformOutputs) {
        let value = match event.value() {
            // The program works on a copy, because a failing one must leave the event as it was.
            Ok(value) => value.clone(),
            Err(error) => return outputs.fail(event, Failure::new("invalid_document", error.to_string())),
        };
        let metadata = if self.uses_metadata {
            event.metadata().to_value()
        } else {
            Value::Object(ObjectMap::new())
        };
        let mut target = TargetValue {
            value,
            metadata,
            secrets: Secrets::default(),
        };
        self.runtime.clear();
        match self.runtime.resolve(&mut target, &self.program, &self.time_zone) {
            Ok(_) => {
                if self.uses_metadata
                    && let Value::Object(metadata) = target.metadata
                {
                    event.metadata_mut().set_custom(metadata);
                }
                pass_on(event, target.value, outputs);
            }
            Err(Terminate::Abort(error)) => {
                self.stopped(event, self.on_abort, "abort", &message(&error), outputs);
            }
            Err(Terminate::Error(error)) => {
                self.stopped(event, self.on_error, "error", &message(&error), outputs);
            }
            Err(error @ Terminate::Interrupted) => {
                self.stopped(event, self.on_error, "error", &error.to_string(), outputs);
            }
        }
    }

    fn stopped(
        &self,
        mut event: LogEvent,
        fate: Fate,
        reason: &str,
        message: &str,
        outputs: &mut TransformOutputs,
    ) {
        match fate {
            Fate::PassOn => {
                if reason == "error" {
                    self.failures.count(&self.component);
                }
                outputs.push(event);
            }
            Fate::Discard => event.discard(),
            Fate::Fail => outputs.fail(event, Failure::new("program", message)),
            Fate::Reroute => {
                let details = self.dropped_details(reason, message);
                if let Ok(value) = event.document_mut().value_mut() {
                    value.insert(&owned_value_path!("metadata", DROPPED), details);
                }
                outputs.push_to(DROPPED, event);
            }
        }
    }

    /// The keys that Vector writes.
    fn dropped_details(&self, reason: &str, message: &str) -> Value {
        let details: [(&str, &str); 5] = [
            ("reason", reason),
            ("message", message),
            ("component_id", &self.component),
            ("component_type", "remap"),
            ("component_kind", "transform"),
        ];
        let details = details
            .into_iter()
            .map(|(key, value)| (KeyString::from(key), Value::from(value)));
        Value::Object(details.collect::<ObjectMap>())
    }
}

/// What went wrong, in the words of the program's author if there are any, as Vector has it.
fn message(error: &ExpressionError) -> String {
    let own = error.notes().into_iter().rev().find_map(|note| match note {
        Note::UserErrorMessage(message) => Some(message),
        _ => None,
    });
    own.unwrap_or_else(|| error.to_string())
}

/// The event with its new content; a program that leaves an array makes one event of each of its members.
fn pass_on(mut event: LogEvent, value: Value, outputs: &mut TransformOutputs) {
    match value {
        Value::Array(items) if items.is_empty() => event.discard(),
        Value::Array(items) => {
            for item in items {
                let mut copy = event.clone();
                *copy.document_mut() = object(item).into();
                outputs.push(copy);
            }
            event.discard();
        }
        value => {
            *event.document_mut() = object(value).into();
            outputs.push(event);
        }
    }
}

/// A log event is an object; as in Vector, any other value is wrapped.
fn object(value: Value) -> Value {
    match value {
        Value::Object(_) => value,
        other => Value::Object(ObjectMap::from([("message".into(), other)])),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use o365_core::testing::transform_contract;

    use super::*;

    fn context(dir: &Path) -> ComponentContext {
        ComponentContext {
            key: "tidy".into(),
            data_dir: dir.to_owned(),
            config_dir: dir.to_owned(),
            clock: Arc::new(o365_core::SystemClock),
            services: Services::default(),
        }
    }

    /// Documents of the default output, documents of `dropped`, reasons of failures.
    async fn run(config: RemapConfig, documents: &[&'static str]) -> [Vec<String>; 3] {
        let transform = config.build(&context(Path::new("."))).await.unwrap();
        let documents = documents
            .iter()
            .map(|text| Bytes::from_static(text.as_bytes()))
            .collect();
        let (passed, mut outputs) = transform_contract(transform, config.describe().outputs, documents).await;
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let failed = outputs
            .take_failed()
            .into_iter()
            .map(|failed| failed.failure.reason)
            .collect();
        let dropped: Vec<_> = outputs
            .take_named()
            .flat_map(|(_, batch)| batch)
            .map(|mut event| text(&event.to_bytes()))
            .collect();
        [passed.iter().map(text).collect(), dropped, failed]
    }

    async fn problem(config: RemapConfig, dir: &Path) -> Vec<Problem> {
        config.build(&context(dir)).await.unwrap_err().problems
    }

    #[tokio::test]
    async fn changes_events_and_leaves_untouched_bytes_alone() {
        let [passed, ..] = run(
            RemapConfig::from_source(r#".labels.env = "prod""#),
            &[r#"{"a": 1}"#],
        )
        .await;
        assert_eq!(passed, [r#"{"a":1,"labels":{"env":"prod"}}"#]);
    }

    #[tokio::test]
    async fn an_array_becomes_several_events() {
        let [passed, ..] = run(
            RemapConfig::from_source(". = .items"),
            &[r#"{"items":[{"a":1},"x"]}"#],
        )
        .await;
        assert_eq!(passed, [r#"{"a":1}"#, r#"{"message":"x"}"#]);
    }

    #[tokio::test]
    async fn programs_read_where_an_event_came_from() {
        let [passed, ..] = run(RemapConfig::from_source(".blob = %content_id"), &["{}"]).await;
        assert_eq!(passed, [r#"{"blob":"test-blob"}"#]);
    }

    const FAILING: &str = ".a = 1\n.b = parse_json!(.text)";
    const ABORTING: &str = ".a = 1\nif .drop == true { abort }";

    #[tokio::test]
    async fn a_failing_program_leaves_the_event_as_it_was() {
        let document = r#"{"text": "{"}"#;
        let [passed, _, failed] = run(RemapConfig::from_source(FAILING), &[document]).await;
        assert_eq!((passed, failed.len()), (vec![document.to_owned()], 0));
    }

    #[tokio::test]
    async fn drop_on_error_keeps_the_event_as_a_dead_letter() {
        let config = RemapConfig {
            drop_on_error: true,
            ..RemapConfig::from_source(FAILING)
        };
        let [passed, _, failed] = run(config, &[r#"{"text":"{"}"#, r#"{"text":"1"}"#]).await;
        assert_eq!(passed, [r#"{"a":1,"b":1,"text":"1"}"#]);
        assert!(failed[0].contains("unable to parse json"), "{failed:?}");
    }

    #[tokio::test]
    async fn reroute_dropped_sends_it_to_the_output_dropped_with_the_reason() {
        let config = RemapConfig {
            drop_on_error: true,
            reroute_dropped: true,
            ..RemapConfig::from_source(FAILING)
        };
        let [passed, dropped, failed] = run(config, &[r#"{"text":"{"}"#]).await;
        assert_eq!((passed.len(), failed.len()), (0, 0));
        let dropped: serde_json::Value = serde_json::from_str(&dropped[0]).unwrap();
        assert_eq!(dropped["metadata"]["dropped"]["reason"], "error");
        assert_eq!(dropped["metadata"]["dropped"]["component_id"], "tidy");
        assert_eq!((&dropped["text"], dropped.get("a")), (&"{".into(), None));
    }

    #[tokio::test]
    async fn abort_drops_on_purpose_unless_told_otherwise() {
        let document = r#"{"drop":true}"#;
        let [passed, _, failed] = run(RemapConfig::from_source(ABORTING), &[document]).await;
        assert_eq!((passed.len(), failed.len()), (0, 0));
        let config = RemapConfig {
            drop_on_abort: false,
            ..RemapConfig::from_source(ABORTING)
        };
        assert_eq!(run(config, &[document]).await[0], [document]);
    }

    #[tokio::test]
    async fn what_is_no_json_becomes_a_dead_letter() {
        let [passed, _, failed] = run(RemapConfig::from_source(".a = 1"), &["oops", "{}"]).await;
        assert_eq!(passed, [r#"{"a":1}"#]);
        assert!(failed[0].contains("not a JSON object"), "{failed:?}");
    }

    #[tokio::test]
    async fn reads_programs_from_files_and_says_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.vrl"), ".a = 1").unwrap();
        std::fs::write(dir.path().join("b.vrl"), ".b = .a").unwrap();
        let files = RemapConfig {
            files: Some(vec!["a.vrl".into(), "b.vrl".into()]),
            ..RemapConfig::default()
        };
        assert!(files.build(&context(dir.path())).await.is_ok());

        let missing = &problem(RemapConfig::from_file("none.vrl"), dir.path()).await[0];
        assert_eq!(missing.field, "file");
        assert!(missing.message.contains("none.vrl"), "{missing:?}");
        let both = RemapConfig {
            file: Some("a.vrl".into()),
            timezone: Some("Moon".into()),
            ..RemapConfig::from_source(".")
        };
        let fields: Vec<_> = problem(both, dir.path())
            .await
            .into_iter()
            .map(|problem| problem.field)
            .collect();
        assert_eq!(fields, ["", "timezone"]);
        let bad = &problem(RemapConfig::from_source(".a = 1\n.b = upcase(.a"), dir.path()).await[0];
        assert_eq!(bad.field, "source");
        assert!(bad.message.contains("error[E204]"), "{}", bad.message);
        assert!(bad.within.is_some());
    }
}

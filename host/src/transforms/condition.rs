//! Vector's condition: a question to an event that is answered with yes or no.
//!
//! ```yaml
//! condition: .event.code == "ExchangeAdmin"             # a VRL expression
//! condition: { type: vrl, source: 'exists(.user.id)' }  # the same, in full
//! condition: { type: is_log }                           # every event of this program is one
//! ```
//!
//! The expression has to have a boolean as its result, and cannot change the event: both are seen when it is compiled.

use std::{fmt, sync::Arc};

use o365_core::{
    InvalidDocument, LogEvent, Value,
    config::{Problem, Services},
};
use serde::{
    Deserialize, Deserializer,
    de::{self, value::MapAccessDeserializer},
};
use vrl::{
    compiler::{
        CompileConfig, Program, SecretTarget, Target, TimeZone,
        runtime::{Runtime, Terminate},
    },
    path::{OwnedTargetPath, PathPrefix},
    value::ObjectMap,
};

use super::program::{ProgramText, uses_metadata};
use crate::time_zone::DefaultTimeZone;

/// A condition as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionConfig {
    /// A VRL expression.
    Vrl {
        /// The expression.
        source: String,
        /// Whether it stands for itself, without `type` and `source`.
        short: bool,
    },
    /// Whether the event is a log event.
    IsLog,
}

impl<'de> Deserialize<'de> for ConditionConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// Reads either form.
struct Written;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InFull {
    #[serde(rename = "type")]
    kind: ConditionKind,
    #[serde(default)]
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ConditionKind {
    Vrl,
    IsLog,
}

impl<'de> de::Visitor<'de> for Written {
    type Value = ConditionConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a VRL expression, or a map with `type` and `source`")
    }

    fn visit_str<E: de::Error>(self, source: &str) -> Result<ConditionConfig, E> {
        Ok(ConditionConfig::Vrl {
            source: source.to_owned(),
            short: true,
        })
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<ConditionConfig, A::Error> {
        let InFull { kind, source } = InFull::deserialize(MapAccessDeserializer::new(map))?;
        match (kind, source) {
            (ConditionKind::Vrl, Some(source)) => Ok(ConditionConfig::Vrl { source, short: false }),
            (ConditionKind::Vrl, None) => Err(de::Error::custom("a condition of `type: vrl` needs `source`")),
            (ConditionKind::IsLog, None) => Ok(ConditionConfig::IsLog),
            (ConditionKind::IsLog, Some(_)) => Err(de::Error::custom("`is_log` has no `source`")),
        }
    }
}

impl ConditionConfig {
    /// Makes it ready to be asked. `field` is the option that holds it. Takes up to a second: not for an async thread.
    ///
    /// # Errors
    /// An expression that does not compile, that would change the event, or whose result is not a boolean.
    pub fn compile(&self, field: &str) -> Result<Condition, Problem> {
        self.compile_with(field, &Services::default())
    }

    /// The same for an expression that may use enrichment tables, which are among the services.
    pub fn compile_with(&self, field: &str, services: &Services) -> Result<Condition, Problem> {
        let Self::Vrl { source, short } = self else {
            return Ok(Condition(Kind::IsLog));
        };
        let field = match (*short, field) {
            (true, _) => field.to_owned(),
            (false, "") => "source".to_owned(),
            (false, _) => format!("{field}.source"),
        };
        let text = ProgramText::inline("condition", field.as_str(), source);
        let mut config = CompileConfig::default();
        config.set_read_only();
        let program = text.compile(config, services)?.program;
        let result = program.final_type_info().result;
        let kind = result.kind().union(result.returns().clone());
        if !kind.is_boolean() {
            return Err(Problem::new(
                field,
                format!("the result of the VRL condition is not a boolean, but: {kind}"),
            )
            .hint(r#"end with a comparison, such as `.event.code == "Yammer"`, or with `true`"#));
        }
        Ok(Condition(Kind::Vrl(Box::new(Question {
            uses_metadata: uses_metadata(&program),
            program: Arc::new(program),
            time_zone: services
                .get::<DefaultTimeZone>()
                .map(|zone| *zone)
                .unwrap_or_default()
                .0,
            runtime: Runtime::default(),
        }))))
    }
}

/// Compiles conditions, each with the option that holds it, in their order; or says everything that is wrong with them.
pub(super) async fn compile_all(
    conditions: Vec<(String, ConditionConfig)>,
    services: &Services,
) -> Result<Vec<Condition>, Vec<Problem>> {
    let services = services.clone();
    let compiled = tokio::task::spawn_blocking(move || {
        let (mut compiled, mut problems) = (Vec::new(), Vec::new());
        for (field, condition) in conditions {
            match condition.compile_with(&field, &services) {
                Ok(condition) => compiled.push(condition),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(compiled)
        } else {
            Err(problems)
        }
    });
    let compiled = compiled.await;
    compiled.map_err(|error| {
        vec![Problem::new(
            "",
            format!("compiling the conditions failed: {error}"),
        )]
    })?
}

/// A condition that can be asked. A clone is for another thread.
#[derive(Debug, Clone)]
pub struct Condition(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Vrl(Box<Question>),
    IsLog,
}

/// Why a condition has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// There is nothing to look at.
    #[error(transparent)]
    Document(#[from] InvalidDocument),
    /// The expression ended with `abort`.
    #[error("{0}")]
    Aborted(String),
    /// The expression failed, as one with `assert!` does.
    #[error("{0}")]
    Failed(String),
}

impl Condition {
    /// Whether the condition holds for an event.
    ///
    /// # Errors
    /// The event is no JSON object, or the expression failed or aborted; in Vector the condition does not hold then.
    pub fn holds(&mut self, event: &mut LogEvent) -> Result<bool, NoAnswer> {
        match &mut self.0 {
            Kind::Vrl(question) => question.ask(event),
            Kind::IsLog => Ok(true),
        }
    }
}

#[derive(Debug)]
struct Question {
    program: Arc<Program>,
    uses_metadata: bool,
    time_zone: TimeZone,
    runtime: Runtime,
}

impl Clone for Question {
    fn clone(&self) -> Self {
        Self {
            program: Arc::clone(&self.program),
            runtime: Runtime::default(),
            ..*self
        }
    }
}

impl Question {
    fn ask(&mut self, event: &mut LogEvent) -> Result<bool, NoAnswer> {
        let metadata = if self.uses_metadata {
            event.metadata().to_value()
        } else {
            Value::Object(ObjectMap::new())
        };
        let mut view = View {
            value: event.value()?,
            metadata,
        };
        self.runtime.clear();
        match self.runtime.resolve(&mut view, &self.program, &self.time_zone) {
            Ok(Value::Boolean(answer)) => Ok(answer),
            // The compiler has seen that there is no other result.
            Ok(other) => Err(NoAnswer::Failed(format!(
                "the result is {}, not a boolean",
                other.kind_str()
            ))),
            Err(Terminate::Abort(error)) => Err(NoAnswer::Aborted(error.to_string())),
            Err(error) => Err(NoAnswer::Failed(error.to_string())),
        }
    }
}

/// An event that can be read, without a copy of it.
#[derive(Debug)]
struct View<'a> {
    value: &'a Value,
    metadata: Value,
}

const READ_ONLY: &str = "a condition cannot change the event";

impl Target for View<'_> {
    fn target_insert(&mut self, _: &OwnedTargetPath, _: Value) -> Result<(), String> {
        Err(READ_ONLY.to_owned())
    }

    fn target_get(&self, path: &OwnedTargetPath) -> Result<Option<&Value>, String> {
        let root = match path.prefix {
            PathPrefix::Event => self.value,
            PathPrefix::Metadata => &self.metadata,
        };
        Ok(root.get(&path.path))
    }

    fn target_get_mut(&mut self, _: &OwnedTargetPath) -> Result<Option<&mut Value>, String> {
        Err(READ_ONLY.to_owned())
    }

    fn target_remove(&mut self, _: &OwnedTargetPath, _: bool) -> Result<Option<Value>, String> {
        Err(READ_ONLY.to_owned())
    }
}

impl SecretTarget for View<'_> {
    fn get_secret(&self, _: &str) -> Option<&str> {
        None
    }

    fn insert_secret(&mut self, _: &str, _: &str) {}

    fn remove_secret(&mut self, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(source: &str) -> ConditionConfig {
        ConditionConfig::Vrl {
            source: source.to_owned(),
            short: true,
        }
    }

    fn ask(source: &str, document: &'static str) -> Result<bool, NoAnswer> {
        let mut condition = short(source).compile("condition").unwrap();
        condition.holds(&mut LogEvent::untracked(document))
    }

    fn refused(config: &ConditionConfig) -> Problem {
        config.compile("condition").unwrap_err()
    }

    #[test]
    fn an_expression_is_asked_of_an_event() {
        assert_eq!(ask(".a == 1", r#"{"a":1}"#), Ok(true));
        assert_eq!(ask(".a == 1", r#"{"a":2}"#), Ok(false));
        assert_eq!(ask("if .a == 1 { return true }\nfalse", r#"{"a":1}"#), Ok(true));
        assert_eq!(ask("x = [1]\nx = push(x, 2)\nlength(x) == 2", "{}"), Ok(true));
        assert_eq!(ask("exists(.a) && !exists(.b)", r#"{"a":null}"#), Ok(true));
    }

    #[test]
    fn the_event_stays_byte_for_byte() {
        let text = r#"{ "b": 1.50, "a": "x" }"#;
        let mut event = LogEvent::untracked(text);
        let mut condition = short(r#".a == "x""#).compile("").unwrap();
        assert_eq!(condition.holds(&mut event), Ok(true));
        assert_eq!(event.to_bytes(), text.as_bytes());
    }

    #[test]
    fn metadata_is_read() {
        let mut event = LogEvent::untracked("{}");
        event
            .metadata_mut()
            .set_custom(ObjectMap::from([("feed".into(), "DLP.All".into())]));
        let mut condition = short(r#"%feed == "DLP.All""#).compile("").unwrap();
        assert_eq!(condition.clone().holds(&mut event), Ok(true));
        assert_eq!(condition.holds(&mut LogEvent::untracked("{}")), Ok(false));
    }

    #[test]
    fn assertions_tell_their_message() {
        let failed = |source: &str| ask(source, r#"{"a":1}"#).unwrap_err().to_string();
        let odd = failed(r#"assert!(.a == 2, "a is odd")"#);
        assert!(odd.ends_with(": a is odd"), "{odd}");
        let unequal = failed("assert_eq!(.a, 2)");
        assert!(unequal.ends_with("assertion failed: 1 == 2"), "{unequal}");
        assert_eq!(failed("if .a == 1 { abort \"no\" }\ntrue"), "no");
        assert!(matches!(
            ask("to_int!(.b) == 1", r#"{"b":"x"}"#),
            Err(NoAnswer::Failed(_))
        ));
        assert!(matches!(ask("true", "oops"), Err(NoAnswer::Document(_))));
    }

    #[test]
    fn what_is_no_question_is_refused_at_its_place() {
        let problem = refused(&short(".a"));
        assert_eq!((problem.field.as_str(), problem.within), ("condition", None));
        assert!(
            problem.message.contains("not a boolean, but: any"),
            "{}",
            problem.message
        );
        let problem = refused(&short("if .a == 1 { return 7 }\ntrue"));
        assert!(
            problem.message.contains("but: integer or boolean"),
            "{}",
            problem.message
        );

        let problem = refused(&ConditionConfig::Vrl {
            source: "true &&\n upcase(.a) == .b".to_owned(),
            short: false,
        });
        assert_eq!(problem.field, "condition.source");
        assert!(
            problem
                .message
                .contains("the VRL condition does not compile:\nerror["),
            "{}",
            problem.message
        );
        assert_eq!(problem.within.map(|range| range.start), Some(16));
    }

    #[test]
    fn what_would_change_the_event_is_refused() {
        for source in [".a = 1\ntrue", "%a = 1\ntrue", "del(.a) == 1", ". = {}\ntrue"] {
            let message = refused(&short(source)).message;
            assert!(message.contains("error[E3"), "{source}: {message}");
        }
    }

    #[test]
    fn both_forms_are_read() {
        let read = |json: serde_json::Value| serde_json::from_value::<ConditionConfig>(json);
        let refused = |json: serde_json::Value| read(json).unwrap_err().to_string();
        assert_eq!(read("true".into()).unwrap(), short("true"));
        let full = read(serde_json::json!({"type": "vrl", "source": "true"})).unwrap();
        assert_eq!(
            full,
            ConditionConfig::Vrl {
                source: "true".to_owned(),
                short: false
            }
        );
        let is_log = read(serde_json::json!({"type": "is_log"})).unwrap();
        assert_eq!(is_log, ConditionConfig::IsLog);
        assert_eq!(
            is_log.compile("").unwrap().holds(&mut LogEvent::untracked("{}")),
            Ok(true)
        );
        for (json, why) in [
            (serde_json::json!({"type": "vrl"}), "needs `source`"),
            (serde_json::json!({"source": "true"}), "missing field `type`"),
            (
                serde_json::json!({"type": "is_log", "source": "true"}),
                "has no `source`",
            ),
            (
                serde_json::json!({"type": "datadog_search", "source": "x"}),
                "unknown variant",
            ),
            (
                serde_json::json!({"type": "vrl", "sauce": "true"}),
                "unknown field `sauce`",
            ),
            (serde_json::json!(true), "expected a VRL expression, or a map"),
        ] {
            let error = refused(json);
            assert!(error.contains(why), "{error}");
        }
    }
}

//! Compiles what a test is made of: its events and its conditions.

use bytes::Bytes;
use o365_core::{
    Document, Value,
    config::{Problem, Services},
};
use serde_json::{Map, Value as Json};
use vrl::{
    compiler::{CompileConfig, Program, TargetValue, runtime::Runtime},
    path::parse_value_path,
    value::{ObjectMap, Secrets},
};

use super::{
    TestProblem,
    plan::Plan,
    written::{InputKind, TestInput, UnitTest},
};
use crate::{
    time_zone::DefaultTimeZone,
    transforms::{Condition, ConditionConfig, program::ProgramText},
};

/// A test that can be run.
#[derive(Debug)]
pub struct Prepared {
    /// Its name.
    pub name: String,
    /// Where its events go in and come out.
    pub plan: Plan,
    /// Its events, each with the path of its key below the test.
    pub inputs: Vec<(String, Input)>,
    /// For each of its outputs the conditions.
    pub outputs: Vec<Vec<Asked>>,
}

/// A condition and its words.
#[derive(Debug)]
pub struct Asked {
    /// The VRL expression, or the name of another kind of condition.
    pub source: String,
    /// The condition.
    pub condition: Condition,
}

/// An event that is to be inserted.
#[derive(Debug)]
pub enum Input {
    /// As a source sends it.
    Text(Bytes),
    /// As a value.
    Fields(Value),
    /// Made at each run.
    Program(Box<Program>, DefaultTimeZone),
}

/// Compiles every program of tests, each with its place among `tests`; `services` is what programs may use. Takes up to a second for each program: not for an
/// async thread.
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn prepare(
    tests: Vec<(usize, (UnitTest, Plan))>,
    services: &Services,
) -> Result<Vec<Prepared>, Vec<TestProblem>> {
    let mut problems = Vec::new();
    let mut prepared = Vec::new();
    for (index, (test, plan)) in tests {
        let mut note = |problem| problems.push(TestProblem { test: index, problem });
        let kinds = plan.inputs.iter().map(|(_, kind)| *kind);
        let inputs = test.all_inputs().zip(kinds).filter_map(|((path, input), kind)| {
            match prepare_input(&path, input, kind, services) {
                Ok(input) => Some((path, input)),
                Err(problem) => {
                    note(problem);
                    None
                }
            }
        });
        let inputs = inputs.collect();
        let mut outputs = Vec::new();
        for (output, number) in test.outputs.iter().zip(0..) {
            let mut asked = Vec::new();
            for (config, place) in output.conditions.iter().flatten().zip(0..) {
                match config.compile_with(&format!("outputs[{number}].conditions[{place}]"), services) {
                    Ok(condition) => asked.push(Asked {
                        source: words(config),
                        condition,
                    }),
                    Err(problem) => note(problem),
                }
            }
            outputs.push(asked);
        }
        prepared.push(Prepared {
            name: test.name,
            plan,
            inputs,
            outputs,
        });
    }
    if problems.is_empty() {
        Ok(prepared)
    } else {
        Err(problems)
    }
}

fn words(config: &ConditionConfig) -> String {
    match config {
        ConditionConfig::Vrl { source, .. } => source.trim_end().to_owned(),
        ConditionConfig::IsLog => "is_log".to_owned(),
    }
}

fn prepare_input(
    path: &str,
    input: &TestInput,
    kind: InputKind,
    services: &Services,
) -> Result<Input, Problem> {
    match kind {
        InputKind::Raw => Ok(Input::Text(raw(input.value.as_deref().unwrap_or_default()))),
        InputKind::Log => fields(path, input.log_fields.as_ref()).map(Input::Fields),
        InputKind::Vrl => {
            let source = input.source.as_deref().unwrap_or_default();
            let text = ProgramText::inline("program", format!("{path}.source"), source);
            let program = text.compile(CompileConfig::default(), services)?.program;
            let zone = services.get().map(|zone| *zone).unwrap_or_default();
            Ok(Input::Program(Box::new(program), zone))
        }
    }
}

/// What a source would send: an audit record is a JSON object; any other text can only be the message of one. A block of
/// YAML ends with a line feed, which no source sends.
fn raw(text: &str) -> Bytes {
    match serde_json::from_str::<Map<String, Json>>(text) {
        Ok(_) => Bytes::copy_from_slice(text.trim().as_bytes()),
        Err(_) => serde_json::json!({ "message": text }).to_string().into(),
    }
}

fn fields(path: &str, fields: Option<&Map<String, Json>>) -> Result<Value, Problem> {
    let mut event = Value::Object(ObjectMap::new());
    for (key, value) in fields.into_iter().flatten() {
        let place = parse_value_path(key).map_err(|_| {
            Problem::new(
                format!("{path}.log_fields"),
                format!("`{key}` is not a path of a field"),
            )
            .hint(format!(
                "a name with other characters than letters, digits, `_` and `@` is put in quotes: '\"{key}\"'"
            ))
        })?;
        event.insert(&place, Value::from(value.clone()));
    }
    Ok(event)
}

/// An event's document, and what a program has set below `%`.
pub(super) type Made = (Document, ObjectMap);

impl Input {
    /// The event.
    ///
    /// # Errors
    /// The program that makes it failed, in VRL's words.
    pub(super) fn make(&self) -> Result<Made, String> {
        let (program, zone) = match self {
            Self::Text(text) => return Ok((text.clone().into(), ObjectMap::new())),
            Self::Fields(value) => return Ok((value.clone().into(), ObjectMap::new())),
            Self::Program(program, zone) => (program, zone),
        };
        let mut target = TargetValue {
            value: Value::Object(ObjectMap::new()),
            metadata: Value::Object(ObjectMap::new()),
            secrets: Secrets::default(),
        };
        Runtime::default()
            .resolve(&mut target, program, &zone.0)
            .map_err(|error| error.to_string())?;
        let metadata = match target.metadata {
            Value::Object(metadata) => metadata,
            _ => ObjectMap::new(),
        };
        match target.value {
            value @ Value::Object(_) => Ok((value.into(), metadata)),
            other => Err(format!(
                "an event is an object, and the program left {}",
                other.kind_str()
            )),
        }
    }
}

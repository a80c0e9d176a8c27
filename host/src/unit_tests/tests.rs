//! What a test may name, and what it becomes. Running one is tested from outside, in `tests/test.rs`.

use std::collections::BTreeMap;

use o365_core::{LogEvent, Value, config::Services};
use serde_json::{Value as Json, json};

use super::{
    UnitTest,
    judge::{Wrong, judge},
    plan::{Plan, plan},
    prepare::{Input, Prepared, prepare},
    run::{FailedInput, Ran},
};
use crate::{
    sinks::BlackholeConfig,
    sources::StdinConfig,
    topology::{OutputId, Pipeline},
    transforms::RemapConfig,
};

/// `in` to `first`, to `second` and, what it drops, to `rest`; `aside` beside them; all to `out`.
fn pipeline() -> Pipeline {
    let mut pipeline = Pipeline::default();
    pipeline
        .sources
        .insert("in".into(), Box::new(StdinConfig::default()));
    let mut add = |name: &str, input: &str| {
        let config = RemapConfig {
            reroute_dropped: name == "first",
            ..RemapConfig::from_source(".")
        };
        let inputs = vec![input.to_owned()];
        pipeline
            .transforms
            .insert(name.into(), (inputs, Box::new(config)));
    };
    add("first", "in");
    add("second", "first");
    add("rest", "first.dropped");
    add("aside", "in");
    let inputs = ["second", "rest", "aside"].map(str::to_owned).to_vec();
    let sink = BlackholeConfig::default();
    pipeline.sinks.insert("out".into(), (inputs, Box::new(sink)));
    pipeline
}

fn written(test: Json) -> UnitTest {
    serde_json::from_value(test).unwrap()
}

fn planned(test: Json) -> Plan {
    plan(&[written(test)], &pipeline()).unwrap().remove(0)
}

/// Fields and messages of what is wrong, each on a line with its hint.
fn wrong(test: Json) -> Vec<String> {
    let problems = plan(&[written(test)], &pipeline()).unwrap_err();
    let lines = problems.into_iter().map(|found| {
        let problem = found.problem;
        format!(
            "{}: {} ({})",
            problem.field,
            problem.message,
            problem.hint.unwrap_or_default()
        )
    });
    lines.collect()
}

fn prepared(test: Json) -> Prepared {
    let test = written(test);
    let plans = plan(std::slice::from_ref(&test), &pipeline()).unwrap();
    let tests = std::iter::once(test).zip(plans).enumerate().collect();
    prepare(tests, &Services::default()).unwrap().remove(0)
}

fn output(component: &str, port: Option<&str>) -> OutputId {
    OutputId {
        component: component.into(),
        port: port.map(Into::into),
    }
}

#[test]
fn only_what_lies_between_takes_part() {
    let transforms = |insert_at: &str, extract_from: Json| {
        let plan = planned(json!({
            "name": "x", "inputs": [{"insert_at": insert_at, "value": ""}],
            "outputs": [{"extract_from": extract_from}],
        }));
        let names: Vec<_> = plan.transforms.iter().map(ToString::to_string).collect();
        names.join(" ")
    };
    assert_eq!(transforms("first", json!("second")), "first second");
    assert_eq!(transforms("first", json!("first")), "first");
    assert_eq!(transforms("first", json!("first.dropped")), "first");
    assert_eq!(
        transforms("first", json!(["second", "rest"])),
        "first rest second"
    );
    assert_eq!(transforms("second", json!("second")), "second");
}

#[test]
fn the_older_single_input_counts_too() {
    let plan = planned(json!({
        "name": "x", "input": {"insert_at": "aside", "log_fields": {}},
        "inputs": [{"insert_at": "first", "value": ""}], "outputs": [{"extract_from": "aside"}],
        "no_outputs_from": "second",
    }));
    let inputs: Vec<_> = plan
        .inputs
        .iter()
        .map(|(key, kind)| (key.as_str(), kind.name()))
        .collect();
    assert_eq!(inputs, [("first", "raw"), ("aside", "log")]);
    assert_eq!(plan.no_outputs_from, [output("second", None)]);
}

#[test]
fn names_that_do_not_fit_are_told_with_those_that_would() {
    let found = wrong(json!({
        "name": "x",
        "inputs": [{"insert_at": "frist", "value": ""}, {"insert_at": "in", "value": ""}],
        "outputs": [{"extract_from": ["out", "second.dropped"]}, {"extract_from": []}],
        "no_outputs_from": ["nothing.at.all"],
    }));
    let outputs = "the outputs are `first`, `first.dropped`, `second`, `rest`, `aside`";
    let transforms = "the transforms are `first`, `second`, `rest`, `aside`";
    assert_eq!(
        found,
        [
            format!(
                "inputs[0].insert_at: there is no transform `frist` (did you mean `first`? {transforms})"
            ),
            format!("inputs[1].insert_at: `in` is a source: only transforms are tested ({transforms})"),
            format!("outputs[0].extract_from[0]: `out` is a sink: only transforms are tested ({outputs})"),
            format!("outputs[0].extract_from[1]: `second` has no output `dropped` ({outputs})"),
            format!("outputs[1].extract_from: there is no name in the list ({outputs})"),
            format!("no_outputs_from[0]: there is no transform `nothing.at.all` ({outputs})"),
        ]
    );
}

#[test]
fn a_test_of_nothing_is_refused() {
    let found = wrong(json!({"name": " "}));
    let starts = [
        "name: a test needs a name",
        ": the test has no inputs",
        ": the test expects nothing: it has neither `outputs` nor `no_outputs_from`",
    ];
    assert_eq!(found.len(), starts.len(), "{found:?}");
    for (line, start) in found.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
}

#[test]
fn events_that_cannot_arrive_are_a_mistake() {
    let found = wrong(json!({
        "name": "x", "inputs": [{"insert_at": "second", "value": ""}],
        "outputs": [{"extract_from": "rest"}], "no_outputs_from": ["first"],
    }));
    assert_eq!(
        found,
        [
            "outputs[0].extract_from[0]: no event of this test can reach `rest` (insert one at it, or at a transform \
             before it: `first`, `rest`)",
            "no_outputs_from[0]: no event of this test can reach `first` (insert one at it, or at a transform before it: \
             `first`)",
        ]
    );
    let found = wrong(json!({
        "name": "x", "inputs": [{"insert_at": "second", "value": ""}, {"insert_at": "aside", "value": ""}],
        "outputs": [{"extract_from": "second"}],
    }));
    assert_eq!(
        found,
        [
            "inputs[1].insert_at: what is inserted at `aside` reaches none of the outputs of this test (extract from it, or \
          from a transform behind it: `aside`)"
        ]
    );
}

#[test]
fn an_input_is_written_in_one_way() {
    let of = |input: Json| {
        let mut input = input;
        input["insert_at"] = json!("first");
        wrong(json!({"name": "x", "inputs": [input], "outputs": [{"extract_from": "first"}]})).remove(0)
    };
    for (input, start) in [
        (
            json!({}),
            "inputs[0]: exactly one of `value`, `log_fields` and `source` must be given",
        ),
        (
            json!({"value": "", "source": ""}),
            "inputs[0]: exactly one of `value`, `log_fields` and `source` must be given",
        ),
        (
            json!({"type": "raw"}),
            "inputs[0]: an input of `type: raw` needs `value`",
        ),
        (
            json!({"type": "log", "value": ""}),
            "inputs[0]: an input of `type: log` needs `log_fields`",
        ),
        (
            json!({"type": "raw", "value": "", "log_fields": {}}),
            "inputs[0].log_fields: an input of `type: raw` has no `log_fields`",
        ),
    ] {
        let line = of(input);
        assert!(line.starts_with(start), "{line}");
    }
}

fn event(input: Json) -> Result<(String, usize), String> {
    let mut input = input;
    input["insert_at"] = json!("first");
    let test = prepared(json!({"name": "x", "inputs": [input], "outputs": [{"extract_from": "first"}]}));
    let (path, input) = &test.inputs[0];
    assert_eq!(path, "inputs[0]");
    let (mut document, metadata) = input.make()?;
    Ok((
        String::from_utf8(document.to_bytes().to_vec()).unwrap(),
        metadata.len(),
    ))
}

#[test]
fn every_form_of_input_becomes_an_event() {
    let text = |input: Json| event(input).unwrap().0;
    // As a source sends it, byte for byte.
    assert_eq!(
        text(json!({"value": "{ \"Id\": \"1\",  \"n\": 1.50 }\n"})),
        r#"{ "Id": "1",  "n": 1.50 }"#
    );
    // As in Vector.
    assert_eq!(
        text(json!({"value": "a \"line\""})),
        r#"{"message":"a \"line\""}"#
    );
    assert_eq!(text(json!({"value": "[1]"})), r#"{"message":"[1]"}"#);
    assert_eq!(
        text(json!({"log_fields": {"a.b": 1, "\"c.d\"": [true, null], "@e": {"f": 1.5}}})),
        r#"{"@e":{"f":1.5},"a":{"b":1},"c.d":[true,null]}"#
    );
    assert_eq!(
        event(json!({"source": ".a = 1\n%feed = \"x\""})),
        Ok((r#"{"a":1}"#.to_owned(), 1))
    );
    let failed = event(json!({"source": ". = to_int!(\"x\")"})).unwrap_err();
    assert!(failed.contains("to_int"), "{failed}");
    let failed = event(json!({"source": ". = [1]"})).unwrap_err();
    assert_eq!(failed, "an event is an object, and the program left array");
}

#[test]
fn what_does_not_compile_is_found_in_every_test() {
    let test = |value: &str, condition: &str| {
        written(json!({
            "name": "x", "inputs": [{"insert_at": "first", "type": "vrl", "source": value}],
            "outputs": [{"extract_from": "first", "conditions": ["true", condition]}],
        }))
    };
    let tests = vec![test(".a = ", "true"), test(".", ".a"), test(".", ".b = 1\ntrue")];
    let plans = plan(&tests, &pipeline()).unwrap();
    let problems = prepare(
        tests.into_iter().zip(plans).enumerate().collect(),
        &Services::default(),
    )
    .unwrap_err();
    let places: Vec<_> = problems
        .iter()
        .map(|found| (found.test, found.problem.field.as_str()))
        .collect();
    assert_eq!(
        places,
        [
            (0, "inputs[0].source"),
            (1, "outputs[0].conditions[1]"),
            (2, "outputs[0].conditions[1]")
        ]
    );

    let tests = vec![written(json!({
        "name": "x", "inputs": [{"insert_at": "first", "log_fields": {"a b": 1}}],
        "outputs": [{"extract_from": "first"}],
    }))];
    let plans = plan(&tests, &pipeline()).unwrap();
    let problems = prepare(
        tests.into_iter().zip(plans).enumerate().collect(),
        &Services::default(),
    )
    .unwrap_err();
    assert_eq!(problems[0].problem.message, "`a b` is not a path of a field");
}

fn ran(documents: &[&'static str]) -> Ran {
    let events = documents.iter().map(|text| LogEvent::untracked(*text)).collect();
    Ran {
        extracted: BTreeMap::from([(output("first", None), events)]),
        ..Ran::default()
    }
}

fn test(conditions: &Json) -> Prepared {
    prepared(json!({
        "name": "x", "inputs": [{"insert_at": "first", "value": ""}],
        "outputs": [{"extract_from": "first", "conditions": conditions}],
        "no_outputs_from": ["first.dropped"],
    }))
}

#[test]
fn each_condition_has_to_hold_for_one_of_the_events() {
    let conditions = json!([".a == 1", {"type": "vrl", "source": ".a == 2"}, {"type": "is_log"}]);
    let verdict = judge(&mut test(&conditions), ran(&[r#"{"a":2}"#, r#"{"a":1}"#]));
    assert!(verdict.passed(), "{verdict:?}");

    let verdict = judge(&mut test(&conditions), ran(&[r#"{"a":1}"#, r#"{"a":1}"#]));
    let [
        Wrong::Unmet {
            output: 0,
            conditions,
            events,
        },
    ] = verdict.wrong.as_slice()
    else {
        panic!("{verdict:?}");
    };
    let found: Vec<_> = conditions
        .iter()
        .map(|unmet| (unmet.condition, unmet.source.as_str(), unmet.answers.len()))
        .collect();
    assert_eq!(found, [(1, ".a == 2", 2)]);
    assert_eq!(events[0].document, "{\n  \"a\": 1\n}");
}

#[test]
fn nothing_where_something_is_expected_fails_and_so_does_the_reverse() {
    let verdict = judge(&mut test(&json!(["true"])), ran(&[]));
    assert!(
        matches!(&verdict.wrong[..], [Wrong::NoEvent { output: 0, .. }]),
        "{verdict:?}"
    );
    let mut both = ran(&["{}"]);
    both.extracted
        .insert(output("first", Some("dropped")), vec![LogEvent::untracked("{}")]);
    let verdict = judge(&mut test(&json!(["true"])), both);
    assert!(
        matches!(&verdict.wrong[..], [Wrong::Unexpected { events, .. }] if events.len() == 1),
        "{verdict:?}"
    );
}

#[test]
fn events_without_conditions_are_shown() {
    for conditions in [json!([]), Json::Null] {
        let verdict = judge(&mut test(&conditions), ran(&["{}", "{}"]));
        assert!(verdict.passed());
        assert_eq!(verdict.shown[0].events.len(), 2);
    }
}

#[test]
fn an_event_that_cannot_be_made_fails_the_test() {
    let failed = FailedInput {
        path: "inputs[0]".to_owned(),
        component: None,
        reason: "no".to_owned(),
    };
    let verdict = judge(
        &mut test(&json!(["true"])),
        Ran {
            failed: vec![failed.clone()],
            ..Ran::default()
        },
    );
    assert!(
        matches!(&verdict.wrong[..], [Wrong::Input(found)] if *found == failed),
        "{verdict:?}"
    );
}

#[test]
fn fields_are_values_from_the_start() {
    let test = prepared(json!({
        "name": "x", "inputs": [{"insert_at": "first", "log_fields": {"n": 9_007_199_254_740_993_u64}}],
        "outputs": [{"extract_from": "first"}],
    }));
    let Input::Fields(Value::Object(fields)) = &test.inputs[0].1 else {
        panic!("{test:?}");
    };
    assert_eq!(fields.get("n"), Some(&Value::Integer(9_007_199_254_740_993)));
}

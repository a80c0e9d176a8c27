//! Vector's documented behaviour of `remap`, `filter`, `route`, `dedupe` and enrichment tables, case by case.
//!
//! The cases are `tests/vector/*.yaml`, written from Vector's public documentation; `about` is the statement that a case
//! shows. A case is one transform or a chain of them, events in, and events out by output; what goes to the dead letters
//! is `dead`. All cases of a file run as one pipeline: the program as its users run it.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{host, lines, output, stderr};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    /// `timezone` of the configuration.
    #[serde(default)]
    timezone: Option<String>,
    /// `enrichment_tables` of the configuration, as a text.
    #[serde(default)]
    tables: String,
    /// Files beside the configuration.
    #[serde(default)]
    files: IndexMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    about: String,
    /// Options of a transform, or of several in a chain, as texts.
    transforms: Vec<String>,
    /// One event a line.
    events: String,
    /// One event a line, by output of the last transform; the default output is `out`. An output that is not named here
    /// is not read.
    #[serde(flatten)]
    outputs: IndexMap<String, String>,
}

/// What is not an output.
const DEAD: &str = "dead";

fn parse(text: &str) -> Vec<Value> {
    lines(text.as_bytes())
}

/// The configuration of all cases.
fn configuration(suite: &Suite) -> String {
    let (mut sources, mut transforms, mut sinks) = (String::new(), String::new(), String::new());
    for (number, case) in suite.cases.iter().enumerate() {
        writeln!(
            sources,
            "  in-{number}: {{ type: file, path: in-{number}.ndjson }}"
        )
        .unwrap();
        let mut input = format!("in-{number}");
        for (step, options) in case.transforms.iter().enumerate() {
            let name = format!("case-{number}-{step}");
            writeln!(transforms, "  {name}:\n    inputs: [{input}]").unwrap();
            for line in options.lines() {
                writeln!(transforms, "    {line}").unwrap();
            }
            input = name;
        }
        for name in case.outputs.keys().filter(|name| *name != DEAD) {
            let output = if name == "out" {
                input.clone()
            } else {
                format!("{input}.{name}")
            };
            writeln!(
                sinks,
                "  sink-{number}-{name}: {{ type: file, inputs: [{output}], path: sink-{number}-{name}.ndjson }}"
            )
            .unwrap();
        }
        // A pipeline needs a sink for each of its sources.
        writeln!(
            sinks,
            "  all-{number}: {{ type: blackhole, inputs: [in-{number}] }}"
        )
        .unwrap();
    }
    let zone = suite.timezone.as_ref();
    let zone = zone.map(|zone| format!("timezone: {zone}\n")).unwrap_or_default();
    let tables = if suite.tables.is_empty() { "{}" } else { "" };
    let indented: String = suite.tables.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "data_dir: data\n{zone}enrichment_tables: {tables}\n{indented}sources:\n{sources}transforms:\n{transforms}sinks:\n{sinks}"
    )
}

/// The reasons of dead letters, by case.
fn dead(home: &Path) -> BTreeMap<usize, Vec<String>> {
    let mut reasons: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let folder = home.join("data/dead-letters");
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        for letter in lines(&std::fs::read(entry.unwrap().path()).unwrap()) {
            let component = letter["component"].as_str().unwrap();
            let number = component.split('-').nth(1).unwrap().parse().unwrap();
            let reason = letter["reason"].as_str().unwrap().to_owned();
            reasons.entry(number).or_default().push(reason);
        }
    }
    reasons
}

/// Runs the cases of a file; `at_least` so many.
async fn check(name: &str, text: &str, at_least: usize) {
    let suite: Suite = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(suite.cases.len() >= at_least, "{name}: {}", suite.cases.len());
    let home = tempfile::tempdir().unwrap();
    for (file, content) in &suite.files {
        std::fs::write(home.path().join(file), content).unwrap();
    }
    for (number, case) in suite.cases.iter().enumerate() {
        std::fs::write(home.path().join(format!("in-{number}.ndjson")), &case.events).unwrap();
    }
    std::fs::write(home.path().join("pipeline.yaml"), configuration(&suite)).unwrap();
    let run = output(host(home.path()).args(["run", "--once", "--config", "pipeline.yaml"])).await;
    assert_eq!(run.status.code(), Some(0), "{name}: {}", stderr(&run));

    let mut wrong = String::new();
    let dead = dead(home.path());
    for (number, case) in suite.cases.iter().enumerate() {
        for (output, expected) in case.outputs.iter().filter(|(output, _)| *output != DEAD) {
            let file = home.path().join(format!("sink-{number}-{output}.ndjson"));
            let found = lines(&std::fs::read(file).unwrap_or_default());
            let expected = parse(expected);
            if found != expected {
                writeln!(
                    wrong,
                    "{}\n  {output}\n  expected {}\n  found    {}",
                    case.about,
                    json!(expected),
                    json!(found)
                )
                .unwrap();
            }
        }
        let expected: Vec<_> = case
            .outputs
            .get(DEAD)
            .into_iter()
            .flat_map(|text| text.lines())
            .collect();
        let none = Vec::new();
        let found = dead.get(&number).unwrap_or(&none);
        let fits = found.len() == expected.len()
            && found
                .iter()
                .zip(&expected)
                .all(|(reason, part)| reason.contains(part));
        if !fits {
            writeln!(
                wrong,
                "{}\n  dead letters\n  expected {expected:?}\n  found    {found:?}",
                case.about
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{name}:\n{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn remap() {
    check("remap", include_str!("vector/remap.yaml"), 25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filter() {
    check("filter", include_str!("vector/filter.yaml"), 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn route() {
    check("route", include_str!("vector/route.yaml"), 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dedupe() {
    check("dedupe", include_str!("vector/dedupe.yaml"), 15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enrichment_tables() {
    check("enrichment", include_str!("vector/enrichment.yaml"), 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_zones() {
    check("time-zones", include_str!("vector/time-zones.yaml"), 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_that_are_passed_on_are_told_of_without_a_word_of_the_event() {
    let home = tempfile::tempdir().unwrap();
    let config = "sources:\n  in: { type: file, path: in.ndjson }\n\
        transforms:\n  tidy: { type: remap, inputs: [in], source: '.n = parse_json!(.n)' }\n\
        sinks:\n  out: { type: blackhole, inputs: [tidy] }\n";
    std::fs::write(home.path().join("pipeline.yaml"), config).unwrap();
    std::fs::write(home.path().join("in.ndjson"), "{\"n\":\"hunter2\"}\n".repeat(5)).unwrap();
    let run = output(host(home.path()).args(["run", "--once", "--config", "pipeline.yaml"])).await;
    let log = stderr(&run);
    assert_eq!(run.status.code(), Some(0), "{log}");
    let told: Vec<_> = log
        .lines()
        .filter(|line| line.contains("the program failed"))
        .collect();
    assert_eq!(told.len(), 3, "at the first, second and fourth event: {log}");
    assert!(told[2].contains("component=\"tidy\" events=4"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

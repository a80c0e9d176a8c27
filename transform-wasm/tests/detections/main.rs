//! Detection coverage: every field and value that published rules compare with is produced by a fixture, and
//! docs/reference/detections.md says by which.
//!
//! `UPDATE_EXPECT=1 cargo test -p o365-ecs --test detections` writes the page anew.

use std::fs;
use std::path::Path;

use serde_json::Value;

#[expect(dead_code, reason = "nothing is compared as a whole here")]
#[path = "../common/mod.rs"]
mod common;
mod data;
#[path = "../common/own.rs"]
mod own;
mod page;
mod search;

use data::{Detections, Rule};
use page::Found;

/// A document, and the fixture that it was made from.
struct Sample {
    name: String,
    document: Value,
}

/// The scenarios that were written for detections come first, odd and minimal records last: a value is best shown in
/// its place.
fn samples() -> Vec<Sample> {
    let folder = own::folder();
    let mut paths = own::inputs();
    let below = |path: &Path, name: &str| path.starts_with(folder.join(name));
    paths.sort_by_key(|path| {
        if below(path, "detections") {
            0
        } else if below(path, "anomalies") || below(path, "record-types") {
            2
        } else {
            1
        }
    });
    let mut samples = Vec::new();
    for path in paths {
        let name = path
            .strip_prefix(&folder)
            .expect("below the folder")
            .with_extension("");
        for (at, event) in common::read_list(&path, "events").iter().enumerate() {
            samples.push(Sample {
                name: format!("{} {}", name.to_string_lossy().replace('\\', "/"), at + 1),
                document: own::map(event),
            });
        }
    }
    samples
}

/// A fixture for every comparison. What has none is told in `missing`.
fn find<'a>(rules: &'a [Rule], samples: &[Sample], missing: &mut Vec<String>) -> Vec<Found<'a>> {
    let mut all = Vec::new();
    for rule in rules {
        if rule.made_by.is_some() {
            all.extend(made_elsewhere(rule, samples, missing));
            continue;
        }
        let conditions = rule.conditions();
        assert!(!conditions.is_empty(), "{} is compared with nothing", rule.name);
        for condition in conditions {
            let fits = |sample: &&Sample| {
                search::satisfies(&sample.document, rule.field(), &condition)
                    && search::has_all(&sample.document, &rule.beside)
            };
            match samples.iter().find(fits) {
                Some(sample) => all.push(Found {
                    rule,
                    condition: Some(condition),
                    fixture: sample.name.clone(),
                }),
                None => missing.push(format!("{} ({}): {condition:?}", rule.name, rule.field())),
            }
        }
    }
    all
}

/// A field that a transform of the host makes: its source must come from a fixture, and the tests that prove the
/// rest must exist.
fn made_elsewhere<'a>(rule: &'a Rule, samples: &[Sample], missing: &mut Vec<String>) -> Vec<Found<'a>> {
    let from = rule.from.as_deref().expect("a transform reads something");
    let source = |sample: &&Sample| search::satisfies(&sample.document, from, &data::Condition::Present);
    if !samples.iter().any(|sample| source(&sample)) {
        missing.push(format!("{}: no fixture has {from}", rule.name));
    }
    assert!(!rule.proof.is_empty(), "{}: nothing proves it", rule.name);
    for proof in &rule.proof {
        let (file, test) = proof.split_once("::").expect("a file and the name of a test");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let text = fs::read_to_string(&path).unwrap_or_default();
        if !text.contains(&format!("fn {test}()")) {
            missing.push(format!("{}: there is no test {proof}", rule.name));
        }
    }
    let fixture = rule
        .proof
        .iter()
        .map(|proof| format!("test `{proof}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let conditions = rule.conditions();
    if conditions.is_empty() {
        return vec![Found {
            rule,
            condition: None,
            fixture,
        }];
    }
    conditions
        .into_iter()
        .map(|condition| Found {
            rule,
            condition: Some(condition),
            fixture: fixture.clone(),
        })
        .collect()
}

#[test]
fn every_value_of_a_published_rule_has_a_fixture() {
    let text = fs::read_to_string(own::folder().join("detections.toml")).expect("the data");
    let data: Detections = toml::from_str(&text).expect("the data has its form");
    let samples = samples();
    let mut missing = Vec::new();
    let elastic = find(&data.elastic, &samples, &mut missing);
    let sigma = find(&data.sigma, &samples, &mut missing);
    let gaps: Vec<_> = data
        .gap
        .iter()
        .map(|gap| find(&gap.checks, &samples, &mut missing))
        .collect();
    assert!(missing.is_empty(), "no fixture for:\n{}", missing.join("\n"));

    let page = page::write(&data, &elastic, &sigma, &gaps);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/detections.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, page).expect("a writable directory");
        return;
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/reference/detections.md is out of date: UPDATE_EXPECT=1 rewrites it"
    );
}

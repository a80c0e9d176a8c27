//! Fixtures: what is not as expected, field by field.

use std::fmt::Write as _;

use anyhow::Context;
use quick_junit::TestSuite;
use serde_json::Value;

use super::{
    super::{EXIT_FAILED, EXIT_OK, Failed, report},
    junit,
};
use crate::fixtures::{
    diff::{Difference, differences},
    run::Became,
    suite::Fixture,
};

/// What is wrong with an event.
pub(super) struct Wrong {
    /// Its place in the fixture, from 1.
    number: usize,
    /// In lines, without colour.
    text: String,
    /// In lines, as a terminal shows it.
    shown: String,
}

/// Writes what the transforms make of the events.
pub(super) fn update(fixtures: &[Fixture], became: &[Vec<Became>]) -> Result<u8, Failed> {
    let mut failed = 0;
    for (fixture, became) in fixtures.iter().zip(became) {
        let documents = became
            .iter()
            .enumerate()
            .map(|(index, became)| match became {
                Became::Document(document) => Ok(document.clone()),
                other => Err(format!(
                    "{} event {}: {}",
                    fixture.path.display(),
                    index + 1,
                    not_one(other)
                )),
            })
            .collect::<Result<Vec<_>, _>>();
        match documents {
            Ok(documents) => fixture
                .expect(&documents)
                .with_context(|| format!("{} cannot be written", fixture.expected_path().display()))?,
            Err(reason) => {
                failed += 1;
                report::line(&format!("error: {reason}; its file is left as it is"));
            }
        }
    }
    report::line(&format!(
        "{} file(s) written: read what has changed before you keep it",
        fixtures.len() - failed
    ));
    Ok(if failed == 0 { EXIT_OK } else { EXIT_FAILED })
}

/// What is wrong with the events of a fixture.
pub(super) fn judge(fixture: &Fixture, became: &[Became], colour: bool) -> Vec<Wrong> {
    let events = became.iter().enumerate();
    let wrong = events.filter_map(|(index, became)| {
        let number = index + 1;
        let plain = |text: String| Wrong {
            number,
            shown: text.clone(),
            text,
        };
        let document = match became {
            Became::Document(document) => document,
            other => return Some(plain(format!("    {}\n", not_one(other)))),
        };
        let Some(expected) = fixture.expected.as_ref().and_then(|expected| expected.get(index)) else {
            return Some(plain(format!(
                "    nothing is expected: {} is not there; `--update` writes it\n",
                fixture.expected_path().display()
            )));
        };
        let found = differences(expected, document, &fixture.dynamic);
        (!found.is_empty()).then(|| Wrong {
            number,
            text: found.iter().map(|difference| lines(difference, false)).collect(),
            shown: found.iter().map(|difference| lines(difference, colour)).collect(),
        })
    });
    wrong.collect()
}

fn not_one(became: &Became) -> String {
    match became {
        Became::Document(_) => String::new(),
        Became::Several(documents) => format!("it became {} documents instead of one", documents.len()),
        Became::Failed { component, reason } => format!("it failed in `{component}`: {reason}"),
    }
}

/// The path, and below it what was expected and what is there.
fn lines(difference: &Difference, colour: bool) -> String {
    let (red, green, end) = if colour {
        ("\x1b[31m", "\x1b[32m", "\x1b[0m")
    } else {
        ("", "", "")
    };
    let path = if difference.path.is_empty() {
        "(the document)"
    } else {
        &difference.path
    };
    let mut text = format!("    {path}\n");
    if let Some(expected) = &difference.expected {
        let _ = writeln!(text, "      {red}- {}{end}", value(expected));
    }
    if let Some(got) = &difference.got {
        let _ = writeln!(text, "      {green}+ {}{end}", value(got));
    }
    text
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "null: it is dropped".to_owned(),
        other => other.to_string(),
    }
}

/// A line for each fixture, what is wrong below it, and a last line for all.
pub(super) fn told(fixtures: &[Fixture], wrong: &[Vec<Wrong>]) -> String {
    let mut text = String::new();
    for (fixture, wrong) in fixtures.iter().zip(wrong) {
        let events = fixture.events.len();
        let _ = match wrong.len() {
            0 => writeln!(text, "ok      {}  {events} event(s)", fixture.path.display()),
            failed => writeln!(
                text,
                "FAILED  {}  {failed} of {events} event(s)",
                fixture.path.display()
            ),
        };
        for wrong in wrong {
            let _ = write!(text, "  event {}\n{}", wrong.number, wrong.shown);
        }
    }
    let failed: usize = wrong.iter().map(Vec::len).sum();
    let events: usize = fixtures.iter().map(|fixture| fixture.events.len()).sum();
    let _ = writeln!(
        text,
        "{events} event(s) in {} file(s): {} as expected, {failed} not",
        fixtures.len(),
        events - failed
    );
    text
}

/// A suite for each fixture, a case for each event.
pub(super) fn suites(fixtures: &[Fixture], wrong: &[Vec<Wrong>]) -> Vec<TestSuite> {
    let suites = fixtures.iter().zip(wrong).map(|(fixture, wrong)| {
        let name = fixture.path.display().to_string();
        let cases = (1..=fixture.events.len()).map(|number| {
            let wrong = wrong.iter().find(|wrong| wrong.number == number);
            (format!("event {number}"), wrong.map(|wrong| wrong.text.clone()))
        });
        junit::suite(&name, cases)
    });
    suites.collect()
}

//! `test`: fixtures through the transforms of a configuration, with the differences field by field.

use std::{
    fmt::Write as _,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use o365_core::{RunMode, ShutdownTrigger};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::Value;

use super::{EXIT_FAILED, EXIT_OK, Failed, pipeline, report, signals};
use crate::{
    dead_letter::Target,
    fixtures::{
        diff::{Difference, differences},
        run::{Became, RunFailure, run},
        suite::{Fixture, find},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file (YAML, TOML or JSON): its transforms are tested, its sources and sinks are left out.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,

    /// Folder with fixtures, also in folders below it, or one fixture: `X.json` with {"events": [...]} beside
    /// `X.json-expected.json` with {"expected": [...]}. May be given several times.
    #[arg(long, value_name = "DIR", required = true)]
    fixtures: Vec<PathBuf>,

    /// Only fixtures whose path contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,

    /// Write what the transforms make of the events into the `-expected.json` files, for you to read before you keep it.
    #[arg(long)]
    update: bool,

    /// Write the result for a CI server, in the XML of `JUnit`.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// What is wrong with an event.
struct Wrong {
    /// Its place in the fixture, from 1.
    number: usize,
    /// In lines, without colour.
    text: String,
    /// In lines, as a terminal shows it.
    shown: String,
}

pub(super) async fn test(args: Args) -> Result<u8, Failed> {
    let mut loaded = pipeline::load(&args.config)?;
    loaded.plan()?;
    if loaded.tests() > 0 {
        report::line("warning: `tests` of the configuration are not run by this version, only fixtures are");
    }
    let mut fixtures = Vec::new();
    for place in &args.fixtures {
        fixtures.extend(find(place, args.filter.as_deref()).map_err(anyhow::Error::from)?);
    }
    if fixtures.is_empty() {
        return Err(Failed::Usage(format!(
            "no fixture found: --fixtures and --filter name none; a fixture is a file `X.json` with {}",
            r#"{"events": [...]}"#
        )));
    }
    let shutdown = ShutdownTrigger::new();
    let cache = pipeline::user_cache_dir();
    let environment =
        pipeline::environment(cache.as_deref(), RunMode::Once, shutdown.signal(), Target::Stderr)?;
    let tested = run(
        std::mem::take(&mut loaded.pipeline),
        &fixtures,
        environment,
        &shutdown,
    );
    let became = match signals::under(&shutdown, tested).await {
        Ok(became) => became,
        Err(RunFailure::Build(failure)) => return Err(loaded.refuse(&failure)),
        Err(RunFailure::Other(error)) => return Err(error.into()),
    };
    if args.update {
        return update(&fixtures, &became);
    }
    let colour = std::io::stdout().is_terminal();
    let wrong: Vec<_> = fixtures
        .iter()
        .zip(&became)
        .map(|(fixture, became)| judge(fixture, became, colour))
        .collect();
    if let Some(path) = &args.junit {
        write_junit(path, &fixtures, &wrong)?;
    }
    let failed: usize = wrong.iter().map(Vec::len).sum();
    std::io::stdout()
        .lock()
        .write_all(told(&fixtures, &wrong).as_bytes())
        .context("writing to standard output failed")?;
    Ok(if failed == 0 { EXIT_OK } else { EXIT_FAILED })
}

fn update(fixtures: &[Fixture], became: &[Vec<Became>]) -> Result<u8, Failed> {
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
fn judge(fixture: &Fixture, became: &[Became], colour: bool) -> Vec<Wrong> {
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
fn told(fixtures: &[Fixture], wrong: &[Vec<Wrong>]) -> String {
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

fn write_junit(path: &Path, fixtures: &[Fixture], wrong: &[Vec<Wrong>]) -> Result<(), Failed> {
    let mut junit = Report::new("o365-host test");
    for (fixture, wrong) in fixtures.iter().zip(wrong) {
        let name = fixture.path.display().to_string();
        let mut suite = TestSuite::new(name.clone());
        for number in 1..=fixture.events.len() {
            let status = match wrong.iter().find(|wrong| wrong.number == number) {
                None => TestCaseStatus::success(),
                Some(wrong) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_message("not as expected");
                    status.set_description(wrong.text.clone());
                    status
                }
            };
            let mut case = TestCase::new(format!("event {number}"), status);
            case.set_classname(name.clone());
            suite.add_test_case(case);
        }
        junit.add_test_suite(suite);
    }
    let text = junit.to_string().context("writing JUnit XML failed")?;
    std::fs::write(path, text)
        .with_context(|| format!("--junit {}: the file cannot be written", path.display()))?;
    Ok(())
}

//! `test`: the unit tests of a configuration, and fixtures through its transforms, with what is not as expected.

mod coverage;
mod fixtures;
mod junit;
mod units;

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
};

use anyhow::Context;
use o365_core::{RunMode, ShutdownTrigger};

use super::{EXIT_FAILED, EXIT_OK, Failed, pipeline, signals};
use crate::{
    coverage::Coverage,
    dead_letter::Target,
    fixtures::{
        run::{Became, RunFailure, run},
        suite::{Fixture, find},
    },
    sinks::BlackholeConfig,
    sources::StdinConfig,
    topology::{Environment, Pipeline},
    unit_tests::{
        self,
        judge::{Verdict, judge},
        prepare::Prepared,
        run::Transforms,
    },
};

/// Ends that a configuration without any gets; nothing is ever read from them or written to them.
const NO_SOURCE: &str = "(no source)";
const NO_SINK: &str = "(no sink)";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file (YAML, TOML or JSON): its `tests` are run, and fixtures go through its transforms. Its sources and
    /// sinks are left out, and may be missing.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,

    /// Folder with fixtures, also in folders below it, or one fixture: `X.json` with {"events": [...]} beside
    /// `X.json-expected.json` with {"expected": [...]}. May be given several times.
    #[arg(long, value_name = "DIR")]
    fixtures: Vec<PathBuf>,

    /// Only tests whose name, and fixtures whose path contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,

    /// Write what the transforms make of the events into the `-expected.json` files, for you to read before you keep it. The
    /// `tests` of the configuration are not run.
    #[arg(long, requires = "fixtures")]
    update: bool,

    /// Write the result for a CI server, in the XML of `JUnit`.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Also say which record types and which fields of the built-in mapping no test has seen.
    #[arg(long, conflicts_with = "update")]
    coverage: bool,
}

pub(super) async fn test(args: Args) -> Result<u8, Failed> {
    let mut loaded = pipeline::load(&args.config)?;
    loaded.pipeline.add_missing_ends(
        (NO_SOURCE, Box::new(StdinConfig::default())),
        (NO_SINK, Box::new(BlackholeConfig::default())),
    );
    loaded.plan()?;
    let chosen = |name: &str| args.filter.as_deref().is_none_or(|filter| name.contains(filter));
    let tests = loaded.prepare_tests(|name| !args.update && chosen(name)).await;
    let tests = tests.map_err(|problems| loaded.refuse_all(None, &problems))?;
    let mut fixtures = Vec::new();
    for place in &args.fixtures {
        fixtures.extend(find(place, args.filter.as_deref()).map_err(anyhow::Error::from)?);
    }
    if tests.is_empty() && fixtures.is_empty() {
        return Err(Failed::Usage(nothing(&args, loaded.tests().len())));
    }
    let shutdown = ShutdownTrigger::new();
    let cache = pipeline::user_cache_dir();
    let environment =
        pipeline::environment(cache.as_deref(), RunMode::Once, shutdown.signal(), Target::Stderr)?;
    let pipeline = std::mem::take(&mut loaded.pipeline);
    let all = run_all(tests, pipeline, &fixtures, environment, &shutdown);
    let Tested {
        verdicts,
        became,
        coverage,
    } = match signals::under(&shutdown, all).await {
        Ok(ran) => ran,
        Err(RunFailure::Build(failure)) => return Err(loaded.refuse(&failure)),
        Err(RunFailure::Other(error)) => return Err(error.into()),
    };
    if args.update {
        return fixtures::update(&fixtures, &became);
    }
    let colour = std::io::stdout().is_terminal();
    let wrong: Vec<_> = fixtures
        .iter()
        .zip(&became)
        .map(|(fixture, became)| fixtures::judge(fixture, became, colour))
        .collect();
    if let Some(path) = &args.junit {
        let mut suites = Vec::new();
        if !verdicts.is_empty() {
            suites.push(units::suite(&args.config, &verdicts));
        }
        suites.extend(fixtures::suites(&fixtures, &wrong));
        junit::write(path, suites)?;
    }
    let mut told = String::new();
    if !verdicts.is_empty() {
        told.push_str(&units::told(&verdicts, colour));
    }
    if !fixtures.is_empty() {
        told.push_str(&fixtures::told(&fixtures, &wrong));
    }
    if args.coverage {
        told.push_str(&coverage::told(&coverage));
    }
    std::io::stdout()
        .lock()
        .write_all(told.as_bytes())
        .context("writing to standard output failed")?;
    let passed = verdicts.iter().all(|(_, verdict)| verdict.passed()) && wrong.iter().all(Vec::is_empty);
    Ok(if passed { EXIT_OK } else { EXIT_FAILED })
}

/// Why there is nothing to run.
fn nothing(args: &Args, tests: usize) -> String {
    let config = args.config.display();
    let format = r#"a fixture is a file `X.json` with {"events": [...]}"#;
    match (&args.filter, args.fixtures.is_empty()) {
        (None, true) => format!(
            "there is nothing to test: `{config}` has no `tests`, and no --fixtures are given; write a test below `tests:` \
             ({{ name, inputs, outputs }}), or name a folder with fixtures"
        ),
        (None, false) => format!("no fixture found: --fixtures names none; {format}"),
        (Some(filter), true) => {
            format!("no test found: none of the {tests} test(s) of `{config}` has `{filter}` in its name")
        }
        (Some(filter), false) => format!(
            "no fixture found: none below --fixtures has `{filter}` in its path, and none of the {tests} test(s) of \
             `{config}` in its name; {format}"
        ),
    }
}

/// What has become of all tests and fixtures.
#[derive(Default)]
struct Tested {
    verdicts: Vec<(String, Verdict)>,
    became: Vec<Vec<Became>>,
    coverage: Coverage,
}

/// The tests one after another, then all fixtures at once.
async fn run_all(
    tests: Vec<Prepared>,
    mut pipeline: Pipeline,
    fixtures: &[Fixture],
    environment: Environment,
    shutdown: &ShutdownTrigger,
) -> Result<Tested, RunFailure> {
    let transforms = Transforms::of(&mut pipeline);
    let mut tested = Tested::default();
    for mut test in tests {
        let ran = unit_tests::run::run(&test, &transforms, &environment, shutdown).await?;
        if shutdown.signal().is_cancelled() {
            return Err(anyhow::anyhow!("stopped by a signal; not every test has run").into());
        }
        coverage::note_test(&mut tested.coverage, &ran);
        let verdict = judge(&mut test, ran);
        tested.verdicts.push((test.name, verdict));
    }
    if !fixtures.is_empty() {
        tested.became = run(pipeline, fixtures, environment, shutdown).await?;
        coverage::note_fixtures(&mut tested.coverage, fixtures, &tested.became);
    }
    Ok(tested)
}

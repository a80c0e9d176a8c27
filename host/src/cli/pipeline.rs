//! From a configuration file to a pipeline, with every problem reported at its line.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use o365_core::{
    Clock, ComponentKey, RunMode, SensitiveString, ShutdownSignal, SystemClock, config::Problem,
};
use o365_source::O365AuditConfig;
use tracing::warn;

use super::Failed;
use crate::{
    config::{self, ApiConfig, Config, ConfigErrors, ConfigProblem},
    dead_letter::{FolderOptions, Target},
    registry::registry,
    roster,
    telemetry::TelemetryConfig,
    topology::{BuildFailure, Environment, Pipeline, Place, Plan, PlanProblem, plan},
    unit_tests::{self, TestProblem, UnitTest, prepare::Prepared},
    wasm::WasmEngine,
};

/// A configuration that has been read, and what it says.
pub(super) struct Loaded {
    config: Config,
    pub(super) pipeline: Pipeline,
    pub(super) grace: Duration,
    pub(super) api: ApiConfig,
    pub(super) telemetry: TelemetryConfig,
}

/// Reads a configuration file; nothing is built yet.
pub(super) fn load(path: &Path) -> Result<Loaded, Failed> {
    let env = |name: &str| std::env::var(name).ok();
    let mut config = config::load(path, &env, &registry()).map_err(Failed::Problems)?;
    if config.api.token.as_ref().is_some_and(SensitiveString::is_empty) {
        let hint = Some("leave it out, or set one");
        let problem = config.locate_path("api.token", "the token is empty", hint);
        return Err(Failed::Problems(ConfigErrors::from_problems(vec![problem])));
    }
    let problems = config.telemetry.problems();
    if !problems.is_empty() {
        let problems = problems
            .iter()
            .map(|(path, message)| config.locate_path(path, message, None));
        return Err(Failed::Problems(ConfigErrors::from_problems(problems.collect())));
    }
    let fingerprints = config.fingerprints();
    let inputs = |inputs: Vec<config::Input>| inputs.into_iter().map(|input| input.name).collect();
    let pipeline = Pipeline {
        sources: std::mem::take(&mut config.sources)
            .into_iter()
            .map(|(key, entry)| (key, entry.config))
            .collect(),
        transforms: std::mem::take(&mut config.transforms)
            .into_iter()
            .map(|(key, entry)| (key, (inputs(entry.inputs), entry.config)))
            .collect(),
        sinks: std::mem::take(&mut config.sinks)
            .into_iter()
            .map(|(key, entry)| (key, (inputs(entry.inputs), entry.config)))
            .collect(),
        enrichment_tables: std::mem::take(&mut config.enrichment_tables),
        timezone: config.timezone,
        workers: default_workers(),
        config_dir: config.config_dir.clone(),
        data_dir: config.data_dir.clone(),
        program_fingerprint: config.program_fingerprint(),
        fingerprints,
    };
    Ok(Loaded {
        grace: config.shutdown_grace,
        api: config.api.clone(),
        telemetry: config.telemetry.clone(),
        config,
        pipeline,
    })
}

impl Loaded {
    /// The unit tests of the configuration.
    pub(super) fn tests(&self) -> &[UnitTest] {
        &self.config.tests
    }

    /// Where events go that cannot be processed.
    pub(super) fn dead_letters(&self) -> FolderOptions {
        self.config.dead_letter.folder(&self.config.data_dir)
    }

    /// The Office 365 sources, by name.
    pub(super) fn audits(&self) -> Vec<(&ComponentKey, &O365AuditConfig)> {
        roster::audits(&self.pipeline).collect()
    }

    /// Files that the pipeline is built from, besides the configuration.
    pub(super) fn files_to_watch(&self) -> Vec<PathBuf> {
        let Pipeline {
            sources,
            transforms,
            sinks,
            config_dir,
            ..
        } = &self.pipeline;
        let sources = sources.values().flat_map(|config| config.files_to_watch());
        let transforms = transforms
            .values()
            .flat_map(|(_, config)| config.files_to_watch());
        let sinks = sinks.values().flat_map(|(_, config)| config.files_to_watch());
        let files = sources.chain(transforms).chain(sinks);
        files.map(|file| config_dir.join(file)).collect()
    }

    /// Refuses a configuration that differs from the one that runs in what is only read at the start.
    pub(super) fn only_changes_what_can_change(&self, running: &Self) -> Result<(), Failed> {
        let hint = Some("restart the program to change this");
        let differences = self.config.fixed_differences(&running.config).into_iter();
        let problems: Vec<_> = differences
            .map(|name| {
                let message = format!("`{name}` cannot change while the pipeline runs");
                self.config.locate_path(&name, &message, hint)
            })
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Failed::Problems(ConfigErrors::from_problems(problems)))
        }
    }

    /// The Office 365 sources, of which there must be one.
    pub(super) fn some_audits(&self) -> Result<Vec<(&ComponentKey, &O365AuditConfig)>, Failed> {
        let audits = self.audits();
        if audits.is_empty() {
            let problem = self
                .config
                .locate_path("sources", "there is no source of type `o365_audit`", None);
            return Err(Failed::Problems(ConfigErrors::from_problems(vec![problem])));
        }
        Ok(audits)
    }

    /// The Office 365 source that `--source` names, or the only one.
    pub(super) fn audit(&self, named: Option<&str>) -> Result<(&ComponentKey, &O365AuditConfig), Failed> {
        let audits = self.some_audits()?;
        let names = || {
            let names: Vec<_> = audits.iter().map(|(key, _)| key.as_str()).collect();
            names.join(", ")
        };
        match (named, audits.as_slice()) {
            (None, [only]) => Ok(*only),
            (None, _) => Err(Failed::Usage(format!(
                "say which source is meant: --source with one of {}",
                names()
            ))),
            (Some(name), _) => {
                let found = audits.iter().find(|(key, _)| key.as_str() == name);
                found.copied().ok_or_else(|| {
                    Failed::Usage(format!(
                        "--source {name}: there is no such source of type `o365_audit`, there is {}",
                        names()
                    ))
                })
            }
        }
    }

    /// Resolves names, also those in the unit tests.
    pub(super) fn plan(&self) -> Result<Plan, Failed> {
        let problems = match (plan(&self.pipeline), self.plan_tests()) {
            (Ok(plan), Ok(_)) => return Ok(plan),
            (Err(problems), _) => problems.iter().map(|problem| self.locate_plan(problem)).collect(),
            (_, Err(problems)) => self.locate_tests(&problems),
        };
        Err(Failed::Problems(ConfigErrors::from_problems(problems)))
    }

    fn plan_tests(&self) -> Result<Vec<unit_tests::plan::Plan>, Vec<TestProblem>> {
        unit_tests::plan::plan(&self.config.tests, &self.pipeline)
    }

    /// Compiles the unit tests that `wanted` chooses by their names.
    pub(super) async fn prepare_tests(
        &self,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<Prepared>, Vec<TestProblem>> {
        let plans = self.plan_tests()?;
        let tests = self.config.tests.iter().cloned().zip(plans);
        let tests: Vec<_> = tests
            .enumerate()
            .filter(|(_, (test, _))| wanted(&test.name))
            .collect();
        // What is wrong with the tables is said of them when the pipeline is built.
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (services, _) = self.pipeline.program_services(&clock).await;
        let prepare = move || unit_tests::prepare::prepare(tests, &services);
        let prepared = tokio::task::spawn_blocking(prepare).await;
        prepared.unwrap_or_else(|error| {
            let problem = Problem::new("", format!("compiling the tests failed: {error}"));
            Err(vec![TestProblem { test: 0, problem }])
        })
    }

    /// Points the problems of components at the file.
    pub(super) fn refuse(&self, failure: &BuildFailure) -> Failed {
        self.refuse_all(Some(failure), &[])
    }

    /// Points the problems of components and of unit tests at the file.
    pub(super) fn refuse_all(&self, failure: Option<&BuildFailure>, tests: &[TestProblem]) -> Failed {
        let components = failure.into_iter().flat_map(|failure| &failure.0);
        let mut problems: Vec<_> = components
            .map(|(key, problem)| self.config.locate(key, problem))
            .collect();
        problems.extend(self.locate_tests(tests));
        Failed::Problems(ConfigErrors::from_problems(problems))
    }

    fn locate_tests(&self, problems: &[TestProblem]) -> Vec<ConfigProblem> {
        let locate = |found: &TestProblem| {
            self.config
                .locate_below(&format!("tests[{}]", found.test), &found.problem)
        };
        problems.iter().map(locate).collect()
    }

    fn locate_plan(&self, problem: &PlanProblem) -> ConfigProblem {
        match &problem.component {
            Some(key) => {
                let (message, hint) = (&problem.message, problem.hint.as_deref());
                match problem.place {
                    Place::Component => self.config.locate_component(key, message, hint),
                    Place::Inputs => self.config.locate_input(key, None, message, hint),
                    Place::Input(index) => self.config.locate_input(key, Some(index), message, hint),
                }
            }
            None => self
                .config
                .locate_path("", &problem.message, problem.hint.as_deref()),
        }
    }
}

/// Says which outputs nobody reads from.
pub(super) fn warn_of_unread(plan: &Plan) {
    for output in &plan.unread {
        warn!(%output, "nothing reads from this output: its events are dropped");
    }
}

/// What a pipeline of this process runs in, with the clock of the machine.
pub(super) fn environment(
    data_dir: Option<&Path>,
    mode: RunMode,
    shutdown: ShutdownSignal,
    dead_letters: Target,
) -> Result<Environment, Failed> {
    let cache = data_dir.map(|dir| dir.join("cache").join("wasm"));
    let engine = WasmEngine::new(cache)
        .map_err(|error| anyhow::anyhow!("starting the WebAssembly engine failed: {error:#}"))?;
    Ok(Environment {
        clock: Arc::new(SystemClock),
        shutdown,
        mode,
        dead_letters,
        engine: Arc::new(engine),
    })
}

/// How much of the machine transforms may use.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Workers {
    /// Threads of each transform, 1 to 64. Default: one for each core.
    #[arg(long = "workers", value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    number: Option<u8>,
}

impl Workers {
    pub(super) fn number(self) -> usize {
        self.number.map_or_else(default_workers, usize::from)
    }
}

/// One worker for each core.
pub(super) fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Where commands without a configuration keep compiled components, if there is a home for that.
pub(super) fn user_cache_dir() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("o365-host"))
}

//! `transform`: events from standard input to standard output, to try a component or a program, or to use them in a
//! script.

use std::path::PathBuf;

use anyhow::Context;
use indexmap::IndexMap;
use o365_core::{ComponentKey, RunMode, ShutdownTrigger};

use super::{EXIT_FAILED, EXIT_OK, Failed, pipeline, report, signals};
use crate::{
    dead_letter::Target,
    sinks::ConsoleConfig,
    sources::StdinConfig,
    topology::{self, BuildFailure, Pipeline},
    transforms::RemapConfig,
    wasm::{WasiGrants, WasmConfig},
};

/// No configuration can have components with these names.
const STDIN: &str = "(stdin)";
const STDOUT: &str = "(stdout)";

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["config", "wasm", "vrl"])))]
pub(super) struct Args {
    /// Use the transforms of a configuration, with its sources and sinks replaced by standard input and output.
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["wasm", "vrl"])]
    config: Option<PathBuf>,

    /// Component to map events with: a file, or `builtin:ecs`.
    #[arg(long, value_name = "FILE")]
    wasm: Option<String>,

    /// Options of the component, as a JSON object.
    #[arg(long, value_name = "JSON", requires = "wasm")]
    options: Option<String>,

    /// Grants the component parts of WASI: none, or `clocks`, `random` and `stderr` with commas between.
    #[arg(long, value_name = "PARTS", num_args = 0..=1, require_equals = true, default_missing_value = "", requires = "wasm")]
    wasi: Option<WasiGrants>,

    /// VRL program to run after the component; may be given several times.
    #[arg(long, value_name = "FILE")]
    vrl: Vec<PathBuf>,

    /// Where events that cannot be transformed go, with the reason. Default: standard error.
    #[arg(long, value_name = "FILE")]
    failed: Option<PathBuf>,

    #[command(flatten)]
    workers: pipeline::Workers,
}

pub(super) async fn transform(args: Args) -> Result<u8, Failed> {
    let shutdown = ShutdownTrigger::new();
    let dead_letters = args.failed.clone().map_or(Target::Stderr, Target::File);
    let mut loaded = args.config.as_deref().map(pipeline::load).transpose()?;
    let (mut pipeline, grace) = match &mut loaded {
        Some(loaded) => {
            // Its own names first, so that a mistake in them is reported at its line.
            loaded.plan()?;
            let pipeline = std::mem::take(&mut loaded.pipeline).with_ends(
                (STDIN, Box::new(StdinConfig::default())),
                (STDOUT, Box::new(ConsoleConfig::default())),
            );
            (pipeline, loaded.grace)
        }
        None => (pipeline_of(&args)?, std::time::Duration::from_mins(1)),
    };
    let refuse = |failure: BuildFailure| match &loaded {
        Some(loaded) => loaded.refuse(&failure),
        None => refuse_args(&failure),
    };
    pipeline.workers = args.workers.number();
    let plan = topology::plan(&pipeline).map_err(|problems| {
        let lines: Vec<_> = problems
            .into_iter()
            .map(|problem| format!("error: {}", problem.message))
            .collect();
        Failed::Config(lines.join("\n"))
    })?;
    let cache = pipeline::user_cache_dir();
    let environment =
        pipeline::environment(cache.as_deref(), RunMode::Once, shutdown.signal(), dead_letters)?;
    let topology = topology::build(&pipeline, &plan, &environment)
        .await
        .map_err(refuse)?;
    let failed = signals::under(&shutdown, topology.run(&shutdown, grace))
        .await
        .map_err(anyhow::Error::from)?;
    if failed == 0 {
        return Ok(EXIT_OK);
    }
    let place = args
        .failed
        .map_or_else(|| "above".to_owned(), |file| format!("in `{}`", file.display()));
    report::line(&format!(
        "error: {failed} event(s) could not be transformed; they are {place}, with the reason"
    ));
    Ok(EXIT_FAILED)
}

/// The pipeline that the arguments describe: a component, then programs.
fn pipeline_of(args: &Args) -> Result<Pipeline, Failed> {
    let mut pipeline = Pipeline {
        sources: IndexMap::from([(STDIN.into(), Box::new(StdinConfig::default()) as _)]),
        config_dir: ".".into(),
        ..Pipeline::default()
    };
    let mut last = STDIN.to_owned();
    if let Some(module) = &args.wasm {
        let options = args.options.as_deref().unwrap_or("{}");
        let options = serde_json::from_str(options)
            .context("--options is not JSON")
            .map_err(|error| {
                Failed::Config(format!(
                    "error: {error:#}\n  help: write an object like '{{\"profile\": \"current\"}}'"
                ))
            })?;
        let config = WasmConfig {
            wasi: args.wasi,
            ..WasmConfig::new(module.clone(), options)
        };
        pipeline
            .transforms
            .insert("--wasm".into(), (vec![last.clone()], Box::new(config)));
        "--wasm".clone_into(&mut last);
    }
    for (number, file) in args.vrl.iter().enumerate() {
        let key = ComponentKey::new(if number == 0 {
            "--vrl".to_owned()
        } else {
            format!("--vrl#{}", number + 1)
        });
        let config = RemapConfig {
            drop_on_error: true,
            ..RemapConfig::from_file(file.display().to_string())
        };
        pipeline
            .transforms
            .insert(key.clone(), (vec![last], Box::new(config)));
        last = key.to_string();
    }
    pipeline
        .sinks
        .insert(STDOUT.into(), (vec![last], Box::new(ConsoleConfig::default())));
    Ok(pipeline)
}

fn refuse_args(failure: &BuildFailure) -> Failed {
    let lines = failure.0.iter().map(|(key, problem)| {
        let help = problem
            .hint
            .as_ref()
            .map(|hint| format!("\n  help: {hint}"))
            .unwrap_or_default();
        let argument = if problem.field == "options" {
            "--options"
        } else {
            key.as_str()
        };
        format!("error: {argument}: {}{help}", problem.message)
    });
    Failed::Config(lines.collect::<Vec<_>>().join("\n"))
}

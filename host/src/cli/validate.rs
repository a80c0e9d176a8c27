//! `validate`: everything that can be checked without sending an event.

use std::path::PathBuf;

use o365_core::{RunMode, ShutdownSignal};

use super::{EXIT_OK, Failed, pipeline, report};
use crate::dead_letter::Target;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file (YAML, TOML or JSON).
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
}

pub(super) async fn validate(args: Args) -> Result<u8, Failed> {
    let loaded = pipeline::load(&args.config)?;
    let plan = loaded.plan()?;
    // Nothing is written, not even the cache: compiled components are thrown away.
    let environment = pipeline::environment(None, RunMode::Once, ShutdownSignal::never(), Target::Stderr)?;
    let components = loaded.pipeline.validate(&environment).await;
    let tests = loaded.prepare_tests(|_| true).await;
    if components.is_err() || tests.is_err() {
        return Err(loaded.refuse_all(components.err().as_ref(), &tests.err().unwrap_or_default()));
    }
    for output in &plan.unread {
        report::line(&format!(
            "warning: nothing reads from `{output}`: its events would be dropped"
        ));
    }
    let pipeline = &loaded.pipeline;
    report::line(&format!(
        "{}: fine ({} source(s), {} transform(s), {} sink(s){})",
        args.config.display(),
        pipeline.sources.len(),
        pipeline.transforms.len(),
        pipeline.sinks.len(),
        match loaded.tests().len() {
            0 => String::new(),
            tests => format!(", {tests} test(s) that `o365-host test` runs"),
        }
    ));
    Ok(EXIT_OK)
}

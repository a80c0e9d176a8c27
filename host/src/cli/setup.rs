//! `setup`: prepares what a sink writes to.

use std::{any::Any, io::Write, path::PathBuf};

use anyhow::Context;
use o365_core::{RunMode, ShutdownSignal};

use super::{EXIT_OK, Failed, pipeline, report};
use crate::{
    dead_letter::Target,
    sinks::{ElasticsearchConfig, delivery::Remote},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Installs the index template of the data stream in Elasticsearch or OpenSearch. Changes nothing when it is there.
    Elasticsearch(ElasticsearchArgs),
}

#[derive(Debug, clap::Args)]
struct ElasticsearchArgs {
    /// Configuration file (YAML, TOML or JSON).
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,

    /// Only this sink. Default: all of type `elasticsearch`.
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,

    /// Prints the template as JSON, and changes nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn setup(args: Args) -> Result<u8, Failed> {
    let What::Elasticsearch(args) = args.what;
    let loaded = pipeline::load(&args.config)?;
    loaded.plan()?;
    let environment = pipeline::environment(None, RunMode::Once, ShutdownSignal::never(), Target::Stderr)?;
    let sinks: Vec<_> = loaded
        .pipeline
        .sinks
        .iter()
        .filter_map(|(key, (_, config))| {
            let config: &dyn Any = config.as_ref();
            Some((key, &config.downcast_ref::<Remote<ElasticsearchConfig>>()?.0))
        })
        .filter(|(key, _)| args.sink.as_deref().is_none_or(|name| key.to_string() == name))
        .collect();
    if sinks.is_empty() {
        let which = args
            .sink
            .map(|name| format!(" named `{name}`"))
            .unwrap_or_default();
        return Err(Failed::Usage(format!(
            "the configuration has no sink of type `elasticsearch`{which}"
        )));
    }
    for (key, config) in sinks {
        let cx = loaded.pipeline.context(key, &environment);
        let done = config.setup(&cx, args.dry_run).await;
        let done = done.map_err(|error| anyhow::anyhow!("sink `{key}`: {error}"))?;
        for note in &done.notes {
            report::line(&format!("{key}: {note}"));
        }
        let text = match (&done.dry, done.unchanged) {
            (Some(body), _) => body.clone(),
            (None, true) => format!("{key}: index template `{}`: unchanged", done.template),
            (None, false) => format!("{key}: index template `{}`: installed", done.template),
        };
        writeln!(std::io::stdout().lock(), "{text}").context("standard output cannot be written")?;
    }
    Ok(EXIT_OK)
}

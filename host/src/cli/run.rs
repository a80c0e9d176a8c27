//! `run`: the pipeline of a configuration file.

use std::path::PathBuf;

use o365_core::{RunMode, ShutdownTrigger};
use tracing::{info, warn};

use super::{EXIT_OK, Failed, pipeline, signals};
use crate::{dead_letter::Target, topology};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file (YAML, TOML or JSON).
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,

    /// End when every feed has caught up with now and everything is delivered.
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(args: Args) -> Result<u8, Failed> {
    let loaded = pipeline::load(&args.config)?;
    let plan = loaded.plan()?;
    for output in &plan.unread {
        warn!(%output, "nothing reads from this output: its events are dropped");
    }
    let shutdown = ShutdownTrigger::new();
    let mode = if args.once {
        RunMode::Once
    } else {
        RunMode::Continuous
    };
    let dead_letters = Target::Directory(loaded.pipeline.data_dir.join("dead-letters"));
    let data_dir = loaded.pipeline.data_dir.clone();
    let environment = pipeline::environment(Some(&data_dir), mode, shutdown.signal(), dead_letters)?;
    let topology = match topology::build(&loaded.pipeline, &plan, &environment).await {
        Ok(topology) => topology,
        Err(failure) => return Err(loaded.refuse(&failure)),
    };
    info!(config = %args.config.display(), data_dir = %data_dir.display(), "pipeline starts");
    let letters = signals::under(&shutdown, topology.run(&shutdown, loaded.grace))
        .await
        .map_err(anyhow::Error::from)?;
    if letters > 0 {
        warn!(letters, directory = %data_dir.join("dead-letters").display(), "events could not be processed and were kept");
    }
    info!("pipeline ended, everything is delivered");
    Ok(EXIT_OK)
}

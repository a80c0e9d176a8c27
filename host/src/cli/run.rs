//! `run`: the pipeline of a configuration file.

use std::{path::PathBuf, sync::Arc};

use o365_core::{RunMode, ShutdownTrigger};
use tracing::{info, warn};

use super::{
    EXIT_OK, Failed, pipeline,
    reload::{Reloader, Watch},
    signals,
};
use crate::{
    api,
    dead_letter::Target,
    metrics::{Metrics, MetricsFile},
    reloads::Reloads,
    roster::Roster,
    telemetry::Traces,
    topology, wasm,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file (YAML, TOML or JSON).
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,

    /// End when every feed has caught up with now and everything is delivered.
    #[arg(long)]
    once: bool,

    /// Read the configuration again whenever its file changes, or one that it names: programs, certificates. What changed
    /// takes over without losing an event; a bad configuration is refused, and the one before goes on. SIGHUP and
    /// `POST /api/reload` do the same once.
    #[arg(long)]
    watch_config: bool,

    /// Write the metrics into this file, every 15 seconds and at the end, for the textfile collector of Prometheus' node
    /// exporter.
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,

    #[command(flatten)]
    workers: pipeline::Workers,
}

pub(super) async fn run(args: Args) -> Result<u8, Failed> {
    let mut loaded = pipeline::load(&args.config)?;
    loaded.pipeline.workers = args.workers.number();
    let plan = loaded.plan()?;
    pipeline::warn_of_unread(&plan);
    let shutdown = ShutdownTrigger::new();
    let mode = if args.once {
        RunMode::Once
    } else {
        RunMode::Continuous
    };
    let letters_folder = loaded.dead_letters();
    let dead_letters = Target::Folder(letters_folder.clone());
    let data_dir = loaded.pipeline.data_dir.clone();
    let environment = pipeline::environment(Some(&data_dir), mode, shutdown.signal(), dead_letters)?;
    let traces = Traces::start(&loaded.telemetry).await?;
    // First, so that nothing begins if it cannot be shown.
    let api = if loaded.api.enabled {
        Some(api::bind(&loaded.api).await?)
    } else {
        None
    };
    let mut topology = match topology::build(&loaded.pipeline, &plan, &environment).await {
        Ok(topology) => topology,
        Err(failure) => return Err(loaded.refuse(&failure)),
    };
    let roster = Roster::of(&loaded.pipeline);
    let (reloads, questions) = Reloads::new();
    let mut metrics = Metrics::new(
        &topology,
        roster.clone(),
        reloads.clone(),
        Arc::clone(&environment.clock),
    );
    if let Some(traces) = &traces {
        metrics.add_traces(traces.counts());
    }
    let metrics = Arc::new(metrics);
    let api = api.map(|bound| {
        bound.serve(api::Shown {
            metrics: Arc::clone(&metrics),
            roster: roster.clone(),
            reloads: reloads.clone(),
            shutdown: shutdown.signal(),
        })
    });
    let mut file = args.metrics_file.map(MetricsFile::new);
    if let Some(file) = &file {
        file.write(metrics.text()).await?;
    }

    info!(config = %args.config.display(), data_dir = %data_dir.display(), "pipeline starts");
    let grace = loaded.grace;
    let watch = args
        .watch_config
        .then(|| Watch::new(args.config.clone(), &loaded));
    let reloader = Reloader {
        workers: args.workers,
        path: args.config,
        current: loaded,
        control: topology.control(plan),
        environment,
        roster: roster.clone(),
        reloads,
        watch,
    };
    let run = signals::under(&shutdown, topology.run(&shutdown, grace));
    let ended = tokio::select! {
        ended = showing(run, &metrics, file.as_mut()) => ended,
        never = wasm::watch(|| roster.slots(), wasm::LOOK_EVERY) => match never {},
        never = reloader.serve(questions) => match never {},
    };
    // The last comparisons belong into the metrics, too.
    let slots = roster.slots();
    let finished = tokio::task::spawn_blocking(move || slots.iter().for_each(|slot| slot.finish()));
    if let Err(error) = finished.await {
        warn!(%error, "a shadow run did not finish");
    }
    if let Some(traces) = traces {
        traces.stop().await;
    }
    metrics.ended(ended.is_ok());
    if let Some(file) = &file {
        // The run's own end matters more than that it could not be told.
        refresh(file, &metrics).await;
    }
    if let Some(api) = api {
        api.stop().await;
    }
    let letters = ended.map_err(anyhow::Error::from)?;
    if letters > 0 {
        warn!(letters, directory = %letters_folder.path.display(), "events could not be processed and were kept");
    }
    info!("pipeline ended, everything is delivered");
    Ok(EXIT_OK)
}

/// Waits for the end of `run`, and meanwhile keeps the file of the metrics fresh.
async fn showing<T>(run: impl Future<Output = T>, metrics: &Metrics, file: Option<&mut MetricsFile>) -> T {
    let Some(file) = file else {
        return run.await;
    };
    tokio::pin!(run);
    loop {
        tokio::select! {
            ended = &mut run => return ended,
            () = file.tick() => refresh(file, metrics).await,
        }
    }
}

async fn refresh(file: &MetricsFile, metrics: &Metrics) {
    if let Err(error) = file.write(metrics.text()).await {
        warn!(error = format!("{error:#}"), "the metrics are not up to date");
    }
}

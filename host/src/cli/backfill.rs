//! `backfill`: a time range again, through the pipeline of a configuration, beside a collection that is running.

mod instant;
mod progress;

use std::path::PathBuf;

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use instant::Instant;
use o365_core::{
    Clock, ComponentKey, RunMode, ShutdownTrigger, Source, SourceContext, SystemClock,
    config::{BuildError, ComponentContext, Description, Problem, SourceConfig},
};
use o365_source::{Backfill, Left, O365AuditConfig};
use progress::Progress;

use super::{
    EXIT_FAILED, EXIT_OK, Failed,
    pipeline::{self, Loaded},
    report, signals,
};
use crate::{dead_letter::Target, topology};

/// Share of the configured rate that a backfill takes, so that the collection goes on: one in so many.
const SHARE: u32 = 4;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file (YAML, TOML or JSON).
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,

    /// Start of the range: a time (2026-01-14T08:00:00Z), a date (its beginning, UTC) or an age (-24h). What counts is
    /// when the service made content available, not when something happened.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Instant,

    /// End of the range, exclusive: as `--from`, or `now`.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Instant,

    /// Only this tenant, by id or name; may be given several times.
    #[arg(long, value_name = "TENANT")]
    tenant: Vec<String>,

    /// Only this content type; may be given several times.
    #[arg(long, value_name = "TYPE")]
    content_type: Vec<String>,

    /// The source, if the configuration has several of type `o365_audit`.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Requests per minute and tenant. Default: a quarter of what is configured. They come on top of those of a
    /// collection that is running.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    requests_per_minute: Option<u32>,

    /// Start afresh, also if the range has been fetched before or in part.
    #[arg(long)]
    again: bool,
}

pub(super) async fn backfill(args: Args) -> Result<u8, Failed> {
    let mut loaded = pipeline::load(&args.config)?;
    let now = SystemClock.now();
    let (key, mut config) = select(&loaded, &args)?;
    let range = Backfill::new(args.from.at(now), args.to.at(now)).map_err(|error| usage(&error))?;
    range.check(&config, now).map_err(|error| usage(&error))?;
    config.backfill = Some(range);
    let command = format!(
        "o365-host backfill --config {} --from {} --to {}",
        args.config.display(),
        text(range.from()),
        text(range.to())
    );

    let plan = loaded.plan()?;
    let data_dir = loaded.pipeline.data_dir.clone();
    let left = |config: &O365AuditConfig| {
        range
            .left(config, &data_dir, &key, SystemClock.now())
            .map_err(|error| Failed::Run(error.into()))
    };
    if args.again {
        range
            .forget(&data_dir, &key)
            .map_err(|error| Failed::Run(error.into()))?;
    }
    let before = left(&config)?;
    if before.is_some_and(Left::is_nothing) {
        report::line(&format!(
            "{} to {} has been fetched already: `--again` fetches it once more",
            text(range.from()),
            text(range.to())
        ));
        return Ok(EXIT_OK);
    }

    let stats = config.stats.clone();
    for (name, source) in &mut loaded.pipeline.sources {
        *source = if *name == key {
            Box::new(config.clone())
        } else {
            Box::new(Silent(source.describe()))
        };
    }
    let shutdown = ShutdownTrigger::new();
    let letters_folder = loaded.dead_letters();
    let dead_letters = Target::Folder(letters_folder.clone());
    let environment = pipeline::environment(Some(&data_dir), RunMode::Once, shutdown.signal(), dead_letters)?;
    let topology = match topology::build(&loaded.pipeline, &plan, &environment).await {
        Ok(topology) => topology,
        Err(failure) => return Err(loaded.refuse(&failure)),
    };
    tracing::info!(
        source = %key,
        from = %text(range.from()),
        to = %text(range.to()),
        requests_per_minute = config.api.max_requests_per_minute,
        "{}",
        if before.is_some() { "backfill goes on" } else { "backfill starts" }
    );
    let mut progress = Progress::new(stats, before.map_or(0, |left| left.blobs));
    let ended = {
        let run = signals::under(&shutdown, topology.run(&shutdown, loaded.grace));
        tokio::pin!(run);
        loop {
            tokio::select! {
                ended = &mut run => break ended,
                () = progress.tick() => {}
            }
        }
    };
    let summary = progress.finish();
    let letters = ended.map_err(|error| {
        anyhow::Error::from(error).context(format!("{summary}; `{command}` with the same options goes on"))
    })?;
    if letters > 0 {
        tracing::warn!(letters, directory = %letters_folder.path.display(), "events could not be processed and were kept");
    }
    if left(&config)?.is_some_and(Left::is_nothing) {
        report::line(&format!("{summary}; the range is complete"));
        return Ok(EXIT_OK);
    }
    report::line(&format!(
        "{summary}; interrupted, `{command}` with the same options goes on"
    ));
    Ok(EXIT_FAILED)
}

fn usage(error: &dyn std::fmt::Display) -> Failed {
    Failed::Usage(error.to_string())
}

fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The source that is meant, changed as the command line says.
fn select(loaded: &Loaded, args: &Args) -> Result<(ComponentKey, O365AuditConfig), Failed> {
    let (key, config) = loaded.audit(args.source.as_deref())?;
    let mut config = config.clone();
    narrow(&mut config, args)?;
    config.api.max_requests_per_minute = args
        .requests_per_minute
        .unwrap_or_else(|| (config.api.max_requests_per_minute / SHARE).max(1));
    Ok((key.clone(), config))
}

/// Keeps the tenants and content types that were named.
fn narrow(config: &mut O365AuditConfig, args: &Args) -> Result<(), Failed> {
    if !args.tenant.is_empty() {
        let all = config.all_tenants();
        config.tenants.clear();
        config.tenant_id.clear();
        for wanted in &args.tenant {
            let found = all.iter().find(|tenant| {
                tenant.id.eq_ignore_ascii_case(wanted)
                    || tenant
                        .name
                        .as_ref()
                        .is_some_and(|name| name.eq_ignore_ascii_case(wanted))
            });
            let Some(found) = found else {
                let names: Vec<_> = all
                    .iter()
                    .map(|tenant| tenant.name.as_deref().unwrap_or(&tenant.id))
                    .collect();
                return Err(Failed::Usage(format!(
                    "the source has no tenant `{wanted}`; it has {}",
                    names.join(", ")
                )));
            };
            if !config.tenants.contains(found) {
                config.tenants.push(found.clone());
            }
        }
    }
    if !args.content_type.is_empty() {
        let all = std::mem::take(&mut config.content_type);
        for wanted in &args.content_type {
            let Some(found) = all.iter().find(|known| known.eq_ignore_ascii_case(wanted)) else {
                return Err(Failed::Usage(format!(
                    "the source does not collect `{wanted}`; it collects {}",
                    all.join(", ")
                )));
            };
            if !config.content_type.contains(found) {
                config.content_type.push(found.clone());
            }
        }
    }
    Ok(())
}

/// Stands for the sources that are not meant: it ends at once.
#[derive(Debug)]
struct Silent(Description);

#[async_trait]
impl SourceConfig for Silent {
    fn describe(&self) -> Description {
        self.0.clone()
    }

    fn validate(&self, _cx: &ComponentContext) -> Vec<Problem> {
        Vec::new()
    }

    async fn build(&self, _cx: SourceContext) -> Result<Source, BuildError> {
        Ok(Box::pin(async { Ok(()) }))
    }
}

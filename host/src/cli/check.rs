//! `check`: a doctor for a configuration and the tenants behind it. It changes nothing, here or there.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use o365_core::{
    Clock, ComponentKey, RunMode, ShutdownSignal, SystemClock,
    config::{ComponentContext, SinkConfig},
};
use o365_source::{
    CheckStatus, Finding,
    ledger::{ledger_in_use, ledger_path},
};
use serde::Serialize;

use super::{EXIT_FAILED, EXIT_OK, Failed, pipeline};
use crate::{
    dead_letter::Target,
    folder::{Folder, writable},
    topology::BuildFailure,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file (YAML, TOML or JSON).
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,

    /// A JSON array, with one object for each row, instead of a table.
    #[arg(long)]
    json: bool,
}

/// One row of the table.
#[derive(Debug, Serialize)]
struct Row {
    /// Nothing for what belongs to the machine.
    source: Option<String>,
    tenant: Option<String>,
    name: Option<String>,
    #[serde(flatten)]
    finding: Finding,
}

pub(super) async fn check(args: Args) -> Result<u8, Failed> {
    let loaded = pipeline::load(&args.config)?;
    loaded.plan()?;
    let (data_dir, config_dir) = (&loaded.pipeline.data_dir, &loaded.pipeline.config_dir);
    let audits = loaded.some_audits()?;
    let mut rows = vec![Row {
        source: None,
        tenant: None,
        name: None,
        finding: data_dir_finding(data_dir),
    }];
    for (key, config) in audits {
        rows.push(Row {
            source: Some(key.to_string()),
            tenant: None,
            name: None,
            finding: ledger(&ledger_path(data_dir, key)),
        });
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let reports = config.check(config_dir, clock).await.map_err(|error| {
            let located = |problem| -> (ComponentKey, _) { (key.clone(), problem) };
            loaded.refuse(&BuildFailure(error.problems.into_iter().map(located).collect()))
        })?;
        for report in reports {
            rows.extend(report.findings.into_iter().map(|finding| Row {
                source: Some(key.to_string()),
                tenant: Some(report.tenant.clone()),
                name: report.name.clone(),
                finding,
            }));
        }
    }
    let environment = pipeline::environment(None, RunMode::Once, ShutdownSignal::never(), Target::Stderr)?;
    for (key, (_, config)) in &loaded.pipeline.sinks {
        let cx = loaded.pipeline.context(key, &environment);
        rows.push(Row {
            source: Some(key.to_string()),
            tenant: None,
            name: None,
            finding: sink(config.as_ref(), &cx).await,
        });
    }
    let text = if args.json {
        serde_json::to_string_pretty(&rows).context("writing JSON failed")? + "\n"
    } else {
        table(&rows, std::io::stdout().is_terminal())
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("standard output cannot be written")?;
    let failed = rows.iter().any(|row| row.finding.status == CheckStatus::Fail);
    Ok(if failed { EXIT_FAILED } else { EXIT_OK })
}

/// Whether files can be made in the data directory, or where it would be made.
fn data_dir_finding(data_dir: &Path) -> Finding {
    match writable(data_dir) {
        Ok(Folder::There) => Finding::ok("data_dir", format!("{} is writable", data_dir.display())),
        Ok(Folder::CanBeMade) => Finding::ok("data_dir", format!("{} can be made", data_dir.display())),
        Err((at, error)) => Finding::fail(
            "data_dir",
            format!("{} cannot be written: {error}", at.display()),
            "give the user that runs this program the right to write there, or choose another `data_dir`",
        ),
    }
}

/// Whether a sink's destination can be reached.
async fn sink(config: &dyn SinkConfig, cx: &ComponentContext) -> Finding {
    match config.healthcheck(cx).await {
        Ok(found) => Finding::ok("sink", found),
        Err(error) => Finding::fail(
            "sink",
            error.to_string(),
            "repair it before the collection starts: what cannot be delivered is fetched, and waits",
        ),
    }
}

fn ledger(path: &Path) -> Finding {
    match ledger_in_use(path) {
        Ok(true) => Finding::ok(
            "ledger",
            format!("{} is in use: a collection runs", path.display()),
        ),
        Ok(false) if path.exists() => Finding::ok("ledger", format!("{} is free", path.display())),
        Ok(false) => Finding::ok("ledger", format!("{} is made by the first run", path.display())),
        Err(error) => Finding::fail(
            "ledger",
            format!("{error:#}"),
            "give the user that runs this program the right to read and write the ledger's folder",
        ),
    }
}

/// Aligned columns, with a line below each row that needs somebody.
fn table(rows: &[Row], colour: bool) -> String {
    let name = |row: &Row| match (&row.name, &row.tenant, &row.source) {
        (Some(name), ..) => name.clone(),
        (None, Some(tenant), _) => tenant.clone(),
        (None, None, Some(source)) => source.clone(),
        (None, None, None) => "-".to_owned(),
    };
    let width = |text: fn(&Row) -> usize| rows.iter().map(text).max().unwrap_or(0);
    let names: Vec<_> = rows.iter().map(name).collect();
    let first = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let second = width(|row| row.finding.check.chars().count());
    let mut lines = Vec::new();
    for (row, name) in rows.iter().zip(&names) {
        let finding = &row.finding;
        let status = format!("{:<4}", finding.status);
        let status = match (colour, finding.status) {
            (false, _) => status,
            (true, CheckStatus::Ok) => format!("\x1b[32m{status}\x1b[0m"),
            (true, CheckStatus::Warn) => format!("\x1b[33m{status}\x1b[0m"),
            (true, CheckStatus::Fail) => format!("\x1b[31m{status}\x1b[0m"),
        };
        lines.push(format!(
            "{name:<first$}  {:<second$}  {status}  {}\n",
            finding.check, finding.found
        ));
        if let Some(advice) = &finding.advice {
            lines.push(format!(
                "{:<first$}  {:<second$}        to do: {advice}\n",
                "", ""
            ));
        }
    }
    lines.concat()
}

//! `state export`: the ledger as NDJSON, for other tools.

use std::io::{BufWriter, Write};

use anyhow::Context;
use o365_core::Clock;
use o365_source::ledger::{BlobState, LedgerReader};
use serde::Serialize;

use super::Which;
use crate::cli::{EXIT_OK, Failed};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
}

/// One line; `kind` says what it is.
#[derive(Serialize)]
struct Line<'a, T> {
    kind: &'a str,
    #[serde(flatten)]
    content: T,
}

#[derive(Serialize)]
struct Gap<'a, T> {
    tenant: &'a str,
    tenant_name: Option<&'a str>,
    content_type: &'a str,
    #[serde(flatten)]
    span: T,
}

pub(super) fn export(args: &Args) -> Result<u8, Failed> {
    let reader = LedgerReader::open(&args.which.path()?).map_err(anyhow::Error::from)?;
    write_all(args, &reader, BufWriter::new(std::io::stdout().lock()))?;
    Ok(EXIT_OK)
}

fn write_all(args: &Args, reader: &LedgerReader, mut out: impl Write) -> anyhow::Result<()> {
    reader.snapshot()?;
    let filter = args.which.filter();
    let feeds = reader.feeds_of(&filter, o365_core::SystemClock.now())?;
    for feed in &feeds {
        line(&mut out, "feed", feed)?;
        for gap in &feed.gaps {
            let gap = Gap {
                tenant: &feed.tenant,
                tenant_name: feed.tenant_name.as_deref(),
                content_type: &feed.content_type,
                span: gap,
            };
            line(&mut out, "gap", gap)?;
        }
    }
    reader.each_blob(&filter, &BlobState::ALL, u32::MAX, |blob| {
        line(&mut out, "blob", blob)
    })?;
    out.flush().context("writing to standard output failed")
}

fn line(out: &mut impl Write, kind: &str, content: impl Serialize) -> anyhow::Result<()> {
    let line = serde_json::to_string(&Line { kind, content })?;
    writeln!(out, "{line}").context("writing to standard output failed")
}

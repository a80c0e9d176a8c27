//! `state`: what the ledger of a source holds, and what an operator may change in it.

mod edit;
mod export;
mod show;

use std::path::PathBuf;

use clap::Subcommand;
use o365_source::ledger::{FeedFilter, ledger_path};

use super::{Failed, pipeline};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows each feed, and in the last line whether anything is missing. Works beside a running source.
    Show(show::Args),
    /// Writes all feeds, blobs and gaps to standard output, one JSON object a line. Works beside a running source.
    Export(export::Args),
    /// Makes blobs due at once that wait, are quarantined or have expired. A running source notices within seconds.
    Retry(edit::RetryArgs),
    /// Forgets how far feeds have been listed: they are listed from the start again. Needs the source to be stopped.
    Reset(edit::ResetArgs),
}

/// Which ledger, and which of its feeds.
#[derive(Debug, clap::Args)]
struct Which {
    /// Configuration file (YAML, TOML or JSON).
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,

    /// Name of the source, if the configuration has several of type `o365_audit`.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Only this tenant: directory id or name.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,

    /// Only this content type, such as Audit.Exchange.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
}

impl Which {
    /// Where the ledger is.
    fn path(&self) -> Result<PathBuf, Failed> {
        let loaded = pipeline::load(&self.config)?;
        let (key, _) = loaded.audit(self.source.as_deref())?;
        Ok(ledger_path(&loaded.pipeline.data_dir, key))
    }

    fn filter(&self) -> FeedFilter {
        FeedFilter {
            tenant: self.tenant.clone(),
            content_type: self.content_type.clone(),
        }
    }
}

/// Runs one of the commands.
pub(super) async fn state(args: Args) -> Result<u8, Failed> {
    match args.command {
        Command::Show(args) => show::show(&args),
        Command::Export(args) => export::export(&args),
        Command::Retry(args) => edit::retry(&args),
        Command::Reset(args) => edit::reset(&args).await,
    }
}

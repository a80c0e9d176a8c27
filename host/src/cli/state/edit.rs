//! `state retry` and `state reset`.

use o365_source::ledger::{LedgerEditor, RETRY_NOTICED_AFTER};

use super::Which;
use crate::cli::{EXIT_OK, Failed, report};

#[derive(Debug, clap::Args)]
pub(super) struct RetryArgs {
    #[command(flatten)]
    which: Which,

    /// Only the blob with this id.
    #[arg(long, value_name = "ID")]
    content_id: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ResetArgs {
    #[command(flatten)]
    which: Which,

    /// Yes, forget it.
    #[arg(long)]
    yes: bool,

    /// Forget the ids of the tenants' delivered events too: everything is delivered again.
    #[arg(long)]
    forget_events: bool,
}

pub(super) fn retry(args: &RetryArgs) -> Result<u8, Failed> {
    let mut editor = LedgerEditor::beside(&args.which.path()?).map_err(anyhow::Error::from)?;
    let count = editor
        .retry(&args.which.filter(), args.content_id.as_deref())
        .map_err(anyhow::Error::from)?;
    if count == 0
        && let Some(content_id) = &args.content_id
    {
        return Err(anyhow::anyhow!(
            "no blob {content_id} is waiting, quarantined or expired: see `state export`"
        )
        .into());
    }
    report::line(&format!(
        "{count} blob(s) are due now: a running source tries them within {} seconds, otherwise the next run does",
        RETRY_NOTICED_AFTER.as_secs()
    ));
    Ok(EXIT_OK)
}

pub(super) async fn reset(args: &ResetArgs) -> Result<u8, Failed> {
    let path = args.which.path()?;
    if !args.yes {
        return Err(anyhow::anyhow!(
            "this forgets the progress, the blobs and the recorded losses of the feeds in {}: say --yes, and perhaps \
             keep `state export` before",
            path.display()
        )
        .into());
    }
    let mut editor = LedgerEditor::alone(&path).await.map_err(anyhow::Error::from)?;
    let forgotten = editor
        .reset(&args.which.filter(), args.forget_events)
        .map_err(anyhow::Error::from)?;
    report::line(&format!(
        "{} feed(s) are listed from the start at the next run; forgotten: {} blob(s), {} gap(s), {} event id(s)",
        forgotten.feeds, forgotten.blobs, forgotten.gaps, forgotten.events
    ));
    Ok(EXIT_OK)
}

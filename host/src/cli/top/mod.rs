//! `top`: a running host in a terminal.
//!
//! ```text
//! local API ── scrape ──► model (two scrapes → rows) ── tables ──► view (live), plain text, JSON
//! ```

mod model;
mod samples;
mod scrape;
mod screen;
mod table;
mod tables;
mod view;

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use o365_core::{SensitiveString, ShutdownTrigger};
use url::Url;

use self::{model::Model, scrape::Scraper};
use super::{EXIT_OK, Failed, signals};

/// More often, and the answers would be most of what there is to see.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address of the API of the host (`api.address` of its configuration).
    #[arg(long, default_value = "http://127.0.0.1:8686", env = "O365_API_URL", value_parser = url)]
    url: Url,

    /// Token of the API (`api.token`). Whoever lists the processes of this machine sees it: the variable or --token-file
    /// is better.
    #[arg(
        long,
        env = "O365_API_TOKEN",
        hide_env_values = true,
        conflicts_with = "token_file",
        value_parser = token
    )]
    token: Option<SensitiveString>,

    /// File with the token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// How often the host is asked; rates are of this time. At least 100ms.
    #[arg(long, default_value = "1s", value_parser = interval, value_name = "DURATION")]
    interval: Duration,

    /// Print one table, as text, after one interval, and end. So it is without a terminal, too.
    #[arg(long)]
    once: bool,

    /// The same as one JSON object.
    #[arg(long)]
    json: bool,
}

fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}: write it like http://127.0.0.1:8686"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("write it like http://127.0.0.1:8686".to_owned());
    }
    Ok(url)
}

#[expect(clippy::unnecessary_wraps, reason = "what clap calls")]
fn token(text: &str) -> Result<SensitiveString, String> {
    Ok(text.into())
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = o365_core::duration::parse(text).map_err(|error| error.to_string())?;
    if interval < SHORTEST_INTERVAL {
        return Err("at least 100ms".to_owned());
    }
    Ok(interval)
}

/// The token in a file, without the line's end.
fn token_in(path: &Path) -> anyhow::Result<SensitiveString> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("--token-file: `{}` cannot be read", path.display()))?;
    let token = SensitiveString::from(text);
    let token = SensitiveString::from(token.expose().trim());
    anyhow::ensure!(!token.is_empty(), "--token-file: `{}` is empty", path.display());
    Ok(token)
}

pub(super) async fn top(args: Args) -> Result<u8, Failed> {
    let token = match &args.token_file {
        Some(path) => Some(token_in(path)?),
        None => args.token.filter(|token| !token.is_empty()),
    };
    let scraper = Scraper::new(args.url, token).context("the HTTP client cannot be made")?;
    let plain = args.once || args.json || !std::io::stdout().is_terminal();
    let shutdown = ShutdownTrigger::new();
    let signal = shutdown.signal();
    if !plain {
        signals::under(&shutdown, screen::run(&scraper, args.interval, &signal)).await?;
        return Ok(EXIT_OK);
    }
    let twice = signals::under(&shutdown, async {
        tokio::select! {
            model = twice(&scraper, args.interval) => Some(model),
            () = signal.cancelled() => None,
        }
    });
    // Told to end: nothing was asked for any more.
    let Some(model) = twice.await else {
        return Ok(EXIT_OK);
    };
    let model = model.map_err(anyhow::Error::msg)?;
    let text = if args.json {
        format!(
            "{}\n",
            serde_json::to_string(&model).context("writing JSON failed")?
        )
    } else {
        tables::plain(&model, &scraper.shown_url())
    };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Who has seen enough closes the pipe.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(anyhow::Error::from(error)
            .context("writing to standard output failed")
            .into()),
        _ => Ok(EXIT_OK),
    }
}

/// Two scrapes, and what they say.
async fn twice(scraper: &Scraper, interval: Duration) -> Result<Model, String> {
    let first = scraper.scrape().await?;
    tokio::time::sleep(interval).await;
    let second = scraper.scrape().await?;
    Ok(Model::new(Some(&first), &second))
}

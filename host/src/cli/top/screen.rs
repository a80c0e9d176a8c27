//! The live view on a terminal: keys, scrapes and signals, until somebody has seen enough.

use std::time::Duration;

use anyhow::Context;
use crossterm::event::EventStream;
use futures_util::StreamExt;
use o365_core::ShutdownSignal;
use ratatui::DefaultTerminal;
use tokio::time::{Instant, MissedTickBehavior};

use super::{
    model::Model,
    scrape::{Scrape, Scraper},
    view::{Next, View},
};

/// The terminal, as it was before when it is dropped; ratatui's hook does the same before a panic is printed.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> anyhow::Result<Self> {
        let terminal = ratatui::try_init();
        // What was changed before it failed is undone, too.
        terminal.map(Self).map_err(|error| {
            ratatui::restore();
            anyhow::Error::from(error).context("the terminal cannot be used; --once prints plain text")
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Runs until a key or `stop` ends it. A host that does not answer is asked again and again.
pub(super) async fn run(scraper: &Scraper, interval: Duration, stop: &ShutdownSignal) -> anyhow::Result<()> {
    let mut screen = Screen::open()?;
    let mut events = EventStream::new();
    let mut view = View::new(scraper.shown_url());
    let mut before: Option<Scrape> = None;
    let began = Instant::now();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut scraping = None;
    loop {
        let draw = screen.0.draw(|frame| view.draw(frame, began.elapsed()));
        draw.context("writing to the terminal failed")?;
        let answer = async {
            match &mut scraping {
                Some(scraping) => std::pin::Pin::as_mut(scraping).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            event = events.next() => match event {
                Some(Ok(event)) => {
                    if view.handle(&event) == Next::Quit {
                        return Ok(());
                    }
                }
                Some(Err(error)) => return Err(error).context("reading keys failed"),
                None => return Ok(()),
            },
            scraped = answer => {
                scraping = None;
                match scraped {
                    Ok(scrape) => {
                        view.show(Model::new(before.as_ref(), &scrape));
                        before = Some(scrape);
                    }
                    Err(error) => view.fail(error, began.elapsed()),
                }
            }
            // Also while an answer is waited for: how long that takes is on the screen.
            _ = ticks.tick() => {
                if scraping.is_none() {
                    scraping = Some(Box::pin(scraper.scrape()));
                }
            }
        }
    }
}

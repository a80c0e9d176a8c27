//! How far a backfill is: a bar on a terminal, otherwise a line in the log now and then.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use o365_core::duration;
use o365_source::Stats;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

const DRAW_EVERY: Duration = Duration::from_millis(200);
const LOG_EVERY: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(super) struct Progress {
    stats: Stats,
    /// Blobs that an earlier run had found and not delivered.
    before: u64,
    began: Instant,
    bar: Option<ProgressBar>,
    ticks: Interval,
}

/// Sums over all feeds.
#[derive(Debug, Default, Clone, Copy)]
struct Totals {
    found: u64,
    ended: u64,
    lost: u64,
    events: u64,
    duplicates: u64,
}

impl Progress {
    pub(super) fn new(stats: Stats, before: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{bar:30} {pos}/{len} blobs, {msg}, {eta} left at this rate")
                    .expect("the template is well-formed");
            ProgressBar::with_draw_target(Some(before), ProgressDrawTarget::stderr()).with_style(style)
        });
        let mut ticks = interval(if bar.is_some() { DRAW_EVERY } else { LOG_EVERY });
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        ticks.reset();
        Self {
            stats,
            before,
            began: Instant::now(),
            bar,
            ticks,
        }
    }

    /// Waits until it is time to show something, and shows it.
    ///
    /// # Cancel safety
    /// Safe: nothing is shown then.
    pub(super) async fn tick(&mut self) {
        self.ticks.tick().await;
        let totals = self.totals();
        let rate = self.rate(totals);
        if let Some(bar) = &self.bar {
            bar.set_length(totals.found);
            bar.set_position(totals.ended);
            bar.set_message(format!("{} events, {rate:.0}/s", totals.events));
            return;
        }
        let left = self
            .left(totals)
            .map_or_else(|| "unknown".to_owned(), duration::format);
        tracing::info!(
            blobs = totals.ended,
            of = totals.found,
            events = totals.events,
            events_per_second = %format_args!("{rate:.0}"),
            %left,
            "backfill"
        );
    }

    /// Removes the bar; says what was done.
    pub(super) fn finish(self) -> String {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let totals = self.totals();
        let rate = self.rate(totals);
        let lost = match totals.lost {
            0 => String::new(),
            lost => format!(", {lost} blobs lost: the log names them"),
        };
        format!(
            "{} events of {} blobs in {:.1} seconds, {rate:.0} events/s, {} repeated events dropped{lost}",
            totals.events,
            totals.ended,
            self.began.elapsed().as_secs_f64(),
            totals.duplicates
        )
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals {
            found: self.before,
            ..Totals::default()
        };
        for feed in self.stats.feeds() {
            let lost = feed.blobs_expired + feed.blobs_quarantined;
            totals.found += feed.blobs_found;
            totals.ended += feed.blobs_delivered + lost;
            totals.lost += lost;
            totals.events += feed.events_sent;
            totals.duplicates += feed.duplicates_dropped;
        }
        totals
    }

    fn rate(&self, totals: Totals) -> f64 {
        totals.events as f64 / self.began.elapsed().as_secs_f64().max(0.001)
    }

    /// How long what is known will take if it goes on like this.
    fn left(&self, totals: Totals) -> Option<Duration> {
        if totals.ended == 0 {
            return None;
        }
        let share = totals.found.saturating_sub(totals.ended) as f64 / totals.ended as f64;
        let seconds = self.began.elapsed().as_secs_f64() * share;
        Duration::try_from_secs_f64(seconds.round()).ok()
    }
}

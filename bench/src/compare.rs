//! All contestants in turn, round by round, so that whatever else the machine does hits all of them: what counts is the median of
//! the rounds, and above all the ratio between two of them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{contestants::Contestant, corpus::Workload};

/// As the host makes them.
const BATCH_EVENTS: usize = 128;
/// A contestant's turn in a round takes at least so long, so that a tick of the clock is nothing.
const TURN: Duration = Duration::from_millis(4);

/// What was measured of one workload.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Of the workload.
    pub name: &'static str,
    /// Different events in it.
    pub events: usize,
    /// Bytes of an event, on average.
    pub bytes_per_event: usize,
    /// Rounds that count.
    pub rounds: usize,
    /// In the order of the contestants.
    pub speeds: Vec<Speed>,
}

/// How fast one contestant was.
#[derive(Debug, Serialize)]
pub struct Speed {
    /// Of the contestant.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Median over the rounds.
    pub events_per_second: f64,
}

/// Measures one workload for about so long, at least one round.
pub fn compare(contestants: &mut [Contestant], workload: &Workload, time: Duration) -> Result<Measured> {
    let batches = workload.corpus.batches(BATCH_EVENTS);
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); contestants.len()];
    // Each has its own place in the corpus, and begins where the last round has ended.
    let mut turns: Vec<_> = contestants.iter().map(|_| batches.iter().cycle()).collect();
    let began = Instant::now();
    let mut rounds = 0;
    while rounds < 2 || began.elapsed() < time {
        for ((contestant, turn), rates) in contestants.iter_mut().zip(&mut turns).zip(&mut rates) {
            let (mut events, start) = (0, Instant::now());
            while start.elapsed() < TURN {
                let batch = turn.next().context("an empty workload")?;
                contestant
                    .run(batch)
                    .with_context(|| format!("{} fails on {}", contestant.name, workload.name))?;
                events += batch.len();
            }
            // The first round warms up.
            if rounds > 0 {
                rates.push(events as f64 / start.elapsed().as_secs_f64());
            }
        }
        rounds += 1;
    }
    Ok(Measured {
        name: workload.name,
        events: workload.corpus.len(),
        bytes_per_event: workload.corpus.bytes() / workload.corpus.len().max(1),
        rounds: rounds - 1,
        speeds: contestants
            .iter()
            .zip(rates)
            .map(|(contestant, rates)| Speed {
                name: contestant.name,
                what: contestant.what,
                events_per_second: median(rates),
            })
            .collect(),
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

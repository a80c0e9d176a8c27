//! Asking a pipeline that runs to read its configuration again, and what became of it.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::topology::Difference;

/// What became of a reload.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// The configuration says what it said before.
    Unchanged,
    /// The new configuration runs.
    Applied {
        /// What changed.
        #[serde(flatten)]
        components: Difference,
        /// How long it took, with draining and building, in seconds.
        seconds: f64,
    },
    /// The new configuration is bad; the one before goes on.
    Refused {
        /// What is wrong with it, ready to be shown.
        error: String,
    },
    /// The pipeline has ended meanwhile.
    Ended,
}

/// What became of all reloads so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// How many applied something.
    pub applied: u64,
    /// How many found nothing new.
    pub unchanged: u64,
    /// How many were refused.
    pub refused: u64,
    /// Whether the last one was.
    pub is_refused: bool,
    /// When the last one was that was not.
    pub succeeded: Option<DateTime<Utc>>,
}

type Asked = oneshot::Sender<Outcome>;

/// Asks for reloads, and counts them. Clones count together.
#[derive(Debug, Clone)]
pub struct Reloads {
    asking: mpsc::Sender<Asked>,
    counts: Arc<Mutex<Counts>>,
}

/// Where questions arrive.
pub(crate) type Questions = mpsc::Receiver<Asked>;

impl Reloads {
    pub(crate) fn new() -> (Self, Questions) {
        // Who asks while others are answered waits.
        let (asking, questions) = mpsc::channel(1);
        let counts = Arc::default();
        (Self { asking, counts }, questions)
    }

    /// Reads the configuration again, and lets what has changed take over. Takes as long as building and draining do.
    ///
    /// # Cancel safety
    /// The reload goes on without the asker.
    pub async fn ask(&self) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        if self.asking.send(answer).await.is_err() {
            return Outcome::Ended;
        }
        outcome.await.unwrap_or(Outcome::Ended)
    }

    /// The numbers.
    pub fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn count(&self, outcome: &Outcome, now: DateTime<Utc>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Unchanged => counts.unchanged += 1,
            Outcome::Applied { .. } => counts.applied += 1,
            Outcome::Refused { .. } => counts.refused += 1,
            Outcome::Ended => return,
        }
        counts.is_refused = matches!(outcome, Outcome::Refused { .. });
        if !counts.is_refused {
            counts.succeeded = Some(now);
        }
    }
}

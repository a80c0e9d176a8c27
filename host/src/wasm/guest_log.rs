//! The lines that a component writes to the host's log: cut, escaped, tagged with the transform's name, and not too many.

use std::{sync::Arc, time::Instant};

use tracing::{Level, event, warn};

use super::log_budget::{LogBudget, Verdict};

/// Longer lines are cut.
pub(super) const LOG_LINE_BYTES: usize = 1_024;

/// Levels as in `wit/transform.wit`.
pub(super) const WARN: u8 = 2;
pub(super) const INFO: u8 = 3;

/// Copies share the budget.
#[derive(Debug, Clone)]
pub(super) struct GuestLog {
    /// The name that lines carry.
    transform: Arc<str>,
    budget: Arc<LogBudget>,
}

impl GuestLog {
    pub(super) fn new(transform: &str, budget: Arc<LogBudget>) -> Self {
        Self {
            transform: transform.into(),
            budget,
        }
    }

    pub(super) fn line(&self, level: u8, message: &str) {
        match self.budget.take(Instant::now()) {
            Verdict::Drop => return,
            Verdict::Write { dropped: 0 } => {}
            Verdict::Write { dropped } => {
                warn!(transform = %self.transform, dropped, "the component logs too much, lines were dropped");
            }
        }
        let end = message.floor_char_boundary(LOG_LINE_BYTES);
        let message = message.get(..end).unwrap_or_default().escape_debug();
        let transform = &self.transform;
        match level {
            1 => event!(Level::ERROR, %transform, "component: {message}"),
            WARN => event!(Level::WARN, %transform, "component: {message}"),
            4 => event!(Level::DEBUG, %transform, "component: {message}"),
            5 => event!(Level::TRACE, %transform, "component: {message}"),
            _ => event!(Level::INFO, %transform, "component: {message}"),
        }
    }
}

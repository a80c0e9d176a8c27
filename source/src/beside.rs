//! A collection and the backfills beside it ask the same tenants: together they keep the configured rate.
//!
//! A backfill writes how fast it will ask into the lock file of its ledger, and waits until the collection must have seen
//! that and until the minute in which nobody had made room is over. The collection looks every few seconds, leaves so many
//! requests to the backfills that run, and takes them back a minute after the last of them has ended.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    budget::SPAN,
    error::chain,
    feed::TenantShared,
    ledger::{LedgerError, RETRY_NOTICED_AFTER, backfills_in_use},
    telemetry::{self, Limiter},
};

/// When a backfill that starts now may send its first request, if a collection runs.
pub(crate) const ROOM_AFTER: Duration =
    Duration::from_secs(RETRY_NOTICED_AFTER.as_secs() * 2 + SPAN.as_secs());

/// The collection's side. See the module.
pub(crate) struct Beside {
    /// The collection's ledger.
    path: PathBuf,
    tenants: Vec<Arc<TenantShared>>,
    /// Requests per minute that are left to backfills.
    left: u32,
    /// When fewer may be left to them.
    taken_back_at: Option<Instant>,
    limiter: Limiter,
}

impl Beside {
    pub(crate) fn new(path: PathBuf, tenants: Vec<Arc<TenantShared>>) -> Self {
        Self {
            path,
            tenants,
            left: 0,
            taken_back_at: None,
            limiter: Limiter::default(),
        }
    }

    /// Makes room for the backfills that run now.
    pub(crate) async fn look(&mut self) {
        let path = self.path.clone();
        let found = tokio::task::spawn_blocking(move || backfills_in_use(&path)).await;
        let needed = match found.unwrap_or(Err(LedgerError::Closed)) {
            Ok(rates) => rates.into_iter().fold(0, u32::saturating_add),
            // Nobody knows: what was left to them is left to them.
            Err(error) => return telemetry::backfills_unknown(&self.limiter, &chain(&error)),
        };
        let now = Instant::now();
        if needed > self.left {
            telemetry::room_for_backfill(needed);
            self.leave(needed);
        } else if needed == self.left {
            self.taken_back_at = None;
        } else if *self.taken_back_at.get_or_insert(now + SPAN) <= now {
            self.leave(needed);
        }
    }

    fn leave(&mut self, requests_per_minute: u32) {
        self.left = requests_per_minute;
        self.taken_back_at = None;
        for tenant in &self.tenants {
            tenant.client.leave(requests_per_minute);
        }
    }
}

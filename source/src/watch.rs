//! Looks into the ledger now and then, beside its writer: for the numbers that [`Stats`] shows, and for what needs a
//! person ([`crate::alarm`]), which is logged once when it begins and once when it is over.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{
    alarm::{Alarm, AlarmKey, Judge},
    error::chain,
    ledger::{LedgerError, LedgerReader},
    pace::Pace,
    stats::{LedgerView, Stats},
    telemetry::{self, Limiter},
};

const EVERY: Duration = Duration::from_secs(30);
/// A large ledger takes a while: a twentieth of the time at most is spent looking.
const REST: u32 = 20;

/// See the module.
#[derive(Debug)]
pub(crate) struct Watch {
    path: PathBuf,
    stats: Stats,
    pace: Pace,
    judge: Judge,
    raised: BTreeMap<AlarmKey, Alarm>,
    limiter: Limiter,
}

impl Watch {
    pub(crate) fn new(path: &Path, stats: Stats, pace: Pace) -> Self {
        Self {
            path: path.to_owned(),
            stats,
            pace,
            judge: Judge::default(),
            raised: BTreeMap::new(),
            limiter: Limiter::default(),
        }
    }

    /// Looks until it is dropped.
    pub(crate) async fn run(&mut self) -> Infallible {
        loop {
            let began = Instant::now();
            self.look().await;
            sleep(EVERY.max(began.elapsed() * REST)).await;
        }
    }

    /// Looks once. That the ledger cannot be read is logged; the source itself will notice what matters.
    pub(crate) async fn look(&mut self) {
        let now = self.pace.calendar();
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || {
            let reader = LedgerReader::open(&path)?;
            reader.snapshot()?;
            reader.feeds(now)
        });
        let feeds = match read.await {
            Ok(Ok(feeds)) => feeds,
            Ok(Err(error)) => return telemetry::ledger_not_read(&self.limiter, &chain(&error)),
            // It panicked, or the process ends.
            Err(_) => return telemetry::ledger_not_read(&self.limiter, &chain(&LedgerError::Closed)),
        };
        let feeds: Vec<_> = feeds.into_iter().filter(|feed| feed.active).collect();
        let (counted, tenants) = (self.stats.feeds(), self.stats.tenants());
        let alarms = self.judge.judge(&feeds, &counted, &tenants, now, Instant::now());
        self.tell(&alarms);
        self.stats.set_ledger(LedgerView {
            taken: Some(now),
            feeds,
            alarms,
        });
    }

    fn tell(&mut self, alarms: &[Alarm]) {
        let now: BTreeMap<_, _> = alarms.iter().map(|alarm| (alarm.key(), alarm.clone())).collect();
        for (_, alarm) in now.iter().filter(|(key, _)| !self.raised.contains_key(*key)) {
            telemetry::alarm(alarm);
        }
        for (_, alarm) in self.raised.iter().filter(|(key, _)| !now.contains_key(*key)) {
            telemetry::alarm_over(alarm);
        }
        self.raised = now;
    }
}

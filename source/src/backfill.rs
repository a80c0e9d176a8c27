//! A time range that is fetched again, beside or after the collection: with a ledger of its own, so that what has been
//! delivered is delivered once more, and so that it goes on where it was interrupted.

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use o365_core::ComponentKey;

use crate::{
    config::O365AuditConfig,
    ledger::{BACKFILL, LedgerError, LedgerReader, remove_ledger},
    plan::{grid, oldest},
};

/// A range of `contentCreated`, in whole seconds; see [`O365AuditConfig::backfill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backfill {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

/// A range that cannot be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// There is nothing between the bounds.
    #[error("the range is empty: it goes from {from} to {to}")]
    Empty {
        /// First instant.
        from: DateTime<Utc>,
        /// First instant after it.
        to: DateTime<Utc>,
    },
    /// The service does not have it any more.
    #[error("the range starts at {from}, but the service lists only what is not older than {oldest}")]
    TooOld {
        /// First instant.
        from: DateTime<Utc>,
        /// The oldest instant that can be asked for now.
        oldest: DateTime<Utc>,
    },
    /// It has not happened yet.
    #[error("the range ends at {to}, but it is only {now}")]
    Future {
        /// First instant after the range.
        to: DateTime<Utc>,
        /// Now.
        now: DateTime<Utc>,
    },
}

impl Backfill {
    /// The range from `from` (inclusive, rounded down to a second) to `to` (exclusive, rounded up).
    pub fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Self, RangeError> {
        let (from, to) = (grid::round_down(from), grid::round_up(to));
        if from >= to {
            return Err(RangeError::Empty { from, to });
        }
        Ok(Self { from, to })
    }

    /// First instant.
    pub fn from(&self) -> DateTime<Utc> {
        self.from
    }

    /// First instant after the range.
    pub fn to(&self) -> DateTime<Utc> {
        self.to
    }

    /// Whether all of it can be listed now, with the retention of this configuration.
    pub fn check(&self, config: &O365AuditConfig, now: DateTime<Utc>) -> Result<(), RangeError> {
        let retention = TimeDelta::from_std(config.api.max_retention).unwrap_or(TimeDelta::MAX);
        let oldest = oldest(retention, now);
        if self.from < oldest {
            return Err(RangeError::TooOld {
                from: self.from,
                oldest,
            });
        }
        if self.to > grid::round_up(now) {
            return Err(RangeError::Future { to: self.to, now });
        }
        Ok(())
    }

    /// Its ledger's file, beside that of the source.
    pub fn ledger_path(&self, data_dir: &Path, component: &ComponentKey) -> PathBuf {
        const NAME: &str = "%Y%m%dT%H%M%SZ";
        data_dir.join(component.as_str()).join(format!(
            "{BACKFILL}{}-{}.sqlite",
            self.from.format(NAME),
            self.to.format(NAME)
        ))
    }

    /// What an earlier run of the same range has left to do, for the feeds of this configuration. Nothing if there was
    /// none.
    pub fn left(
        &self,
        config: &O365AuditConfig,
        data_dir: &Path,
        component: &ComponentKey,
        now: DateTime<Utc>,
    ) -> Result<Option<Left>, LedgerError> {
        let path = self.ledger_path(data_dir, component);
        if !path.exists() {
            return Ok(None);
        }
        let records = LedgerReader::open(&path)?.feeds(now)?;
        let mut left = Left::default();
        for tenant in config.all_tenants() {
            for content_type in &config.content_type {
                let record = records.iter().find(|record| {
                    record.tenant.eq_ignore_ascii_case(&tenant.id)
                        && record.content_type.eq_ignore_ascii_case(content_type)
                });
                match record {
                    Some(record) => {
                        left.blobs += record.pending;
                        left.unlisted += usize::from(record.last_sweep.is_none());
                    }
                    None => left.unlisted += 1,
                }
            }
        }
        Ok(Some(left))
    }

    /// Forgets what earlier runs of the same range have done. Refused while one of them runs.
    pub fn forget(&self, data_dir: &Path, component: &ComponentKey) -> Result<(), LedgerError> {
        remove_ledger(&self.ledger_path(data_dir, component))
    }
}

/// What is left to do of a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    /// Blobs that are known and not delivered.
    pub blobs: u64,
    /// Feeds that are not listed completely.
    pub unlisted: usize,
}

impl Left {
    /// Nothing is left.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TenantConfig;

    fn at(text: &str) -> DateTime<Utc> {
        format!("{text}Z").parse().unwrap()
    }

    fn config() -> O365AuditConfig {
        O365AuditConfig::new("a", "s", [TenantConfig::new("t", "n")])
    }

    #[test]
    fn bounds_are_whole_seconds_and_not_in_the_wrong_order() {
        let range = Backfill::new(at("2026-01-14T00:00:00.7"), at("2026-01-14T00:00:00.9")).unwrap();
        assert_eq!(
            (range.from(), range.to()),
            (at("2026-01-14T00:00:00"), at("2026-01-14T00:00:01"))
        );
        assert!(matches!(
            Backfill::new(at("2026-01-14T00:00:00"), at("2026-01-14T00:00:00")),
            Err(RangeError::Empty { .. })
        ));
    }

    #[test]
    fn a_range_outside_of_the_retention_is_refused_with_the_bound() {
        let now = at("2026-01-15T12:00:00");
        let check = |from: &str, to: &str| Backfill::new(at(from), at(to)).unwrap().check(&config(), now);
        assert_eq!(check("2026-01-08T12:05:00", "2026-01-15T12:00:00"), Ok(()));
        assert_eq!(
            check("2026-01-08T12:04:59", "2026-01-15T12:00:00"),
            Err(RangeError::TooOld {
                from: at("2026-01-08T12:04:59"),
                oldest: at("2026-01-08T12:05:00")
            })
        );
        assert!(matches!(
            check("2026-01-15T11:00:00", "2026-01-15T12:00:01"),
            Err(RangeError::Future { .. })
        ));
    }

    #[test]
    fn each_range_has_a_ledger_of_its_own() {
        let range = Backfill::new(at("2026-01-14T00:00:00"), at("2026-01-14T06:00:00")).unwrap();
        assert_eq!(
            range.ledger_path(Path::new("data"), &"o365".into()),
            Path::new("data/o365/backfill-20260114T000000Z-20260114T060000Z.sqlite")
        );
    }
}

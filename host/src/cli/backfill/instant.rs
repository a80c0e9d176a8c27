//! A point in time, as a person writes it.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use o365_core::duration;

/// An instant, or how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instant {
    At(DateTime<Utc>),
    Ago(Duration),
}

impl Instant {
    pub(super) fn at(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(at) => at,
            Self::Ago(age) => TimeDelta::from_std(age)
                .ok()
                .and_then(|age| now.checked_sub_signed(age))
                .unwrap_or(DateTime::UNIX_EPOCH),
        }
    }
}

impl FromStr for Instant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "now" {
            return Ok(Self::Ago(Duration::ZERO));
        }
        if let Some(age) = text.strip_prefix('-') {
            return duration::parse(age)
                .map(Self::Ago)
                .map_err(|error| error.to_string());
        }
        if let Ok(date) = text.parse::<NaiveDate>() {
            return Ok(Self::At(date.and_time(NaiveTime::MIN).and_utc()));
        }
        DateTime::parse_from_rfc3339(text)
            .map(|at| Self::At(at.to_utc()))
            .map_err(|_| {
                "write a time with its zone (2026-01-14T08:00:00Z), a date (2026-01-14), an age (-24h) or `now`"
                    .to_owned()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_dates_and_ages_are_understood() {
        let now: DateTime<Utc> = "2026-01-15T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-01-14T08:00:00Z", "2026-01-14T08:00:00Z"),
            ("2026-01-14T08:00:00+02:00", "2026-01-14T06:00:00Z"),
            ("2026-01-14", "2026-01-14T00:00:00Z"),
            ("-24h", "2026-01-14T12:00:00Z"),
            ("now", "2026-01-15T12:00:00Z"),
        ] {
            let instant: Instant = text.parse().unwrap();
            assert_eq!(
                instant.at(now),
                expected.parse::<DateTime<Utc>>().unwrap(),
                "{text}"
            );
        }
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for text in ["2026-01-14T08:00:00", "yesterday", "-24", "24h", ""] {
            assert!(text.parse::<Instant>().is_err(), "{text}");
        }
    }
}

//! The rules for `startTime` and `endTime`.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};

use crate::config::ListingQuirks;
use crate::http::call::Pairs;
use crate::http::reply::ApiError;

/// A window of availability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Inclusive.
    pub(crate) start: DateTime<Utc>,
    /// Exclusive.
    pub(crate) end: DateTime<Utc>,
    /// Whether the client left both out.
    pub(crate) defaulted: bool,
}

/// The three documented forms, each also with a fraction, with `Z` or with an offset.
pub(crate) fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let bare = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .into_iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .or_else(|| {
            NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .ok()?
                .and_hms_opt(0, 0, 0)
        })?;
    Some(bare.and_utc())
}

/// Reads and judges the window of a request.
pub(crate) fn of(query: &Pairs, now: DateTime<Utc>, quirks: &ListingQuirks) -> Result<Window, ApiError> {
    let refuse = || ApiError::new(&quirks.window_error_code, "");
    let time = |name: &str, text: &str| {
        parse_time(text).ok_or_else(|| ApiError::new("AF20002", &format!("{name}. Expected type: datetime")))
    };
    let day = TimeDelta::hours(24);
    let (start, end) = match (query.get("startTime"), query.get("endTime")) {
        (None, None) => {
            return Ok(Window {
                start: now - day,
                end: now,
                defaulted: true,
            });
        }
        (Some(start), Some(end)) => (time("startTime", start)?, time("endTime", end)?),
        _ => return Err(refuse()),
    };
    let mut window = Window {
        start,
        end,
        defaulted: false,
    };
    if start >= end || start < now - TimeDelta::days(7) {
        return Err(refuse());
    }
    if end - start > day {
        if !quirks.partial_beyond_24_hours {
            return Err(refuse());
        }
        window.end = start + day;
    } else if end - start == day && quirks.refuse_exactly_24_hours {
        return Err(refuse());
    }
    Ok(window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULT_NOW;

    #[test]
    fn all_documented_and_observed_forms_are_read() {
        let noon = DEFAULT_NOW;
        for text in [
            "2026-01-15T12:00",
            "2026-01-15T12:00:00",
            "2026-01-15T12:00Z",
            "2026-01-15T12:00:00Z",
            "2026-01-15T12:00:00.000Z",
            "2026-01-15T12:00:00.0",
            "2026-01-15T13:00:00+01:00",
        ] {
            assert_eq!(parse_time(text), Some(noon), "{text}");
        }
        assert_eq!(parse_time("2026-01-15"), Some(noon - TimeDelta::hours(12)));
        // The last one is what an offset becomes when its plus is not encoded.
        for text in [
            "",
            "now",
            "15.01.2026",
            "2026-01-15T12",
            "2026-01-15T12:00:00 00:00",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn the_borders_of_every_rule() {
        let check = |query: &str, quirks: &ListingQuirks| of(&Pairs::parse(query), DEFAULT_NOW, quirks);
        let plain = ListingQuirks::default();
        let ok = |query: &str| assert!(check(query, &plain).is_ok(), "{query}");
        let no =
            |query: &str, code: &str| assert_eq!(check(query, &plain).unwrap_err().code, code, "{query}");
        ok("startTime=2026-01-14T12:00:00&endTime=2026-01-15T12:00:00");
        no(
            "startTime=2026-01-14T11:59:59&endTime=2026-01-15T12:00:00",
            "AF20055",
        );
        ok("startTime=2026-01-08T12:00:00&endTime=2026-01-08T13:00:00");
        no(
            "startTime=2026-01-08T11:59:59&endTime=2026-01-08T13:00:00",
            "AF20055",
        );
        no(
            "startTime=2026-01-15T11:00:00&endTime=2026-01-15T11:00:00",
            "AF20055",
        );
        no(
            "startTime=2026-01-15T11:00:01&endTime=2026-01-15T11:00:00",
            "AF20055",
        );
        ok("startTime=2026-01-15T11:00:00&endTime=2026-01-16T11:00:00");
        no("startTime=2026-01-15T11:00:00", "AF20055");
        no("endTime=2026-01-15T11:00:00", "AF20055");
        no(
            "startTime=2026-01-15T11:00:00+00:00&endTime=2026-01-15T11:30:00",
            "AF20002",
        );
        let defaulted = check("", &plain).unwrap();
        assert!(defaulted.defaulted && defaulted.end == DEFAULT_NOW);
        assert_eq!(defaulted.end - defaulted.start, TimeDelta::hours(24));

        let odd = ListingQuirks {
            refuse_exactly_24_hours: true,
            partial_beyond_24_hours: true,
            window_error_code: "AF20030".to_owned(),
            ..plain
        };
        let exact = "startTime=2026-01-14T12:00:00&endTime=2026-01-15T12:00:00";
        assert_eq!(check(exact, &odd).unwrap_err().code, "AF20030");
        let longer = check("startTime=2026-01-13T12:00:00&endTime=2026-01-15T12:00:00", &odd).unwrap();
        assert_eq!(longer.end - longer.start, TimeDelta::hours(24));
    }
}

//! Dates: ISO 8601 in, UTC with milliseconds out.

use bumpalo::Bump;

/// As [`to_utc`], in an arena; what nearly every record has costs one copy.
pub(crate) fn to_utc_in<'a>(text: &str, bump: &'a Bump) -> Option<&'a str> {
    if is_plain(text) {
        let mut utc = bumpalo::collections::String::with_capacity_in(text.len() + 5, bump);
        utc.push_str(text);
        utc.push_str(".000Z");
        return Some(utc.into_bump_str());
    }
    to_utc(text).map(|utc| &*bump.alloc_str(&utc))
}

/// Reads a date or date-time and writes it as `YYYY-MM-DDTHH:MM:SS.mmmZ` in UTC. Without a zone it is UTC;
/// digits below the millisecond are cut. `None` if it is no date.
pub(crate) fn to_utc(text: &str) -> Option<String> {
    if is_plain(text) {
        return Some(format!("{text}.000Z"));
    }
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    let day = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let (mut minutes, mut millis) = (0, 0);
    let mut offset = 0;
    if let Some(time) = time {
        let clock;
        (clock, offset) = split_zone(time)?;
        let mut parts = clock.splitn(3, ':');
        let hour = digits(parts.next()?, 2)?;
        let minute = parts.next().map_or(Some(0), |part| digits(part, 2))?;
        let second = parts.next().map_or(Some(0), seconds_in_millis)?;
        if hour > 23 || minute > 59 {
            return None;
        }
        (minutes, millis) = (hour * 60 + minute, second);
    }
    let (mut year, mut month, mut day) = (year, month, day);
    minutes -= offset;
    if !(0..1440).contains(&minutes) {
        let days = days_from_civil(year, month, day) + minutes.div_euclid(1440);
        minutes = minutes.rem_euclid(1440);
        (year, month, day) = civil_from_days(days);
    }
    let (hour, minute, second, milli) = (minutes / 60, minutes % 60, millis / 1000, millis % 1000);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"
    ))
}

/// Whether a text is `YYYY-MM-DDTHH:MM:SS` and no day or hour is near its end: what nearly every record has.
fn is_plain(text: &str) -> bool {
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        i1,
        i2,
        b':',
        s1,
        s2,
    ] = text.as_bytes()
    else {
        return false;
    };
    let digits = [y1, y2, y3, y4, m1, m2, d1, d2, h1, h2, i1, i2, s1, s2];
    let two = |tens: &u8, ones: &u8| u32::from(*tens) * 10 + u32::from(*ones) - u32::from(b'0') * 11;
    digits.iter().all(|digit| digit.is_ascii_digit())
        && (1..=12).contains(&two(m1, m2))
        && (1..=28).contains(&two(d1, d2))
        && two(h1, h2) < 24
        && two(i1, i2) < 60
        && two(s1, s2) < 60
}

/// Like [`to_utc`], and also `YYYY-MM-DD HH:MM:SSZ`.
pub(crate) fn to_utc_with_blank(text: &str) -> Option<String> {
    to_utc(text).or_else(|| match text.split_once(' ') {
        Some((date, time)) if date.len() == 10 && time.len() == 9 && time.ends_with('Z') => {
            to_utc(&format!("{date}T{time}"))
        }
        _ => None,
    })
}

fn digits(text: &str, length: usize) -> Option<i64> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// The time without its zone, and the zone's offset in minutes.
fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let Some(at) = time.find(['+', '-']) else {
        return Some((time, 0));
    };
    let (clock, zone) = time.split_at(at);
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let zone = &zone[1..];
    let (hours, minutes) = match zone.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if zone.len() == 4 && zone.is_ascii() => zone.split_at(2),
        None => (zone, "00"),
    };
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 18 && minutes <= 59).then_some((clock, sign * (hours * 60 + minutes)))
}

fn seconds_in_millis(text: &str) -> Option<i64> {
    let Some((seconds, fraction)) = text.split_once(['.', ',']) else {
        return digits(text, 2)
            .filter(|seconds| *seconds < 60)
            .map(|seconds| seconds * 1000);
    };
    let seconds = digits(seconds, 2).filter(|seconds| *seconds < 60)?;
    if !(1..=9).contains(&fraction.len()) || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis = format!("{fraction:0<3}")[..3].parse::<i64>().ok()?;
    Some(seconds * 1000 + millis)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(to_utc(text).as_deref(), Some(expected), "{text}");
    }

    #[test]
    fn dates_without_a_zone_are_utc() {
        check("2020", "2020-01-01T00:00:00.000Z");
        check("2020-02", "2020-02-01T00:00:00.000Z");
        check("2020-02-29", "2020-02-29T00:00:00.000Z");
        check("2020-02-28T09:42:45", "2020-02-28T09:42:45.000Z");
        check("2020-02-28T09", "2020-02-28T09:00:00.000Z");
        check("2020-02-28T09:42", "2020-02-28T09:42:00.000Z");
    }

    #[test]
    fn fractions_are_cut_to_milliseconds() {
        check("2020-02-28T09:42:45.1Z", "2020-02-28T09:42:45.100Z");
        check("2020-02-28T09:42:45.9999999", "2020-02-28T09:42:45.999Z");
    }

    #[test]
    fn zones_are_converted() {
        check("2020-03-01T00:30:00+01:00", "2020-02-29T23:30:00.000Z");
        check("2019-12-31T23:30:00-0100", "2020-01-01T00:30:00.000Z");
        check("2020-03-01T12:30:00+02", "2020-03-01T10:30:00.000Z");
        check("1970-01-01T00:00:00+00:01", "1969-12-31T23:59:00.000Z");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "x",
            "20",
            "2020-13",
            "2021-02-29",
            "2020-02-28T24:00",
            "2020-02-28T09:60",
            "2020-02-28T09:00:60",
            "2020-02-28 09:00:00",
            "2020-02-28T09:00:00.",
            "2020-02-28T09:00:00.1234567890",
            "2020-02-28T09:00:00ZZ",
            "2020-02-28T09:00:00+1",
            "2020-2-28",
            "2020-02-28-01",
            "２０２０",
        ] {
            assert_eq!(to_utc(text), None, "{text}");
        }
    }

    #[test]
    fn some_rules_accept_a_blank_before_the_time() {
        assert_eq!(
            to_utc_with_blank("2020-02-28 09:00:00Z").as_deref(),
            Some("2020-02-28T09:00:00.000Z")
        );
        assert_eq!(to_utc_with_blank("2020-02-28 09:00:00"), None);
    }
}

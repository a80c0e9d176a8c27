//! Durations as people write them: `90s`, `3m`, `168h`, `7d`, `250ms`, `1h30m`.
//!
//! For `#[serde(with = "o365_core::duration")]`. A bare number is refused, since its unit would be a guess.

use std::{fmt::Write as _, time::Duration};

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a duration: write a number and a unit, like `500ms`, `90s`, `3m`, `24h`, `7d` or `1h30m`"
)]
pub struct InvalidDuration {
    text: String,
}

/// Parses one or more number-unit pairs (`ms`, `s`, `m`, `h`, `d`; fractions allowed, as in `1.5h`).
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration {
        text: text.to_owned(),
    };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .ok_or_else(invalid)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let unit_seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return Err(invalid()),
        };
        let part = Duration::try_from_secs_f64(number * unit_seconds).map_err(|_| invalid())?;
        total = total.checked_add(part).ok_or_else(invalid)?;
        rest = tail;
    }
    Ok(total)
}

/// Writes a duration in the form that [`parse`] reads.
pub fn format(duration: Duration) -> String {
    let mut text = String::new();
    let mut millis = duration.as_millis();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        let count = millis / size;
        millis %= size;
        if count > 0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "{count}{unit}");
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// See the module.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(D::Error::custom)
}

/// For an optional field: `#[serde(default, deserialize_with = "o365_core::duration::deserialize_some")]`.
pub fn deserialize_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    deserialize(deserializer).map(Some)
}

/// See the module.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, seconds) in [
            ("90s", 90.0),
            ("3m", 180.0),
            ("168h", 604_800.0),
            ("7d", 604_800.0),
            ("250ms", 0.25),
            ("1h30m", 5_400.0),
            ("1.5h", 5_400.0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn refuses_what_has_no_unit_or_no_sense() {
        for text in ["", "5", "m", "5 m", "-5m", "5x", "1e400h", "5m3"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["0s", "250ms", "1m30s", "168h"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
    }
}

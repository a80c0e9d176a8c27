//! The zone of timestamps that have none.

use serde::{Deserialize, Deserializer, de::Error as _};
use vrl::compiler::TimeZone;

/// `timezone` of the configuration: what programs, conditions and tables use that say nothing else. Default `UTC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultTimeZone(pub TimeZone);

/// What names of zones look like.
pub(crate) const HINT: &str = "use a name like `Europe/Berlin`, or `UTC`, or `local`";

/// Reads the name of a zone.
///
/// # Errors
/// It is none.
pub(crate) fn parse(name: &str) -> Result<TimeZone, String> {
    TimeZone::parse(name)
        // An empty name is VRL's for the local zone, and probably a variable without a value.
        .filter(|_| !name.is_empty())
        .ok_or_else(|| format!("`{name}` is not a time zone"))
}

impl Default for DefaultTimeZone {
    fn default() -> Self {
        Self(parse("UTC").expect("a name of the TZ database"))
    }
}

impl<'de> Deserialize<'de> for DefaultTimeZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        parse(&name)
            .map(Self)
            .map_err(|error| D::Error::custom(format_args!("{error}: {HINT}")))
    }
}

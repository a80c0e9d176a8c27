//! Options that all sinks have which talk to a server. The names are Vector's, with units in the values.

use std::{num::NonZeroU32, time::Duration};

use o365_core::{backoff::Backoff, config::Problem};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Unexpected, Visitor},
};

use crate::wasm::ByteSize;

/// One text, or a list of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    /// All of them.
    pub(crate) fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::More(texts) => texts,
        }
    }
}

/// How events are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchOptions {
    /// Bytes that a batch may have before compression: `1KiB` to `100MiB`. A larger event goes alone. Default `5MiB`.
    pub max_bytes: ByteSize,
    /// Events that a batch may have: 1 to 100000. Default 1000.
    pub max_events: u32,
    /// How long a batch waits for more, from its first event on: `1ms` to `1h`. Default `1s`.
    #[serde(with = "o365_core::duration")]
    pub timeout: Duration,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            max_bytes: ByteSize(5 << 20),
            max_events: 1_000,
            timeout: Duration::from_secs(1),
        }
    }
}

/// How requests are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestOptions {
    /// Requests at a time: `adaptive`, or 1 to 1000. With more than one, and when something is sent again, later events may
    /// arrive before earlier ones. Default `adaptive`: as many as make it faster, fewer when the server has too much to do.
    pub concurrency: Concurrency,
    /// How long an answer may take: `1s` to `1h`. Default `60s`.
    #[serde(with = "o365_core::duration")]
    pub timeout: Duration,
    /// How often a request is sent again, before the sink gives up and the pipeline ends. Default: for ever.
    pub retry_attempts: Option<u32>,
    /// The wait after the first failure, doubled after each further one: `1ms` to `1h`. Default `1s`.
    #[serde(with = "o365_core::duration")]
    pub retry_initial_backoff: Duration,
    /// The longest wait: `1ms` to `24h`. Default `30s`.
    #[serde(with = "o365_core::duration")]
    pub retry_max_duration: Duration,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self {
            concurrency: Concurrency::Adaptive,
            timeout: Duration::from_mins(1),
            retry_attempts: None,
            retry_initial_backoff: Duration::from_secs(1),
            retry_max_duration: Duration::from_secs(30),
        }
    }
}

impl BatchOptions {
    /// What is out of range.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(ByteSize(1 << 10)..=ByteSize(100 << 20)).contains(&self.max_bytes) {
            problems.push(out_of_range("batch.max_bytes", self.max_bytes, "1KiB to 100MiB"));
        }
        if !(1..=100_000).contains(&self.max_events) {
            problems.push(out_of_range("batch.max_events", self.max_events, "1 to 100000"));
        }
        problems.extend(outside("batch.timeout", self.timeout, MILLISECOND, HOUR));
        problems
    }
}

impl RequestOptions {
    /// What is out of range.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let day = Duration::from_hours(24);
        let initial = self.retry_initial_backoff;
        [
            outside("request.timeout", self.timeout, Duration::from_secs(1), HOUR),
            outside("request.retry_initial_backoff", initial, MILLISECOND, HOUR),
            outside(
                "request.retry_max_duration",
                self.retry_max_duration,
                MILLISECOND,
                day,
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    pub(super) fn backoff(&self) -> Backoff {
        Backoff {
            base: self.retry_initial_backoff,
            cap: self.retry_max_duration,
        }
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_hours(1);

fn outside(field: &str, value: Duration, from: Duration, to: Duration) -> Option<Problem> {
    let shown = o365_core::duration::format;
    let range = format!("{} to {}", shown(from), shown(to));
    (!(from..=to).contains(&value)).then(|| out_of_range(field, shown(value), &range))
}

fn out_of_range(field: &str, value: impl std::fmt::Display, range: &str) -> Problem {
    Problem::new(field, format!("{value} is out of range")).hint(format!("use {range}"))
}

/// Requests at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// As many as make it faster.
    Adaptive,
    /// So many.
    Fixed(NonZeroU32),
}

/// More requests at a time than this help no server.
pub(super) const MOST: u32 = 1_000;

impl<'de> Deserialize<'de> for Concurrency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Concurrency;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`adaptive` or a number from 1 to 1000")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Concurrency, E> {
                match text {
                    "adaptive" => Ok(Concurrency::Adaptive),
                    other => Err(E::invalid_value(Unexpected::Str(other), &self)),
                }
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Concurrency, E> {
                let number = u32::try_from(number).ok().filter(|number| *number <= MOST);
                let number = number.and_then(NonZeroU32::new);
                number
                    .map(Concurrency::Fixed)
                    .ok_or_else(|| E::custom("is out of range: use 1 to 1000, or `adaptive`"))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Concurrency, E> {
                self.visit_u64(u64::try_from(number).unwrap_or_default())
            }
        }
        deserializer.deserialize_any(Written).map_err(D::Error::custom)
    }
}

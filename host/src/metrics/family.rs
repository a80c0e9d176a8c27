//! A family of metrics: what it is called, and what its samples mean.

use std::fmt;

use chrono::{DateTime, Utc};
use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// Names and values of labels.
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    name: &'static str,
    counter: bool,
    labels: &'static [&'static str],
    help: &'static str,
}

impl Family {
    /// What only grows, until the process ends.
    pub(super) const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            counter: true,
            labels,
            help,
        }
    }

    /// What goes up and down.
    pub(super) const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            counter: false,
            labels,
            help,
        }
    }

    /// Its samples' name, as it is queried.
    pub fn sample_name(&self) -> String {
        let suffix = if self.counter { "_total" } else { "" };
        format!("{}_{}{suffix}", super::PREFIX, self.name)
    }

    /// `counter` or `gauge`.
    pub fn kind(&self) -> &'static str {
        if self.counter { "counter" } else { "gauge" }
    }

    /// Names of its labels.
    pub fn labels(&self) -> &'static [&'static str] {
        self.labels
    }

    /// What it means, with its unit.
    pub fn help(&self) -> &'static str {
        self.help
    }

    /// Writes the samples, if there are any.
    pub(super) fn write<'a>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        samples: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let kind = if self.counter {
            MetricType::Counter
        } else {
            MetricType::Gauge
        };
        let mut family = encoder.encode_descriptor(self.name, self.help, None, kind)?;
        for (labels, value) in samples {
            debug_assert!(
                labels.iter().map(|(name, _)| name).eq(self.labels),
                "{} has other labels",
                self.name
            );
            let metric = family.encode_family(&labels)?;
            if self.counter {
                ConstCounter::new(value).encode(metric)?;
            } else {
                ConstGauge::new(value).encode(metric)?;
            }
        }
        Ok(())
    }
}

/// A family, and how its value is read; where there is none, there is no sample.
pub(super) type Read<T> = (Family, fn(&T) -> Option<f64>);

/// Writes every family of a table for the same things, each with its labels.
pub(super) fn write_all<'a, T: 'a>(
    table: &[Read<T>],
    encoder: &mut DescriptorEncoder<'_>,
    things: &[(Labels<'a>, &T)],
) -> fmt::Result {
    for (family, read) in table {
        let samples = things
            .iter()
            .filter_map(|(labels, thing)| Some((labels.clone(), read(thing)?)));
        family.write(encoder, samples)?;
    }
    Ok(())
}

/// Seconds since 1970.
pub(super) fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1_000.0
}

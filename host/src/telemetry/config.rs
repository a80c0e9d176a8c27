//! The section `telemetry` of a configuration.

use std::{collections::BTreeMap, fmt, time::Duration};

use o365_core::SensitiveString;
use reqwest::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, de::Error as _};
use url::Url;

/// What a host tells others of itself, besides metrics.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// Traces of blobs, listings and requests. Default: none.
    pub traces: Option<TracesConfig>,
}

/// Where traces go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesConfig {
    /// To an OpenTelemetry collector, or what understands the same.
    pub otlp: OtlpConfig,
}

/// How they get there. What is left out comes from the variables of OpenTelemetry, and then from its defaults.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpConfig {
    /// Base URL of the receiver, to which `/v1/traces` is added unless it is there. Default
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `OTEL_EXPORTER_OTLP_ENDPOINT`, `http://localhost:4318`.
    #[serde(deserialize_with = "endpoint")]
    pub endpoint: Option<Url>,
    /// `http/protobuf`, the only one.
    pub protocol: Protocol,
    /// Headers of each request, such as a key. Default none; those of `OTEL_EXPORTER_OTLP_HEADERS` are added.
    pub headers: BTreeMap<String, SensitiveString>,
    /// Part of the traces that is exported, from 0 to 1. Default 1.
    #[serde(deserialize_with = "ratio")]
    pub sample_ratio: f64,
    /// `service.name`. Default `OTEL_SERVICE_NAME`, then `o365-host`.
    pub service_name: Option<String>,
    /// How long an export may take, from 100ms. Default `OTEL_EXPORTER_OTLP_TIMEOUT`, then `10s`.
    #[serde(deserialize_with = "timeout")]
    pub timeout: Option<Duration>,
    /// Attributes of the resource. Default none; those of `OTEL_RESOURCE_ATTRIBUTES` are added.
    pub resource_attributes: BTreeMap<String, String>,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            protocol: Protocol::HttpProtobuf,
            headers: BTreeMap::new(),
            sample_ratio: 1.0,
            service_name: None,
            timeout: None,
            resource_attributes: BTreeMap::new(),
        }
    }
}

/// How spans are written and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Protocol {
    /// Protocol buffers over HTTP.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
}

fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bad = |why: &dyn fmt::Display| {
        D::Error::custom(format_args!(
            "is no address of a receiver: {why}; write it like `http://127.0.0.1:4318`"
        ))
    };
    let url = Url::parse(&text).map_err(|error| bad(&error))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(bad(&"it is not http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(&"it has a user or a password, which belong into `headers`"));
    }
    Ok(Some(url))
}

fn ratio<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let ratio = f64::deserialize(deserializer)?;
    if !(0.0..=1.0).contains(&ratio) {
        return Err(D::Error::custom(format_args!("`{ratio}` is not from 0 to 1")));
    }
    Ok(ratio)
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    const LEAST: Duration = Duration::from_millis(100);
    let timeout = o365_core::duration::deserialize(deserializer)?;
    if timeout < LEAST {
        return Err(D::Error::custom("is too short: at least `100ms`"));
    }
    Ok(Some(timeout))
}

impl TelemetryConfig {
    /// What is wrong with it as a whole: the path and the message, in which no secret is.
    pub(crate) fn problems(&self) -> Vec<(String, &'static str)> {
        let otlp = self.traces.iter().map(|traces| &traces.otlp);
        let headers = otlp.flat_map(|otlp| &otlp.headers);
        let problem = |(name, value): (&String, &SensitiveString)| {
            let message = if HeaderName::from_bytes(name.as_bytes()).is_err() {
                "is no name of a header"
            } else if HeaderValue::from_str(value.expose()).is_err() {
                "the value cannot be a header's: it has line ends or other control characters"
            } else {
                return None;
            };
            Some((format!("telemetry.traces.otlp.headers.{name}"), message))
        };
        headers.filter_map(problem).collect()
    }
}

impl OtlpConfig {
    /// The address that requests go to, if the configuration gives one.
    pub(super) fn traces_url(&self) -> Option<String> {
        let url = self.endpoint.as_ref()?;
        let base = url.as_str().trim_end_matches('/');
        Some(if base.ends_with("/v1/traces") {
            base.to_owned()
        } else {
            format!("{base}/v1/traces")
        })
    }
}

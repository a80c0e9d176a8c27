//! Reads what a person wrote: YAML, JSON or TOML in Vector's shape.
//!
//! ```text
//! text ── read ──► tree with places ── interpolate ──► tree ── load ──► Config
//! ```
//!
//! Everything that is wrong is found at once, each with file, line, column, path and a hint ([`ConfigErrors`]), and no
//! secret is ever shown. Only [`load()`] touches the file system; the environment is an argument. What a component says
//! later of its own options ([`o365_core::config::Problem`]) gets its place by [`Config::locate`].

mod collect;
mod de;
mod document;
mod error;
mod fingerprint;
mod interpolate;
mod load;
mod locate;
mod node;
mod read;
mod registry;
mod secrets;
mod suggest;
#[cfg(test)]
mod tests;

use std::{
    net::{Ipv4Addr, SocketAddr},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub use error::{ConfigErrors, ConfigProblem};
pub use fingerprint::Fingerprint;
use indexmap::IndexMap;
pub use interpolate::Environment;
use o365_core::{
    ComponentKey, SensitiveString,
    config::{SinkConfig, SourceConfig, TransformConfig},
};
pub use read::Format;
pub(crate) use read::yaml_data;
pub use registry::Registry;
use serde::{Deserialize, Deserializer, de::Error as _};
pub(crate) use suggest::nearest;

use crate::{
    dead_letter::DeadLetterConfig, enrichment::TableConfig, telemetry::TelemetryConfig,
    time_zone::DefaultTimeZone, unit_tests::UnitTest,
};

/// A configuration that has been read. Whether its names and options make sense is seen when it is planned and built.
#[derive(Debug)]
pub struct Config {
    /// `data_dir`: ledgers, dead letters, compiled components. Default `./data`, relative to the working directory.
    pub data_dir: PathBuf,
    /// Directory of the file.
    pub config_dir: PathBuf,
    /// `api`
    pub api: ApiConfig,
    /// `dead_letter`: where events are kept that cannot be processed, and how many.
    pub dead_letter: DeadLetterConfig,
    /// `telemetry`: where traces go.
    pub telemetry: TelemetryConfig,
    /// `timezone`: that of timestamps without one, for what has no option of its own. Default `UTC`.
    pub timezone: DefaultTimeZone,
    /// `shutdown_grace`: how long events may take to be delivered after the signal to stop. Default `60s`.
    pub shutdown_grace: Duration,
    /// `sources`, in the order of the file.
    pub sources: IndexMap<ComponentKey, SourceEntry>,
    /// `transforms`, in the order of the file.
    pub transforms: IndexMap<ComponentKey, TransformEntry>,
    /// `sinks`, in the order of the file.
    pub sinks: IndexMap<ComponentKey, SinkEntry>,
    /// `enrichment_tables`, in the order of the file.
    pub enrichment_tables: IndexMap<ComponentKey, Arc<dyn TableConfig>>,
    /// `tests`: unit tests of the transforms, as written.
    pub tests: Vec<UnitTest>,
    document: Arc<document::Document>,
    root: node::Node,
}

/// The HTTP API for health, metrics and the dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// Whether it is served. Default `false`.
    pub enabled: bool,
    /// Where. Default `127.0.0.1:8686`.
    #[serde(deserialize_with = "address")]
    pub address: SocketAddr,
    /// What `Authorization: Bearer` must say. Default: none; then only this machine may change something.
    pub token: Option<SensitiveString>,
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        let message = "is not an address: write an IP address and a port, like `127.0.0.1:8686`";
        D::Error::custom(format_args!("`{text}` {message}"))
    })
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            address: (Ipv4Addr::LOCALHOST, 8686).into(),
            token: None,
        }
    }
}

/// One of `sources`.
#[derive(Debug)]
pub struct SourceEntry {
    /// Its `type`.
    pub component_type: String,
    /// Its options.
    pub config: Box<dyn SourceConfig>,
}

/// One of `transforms`.
#[derive(Debug)]
pub struct TransformEntry {
    /// Its `type`.
    pub component_type: String,
    /// What it reads from.
    pub inputs: Vec<Input>,
    /// Its options.
    pub config: Box<dyn TransformConfig>,
}

/// One of `sinks`.
#[derive(Debug)]
pub struct SinkEntry {
    /// Its `type`.
    pub component_type: String,
    /// What it reads from.
    pub inputs: Vec<Input>,
    /// Its options.
    pub config: Box<dyn SinkConfig>,
}

/// A name in `inputs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// A component, or `component.output`.
    pub name: String,
    /// Where it stands, as bytes of the file.
    pub span: Range<usize>,
}

/// Reads a file. Its extension says in which language it is.
pub fn load(path: &Path, env: Environment<'_>, registry: &Registry) -> Result<Config, ConfigErrors> {
    let name = path.display().to_string();
    let fail = |message: String, hint: &str| {
        ConfigErrors::from_problems(vec![ConfigProblem::of_file(&name, message, hint)])
    };
    let format = Format::of_path(path).ok_or_else(|| {
        fail(
            "the language of the file is unknown".to_owned(),
            "name it .yaml, .yml, .json or .toml",
        )
    })?;
    let bytes = std::fs::read(path).map_err(|error| {
        fail(
            format!("cannot be read: {error}"),
            "give the file with `--config`",
        )
    })?;
    let text =
        String::from_utf8(bytes).map_err(|_| fail("is not UTF-8".to_owned(), "save the file as UTF-8"))?;
    let mut config = parse(&name, &text, format, env, registry)?;
    config.config_dir = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    Ok(config)
}

/// Reads a text. `name` stands for the file in messages; [`Config::config_dir`] is the working directory.
pub fn parse(
    name: &str,
    text: &str,
    format: Format,
    env: Environment<'_>,
    registry: &Registry,
) -> Result<Config, ConfigErrors> {
    load::load(name, text, format, env, registry)
}

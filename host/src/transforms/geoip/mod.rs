//! `type: geoip`: where an address is and whose network it is in, as Elasticsearch's processor of that name writes it.

mod database;
mod lookup;

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::TimeDelta;
use o365_core::{
    Failure, FunctionTransform, LogEvent, OutputBuffer, Transform, Value,
    config::{BuildError, ComponentContext, Description, Problem, TransformConfig},
};
use serde::Deserialize;
use vrl::path::OwnedValuePath;

use self::{
    database::{Database, Kind},
    lookup::{Databases, Found},
};
use super::field;

/// Options of a `geoip` transform. At least one of the databases is given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeoipConfig {
    /// `MaxMind` database of places: City, Country or Enterprise. A relative path starts at the configuration file.
    #[serde(default)]
    pub database: Option<String>,
    /// `MaxMind` database of networks: ASN or ISP. A relative path starts at the configuration file.
    #[serde(default)]
    pub asn_database: Option<String>,
    /// Addresses to look up. Default: `source.ip`.
    #[serde(default = "default_fields")]
    pub fields: Vec<GeoipField>,
    /// Language of names; a name that is not known in it is written in English. Default `en`.
    #[serde(default)]
    pub locale: Locale,
    /// How often, at most, the files are looked at for a newer version. Default `1m`.
    #[serde(
        default = "default_interval",
        deserialize_with = "o365_core::duration::deserialize"
    )]
    pub check_interval: Duration,
}

/// One address of an event.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeoipField {
    /// Field with the address, or with a list of which the first known one counts.
    pub from: String,
    /// Object that gets the place. Default: `geo` beside the address.
    #[serde(default)]
    pub geo: Option<String>,
    /// Object that gets the network. Default: `as` beside the address.
    #[serde(default, rename = "as")]
    pub network: Option<String>,
}

/// Languages of a `MaxMind` database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Locale {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// German.
    #[serde(rename = "de")]
    German,
    /// Spanish.
    #[serde(rename = "es")]
    Spanish,
    /// French.
    #[serde(rename = "fr")]
    French,
    /// Japanese.
    #[serde(rename = "ja")]
    Japanese,
    /// Portuguese of Brazil.
    #[serde(rename = "pt-BR")]
    Portuguese,
    /// Russian.
    #[serde(rename = "ru")]
    Russian,
    /// Simplified Chinese.
    #[serde(rename = "zh-CN")]
    Chinese,
}

fn default_fields() -> Vec<GeoipField> {
    vec![GeoipField {
        from: "source.ip".to_owned(),
        geo: None,
        network: None,
    }]
}

fn default_interval() -> Duration {
    Duration::from_mins(1)
}

/// Where one address is, and where what is known of it goes.
#[derive(Debug)]
struct Paths {
    from: OwnedValuePath,
    geo: OwnedValuePath,
    network: OwnedValuePath,
}

impl GeoipConfig {
    fn paths(&self) -> Result<Vec<Paths>, Vec<Problem>> {
        let (mut paths, mut problems) = (Vec::new(), Vec::new());
        if self.fields.is_empty() {
            problems
                .push(Problem::new("fields", "no field is named").hint("leave `fields` out for `source.ip`"));
        }
        for (at, entry) in self.fields.iter().enumerate() {
            match entry.paths(at) {
                Ok(found) => paths.push(found),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(paths)
        } else {
            Err(problems)
        }
    }
}

impl GeoipField {
    fn paths(&self, at: usize) -> Result<Paths, Problem> {
        let from = field::parse(&self.from, &format!("fields[{at}].from"))?;
        let target = |given: &Option<String>, name: &str| match given {
            Some(text) => field::parse(text, &format!("fields[{at}].{name}")),
            None => Ok(field::beside(&from, name)),
        };
        Ok(Paths {
            geo: target(&self.geo, "geo")?,
            network: target(&self.network, "as")?,
            from,
        })
    }
}

/// Opens the files; all problems at once.
fn open(geo: Option<PathBuf>, asn: Option<PathBuf>) -> Result<[Option<Database>; 2], Vec<Problem>> {
    let open = |path: Option<PathBuf>, kind: Kind| path.map(|path| Database::open(path, kind)).transpose();
    match (open(geo, Kind::Place), open(asn, Kind::Network)) {
        (Ok(None), Ok(None)) => Err(vec![
            Problem::new("", "neither `database` nor `asn_database` is given")
                .hint("name a MaxMind file, such as `database: GeoLite2-City.mmdb`"),
        ]),
        (Ok(geo), Ok(asn)) => Ok([geo, asn]),
        (geo, asn) => Err([geo.err(), asn.err()].into_iter().flatten().collect()),
    }
}

#[async_trait]
impl TransformConfig for GeoipConfig {
    fn describe(&self) -> Description {
        Description {
            component_type: "geoip",
            summary: "adds places and networks of addresses".to_owned(),
            outputs: Vec::new(),
        }
    }

    async fn build(&self, cx: &ComponentContext) -> Result<Transform, BuildError> {
        let path = |file: &Option<String>| file.as_ref().map(|file| cx.config_dir.join(file));
        let (geo, asn) = (path(&self.database), path(&self.asn_database));
        // A City database has more than 60 MB.
        let opened = tokio::task::spawn_blocking(move || open(geo, asn))
            .await
            .map_err(|error| Problem::new("", format!("reading the databases failed: {error}")))?;
        let ([geo, asn], paths) = match (opened, self.paths()) {
            (Ok(opened), Ok(paths)) => (opened, paths),
            (opened, paths) => {
                let problems = [opened.err(), paths.err()].into_iter().flatten().flatten();
                return Err(problems.collect::<Vec<_>>().into());
            }
        };
        let interval = TimeDelta::from_std(self.check_interval).unwrap_or(TimeDelta::MAX);
        Ok(Transform::Function(Box::new(Geoip {
            component: cx.key.to_string().into(),
            paths: paths.into(),
            databases: Arc::new(Databases::new(
                geo,
                asn,
                self.locale,
                interval,
                Arc::clone(&cx.clock),
            )),
        })))
    }
}

#[derive(Debug, Clone)]
struct Geoip {
    component: Arc<str>,
    paths: Arc<[Paths]>,
    databases: Arc<Databases>,
}

impl Geoip {
    /// What is known of an address, or of the first known one of a list. Anything else is not an address.
    fn find(&self, value: &Value) -> Option<Arc<Found>> {
        let known = |value: &Value| self.databases.find(&field::text(value)?, &self.component);
        match value {
            Value::Array(values) => values.iter().find_map(known),
            value => known(value),
        }
    }
}

impl FunctionTransform for Geoip {
    fn transform(&mut self, output: &mut OutputBuffer, mut event: LogEvent) {
        let found: Vec<_> = match event.value() {
            Ok(value) => self
                .paths
                .iter()
                .filter_map(|paths| Some((paths, self.find(value.get(&paths.from)?)?)))
                .collect(),
            Err(error) => return output.fail(event, Failure::new("invalid_document", error.to_string())),
        };
        // An event without a known address keeps its bytes.
        if !found.is_empty()
            && let Ok(value) = event.document_mut().value_mut()
        {
            for (paths, found) in found {
                if let Some(geo) = &found.geo {
                    field::write(value, &paths.geo, geo.clone());
                }
                if let Some(network) = &found.network {
                    field::write(value, &paths.network, network.clone());
                }
            }
        }
        output.push(event);
    }

    fn clone_box(&self) -> Box<dyn FunctionTransform> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests;

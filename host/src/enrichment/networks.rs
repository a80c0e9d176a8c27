//! `type: mmdb`: a database in `MaxMind`'s format, searched by address.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use maxminddb::Reader;
use o365_core::config::Problem;
use serde::Deserialize;
use vrl::{
    path::parse_value_path,
    value::{ObjectMap, Value},
};

use super::{
    Content, TableConfig,
    rows::{Search, Wanted},
};
use crate::time_zone::DefaultTimeZone;

/// Options of a table of type `mmdb`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MmdbTableConfig {
    /// The database; a relative path starts at the configuration file.
    pub path: PathBuf,
}

/// A database, read whole.
#[derive(Debug, Clone)]
pub struct Networks(Arc<Reader<Vec<u8>>>);

impl TableConfig for MmdbTableConfig {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self, path: &Path, _zone: DefaultTimeZone) -> Result<Content, Vec<Problem>> {
        let shown = path.display();
        let problem = |message: String, hint: &str| vec![Problem::new("path", message).hint(hint)];
        let bytes = std::fs::read(path).map_err(|error| {
            problem(
                format!("cannot read `{shown}`: {error}"),
                "a relative path starts at the configuration file; MaxMind's geoipupdate fetches databases",
            )
        })?;
        let reader = Reader::from_source(bytes).map_err(|error| {
            problem(
                format!("`{shown}` is not a MaxMind database: {error}"),
                "the file must be in MaxMind's format and complete (`.mmdb`, not the archive that it comes in); \
                 CSV files are tables of `type: file`",
            )
        })?;
        Ok(Content::Networks(Networks(Arc::new(reader))))
    }
}

impl Networks {
    /// The record of the network that an address is in: one or none.
    pub(super) fn search(&self, search: &Search<'_>) -> Result<Vec<ObjectMap>, String> {
        let [(_, Wanted::Equal(value))] = search.terms else {
            return Err("a database of networks is searched by one address".to_owned());
        };
        let text = value.as_bytes().map(|bytes| String::from_utf8_lossy(bytes));
        // An IPv4 address that is written as IPv6 is looked up as what it is.
        let address = text
            .as_ref()
            .and_then(|text| Some(text.parse::<IpAddr>().ok()?.to_canonical()))
            .ok_or_else(|| format!("{value} is not an IP address"))?;
        let record = self
            .0
            .lookup(address)
            .and_then(|found| found.decode::<Value>())
            .map_err(|error| format!("looking {address} up failed: {error}"))?;
        Ok(record
            .and_then(|record| selected(record, search.select))
            .into_iter()
            .collect())
    }
}

/// The record, or only the fields at some paths of it; a field that it does not have becomes null, as in Vector.
fn selected(record: Value, select: Option<&[String]>) -> Option<ObjectMap> {
    let Some(select) = select else {
        return record.into_object();
    };
    let mut found = Value::Object(ObjectMap::new());
    for path in select.iter().filter_map(|path| parse_value_path(path).ok()) {
        let field = record.get(&path).cloned().unwrap_or(Value::Null);
        found.insert(&path, field);
    }
    found.into_object()
}

//! A `MaxMind` database file: opened whole, and replaced by a newer one while events go on.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use maxminddb::Reader;
use o365_core::config::Problem;

use crate::stamp::Stamp;

/// What a database is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Places of addresses.
    Place,
    /// Networks of addresses.
    Network,
}

impl Kind {
    /// The option that names the file.
    fn option(self) -> &'static str {
        match self {
            Self::Place => "database",
            Self::Network => "asn_database",
        }
    }

    fn wants(self) -> &'static str {
        match self {
            Self::Place => "a City, Country or Enterprise database",
            Self::Network => "an ASN or ISP database",
        }
    }

    /// Databases of other makers name their kind like `MaxMind`'s do: `DBIP-City-Lite`.
    fn of(database_type: &str) -> Option<Self> {
        let has = |names: &[&str]| names.iter().any(|name| database_type.contains(name));
        match () {
            () if has(&["City", "Country", "Enterprise"]) => Some(Self::Place),
            () if has(&["ASN", "ISP"]) => Some(Self::Network),
            () => None,
        }
    }
}

pub(super) type Content = Arc<Reader<Vec<u8>>>;

/// One file, as it was last read.
#[derive(Debug, Clone)]
pub(super) struct Database {
    path: PathBuf,
    kind: Kind,
    /// Of the file that was last looked at, also if it was refused: it is refused once.
    stamp: Option<Stamp>,
    content: Content,
}

impl Database {
    pub(super) fn open(path: PathBuf, kind: Kind) -> Result<Self, Problem> {
        let stamp = Stamp::of(&path);
        match read(&path, kind) {
            Ok(content) => Ok(Self {
                path,
                kind,
                stamp,
                content,
            }),
            Err((message, hint)) => Err(Problem::new(kind.option(), message).hint(hint)),
        }
    }

    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    /// Reads the file if it is another one than before; whether it was taken.
    ///
    /// # Errors
    /// What is wrong with the new file; the old content stays. `None` is no change.
    pub(super) fn refresh(&mut self) -> Option<Result<&Path, String>> {
        let stamp = Stamp::of(&self.path);
        if stamp == self.stamp {
            return None;
        }
        self.stamp = stamp;
        Some(match read(&self.path, self.kind) {
            Ok(content) => {
                self.content = content;
                Ok(&self.path)
            }
            Err((message, _)) => Err(message),
        })
    }
}

/// The database, or what is wrong and what to do.
fn read(path: &Path, kind: Kind) -> Result<Content, (String, &'static str)> {
    let shown = path.display();
    let bytes = fs::read(path).map_err(|error| {
        let hint =
            "a relative path starts at the configuration file; MaxMind's geoipupdate fetches databases";
        (format!("cannot read `{shown}`: {error}"), hint)
    })?;
    let reader = Reader::from_source(bytes).map_err(|error| {
        let hint =
            "the file must be in MaxMind's format and complete (`.mmdb`, not the archive that it comes in)";
        (format!("`{shown}` is not a MaxMind database: {error}"), hint)
    })?;
    let found = &reader.metadata().database_type;
    let of = Kind::of(found);
    if of != Some(kind) {
        let hint = match of {
            Some(Kind::Network) => "name it in `asn_database`",
            Some(Kind::Place) => "name it in `database`",
            None => "GeoLite2 and GeoIP2 databases of these kinds will do, and others in their format",
        };
        let message = format!("`{shown}` is a `{found}` database, expected {}", kind.wants());
        return Err((message, hint));
    }
    Ok(Arc::new(reader))
}

//! Looking addresses up, with a memory.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use chrono::{DateTime, TimeDelta, Utc};
use maxminddb::geoip2::{Asn, City, Names};
use o365_core::{Clock, Value};
use quick_cache::sync::Cache;

use super::{
    Locale,
    database::{Content, Database},
};
use crate::transforms::field::object;

/// Addresses that are remembered.
const CACHE_ENTRIES: usize = 16_384;

/// What the databases know of an address.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Found {
    pub(super) geo: Option<Value>,
    pub(super) network: Option<Value>,
}

/// The databases in use. What is remembered goes with them.
#[derive(Debug)]
struct Current {
    geo: Option<Content>,
    asn: Option<Content>,
    /// `None` is remembered as well: most addresses of a private network come often.
    cache: Cache<IpAddr, Option<Arc<Found>>>,
}

#[derive(Debug)]
struct Files {
    databases: [Option<Database>; 2],
    checked: DateTime<Utc>,
}

/// The databases of a transform, shared by its threads.
#[derive(Debug)]
pub(super) struct Databases {
    current: RwLock<Arc<Current>>,
    files: Mutex<Files>,
    locale: Locale,
    interval: TimeDelta,
    clock: Arc<dyn Clock>,
}

impl Databases {
    pub(super) fn new(
        geo: Option<Database>,
        asn: Option<Database>,
        locale: Locale,
        interval: TimeDelta,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let databases = [geo, asn];
        Self {
            current: RwLock::new(Arc::new(Current::of(&databases))),
            files: Mutex::new(Files {
                databases,
                checked: clock.now(),
            }),
            locale,
            interval,
            clock,
        }
    }

    /// What is known of an address; nothing of what is no address.
    pub(super) fn find(&self, text: &str, component: &str) -> Option<Arc<Found>> {
        // An IPv4 address that is written as IPv6 is looked up as what it is.
        let address = text.parse::<IpAddr>().ok()?.to_canonical();
        self.refresh(component);
        let current = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        if let Some(known) = current.cache.get(&address) {
            return known;
        }
        let found = current.find(address, self.locale).map(Arc::new);
        current.cache.insert(address, found.clone());
        found
    }

    /// Takes newer files, if it is time to look. While one thread reads, the others go on with the old ones.
    fn refresh(&self, component: &str) {
        let Ok(mut files) = self.files.try_lock() else {
            return;
        };
        let now = self.clock.now();
        // A clock that was set back must not stop this for long.
        if (now - files.checked).abs() < self.interval {
            return;
        }
        files.checked = now;
        let mut changed = false;
        for database in files.databases.iter_mut().flatten() {
            match database.refresh() {
                None => {}
                Some(Ok(path)) => {
                    changed = true;
                    tracing::info!(component, file = %path.display(), "a newer database is in use");
                }
                Some(Err(error)) => {
                    tracing::error!(
                        component,
                        "a newer database is refused, the old one stays in use: {error}"
                    );
                }
            }
        }
        if changed {
            let current = Arc::new(Current::of(&files.databases));
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        }
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.current.read().unwrap().cache.len()
    }
}

impl Current {
    fn of([geo, asn]: &[Option<Database>; 2]) -> Self {
        let content =
            |database: &Option<Database>| database.as_ref().map(|database| Arc::clone(database.content()));
        Self {
            geo: content(geo),
            asn: content(asn),
            cache: Cache::new(CACHE_ENTRIES),
        }
    }

    fn find(&self, address: IpAddr, locale: Locale) -> Option<Found> {
        let found = Found {
            geo: self.geo.as_ref().and_then(|content| {
                // A record of an odd form is as good as none.
                let city = content.lookup(address).ok()?.decode::<City<'_>>().ok()??;
                not_empty(place(&city, locale))
            }),
            network: self.asn.as_ref().and_then(|content| {
                let asn = content.lookup(address).ok()?.decode::<Asn<'_>>().ok()??;
                not_empty(network(&asn))
            }),
        };
        (found != Found::default()).then_some(found)
    }
}

fn not_empty(value: Value) -> Option<Value> {
    value
        .as_object()
        .is_some_and(|object| !object.is_empty())
        .then_some(value)
}

fn place(city: &City<'_>, locale: Locale) -> Value {
    let name = |names: &Names<'_>| locale.of(names).map(Value::from);
    let region = city.subdivisions.last();
    let region_code =
        region.and_then(|region| Some(format!("{}-{}", city.country.iso_code?, region.iso_code?)));
    let location = city.location.latitude.zip(city.location.longitude);
    object([
        ("continent_name", name(&city.continent.names)),
        ("country_iso_code", city.country.iso_code.map(Value::from)),
        ("country_name", name(&city.country.names)),
        ("region_iso_code", region_code.map(Value::from)),
        ("region_name", region.and_then(|region| name(&region.names))),
        ("city_name", name(&city.city.names)),
        (
            "location",
            location.map(|(lat, lon)| {
                let number = |number| Some(Value::from_f64_or_zero(number));
                object([("lat", number(lat)), ("lon", number(lon))])
            }),
        ),
    ])
}

fn network(asn: &Asn<'_>) -> Value {
    let organization = asn.autonomous_system_organization;
    object([
        (
            "number",
            asn.autonomous_system_number
                .map(|number| Value::Integer(number.into())),
        ),
        (
            "organization",
            organization.map(|name| object([("name", Some(name.into()))])),
        ),
    ])
}

impl Locale {
    fn of<'a>(self, names: &Names<'a>) -> Option<&'a str> {
        let name = match self {
            Self::English => names.english,
            Self::German => names.german,
            Self::Spanish => names.spanish,
            Self::French => names.french,
            Self::Japanese => names.japanese,
            Self::Portuguese => names.brazilian_portuguese,
            Self::Russian => names.russian,
            Self::Chinese => names.simplified_chinese,
        };
        name.or(names.english)
    }
}

//! Risk detections of Entra ID Protection.

use super::period;
use crate::document::{Document, Step};
use crate::json::{Object, Value, key, parse, path};

/// When it happened and, as far as the service knows, where. A lookup of the address, which follows later, replaces the
/// place if it knows one.
pub(super) fn detection(doc: &mut Document<'_>) -> Step {
    period(doc, key!("ActivityDateTime"), None)?;
    let location = match doc.src.get(key!("Location")) {
        Some(Value::Object(location)) => location.clone(),
        Some(Value::Text(text)) => match parse(text.plain(doc.bump), doc.bump) {
            Ok(Value::Object(location)) => location,
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    for (names, to) in [
        (&["City"][..], path!("source.geo.city_name")),
        (&["State"][..], path!("source.geo.region_name")),
        (
            &["CountryOrRegion", "Country"][..],
            path!("source.geo.country_iso_code"),
        ),
    ] {
        if let Some(name) = field(&location, names)
            .and_then(Value::text)
            .filter(|name| !name.is_empty())
        {
            doc.set_if_unset(to, name)?;
        }
    }
    let coordinates = field(&location, &["GeoCoordinates"])
        .and_then(Value::object)
        .unwrap_or(&location);
    let degrees = |name, limit: f64| match field(coordinates, &[name]) {
        Some(Value::Number(degrees)) => {
            let fits = degrees.parse::<f64>().is_ok_and(|degrees| degrees.abs() <= limit);
            fits.then_some(*degrees)
        }
        _ => None,
    };
    if let (Some(latitude), Some(longitude)) = (degrees("Latitude", 90.0), degrees("Longitude", 180.0)) {
        let mut point = doc.new_object();
        point.set(key!("lat"), Value::Number(latitude));
        point.set(key!("lon"), Value::Number(longitude));
        doc.set_if_unset(path!("source.geo.location"), Value::Object(point))?;
    }
    Ok(())
}

/// A field under one of its names, however they are capitalised: the feed and the service's other API differ in it.
fn field<'o, 'a>(object: &'o Object<'a>, names: &[&str]) -> Option<&'o Value<'a>> {
    object
        .iter()
        .find(|(key, _)| names.iter().any(|name| key.is_ignoring_case(name)))
        .map(|(_, value)| value)
}

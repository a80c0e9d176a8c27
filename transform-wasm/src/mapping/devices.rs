//! Devices, sessions and applications (N26, N27).

use crate::document::{Document, Step};
use crate::json::{Path, Value, key, parse, path};

/// N26.
pub(super) fn access_context(doc: &mut Document<'_>) -> Step {
    doc.copy_if_filled(path!("AppAccessContext.DeviceId"), path!("device.id"))?;
    doc.copy_if_filled(path!("AppAccessContext.AADSessionId"), path!("session.id"))?;
    doc.copy_if_filled(path!("AppAccessContext.UniqueTokenId"), path!("token.id"))?;
    doc.copy_if_filled(path!("ApplicationDisplayName"), path!("application.name"))
}

/// N27: an Entra record keeps its device and user agent in JSON text inside a property.
pub(super) fn additional_details(doc: &mut Document<'_>) -> Step {
    const PATH: &Path = path!("ExtendedProperties.additionalDetails");
    if doc.src.at(PATH).is_none() {
        return Ok(());
    }
    if let Some(Value::Text(text)) = doc.src.at(PATH) {
        let parsed = parse(text.plain(doc.bump), doc.bump);
        let properties = doc
            .src
            .get_mut(key!("ExtendedProperties"))
            .and_then(Value::object_mut);
        match (parsed, properties) {
            (Ok(value), Some(properties)) => properties.set(key!("additionalDetails"), value),
            (Err(error), _) => {
                doc.src.remove_at(PATH);
                doc.note(&format!("{PATH} is not JSON: {error}"));
            }
            _ => {}
        }
    }
    doc.copy_if_unset(
        path!("ExtendedProperties.additionalDetails.DeviceId"),
        path!("device.id"),
    )?;
    if doc.ecs.get(key!("user_agent")).is_none() {
        doc.copy_if_filled(
            path!("ExtendedProperties.additionalDetails.User-Agent"),
            path!("user_agent.original"),
        )?;
    }
    Ok(())
}

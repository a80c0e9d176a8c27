//! The tenant as organization and host.

use crate::document::{Document, Step};
use crate::json::{Key, Text, Value, key, path};

/// Steps 39 to 42.
pub(super) fn organization_and_host(doc: &mut Document<'_>) -> Step {
    match doc.ecs.at(path!("organization.id")) {
        Some(Value::Text(id)) => {
            let id = id.to_lowercase(doc.bump);
            doc.set(path!("organization.id"), id)?;
        }
        None | Some(Value::Null) => {}
        // Newer references ignore it (N17).
        Some(_) if doc.profile.maps_newer_fields => {}
        Some(_) => doc.fault("OrganizationId is not text")?,
    }
    if let Some(id) = doc
        .ecs
        .at(path!("organization.id"))
        .filter(|id| !id.is_null())
        .cloned()
    {
        doc.set(path!("host.id"), id)?;
    }
    let name = doc
        .ecs_text(path!("organization.id"))
        .and_then(|id| tenant_name(doc, id));
    if let Some(name) = name {
        doc.set(path!("organization.name"), name)?;
        // Newer references prefer the device for the host (N18).
        if !doc.profile.maps_newer_fields {
            doc.set(path!("host.name"), name)?;
        }
    }
    if doc.profile.maps_newer_fields
        && let Some(device) = doc
            .src
            .get(key!("DeviceName"))
            .filter(|name| !name.is_void() && !name.holds_object())
            .cloned()
    {
        doc.set_if_unset(path!("host.name"), device)?;
    }
    for path in [path!("organization.name"), path!("user.domain")] {
        if let Some(name) = doc.ecs.at(path).filter(|name| !name.is_null()).cloned() {
            doc.set_if_unset(path!("host.name"), name)?;
        }
    }
    // N19.
    if doc.profile.maps_newer_fields
        && !doc.has(path!("event.provider"))
        && doc.src.get(key!("UserType")).is_some_and(|kind| !kind.is_void())
    {
        doc.copy_as_text(path!("UserType"), path!("event.provider"))?;
    }
    Ok(())
}

/// The configured name of a tenant: the event's own configuration first, then the mapper's, then the batch's.
fn tenant_name<'a>(doc: &Document<'a>, id: Text<'a>) -> Option<Text<'a>> {
    let id = id.plain(doc.bump);
    let tenants = doc.ecs.at(path!("_conf.tenants")).and_then(Value::object);
    if let Some(name) = tenants.and_then(|tenants| tenants.text(&Key::plain(id))) {
        return Some(name);
    }
    let of_batch = || {
        let same = doc
            .context
            .tenant_id
            .as_deref()
            .is_some_and(|tenant| tenant.eq_ignore_ascii_case(id));
        doc.context.tenant_name.as_ref().filter(|_| same)
    };
    doc.options
        .tenants
        .get(id)
        .or_else(of_batch)
        .map(|name| Text::new(name, doc.bump))
}

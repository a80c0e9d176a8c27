//! Entra: every directory operation, its target, and the device of a sign-in. X10, X17.

use super::names::os_of;
use super::related::set_target_address;
use crate::document::{Document, Step};
use crate::json::{Key, Object, Text, Value, key, path};
use crate::record_type;

/// X10.
pub(super) fn directory(doc: &mut Document<'_>) -> Step {
    if doc.record_type != Some(record_type::AZURE_ACTIVE_DIRECTORY) {
        return Ok(());
    }
    let operation = doc.operation.map_or("", |operation| operation.plain(doc.bump));
    let operation = operation
        .strip_suffix('.')
        .unwrap_or(operation)
        .to_ascii_lowercase();
    if let Some((category, object, kind)) = classes(&operation) {
        doc.classify_further(&[category], object);
        doc.classify_further(&[], &[kind]);
    }
    target(doc)
}

type Classes = (&'static str, &'static [&'static str], &'static str);

/// The category, and the types, of an operation in lower case and without its dot.
fn classes(operation: &str) -> Option<Classes> {
    let has = |parts: &[&str]| parts.iter().any(|part| operation.contains(part));
    let kind = || match operation.split(' ').next().unwrap_or_default() {
        "add" | "invite" | "create" | "consent" => "creation",
        "delete" | "remove" | "hard" => "deletion",
        _ => "change",
    };
    if has(&[
        "policy",
        "domain",
        "company information",
        "dirsyncenabled",
        "strong authentication",
    ]) {
        return Some(("configuration", &[], kind()));
    }
    if has(&["role definition", "to role", "from role", "member to role"]) || operation.ends_with(" role") {
        return Some(("iam", &["admin"], "change"));
    }
    if has(&[
        "app role assignment",
        "service principal",
        "application",
        "delegated permission grant",
    ]) {
        return Some(("iam", &[], kind()));
    }
    if has(&["device"]) {
        return Some(("iam", &[], kind()));
    }
    if has(&[
        "member to group",
        "member from group",
        "owner to group",
        "owner from group",
        "group license",
    ]) {
        return Some(("iam", &["group"], "change"));
    }
    if operation.ends_with(" group") {
        return Some(("iam", &["group"], kind()));
    }
    let of_user = operation.ends_with(" user")
        || has(&[
            "account",
            "user password",
            "user license",
            "user manager",
            "stsrefreshtoken",
        ]);
    of_user.then(|| ("iam", &["user"] as &[_], kind()))
}

/// What `Target` says beyond `ObjectId`.
fn target<'a>(doc: &mut Document<'a>) -> Step {
    const KINDS: [&str; 7] = [
        "User",
        "Group",
        "Role",
        "Application",
        "ServicePrincipal",
        "Device",
        "Policy",
    ];
    let mut members = Vec::new();
    for member in doc
        .src
        .get(key!("Target"))
        .and_then(Value::list)
        .unwrap_or_default()
    {
        let Some(member) = member.object() else { continue };
        let kind = member.get(key!("Type")).and_then(|kind| kind.to_text(doc.bump));
        if let Some(id) = member.text(key!("ID")).filter(|id| !id.is_empty()) {
            members.push((kind, id));
        }
    }
    let bump = doc.bump;
    let prefixed = |id: Text<'a>| {
        let (prefix, guid) = id.plain(bump).split_once('_')?;
        let kind = KINDS.into_iter().find(|kind| *kind == prefix)?;
        (guid.len() == 36).then_some((kind, guid))
    };
    let mut target_kind = None;
    for (_, id) in &members {
        if let Some((kind, guid)) = prefixed(*id) {
            target_kind = Some(kind);
            doc.set_if_unset(path!("o365.ext.target_type"), kind)?;
            if kind == "Group" {
                let guid = Text::new(guid, bump);
                doc.set_if_unset(path!("group.id"), guid)?;
            }
        }
    }
    for (kind, id) in members {
        let is = |number: &str| kind.is_some_and(|kind| kind.is(number));
        if is("5") {
            set_target_address(doc, id);
        } else if is("1") {
            let path = if target_kind == Some("Group") {
                path!("group.name")
            } else {
                path!("user.target.name")
            };
            if matches!(target_kind, Some("Group" | "User")) {
                doc.set_if_unset(path, id)?;
            }
        }
    }
    Ok(())
}

/// X17.
pub(super) fn sign_in(doc: &mut Document<'_>) -> Step {
    if doc.record_type != Some(record_type::AZURE_ACTIVE_DIRECTORY_STS_LOGON) {
        return Ok(());
    }
    let mut device = bumpalo::collections::Vec::new_in(doc.bump);
    for property in doc
        .src
        .get(key!("DeviceProperties"))
        .and_then(Value::list)
        .unwrap_or_default()
    {
        let Some(property) = property.object() else {
            continue;
        };
        let (Some(name), Some(value)) = (property.text(key!("Name")), property.present(key!("Value"))) else {
            continue;
        };
        let truth = || {
            let text = value.text()?;
            if text.is_ignoring_case("true") {
                Some(true)
            } else {
                text.is_ignoring_case("false").then_some(false)
            }
        };
        let flag = name.is("IsCompliant") || name.is("IsCompliantAndManaged");
        match truth().filter(|_| flag) {
            Some(truth) => device.push((Key::from(name), Value::Bool(truth))),
            None => device.push((Key::from(name), value.clone())),
        }
    }
    let device = Object::from_fields(device, doc.bump);
    if device.is_empty() {
        return Ok(());
    }
    let text = |key| device.text(key).filter(|text| !text.is_empty());
    let (id, os, session) = (text(key!("Id")), text(key!("OS")), text(key!("SessionId")));
    if let Some(id) = id {
        doc.set_if_unset(path!("device.id"), id)?;
    }
    if let Some(os) = os {
        doc.set_if_unset(path!("host.os.name"), os)?;
        if let Some(kind) = os_of(os.wire()) {
            doc.set_if_unset(path!("host.os.type"), kind)?;
        }
    }
    if let Some(session) = session {
        doc.set_if_unset(path!("session.id"), session)?;
    }
    doc.set(path!("o365.ext.device"), Value::Object(device))
}

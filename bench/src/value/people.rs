//! Who.

use serde_json::Value;

use super::{Document, Object, text};

/// Who, and everybody and every host that is named.
pub(super) fn all(doc: &mut Document, src: &Object) {
    let target = doc.group("user").get_mut("target").and_then(Value::as_object_mut);
    let mut targets = [Value::Null, Value::Null];
    let mut target_domain = Value::Null;
    if let Some(target) = target {
        let id = target
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if let Some((name, domain)) = address(&id) {
            target.insert("email".into(), id.as_str().into());
            target.insert("name".into(), name.into());
            target.insert("domain".into(), domain.into());
            targets[0] = name.into();
            target_domain = domain.into();
        }
        targets[1] = id.into();
    }
    let id = doc.text("user", "id").to_owned();
    if let Some((name, domain)) = address(&id) {
        doc.set("user", "email", id.as_str());
        doc.set("user", "name", name);
        doc.set("user", "domain", domain);
    }
    let device = text(src, "DeviceName").unwrap_or_default();
    let host = [
        device,
        doc.text("organization", "name"),
        doc.text("user", "domain"),
    ]
    .into_iter()
    .find(|name| !name.is_empty())
    .map(str::to_owned);
    doc.set("host", "name", host);

    let parameter = src
        .get("Parameters")
        .and_then(|parameters| parameters.get("User"));
    let [target_name, target_id] = targets;
    let users = [
        doc.text("user", "name").into(),
        target_name,
        doc.text("file", "owner").into(),
        parameter.cloned().unwrap_or_default(),
        id.into(),
        target_id,
        doc.text("user", "email").into(),
    ];
    let hosts = [
        doc.text("host", "name").into(),
        doc.text("user", "domain").into(),
        target_domain,
        doc.text("server", "domain").into(),
        doc.text("client", "domain").into(),
    ];
    doc.users.extend(users);
    doc.hosts.extend(hosts);
}

/// Both sides of the one `@`.
pub(super) fn address(text: &str) -> Option<(&str, &str)> {
    text.split_once('@').filter(|(_, domain)| !domain.contains('@'))
}

//! Mail: who wrote to whom about what, from the many places where records say so.

use bumpalo::collections::Vec;

use super::users::split_address;
use crate::document::{Abort, Document, Step};
use crate::json::{Key, Object, Path, Text, Value, key, path};

const ATTACHMENTS: &Path = path!("email.attachments");
const FROM: &Path = path!("email.from.address");
const LOCAL_ID: &Path = path!("email.local_id");
const MESSAGE_ID: &Path = path!("email.message_id");
const SENDER: &Path = path!("email.sender.address");
const SUBJECT: &Path = path!("email.subject");
const TO: &Path = path!("email.to.address");
const RELATED_IP: &Path = path!("related.ip");
const RELATED_USER: &Path = path!("related.user");

/// N10: what a cmdlet's parameters say of mail.
pub(super) fn of_parameters(doc: &mut Document<'_>) -> Step {
    if doc.src.get(key!("Parameters")).is_none() {
        return Ok(());
    }
    let has_id = doc
        .src
        .get(key!("NetworkMessageId"))
        .is_some_and(|id| !id.is_void());
    if !has_id && let Some(raw) = doc.src.at(path!("Parameters._raw")).and_then(Value::text) {
        let raw = raw.plain(doc.bump);
        if let Some(identity) = identity_parameter(raw) {
            let identity = Text::new(identity, doc.bump);
            doc.src.set(key!("NetworkMessageId"), identity);
        }
    }
    for path in [
        path!("Parameters.ForwardAsAttachmentTo"),
        path!("Parameters.ForwardTo"),
        path!("Parameters.RedirectTo"),
    ] {
        let Some(recipients) = doc.src.at(path).and_then(Value::text) else {
            continue;
        };
        for recipient in recipients.plain(doc.bump).split(';').map(str::trim) {
            if !recipient.is_empty() {
                let recipient = Text::new(recipient, doc.bump);
                doc.append_unique(TO, recipient);
            }
        }
    }
    doc.copy_if_filled(path!("Parameters.From"), FROM)
}

/// Group 1 of `^-?Identity\s"?(.*?)"?$`.
fn identity_parameter(raw: &str) -> Option<&str> {
    let rest = raw.strip_prefix('-').unwrap_or(raw).strip_prefix("Identity")?;
    let rest = rest.strip_prefix(char::is_whitespace)?;
    let rest = rest.strip_prefix('"').unwrap_or(rest);
    let identity = rest.strip_suffix('"').unwrap_or(rest);
    (!identity.contains('\n')).then_some(identity)
}

/// N20.
pub(super) fn of_mail_fields(doc: &mut Document<'_>) {
    doc.collect_field(path!("InternetMessageId"), MESSAGE_ID);
    doc.collect_field(path!("Item.InternetMessageId"), MESSAGE_ID);
    doc.collect_field(path!("NetworkMessageId"), LOCAL_ID);
    doc.collect_field(path!("P1Sender"), SENDER);
    doc.collect_ecs(path!("source.user.email"), SENDER);
    if doc.src.get(key!("Recipients")).and_then(Value::list).is_some() {
        doc.collect_field(path!("Recipients"), TO);
    }
    if doc
        .ecs
        .at(path!("destination.user.email"))
        .and_then(Value::list)
        .is_some()
    {
        doc.collect_ecs(path!("destination.user.email"), TO);
    }
    doc.collect_field(path!("SenderIp"), RELATED_IP);
    doc.collect_field(path!("SenderIP"), RELATED_IP);
    doc.collect_field(path!("Subject"), SUBJECT);
    doc.collect_field(path!("Item.Subject"), SUBJECT);
}

/// N21: `name.ext (123b); …`.
pub(super) fn attachments(doc: &mut Document<'_>) -> Step {
    let attachments = match doc.src.at(path!("Item.Attachments")) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Text(text)) if text.is_empty() => return Ok(()),
        Some(Value::Text(text)) => text.plain(doc.bump),
        Some(_) => {
            doc.note("Item.Attachments is not text");
            return Ok(());
        }
    };
    let mut files = doc.new_list();
    for part in attachments.split(';').map(str::trim) {
        if let Some((name, extension, size)) = attachment(part) {
            let mut file = doc.new_object();
            file.set(key!("name"), Text::new(name, doc.bump));
            file.set(key!("extension"), Text::new(extension, doc.bump));
            file.set(key!("size"), doc.number(size));
            let mut member = doc.new_object();
            member.set(key!("file"), Value::Object(file));
            files.push(Value::Object(member));
        }
    }
    doc.set(ATTACHMENTS, Value::from(files))
}

/// The name, extension and size in `name.ext (123b)`.
fn attachment(part: &str) -> Option<(&str, &str, u64)> {
    let (name, size) = part.strip_suffix(')')?.rsplit_once(" (")?;
    let size = super::files::whole_number(size.strip_suffix('b')?)?;
    let (_, extension) = name.rsplit_once('.')?;
    Some((name, extension, size))
}

/// N24: mail in the `Data` of an alert.
pub(super) fn of_alert_data(doc: &mut Document<'_>) -> Step {
    let address = |doc: &Document<'_>, path: &Path| {
        let text = doc.src.at(path).and_then(Value::text)?;
        split_address(text.plain(doc.bump)).is_some().then_some(())
    };
    if doc.src.get(key!("Data")).is_none() {
        return Ok(());
    }
    if address(doc, path!("Data.f3u")).is_some() {
        doc.collect_field(path!("Data.f3u"), RELATED_USER);
        doc.copy_if_unset(path!("Data.f3u"), path!("user.email"))?;
    }
    if address(doc, path!("Data.suid")).is_some() {
        doc.collect_field(path!("Data.suid"), RELATED_USER);
    }
    for (path, list) in [(path!("Data.tsd"), SENDER), (path!("Data.trc"), TO)] {
        doc.collect_field(path, list);
        if address(doc, path).is_some() {
            doc.collect_field(path, RELATED_USER);
        }
    }
    doc.collect_field(path!("Data.aii"), LOCAL_ID);
    doc.collect_field(path!("Data.imsgid"), MESSAGE_ID);
    doc.collect_field(path!("Data.ms"), SUBJECT);
    Ok(())
}

/// N25: mail among the entities of an investigation. Returns what detected the threats.
pub(super) fn of_entities<'a>(doc: &mut Document<'a>) -> Result<Vec<'a, Value<'a>>, Abort> {
    if doc.src.get(key!("Data")).is_none() {
        return Ok(doc.new_list());
    }
    let bump = doc.bump;
    let collected = |doc: &Document<'a>, key: &Key<'_>| {
        let mut found = Vec::new_in(bump);
        let entities = doc
            .src
            .at(path!("Data.flattened.Entities"))
            .and_then(Value::list)
            .unwrap_or_default();
        for value in entities
            .iter()
            .filter_map(Value::object)
            .filter_map(|entity: &Object<'a>| entity.get(key))
        {
            match value {
                Value::List(members) => {
                    found.extend(members.iter().filter(|member| !member.holds_object()).cloned());
                }
                Value::Object(_) => {}
                value if value.is_void() => {}
                value => found.push(value.clone()),
            }
        }
        found
    };
    if doc
        .src
        .at(path!("Data.flattened.Entities"))
        .and_then(Value::list)
        .is_none()
    {
        return Ok(doc.new_list());
    }
    let recipients = collected(doc, key!("Recipient"));
    for (key, list) in [
        (key!("InternetMessageId"), MESSAGE_ID),
        (key!("NetworkMessageId"), LOCAL_ID),
        (key!("P1Sender"), SENDER),
        (key!("P2Sender"), FROM),
        (key!("Recipient"), TO),
        (key!("SenderIP"), RELATED_IP),
        (key!("Subject"), SUBJECT),
        (key!("Upn"), RELATED_USER),
    ] {
        let found = Value::from(collected(doc, key));
        doc.collect(&found, list);
    }
    if !recipients.is_empty() {
        doc.set_if_unset(path!("user.email"), Value::from(recipients))?;
    }
    for key in [key!("OriginalDeliveryLocation"), key!("PhishConfidenceLevel")] {
        let found = collected(doc, key);
        // The reference fails where the record has the field already; its own value is worth more.
        if !found.is_empty() && doc.src.get(key).is_none() {
            doc.src.set(key, Value::from(found));
        }
    }
    Ok(collected(doc, key!("ThreatDetectionMethods")))
}

//! Threats in mail and behind links.

use super::period;
use crate::document::{Document, Step};
use crate::json::{Key, Text, Value, key, path};
use crate::mapping::indexed_ip;
use crate::time;

/// A message that was found to be harmful.
pub(super) fn mail(doc: &mut Document<'_>) -> Step {
    if doc
        .src
        .text(key!("Verdict"))
        .is_some_and(|verdict| verdict.is("Malware"))
    {
        doc.classify_further(&["malware"], &[]);
    }
    mail_details(doc)?;
    match address(doc, key!("SenderIp")) {
        Some(ip) => doc.set_if_unset(path!("source.ip"), ip),
        None => Ok(()),
    }
}

fn address<'a>(doc: &Document<'a>, field: &Key<'_>) -> Option<Text<'a>> {
    indexed_ip(doc, doc.src.text(field)?.plain(doc.bump))
}

/// Where a message went, when it was delivered, and what it carried.
pub(super) fn mail_details(doc: &mut Document<'_>) -> Step {
    if let Some(direction) = doc
        .src
        .text(key!("Directionality"))
        .filter(|direction| !direction.is_empty())
    {
        let direction = direction.to_lowercase(doc.bump);
        let direction = if direction.is("intra-org") {
            Text::literal("internal")
        } else {
            direction
        };
        doc.set(path!("email.direction"), direction)?;
    }
    let delivered = doc
        .src
        .text(key!("MessageTime"))
        .and_then(|text| time::to_utc(text.plain(doc.bump)));
    if let Some(delivered) = delivered {
        let delivered = doc.text(&delivered);
        doc.set(path!("email.delivery_timestamp"), delivered)?;
    }
    let mut files = doc.new_list();
    let mut family = None;
    for attachment in doc
        .src
        .get(key!("AttachmentData"))
        .and_then(Value::list)
        .unwrap_or_default()
    {
        let Some(attachment) = attachment.object() else {
            continue;
        };
        let mut file = doc.new_object();
        if let Some(name) = attachment.text(key!("FileName")) {
            file.set(key!("name"), name);
            let plain = name.plain(doc.bump);
            if let Some((_, extension)) = plain.rsplit_once('.') {
                file.set(key!("extension"), Text::new(extension, doc.bump));
            }
        }
        if let Some(digest) = attachment.text(key!("SHA256")) {
            let mut hash = doc.new_object();
            hash.set(key!("sha256"), digest);
            file.set(key!("hash"), Value::Object(hash));
        }
        family = family.or_else(|| {
            attachment
                .text(key!("MalwareFamily"))
                .filter(|family| !family.is_empty())
        });
        let mut member = doc.new_object();
        member.set(key!("file"), Value::Object(file));
        files.push(Value::Object(member));
    }
    if !files.is_empty() {
        doc.set(path!("email.attachments"), Value::from(files))?;
    }
    match family {
        Some(family) => doc.set_if_unset(path!("threat.software.name"), family),
        None => Ok(()),
    }
}

/// A link that somebody clicked.
pub(super) fn link(doc: &mut Document<'_>) -> Step {
    let click = [key!("UrlClickAction"), key!("URLClickAction")]
        .into_iter()
        .find_map(|key| doc.src.get(key));
    match click.and_then(|click| click.to_text(doc.bump)).map(Text::wire) {
        Some("2" | "3") => doc.classify_further(&[], &["denied"]),
        Some("4" | "5") => doc.classify_further(&[], &["allowed"]),
        _ => {}
    }
    if let Some(ip) = address(doc, key!("UserIp"))
        && !doc.has(path!("client.ip"))
    {
        for path in [path!("client.address"), path!("client.ip"), path!("source.ip")] {
            doc.set_if_unset(path, ip)?;
        }
        let version = if ip.wire().contains(':') { "ipv6" } else { "ipv4" };
        doc.set_if_unset(path!("network.type"), version)?;
        doc.append_unique(path!("related.ip"), ip);
    }
    if doc.src.text(key!("AppName")).is_some_and(|app| app.is("Mail")) {
        doc.collect_field(path!("SourceId"), path!("email.local_id"));
    }
    period(doc, key!("TimeOfClick"), None)
}

//! Microsoft Teams: what the reference does not classify, and who it happened to.

use super::super::related::set_target_address;
use super::by_verb;
use crate::document::Document;
use crate::json::{Value, key, path};

pub(super) fn activity(doc: &mut Document<'_>) {
    let operation = doc.operation.map_or("", |operation| operation.plain(doc.bump));
    match operation {
        "MemberRemoved" | "MemberRoleChanged" => doc.classify_further(&["iam"], &["group", "change"]),
        "TeamDeleted" => doc.classify_further(&["iam"], &["group", "deletion"]),
        "TeamsSessionStarted" => doc.classify_further(&["session"], &["start"]),
        other
            if ["Channel", "Tab", "Connector", "Bot", "App"]
                .iter()
                .any(|prefix| other.starts_with(prefix))
                || other.ends_with("SettingChanged") =>
        {
            doc.classify_further(&["configuration"], &[by_verb(other, true)]);
        }
        _ => {}
    }
    if let Some([Value::Object(only)]) = doc.src.get(key!("Members")).and_then(Value::list)
        && let Some(address) = only.text(key!("UPN"))
    {
        set_target_address(doc, address);
    }
}

/// The administration of Teams. What no other rule has classified is a change of a setting.
pub(super) fn administration(doc: &mut Document<'_>) {
    activity(doc);
    let said = doc
        .ecs
        .at(path!("event.type"))
        .and_then(Value::list)
        .is_some_and(|types| {
            types
                .iter()
                .any(|kind| !kind.text().is_some_and(|kind| kind.is("info")))
        });
    if said {
        doc.classify_further(&["configuration"], &[]);
    } else {
        doc.classify_further(&["configuration"], &["change"]);
    }
}

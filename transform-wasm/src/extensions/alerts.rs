//! Alerts: their categories and entities, which the reference reads from fields that it has moved away. X06.

use super::related::set_target;
use crate::document::{Document, Step};
use crate::json::{Value, path};
use crate::record_type;

/// X06.
pub(super) fn alert(doc: &mut Document<'_>) -> Step {
    if doc.record_type != Some(record_type::SECURITY_COMPLIANCE_ALERTS) {
        return Ok(());
    }
    let category = match doc
        .ecs_text(path!("rule.category"))
        .map_or("", |category| category.plain(doc.bump))
    {
        "AccessGovernance" => Some("iam"),
        "DataGovernance" | "DataLossPrevention" => Some("file"),
        "ThreatManagement" => Some("malware"),
        "MailFlow" => Some("email"),
        "InsiderRiskManagement" | "Other" => Some("intrusion_detection"),
        _ => None,
    };
    if let Some(category) = category {
        doc.classify_further(&[category], &[]);
    }
    let entity = doc
        .ecs_text(path!("rule.description"))
        .filter(|entity| !entity.is_empty());
    if let Some(entity) = entity {
        match doc
            .ecs_text(path!("rule.ruleset"))
            .map_or("", |kind| kind.plain(doc.bump))
        {
            "User" | "Recipients" => set_target(doc, entity)?,
            "Sender" => doc.append_unique(path!("email.from.address"), entity),
            "MalwareFamily" => {
                doc.set_if_unset(path!("threat.software.name"), entity)?;
                doc.append_unique(path!("threat.software.type"), "Malware");
            }
            _ => {}
        }
    }
    let link = doc
        .ecs
        .at(path!("rule.reference"))
        .and_then(Value::list)
        .and_then(|links| links.iter().find(|link| !link.is_void() && !link.holds_object()))
        .cloned();
    match link {
        Some(link) => doc.set_if_unset(path!("event.url"), link),
        None => Ok(()),
    }
}

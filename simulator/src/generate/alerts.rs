//! Security and compliance alerts (record type 40): JSON inside a string.

use super::{Actor, Event};
use crate::json::{self, Object};

const ALERTS: [(&str, &str); 5] = [
    ("Elevation of Exchange admin privilege", "AccessGovernance"),
    ("Suspicious email sending patterns detected", "ThreatManagement"),
    ("Unusual volume of file deletion", "DataGovernance"),
    ("Creation of forwarding/redirect rule", "ThreatManagement"),
    (
        "DLP policy match for document 'Customers.xlsx'",
        "DataLossPrevention",
    ),
];

pub(super) fn write(record: &mut Object<'_>, event: &mut Event<'_>) {
    let operation = *event.random.weighted(&[
        (45, "AlertTriggered"),
        (45, "AlertEntityGenerated"),
        (10, "AlertUpdated"),
    ]);
    let source = "SecurityComplianceAlerts";
    let actor = Actor {
        user_type: 4,
        user_key: source,
        user_id: source,
    };
    event.head(
        record,
        (40, "SecurityComplianceCenter", operation),
        Some("Succeeded"),
        &actor,
    );
    let (name, category) = *event.random.pick(&ALERTS);
    let severity = *event.random.pick(&["Low", "Medium", "High", "Informational"]);
    let (alert, policy) = (event.random.guid(), event.thing(name));
    let entity = operation == "AlertEntityGenerated";
    record
        .str("ObjectId", if entity { &event.person.upn } else { &alert })
        .str("AlertId", &alert)
        .str("AlertType", "System")
        .str("Name", name)
        .str("PolicyId", &policy)
        .str(
            "Status",
            if operation == "AlertUpdated" {
                "Investigating"
            } else {
                "Active"
            },
        )
        .str("Severity", severity)
        .str("Category", category)
        .str("Source", "Office 365 Security & Compliance")
        .str("Comments", "New alert");
    if entity {
        record
            .str("AlertEntityId", &event.person.upn)
            .str("EntityType", "User");
    }
    let data = json::text(|data| {
        data.str("etype", if entity { "User" } else { "MalwareFamily" })
            .str("eid", &event.person.upn)
            .str("tid", &event.tenant.id)
            .str("ts", &format!("{}Z", Event::stamp(event.time)))
            .str("te", &format!("{}Z", Event::stamp(event.time)))
            .str("op", operation)
            .str("sev", severity)
            .str("an", name)
            .str(
                "ad",
                "This alert is triggered when a pattern of \"unusual\" activity is seen.",
            )
            .str("srt", "1");
    });
    record.str("Data", &data);
    let links = json::text(|link| {
        link.str(
            "AlertLinkHref",
            &format!("https://security.example/alerts/{alert}"),
        );
    });
    record.array("AlertLinks", |list| list.raw(&links));
}

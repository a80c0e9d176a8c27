//! Numbers that stand for something get its name, too: X18.

use super::exchange::members;
use crate::document::{Document, Step};
use crate::json::{Key, Text, Value, key, path};

#[rustfmt::skip]
const USER_TYPES: [&str; 11] = [
    "Regular", "Reserved", "Admin", "DCAdmin", "System", "Application", "ServicePrincipal", "CustomPolicy",
    "SystemPolicy", "PartnerTechnician", "Guest",
];
const LOGON_TYPES: [&str; 7] = [
    "Owner",
    "Admin",
    "Delegated",
    "Transport",
    "SystemService",
    "BestAccess",
    "DelegatedAdmin",
];

const MEMBER_ROLES: [&str; 3] = ["Member", "Owner", "Guest"];
const QUARANTINE_REQUESTS: [&str; 6] = [
    "Preview",
    "Delete",
    "Release",
    "Export",
    "ViewHeader",
    "ReleaseRequest",
];

/// What happened in a simulated attack; the numbers have gaps.
#[rustfmt::skip]
const SIMULATION_EVENTS: [(usize, &str); 13] = [
    (1, "MessageDelivered"), (2, "MessageFailed"), (6, "CredentialEntered"), (7, "PermissionGranted"),
    (8, "LinkClicked"), (10, "AttachmentOpened"), (12, "MessageRead"), (13, "MessageReplied"),
    (14, "MessageForwarded"), (15, "MessageReported"), (16, "MessageDeleted"), (17, "OutOfOffice"),
    (18, "PositiveReinforcementMessageDelivered"),
];
#[rustfmt::skip]
const CAMPAIGN_EVENTS: [&str; 13] = [
    "CampaignLaunched", "CampaignCompleted", "CampaignReportDownloaded", "CampaignReportViewed",
    "CampaignCancelled", "CampaignScheduled", "CampaignDeleted", "SimulationExcluded", "AutomationSubmitted",
    "AutomationTurnOn", "AutomationTurnOff", "AutomationCompleted", "AutomationDeleted",
];
const TRAINING_EVENTS: [&str; 6] = [
    "",
    "TrainingAssigned",
    "TrainingUpdated",
    "TrainingCompleted",
    "TrainingPreviouslyAssigned",
    "TrainingNotCompleted",
];

pub(super) fn enumerations(doc: &mut Document<'_>) -> Step {
    for (key, path, names) in [
        (
            key!("UserType"),
            path!("o365.ext.names.UserType"),
            &USER_TYPES[..],
        ),
        (
            key!("LogonType"),
            path!("o365.ext.names.LogonType"),
            &LOGON_TYPES[..],
        ),
        (
            key!("InternalLogonType"),
            path!("o365.ext.names.InternalLogonType"),
            &LOGON_TYPES[..],
        ),
    ] {
        if let Some(name) = number_at(doc, key).and_then(|number| names.get(number)) {
            doc.set(path, *name)?;
        }
    }
    if let Some(2 | 3) = number_at(doc, key!("UserType")) {
        doc.append_unique(path!("user.roles"), "admin");
    }
    match doc.record_type {
        Some(25 | 57) => member_roles(doc),
        Some(65) => quarantine(doc)?,
        Some(85 | 88 | 218) => simulation(doc)?,
        _ => {}
    }
    os_type(doc)
}

/// In the order of the members.
fn member_roles(doc: &mut Document<'_>) {
    let roles = members(doc, path!("Members"), key!("Role"));
    for role in roles.list().unwrap_or_default() {
        if let Some(name) = number_of(role).and_then(|number| MEMBER_ROLES.get(number)) {
            doc.append(path!("o365.ext.names.MemberRoleType"), *name);
        }
    }
}

fn quarantine(doc: &mut Document<'_>) -> Step {
    let name = number_at(doc, key!("RequestType")).and_then(|number| QUARANTINE_REQUESTS.get(number));
    match name {
        Some(name) => doc.set(path!("o365.ext.names.RequestType"), *name),
        None => Ok(()),
    }
}

/// Simulated attacks, their campaigns, and the trainings that follow: never alerts.
fn simulation(doc: &mut Document<'_>) -> Step {
    let number = [
        key!("AttackSimEventType"),
        key!("AttackSimAdminEventType"),
        key!("UserTrainingEventType"),
        key!("EventType"),
    ]
    .into_iter()
    .find_map(|key| number_at(doc, key));
    let Some(number) = number else { return Ok(()) };
    let name = match doc.record_type {
        Some(85) => SIMULATION_EVENTS
            .iter()
            .find(|(value, _)| *value == number)
            .map(|(_, name)| *name),
        Some(88) => TRAINING_EVENTS.get(number).copied(),
        _ => CAMPAIGN_EVENTS.get(number).copied(),
    };
    match name.filter(|name| !name.is_empty()) {
        Some(name) => doc.set(path!("o365.ext.names.AttackSimEvent"), name),
        None => Ok(()),
    }
}

fn number_at(doc: &Document<'_>, key: &Key<'_>) -> Option<usize> {
    number_of(doc.src.get(key)?)
}

fn number_of(value: &Value<'_>) -> Option<usize> {
    match value {
        Value::Number(number) => number.parse().ok(),
        Value::Text(text) => text.wire().parse().ok(),
        _ => None,
    }
}

/// Platforms such as `WinDesktop`.
fn os_type(doc: &mut Document<'_>) -> Step {
    let Some(platform) = doc.src.text(key!("Platform")).map(Text::wire) else {
        return Ok(());
    };
    match os_of(platform) {
        Some(os) => doc.set_if_unset(path!("host.os.type"), os),
        None => Ok(()),
    }
}

/// The operating system that a platform's name starts with.
pub(super) fn os_of(platform: &str) -> Option<&'static str> {
    const PREFIXES: [(&str, &str); 5] = [
        ("win", "windows"),
        ("mac", "macos"),
        ("ios", "ios"),
        ("android", "android"),
        ("linux", "linux"),
    ];
    let starts = |prefix: &str| {
        platform
            .get(..prefix.len())
            .is_some_and(|it| it.eq_ignore_ascii_case(prefix))
    };
    PREFIXES
        .iter()
        .find(|(prefix, _)| starts(prefix))
        .map(|(_, os)| *os)
}

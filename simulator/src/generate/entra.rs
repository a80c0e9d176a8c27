//! Entra ID directory changes (record type 8).

use super::{Event, address, people::Person};
use crate::json::{self, Object};

const OPERATIONS: [&str; 9] = [
    "Update user.",
    "Add user.",
    "Reset user password.",
    "Add member to group.",
    "Remove member from group.",
    "Add member to role.",
    "Add app role assignment grant to user.",
    "Consent to application.",
    "Update device.",
];

pub(super) fn write(record: &mut Object<'_>, event: &mut Event<'_>) {
    let operation = *event.random.pick(&OPERATIONS);
    let result = if event.random.chance(30) {
        "Failure"
    } else {
        "Success"
    };
    let target = event.people.pick(&mut event.random);
    event.personal_head(record, (8, "AzureActiveDirectory", operation), Some(result));
    address::write(record, event, "ClientIP");
    record
        .str("ObjectId", &target.upn)
        .int("AzureActiveDirectoryEventType", 1);

    let details = json::text(|details| {
        details.str("User-Agent", event.person.agent.text);
    });
    let extended = [
        ("additionalDetails", details.as_str()),
        ("extendedAuditEventCategory", "User"),
    ];
    if event.random.chance(10) {
        record.str("ExtendedProperties", &format!("additionalDetails={details}"));
    } else {
        record.pairs("ExtendedProperties", &extended);
    }
    let changes: Vec<(&str, String, String)> = match operation {
        "Update user." => vec![
            (
                "Department",
                "[\r\n  \"Sales\"\r\n]".to_owned(),
                "[\r\n  \"Finance\"\r\n]".to_owned(),
            ),
            (
                "Included Updated Properties",
                "Department".to_owned(),
                String::new(),
            ),
        ],
        "Add member to group." | "Remove member from group." => vec![
            ("Group.ObjectID", event.thing("finance group"), String::new()),
            ("Group.DisplayName", "Finance".to_owned(), String::new()),
        ],
        "Add member to role." => vec![
            (
                "Role.DisplayName",
                "Exchange Administrator".to_owned(),
                String::new(),
            ),
            (
                "Role.TemplateId",
                "29232cdf-9323-42fd-ade2-1d097af3e4de".to_owned(),
                String::new(),
            ),
        ],
        "Reset user password." => Vec::new(),
        _ => vec![("DisplayName", target.display.clone(), String::new())],
    };
    record.array("ModifiedProperties", |list| {
        for (name, new, old) in &changes {
            list.object(|property| {
                property
                    .str("Name", name)
                    .str("NewValue", new)
                    .str("OldValue", old);
            });
        }
    });

    let (context, inter, intra) = (&event.tenant.id, event.random.guid(), event.random.guid());
    identities(record, "Actor", event.person);
    record
        .str("ActorContextId", context)
        .str("InterSystemsId", &inter)
        .str("IntraSystemId", &intra)
        .str("SupportTicketId", "");
    identities(record, "Target", target);
    record.str("TargetContextId", context);
}

/// One person under all identifiers that the directory has for them.
fn identities(record: &mut Object<'_>, key: &str, person: &Person) {
    let user = format!("User_{}", person.object_id);
    record.array(key, |list| {
        let ids = [
            (&user, 2),
            (&person.object_id, 2),
            (&"User".to_owned(), 2),
            (&person.upn, 5),
            (&person.puid, 3),
        ];
        for (id, kind) in ids {
            list.object(|identity| {
                identity.str("ID", id).int("Type", kind);
            });
        }
    });
}

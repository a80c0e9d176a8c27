//! Exchange administration (record type 1): cmdlets and their parameters.

use super::{Actor, Event, address};
use crate::json::Object;

const CMDLETS: [&str; 9] = [
    "Set-Mailbox",
    "New-InboxRule",
    "Set-InboxRule",
    "Add-MailboxPermission",
    "Set-TransportRule",
    "New-DistributionGroup",
    "Set-CASMailbox",
    "Remove-MailboxPermission",
    "Set-AdminAuditLogConfig",
];

pub(super) fn write(record: &mut Object<'_>, event: &mut Event<'_>) {
    let cmdlet = *event.random.pick(&CMDLETS);
    let system = event.random.chance(350);
    let result = if event.random.chance(40) { "False" } else { "True" };
    if system {
        let service = "NT AUTHORITY\\SYSTEM (Microsoft.Exchange.ServiceHost)";
        let actor = Actor {
            user_type: 3,
            user_key: service,
            user_id: service,
        };
        event.head(record, (1, "Exchange", cmdlet), Some(result), &actor);
    } else {
        let actor = Actor {
            user_type: 2,
            user_key: &event.person.puid,
            user_id: &event.person.upn,
        };
        event.head(record, (1, "Exchange", cmdlet), Some(result), &actor);
        address::write(record, event, "ClientIP");
    }
    let target = event.people.pick(&mut event.random);
    let organization = &event.tenant.name;
    record
        .str("ObjectId", &format!("{organization}\\{}", target.display))
        .str("AppId", "")
        .str("ClientAppId", "")
        .bool("ExternalAccess", system)
        .str("OrganizationName", organization);
    let build = 7000 + event.random.below(900);
    record.str(
        "OriginatingServer",
        &format!("AM6PR01MB{build} (15.20.{build}.014)"),
    );

    let parameters: Vec<(&str, &str)> = match cmdlet {
        "New-InboxRule" | "Set-InboxRule" => vec![
            ("Name", "."),
            ("SubjectContainsWords", "invoice;payment"),
            ("MoveToFolder", "RSS Feeds"),
            ("MarkAsRead", "True"),
        ],
        "Add-MailboxPermission" | "Remove-MailboxPermission" => {
            vec![
                ("Identity", &target.upn),
                ("User", &event.person.upn),
                ("AccessRights", "FullAccess"),
            ]
        }
        "Set-Mailbox" => vec![
            ("Identity", &target.upn),
            ("ForwardingSmtpAddress", "smtp:archive@partner.example"),
            ("DeliverToMailboxAndForward", "True"),
        ],
        "Set-AdminAuditLogConfig" => vec![("UnifiedAuditLogIngestionEnabled", "True")],
        _ => vec![
            ("Identity", &target.upn),
            ("DomainController", ""),
            ("Confirm", "False"),
        ],
    };
    // Some paths of the service log the command line instead of the list.
    if event.random.chance(20) {
        let line: Vec<_> = parameters
            .iter()
            .map(|(name, value)| format!("-{name} \"{value}\""))
            .collect();
        record.str("Parameters", &line.join(" "));
    } else {
        record.pairs("Parameters", &parameters);
    }
    if cmdlet == "Set-Mailbox" && event.random.chance(300) {
        record.array("ModifiedProperties", |list| {
            list.object(|property| {
                property
                    .str("Name", "ForwardingSmtpAddress")
                    .str("NewValue", "smtp:archive@partner.example")
                    .str("OldValue", "");
            });
        });
    }
    let session = event.random.guid();
    if event.random.chance(500) {
        record.str("SessionId", &session);
    }
}

//! Mailbox auditing: single items (2), groups of items (3) and `MailItemsAccessed` (50).

use super::{Event, address};
use crate::json::{Array, Object};

const FOLDERS: [&str; 5] = [
    "\\Inbox",
    "\\Sent Items",
    "\\Drafts",
    "\\Deleted Items",
    "\\Boîte de réception",
];
const CLIENTS: [&str; 4] = [
    "Client=REST;Client=RESTSystem;;",
    "Client=OWA;Action=ViaProxy",
    "Client=MSExchangeRPC",
    "Client=Microsoft.Exchange.Mapi; Microsoft Outlook 16.0.17928; ",
];
const SUBJECTS: [&str; 6] = [
    "Quarterly figures",
    "Re: travel to Lisbon",
    "FW: invoice 4711 \u{2013} overdue",
    "Lunch?",
    "\u{5951}\u{7d04}\u{66f8}\u{306e}\u{78ba}\u{8a8d}",
    "Your password will expire \u{1f512}",
];

fn item_id(event: &mut Event<'_>) -> String {
    format!(
        "LgAAAAB{}{}{}AAAB",
        event.random.hex(16),
        event.random.hex(16),
        event.random.hex(16)
    )
}

fn message_id(event: &mut Event<'_>) -> String {
    format!(
        "<AM6PR01MB{}@AM6PR01MB{}.prod.mail.example>",
        event.random.hex(16),
        event.random.below(9999)
    )
}

/// What all three record types say about the mailbox and the logon.
fn logon(record: &mut Object<'_>, event: &mut Event<'_>) {
    let delegated = event.random.chance(80);
    let owner = if delegated {
        event.people.pick(&mut event.random)
    } else {
        event.person
    };
    let client = *event.random.pick(&CLIENTS);
    address::write(record, event, "ClientIP");
    address::write(record, event, "ClientIPAddress");
    record.str("ClientInfoString", client);
    if client.contains("RPC") || client.contains("Mapi") {
        record
            .str("ClientProcessName", "OUTLOOK.EXE")
            .str("ClientVersion", "16.0.17928.20216");
    }
    record
        .bool("ExternalAccess", false)
        .int("InternalLogonType", 0)
        .int("LogonType", if delegated { 2 } else { 0 })
        .str("LogonUserSid", &event.person.sid)
        .str("MailboxGuid", &owner.mailbox)
        .str("MailboxOwnerSid", &owner.sid)
        .str("MailboxOwnerUPN", &owner.upn)
        .str("OrganizationName", &event.tenant.name);
    // The line break is in the wild.
    record.str(
        "OriginatingServer",
        &format!("AM6PR01MB{} (15.20.7982.018)\r\n", event.random.below(9999)),
    );
    let session = event.random.guid();
    record.str("SessionId", &session);
}

fn folder(record: &mut Object<'_>, key: &str, id: &str, path: &str) {
    record.object(key, |folder| {
        folder.str("Id", id).str("Path", path);
        if let Some(name) = path.strip_prefix('\\') {
            folder.str("Name", name);
        }
    });
}

/// Record type 2.
pub(super) fn item(record: &mut Object<'_>, event: &mut Event<'_>) {
    let operation = *event
        .random
        .pick(&["Create", "Send", "Update", "SendAs", "SendOnBehalf", "HardDelete"]);
    let result = if event.random.chance(30) {
        "Failed"
    } else {
        "Succeeded"
    };
    event.personal_head(record, (2, "Exchange", operation), Some(result));
    logon(record, event);
    let (id, folder_id, message) = (item_id(event), item_id(event), message_id(event));
    let (path, subject) = (*event.random.pick(&FOLDERS), *event.random.pick(&SUBJECTS));
    let (size, attached) = (2_000 + event.random.below(90_000), event.random.chance(250));
    record.object("Item", |item| {
        item.str("Id", &id)
            .str("InternetMessageId", &message)
            .int("SizeInBytes", i64::try_from(size).unwrap_or(0))
            .str("Subject", subject);
        if attached {
            item.str("Attachments", "Offer.pdf (81273b); Terms.docx (20110b)");
        }
        folder(item, "ParentFolder", &folder_id, path);
    });
    if operation == "Update" {
        // Names only, unlike the objects of every other workload.
        record.strings(
            "ModifiedProperties",
            &["Subject", "AllAttachmentsHidden", "RecipientTablePropertiesBlob"],
        );
    }
}

/// Record type 3.
pub(super) fn group(record: &mut Object<'_>, event: &mut Event<'_>) {
    let operation = *event
        .random
        .pick(&["MoveToDeletedItems", "SoftDelete", "HardDelete", "Move", "Copy"]);
    event.personal_head(record, (3, "Exchange", operation), Some("Succeeded"));
    logon(record, event);
    let count = 1 + event.random.below(6);
    let items: Vec<_> = (0..count)
        .map(|_| (item_id(event), message_id(event), *event.random.pick(&SUBJECTS)))
        .collect();
    let folder_id = item_id(event);
    record.array("AffectedItems", |list| {
        for (id, message, subject) in &items {
            list.object(|item| {
                item.str("Id", id)
                    .str("InternetMessageId", message)
                    .str("Subject", subject);
                folder(item, "ParentFolder", &folder_id, "\\Inbox");
            });
        }
    });
    record.bool("CrossMailboxOperation", false);
    if operation != "HardDelete" {
        let id = item_id(event);
        folder(record, "DestFolder", &id, "\\Deleted Items");
    }
    folder(record, "Folder", &folder_id, "\\Inbox");
}

/// Record type 50.
pub(super) fn accessed(record: &mut Object<'_>, event: &mut Event<'_>) {
    event.personal_head(record, (50, "Exchange", "MailItemsAccessed"), Some("Succeeded"));
    logon(record, event);
    let sync = event.random.chance(300);
    let throttled = if event.random.chance(10) { "True" } else { "False" };
    let app = event.thing("mail client");
    record.str("AppId", &app).str("ClientAppId", &app).pairs(
        "OperationProperties",
        &[
            ("MailAccessType", if sync { "Sync" } else { "Bind" }),
            ("IsThrottled", throttled),
        ],
    );
    let folders = 1 + event.random.below(2);
    let mut operations = 0_i64;
    let contents: Vec<_> = (0..folders)
        .map(|_| {
            let items = if sync { 0 } else { 1 + event.random.below(8) };
            operations += i64::try_from(items.max(1)).unwrap_or(1);
            let messages: Vec<_> = (0..items).map(|_| message_id(event)).collect();
            (item_id(event), *event.random.pick(&FOLDERS), messages)
        })
        .collect();
    record.array("Folders", |list: &mut Array<'_>| {
        for (id, path, messages) in &contents {
            list.object(|folder| {
                folder.str("Id", id).str("Path", path);
                if !messages.is_empty() {
                    folder.array("FolderItems", |items| {
                        for message in messages {
                            items.object(|item| {
                                item.str("InternetMessageId", message);
                            });
                        }
                    });
                }
            });
        }
    });
    record.int("OperationCount", operations);
}

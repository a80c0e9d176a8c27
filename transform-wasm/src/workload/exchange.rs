//! Exchange Online.
//!
//! | record | from | to |
//! |---|---|---|
//! | admin, item | `OrganizationName` | `organization.name` |
//! | admin, item | `OriginatingServer` | `server.*` |
//! | item | `MailboxOwnerUPN` | `user.email` |
//! | item | `LogonUserSid` | `user.id`, if there is no other |
//! | item | `LogonUserDisplayName` | `user.full_name` |
//! | item | `ClientProcessName` | `process.name` |

use bumpalo::collections::Vec;

use crate::document::{Document, Step};
use crate::json::{Value, key, path};
use crate::mapping::{SERVER, copy_user_id};
use crate::record_type;

/// §3.1: a cmdlet.
pub(super) fn admin(doc: &mut Document<'_>) -> Step {
    doc.move_field(path!("OrganizationName"), path!("organization.name"))?;
    doc.move_field(path!("OriginatingServer"), SERVER)
}

/// §3.2: something done to one item of a mailbox.
pub(super) fn item(doc: &mut Document<'_>) -> Step {
    if doc.profile.maps_newer_fields {
        doc.append(path!("event.category"), "email");
    }
    doc.move_field(path!("MailboxOwnerUPN"), path!("user.email"))?;
    if !doc.has(path!("user.id")) {
        copy_user_id(doc, path!("LogonUserSid"))?;
    }
    doc.move_field(path!("LogonUserDisplayName"), path!("user.full_name"))?;
    doc.move_field(path!("OrganizationName"), path!("organization.name"))?;
    doc.move_field(path!("OriginatingServer"), SERVER)?;
    doc.move_field(path!("ClientIPAddress"), path!("client._temp"))?;
    doc.move_field(path!("ClientProcessName"), path!("process.name"))
}

/// N28: a bundle of accesses to a mailbox; and, for any record, what detected the threats in its entities.
pub(crate) fn aggregated<'a>(doc: &mut Document<'a>, detection_methods: Vec<'a, Value<'a>>) {
    if doc.record_type == Some(record_type::EXCHANGE_ITEM_AGGREGATED) {
        doc.classify(&["email"], &["access"]);
        for (from, to) in [
            (key!("Messages"), key!("ExchangeAggregatedMessages")),
            (key!("Folders"), key!("ExchangeAggregatedFolders")),
        ] {
            if let Some(value) = doc.src.remove(from) {
                doc.src.set(to, value);
            }
        }
    }
    if !detection_methods.is_empty() {
        doc.src
            .set(key!("ThreatDetectionMethods"), Value::from(detection_methods));
    }
}

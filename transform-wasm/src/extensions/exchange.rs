//! Exchange: mailbox owners, mail, and what cmdlets do. X07, X08, X11.

use super::related::set_target_address;
use crate::document::{Document, Step};
use crate::json::{Key, Path, Text, Value, key, path};
use crate::mapping::SERVER;

/// X07: the record types that the reference forgot carry the same fields as mailbox items.
pub(super) fn mailbox_fields(doc: &mut Document<'_>) -> Step {
    let Some(3 | 19 | 50) = doc.record_type else {
        return Ok(());
    };
    doc.copy_if_unset(path!("OrganizationName"), path!("organization.name"))?;
    doc.copy_if_unset(path!("OriginatingServer"), SERVER)?;
    doc.copy_if_unset(path!("LogonUserDisplayName"), path!("user.full_name"))?;
    doc.copy_if_unset(path!("ClientProcessName"), path!("process.name"))
}

/// X07, X08.
pub(super) fn mailbox(doc: &mut Document<'_>) -> Step {
    if let Some(owner) = doc.mailbox_owner.clone() {
        doc.src.set(key!("MailboxOwnerUPN"), owner);
    }
    if let Some(Value::Text(owner)) = doc.mailbox_owner {
        let actor = doc.ecs_text(path!("user.id"));
        let same = actor.is_some_and(|actor| actor.to_lowercase(doc.bump) == owner.to_lowercase(doc.bump));
        if !same && !owner.is_empty() {
            set_target_address(doc, owner);
            doc.copy_if_unset(path!("MailboxOwnerSid"), path!("user.target.id"))?;
        }
    }
    let Some(2 | 3 | 19 | 50) = doc.record_type else {
        return Ok(());
    };
    let (category, kind): (&[&str], &[&str]) = match doc.action() {
        "MailItemsAccessed" | "MessageBind" | "FolderBind" | "AttachmentAccess" | "SearchQueryInitiated" => {
            (&["email"], &["access"])
        }
        "MailboxLogin" => (&["email", "authentication"], &["start"]),
        "UpdateInboxRules" | "ApplyRecord" | "UpdateComplianceTag" | "PriorityCleanupDelete" => {
            (&["email", "configuration"], &["change"])
        }
        "AddFolderPermissions"
        | "RemoveFolderPermissions"
        | "ModifyFolderPermissions"
        | "UpdateFolderPermissions"
        | "UpdateCalendarDelegation" => (&["email", "iam"], &["change"]),
        _ => (&["email"], &[]),
    };
    doc.classify_further(category, kind);
    mail(doc)
}

fn mail(doc: &mut Document<'_>) -> Step {
    doc.collect_field(path!("Item.Subject"), path!("email.subject"));
    if doc.profile.maps_newer_fields {
        let subjects = members(doc, path!("AffectedItems"), key!("Subject"));
        doc.collect(&subjects, path!("email.subject"));
    }
    doc.collect_field(path!("Item.InternetMessageId"), path!("email.message_id"));
    doc.copy_if_unset(path!("Item.ParentFolder.Path"), path!("file.directory"))?;
    doc.copy_if_unset(path!("Folder.Path"), path!("file.directory"))?;
    doc.copy_if_filled(path!("DestFolder.Path"), path!("o365.ext.destination.directory"))?;
    doc.collect_field(path!("SendAsUserSmtp"), path!("email.from.address"));
    doc.collect_field(path!("SendOnBehalfOfUserSmtp"), path!("email.from.address"));
    let recipients = members(doc, path!("recipientList"), key!("Address"));
    doc.collect(&recipients, path!("email.to.address"));
    if doc.record_type == Some(50) {
        let properties = doc
            .src
            .get(key!("OperationProperties"))
            .and_then(Value::list)
            .unwrap_or_default();
        let access = properties.iter().filter_map(Value::object).find_map(|property| {
            property
                .text(key!("Name"))
                .filter(|name| name.is("MailAccessType"))?;
            property
                .get(key!("Value"))
                .filter(|value| !value.holds_object())
                .cloned()
        });
        if let Some(access) = access {
            doc.set(path!("o365.ext.mail_access_type"), access)?;
        }
        let mut ids = doc.new_list();
        for folders in [key!("ExchangeAggregatedFolders"), key!("Folders")] {
            let folders = doc.src.get(folders).and_then(Value::list).unwrap_or_default();
            let items = folders
                .iter()
                .filter_map(|folder| folder.object()?.get(key!("FolderItems"))?.list())
                .flatten();
            ids.extend(
                items
                    .filter_map(|item| item.object()?.text(key!("InternetMessageId")))
                    .map(Value::Text),
            );
        }
        doc.collect(&Value::from(ids), path!("o365.ext.message_ids"));
    }
    Ok(())
}

/// One field of every object in a list of the record, where it is a value.
pub(super) fn members<'a>(doc: &Document<'a>, list: &Path, field: &Key<'_>) -> Value<'a> {
    let mut found = doc.new_list();
    let members = doc.src.at(list).and_then(Value::list).unwrap_or_default();
    found.extend(
        members
            .iter()
            .filter_map(|member| member.object()?.get(field))
            .filter(|value| !value.holds_object())
            .cloned(),
    );
    Value::from(found)
}

/// Nouns that decide who may do what.
const IDENTITY_NOUNS: [&str; 9] = [
    "Permission",
    "RoleAssignment",
    "RoleGroup",
    "ManagementRole",
    "Member",
    "User",
    "Group",
    "AuthenticationPolicy",
    "Delegation",
];

/// X11: `Verb-Noun`.
pub(super) fn cmdlet(doc: &mut Document<'_>) -> Step {
    let Some(1 | 10 | 18 | 23 | 57 | 364) = doc.record_type else {
        return Ok(());
    };
    let Some((verb, noun)) = doc.action().split_once('-') else {
        return Ok(());
    };
    let kind = match verb {
        "New" => "creation",
        "Enable" | "Start" | "Add" | "Install" | "Import" | "Set" | "Update" | "Disable" | "Undo"
        | "Move" | "Restore" => "change",
        "Remove" | "Uninstall" | "Clear" => "deletion",
        "Get" | "Search" | "Export" | "Test" | "Preview" => "access",
        _ => return Ok(()),
    };
    let has = |parts: &[&str]| parts.iter().any(|part| holds(noun, part));
    let category = if has(&IDENTITY_NOUNS) {
        "iam"
    } else {
        "configuration"
    };
    doc.classify_further(&[category], &[kind]);
    if has(&["ComplianceSearch", "Export", "Content"]) {
        doc.classify_further(&["file"], &[]);
    }
    for parameter in [
        path!("Parameters.User"),
        path!("Parameters.Trustee"),
        path!("Parameters.Member"),
    ] {
        if let Some(user) = doc.src.at(parameter).and_then(Value::text) {
            set_target_address(doc, user);
        }
    }
    doc.copy_if_filled(path!("ObjectId"), path!("o365.ext.object"))?;
    split_parameters(doc)
}

/// Whether a short text holds a shorter one: cheaper than a searcher that is made for long ones.
fn holds(text: &str, part: &str) -> bool {
    text.as_bytes()
        .windows(part.len())
        // The first byte tells most windows apart.
        .any(|window| window.first() == part.as_bytes().first() && window == part.as_bytes())
}

/// Parameters that came as one command line.
fn split_parameters(doc: &mut Document<'_>) -> Step {
    let Some(raw) = doc.src.at(path!("Parameters._raw")).and_then(Value::text) else {
        return Ok(());
    };
    let mut parameters = doc.new_object();
    for (name, value) in command_line(raw.plain(doc.bump)) {
        let (name, value) = (
            doc.text(name),
            Value::Text(value.map_or(Text::literal("true"), |it| doc.text(it))),
        );
        match parameters.get_mut(&Key::from(name)) {
            Some(Value::List(values)) => values.push(value),
            Some(first) => {
                let mut values = doc.new_list();
                values.push(first.clone());
                values.push(value);
                *first = Value::from(values);
            }
            None => parameters.set(name, value),
        }
    }
    if parameters.is_empty() {
        Ok(())
    } else {
        doc.set(path!("o365.ext.parameters"), Value::Object(parameters))
    }
}

/// `-Name value` pairs. A value may stand in quotes; a name without one is a switch.
fn command_line(line: &str) -> Vec<(&str, Option<&str>)> {
    /// Beyond it this is no command line.
    const MAX_PARAMETERS: usize = 256;
    let mut found: Vec<(&str, Option<&str>)> = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && found.len() < MAX_PARAMETERS {
        let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''));
        let (token, after) = match quote {
            Some(quote) => rest[1..].split_once(quote).unwrap_or((&rest[1..], "")),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        let name = token
            .strip_prefix('-')
            .filter(|name| quote.is_none() && name.starts_with(|first: char| first.is_ascii_alphabetic()));
        match (name, found.last_mut()) {
            (Some(name), _) => found.push((name, None)),
            (None, Some((_, value @ None))) => *value = Some(token),
            _ => {}
        }
        rest = after.trim_start();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_split() {
        let line = r#"-Identity "a b" -Force -Count -1 -Name 'x' stray -Name y"#;
        assert_eq!(
            command_line(line),
            [
                ("Identity", Some("a b")),
                ("Force", None),
                ("Count", Some("-1")),
                ("Name", Some("x")),
                ("Name", Some("y"))
            ]
        );
    }
}

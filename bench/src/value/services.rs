//! What only some services know.

use serde_json::{Value, json};

use super::people::address;
use super::{Document, Object, text};

/// What only some services know; the server, if it is one of them.
pub(super) fn known(doc: &mut Document, src: &mut Object) -> Option<Value> {
    let record_type = text(src, "RecordType").unwrap_or_default().to_owned();
    let mut server = None;
    let mut move_all = |doc: &mut Document, fields: &[(&str, &str, &str)]| {
        for (from, group, to) in fields {
            doc.set(group, to, src.remove(*from).unwrap_or_default());
        }
    };
    match record_type.as_str() {
        "1" | "2" => {
            move_all(doc, &[("OrganizationName", "organization", "name")]);
            if record_type == "2" {
                doc.classify("email", &[]);
                move_all(
                    doc,
                    &[
                        ("MailboxOwnerUPN", "user", "email"),
                        ("LogonUserDisplayName", "user", "full_name"),
                        ("ClientProcessName", "process", "name"),
                    ],
                );
            }
            server = src.remove("OriginatingServer");
        }
        "6" | "14" => move_all(
            doc,
            &[
                ("ObjectId", "url", "original"),
                ("SourceRelativeUrl", "file", "directory"),
                ("SourceFileName", "file", "name"),
                ("SourceFileExtension", "file", "extension"),
            ],
        ),
        "8" => directory(doc, src),
        "11" | "13" => policy(doc, src),
        "15" => doc.classify("authentication", &["start", "access"]),
        "22" => network(doc),
        "25" => team(doc, src),
        "40" => alert(doc, src),
        "50" => doc.classify("email", &["access"]),
        _ => {}
    }
    server
}

fn directory(doc: &mut Document, src: &Object) {
    let id = src.get("ObjectId").cloned().unwrap_or_default();
    doc.group("user").insert("target".into(), json!({ "id": id }));
    let (action, kind) = match doc.action.as_str() {
        "Add user." => ("added-user-account", "creation"),
        "Update user." => ("modified-user-account", "change"),
        "Delete user." => ("deleted-user-account", "deletion"),
        _ => return,
    };
    action.clone_into(&mut doc.action);
    doc.classify("iam", &["user", kind]);
}

fn policy(doc: &mut Document, src: &mut Object) {
    doc.set("event", "kind", "alert");
    doc.classify("file", &["access"]);
    if let Some(Value::Object(file)) = src.get_mut("SharePointMetaData") {
        for (from, group, to) in [
            ("FileName", "file", "name"),
            ("FilePathUrl", "url", "original"),
            ("FileOwner", "file", "owner"),
        ] {
            doc.set(group, to, file.remove(from).unwrap_or_default());
        }
    }
    let blocks = members(src.get("PolicyDetails"))
        .flat_map(|policy| members(policy.get("Rules")))
        .flat_map(|rule| members(rule.get("Actions")))
        .any(|action| action == "BlockAccess");
    let excepted = src
        .get("ExceptionInfo")
        .is_some_and(|info| !info.is_null() && *info != json!({}));
    let fails = blocks && doc.action != "DlpRuleUndo" && (doc.action == "DlpInfo" || !excepted);
    doc.set("event", "outcome", if fails { "failure" } else { "success" });
}

fn members(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
}

fn alert(doc: &mut Document, src: &Object) {
    doc.set("event", "kind", "alert");
    let data: Value = serde_json::from_str(text(src, "Data").unwrap_or("{}")).unwrap_or_default();
    if let Some(user) = data.get("f3u").and_then(Value::as_str)
        && address(user).is_some()
    {
        doc.set("user", "email", user);
    }
}

fn network(doc: &mut Document) {
    match doc.action.as_str() {
        "NetworkUserSuspended" | "UserSuspension" => doc.classify("iam", &[]),
        "GroupCreation" => doc.classify("iam", &["creation", "group"]),
        "GroupDeletion" => doc.classify("iam", &["deletion", "group"]),
        "FileCreated" | "FileUpdateName" => doc.classify("file", &["creation"]),
        "FileDownloaded" | "FileShared" | "FileVisited" => doc.classify("file", &["access"]),
        "NetworkConfigurationUpdated" | "ProcessProfileFields" => doc.classify("configuration", &["change"]),
        _ => {}
    }
}

fn team(doc: &mut Document, src: &mut Object) {
    let (action, kind) = match doc.action.as_str() {
        "TeamCreated" => ("added-group-account-to", "creation"),
        "MemberAdded" => ("added-users-to-group", "change"),
        _ => ("", ""),
    };
    if !action.is_empty() {
        action.clone_into(&mut doc.action);
        doc.classify("iam", &["group", kind]);
    }
    doc.set("group", "name", src.remove("TeamName").unwrap_or_default());
    for member in members(src.get("Members")) {
        doc.users.extend(member.get("UPN").cloned());
    }
}

/// What an operation on a file says, whatever the service.
pub(super) fn operation(doc: &mut Document, src: &Object) {
    if text(src, "RecordType") == Some("22") {
        return;
    }
    let kind = match doc.action.as_str() {
        "FileAccessed" | "FileDownloaded" => "access",
        "FileModified" | "FileMoved" | "FileRenamed" | "FileRestored" | "FolderModified" | "FolderMoved"
        | "FolderRenamed" | "FolderRestored" => "change",
        "FileDeleted" | "FolderDeleted" => "deletion",
        "FileUploaded" | "FolderCopied" | "FolderCreated" => "creation",
        _ => return,
    };
    doc.classify("file", &[kind]);
}

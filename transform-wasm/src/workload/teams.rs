//! Microsoft Teams.
//!
//! | from | to |
//! |---|---|
//! | `TeamName` | `group.name` |
//! | `Members[].UPN` | `related.user` |
//! | `ObjectId` | `user.target.id`, for the deletion of a user |

use crate::document::{Document, Step};
use crate::json::{Value, key, path};

/// §3.9.
pub(super) fn activity(doc: &mut Document<'_>) -> Step {
    match doc.action() {
        "TeamCreated" => {
            doc.set(path!("event.action"), "added-group-account-to")?;
            doc.classify(&["iam"], &["group", "creation"]);
        }
        "MemberAdded" => {
            doc.set(path!("event.action"), "added-users-to-group")?;
            doc.classify(&["iam"], &["group", "change"]);
        }
        "Delete user." => {
            doc.set(path!("event.action"), "deleted-user-account")?;
            doc.classify(&["iam"], &["user", "deletion"]);
            doc.move_field(path!("ObjectId"), path!("user.target.id"))?;
        }
        _ => {}
    }
    doc.move_field(path!("TeamName"), path!("group.name"))?;
    let Some(members) = doc.src.get(key!("Members")).and_then(Value::list) else {
        return Ok(());
    };
    let mut names = doc.new_list();
    let mut nameless = false;
    for name in members
        .iter()
        .filter_map(|member| member.object()?.get(key!("UPN")))
    {
        nameless |= name.is_null();
        if !name.is_void() && !doc.refuses(name) {
            names.push(name.clone());
        }
    }
    if let Some(related) = doc.list_at(path!("related.user")) {
        related.append(&mut names);
    }
    if nameless {
        doc.fault("a member has no UPN")
    } else {
        Ok(())
    }
}

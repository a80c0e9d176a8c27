//! Microsoft Entra ID: changes of the directory, and sign-ins.
//!
//! | record | from | to |
//! |---|---|---|
//! | directory | `ObjectId` | `user.target.id` (a copy, whatever kind of object it is) |

use crate::document::{Document, Step};
use crate::json::{key, path};

/// §3.3.
pub(super) fn directory(doc: &mut Document<'_>) -> Step {
    if doc.src.get(key!("ObjectId")).is_none() {
        doc.fault("ObjectId is missing")?;
    }
    doc.copy_field(path!("ObjectId"), path!("user.target.id"))?;
    let (action, kind) = match doc.action() {
        "Add user." => ("added-user-account", "creation"),
        "Update user." => ("modified-user-account", "change"),
        "Delete user." => ("deleted-user-account", "deletion"),
        _ => return Ok(()),
    };
    doc.set(path!("event.action"), action)?;
    doc.classify(&["iam"], &["user", kind]);
    Ok(())
}

/// §3.4.
pub(super) fn sign_in(doc: &mut Document<'_>) {
    doc.classify(&["authentication"], &["start", "access"]);
}

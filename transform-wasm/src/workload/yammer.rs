//! Yammer, today Viva Engage.
//!
//! | from | to |
//! |---|---|
//! | `ActorUserId` | `user.email` |
//! | `ActorYammerUserId` | `user.id`, if there is no other |
//! | `FileId`, `FileName` | `file.inode`, `file.name` |
//! | `GroupName` | `group.name` |
//! | `TargetUserId`, `TargetYammerUserId` | `destination.user.email`, `destination.user.id` |

use crate::document::{Document, Step};
use crate::json::path;
use crate::mapping::copy_user_id;

/// §3.8.
pub(super) fn activity(doc: &mut Document<'_>) -> Step {
    doc.move_field(path!("ActorUserId"), path!("user.email"))?;
    if !doc.has(path!("user.id")) {
        copy_user_id(doc, path!("ActorYammerUserId"))?;
    }
    doc.move_field(path!("FileId"), path!("file.inode"))?;
    doc.move_field(path!("FileName"), path!("file.name"))?;
    doc.move_field(path!("GroupName"), path!("group.name"))?;
    doc.move_field(path!("TargetUserId"), path!("destination.user.email"))?;
    doc.move_field(path!("TargetYammerUserId"), path!("destination.user.id"))?;
    let (categories, types): (&[&str], &[&str]) = match doc.action() {
        "NetworkConfigurationUpdated"
        | "SoftDeleteSettingsUpdated"
        | "ProcessProfileFields"
        | "SupervisorAdminToggled" => (&["configuration"], &["change"]),
        "NetworkSecurityConfigurationUpdated" => (&["configuration", "iam"], &["change", "admin"]),
        "GroupCreation" => (&["iam"], &["creation", "group"]),
        "GroupDeletion" => (&["iam"], &["deletion", "group"]),
        "NetworkUserSuspended" | "UserSuspension" => (&["iam"], &[]),
        "FileCreated" | "FileUpdateName" => (&["file"], &["creation"]),
        "FileDownloaded" | "FileShared" | "FileUpdateDescription" | "FileVisited" => (&["file"], &["access"]),
        _ => return Ok(()),
    };
    doc.classify(categories, types);
    Ok(())
}

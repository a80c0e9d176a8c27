//! SharePoint and OneDrive: the operations that the reference does not classify, sharing targets, and the
//! parts of file names. X09, X13.

use super::related::set_target;
use crate::document::{Document, Step};
use crate::json::{key, path};
use crate::mapping::file_size;

/// X09.
pub(super) fn operations(doc: &mut Document<'_>) -> Step {
    let provider = doc.ecs_text(path!("event.provider"));
    if !provider.is_some_and(|provider| provider.is("SharePoint") || provider.is("OneDrive")) {
        return Ok(());
    }
    if let Some((categories, types)) = classes(doc.action()) {
        doc.classify_further(categories, types);
        if doc.action() == "FileMalwareDetected" && doc.overrides() {
            doc.set(path!("event.kind"), "alert")?;
        }
    }
    let kind = doc
        .src
        .text(key!("TargetUserOrGroupType"))
        .map_or("", |kind| kind.plain(doc.bump));
    let target = doc
        .src
        .text(key!("TargetUserOrGroupName"))
        .filter(|target| !target.is_empty());
    let shared_with = doc
        .src
        .text(key!("UserSharedWith"))
        .filter(|target| !target.is_empty());
    if kind.contains("Group") {
        if let Some(group) = target {
            doc.set_if_unset(path!("group.name"), group)?;
        }
        return Ok(());
    }
    match target
        .filter(|_| matches!(kind, "Member" | "Guest"))
        .or(shared_with)
    {
        Some(user) => set_target(doc, user),
        None => Ok(()),
    }
}

type Classes = (&'static [&'static str], &'static [&'static str]);

fn classes(operation: &str) -> Option<Classes> {
    Some(match operation {
        "FilePreviewed"
        | "FileViewed"
        | "FileFetched"
        | "FileAccessedExtended"
        | "FileSyncDownloadedFull"
        | "FileSyncDownloadedPartial"
        | "FileTranscriptRequest"
        | "AnonymousLinkUsed"
        | "CompanyLinkUsed"
        | "SecureLinkUsed" => (&["file"], &["access"]),
        "FileCopied" | "FileSyncUploadedFull" | "FileSyncUploadedPartial" => (&["file"], &["creation"]),
        "FileModifiedExtended"
        | "FileCheckedIn"
        | "FileCheckedOut"
        | "FileCheckOutDiscarded"
        | "FileSensitivityLabelApplied"
        | "FileSensitivityLabelChanged"
        | "FileSensitivityLabelRemoved" => (&["file"], &["change"]),
        "FileRecycled"
        | "FolderRecycled"
        | "FileDeletedFirstStageRecycleBin"
        | "FileDeletedSecondStageRecycleBin"
        | "FolderDeletedFirstStageRecycleBin"
        | "FolderDeletedSecondStageRecycleBin" => (&["file"], &["deletion"]),
        "FileMalwareDetected" => (&["malware", "file"], &[]),
        "PageViewed"
        | "PageViewedExtended"
        | "ClientViewSignaled"
        | "SearchQueryPerformed"
        | "SearchViewed" => (&[], &["access"]),
        "SharingSet"
        | "SharingRevoked"
        | "SharedLinkCreated"
        | "SharedLinkDisabled"
        | "AnonymousLinkCreated"
        | "AnonymousLinkUpdated"
        | "AnonymousLinkRemoved"
        | "CompanyLinkCreated"
        | "CompanyLinkUpdated"
        | "CompanyLinkRemoved"
        | "SecureLinkCreated"
        | "SecureLinkUpdated"
        | "SecureLinkDeleted"
        | "AddedToSecureLink"
        | "RemovedFromSecureLink" => (&["file", "iam"], &["change"]),
        "UserAddedToGroup"
        | "UserRemovedFromGroup"
        | "AddedToGroup"
        | "RemovedFromGroup"
        | "GroupUpdated" => (&["iam"], &["group", "change"]),
        "GroupAdded" => (&["iam"], &["group", "creation"]),
        "GroupRemoved" => (&["iam"], &["group", "deletion"]),
        "SiteCollectionAdminAdded" | "SiteCollectionAdminRemoved" | "SiteAdminChangeRequest" => {
            (&["iam"], &["admin", "change"])
        }
        "SiteCollectionCreated" => (&["configuration"], &["creation"]),
        "SiteRenamed" | "SiteRestored" | "SharingPolicyChanged" => (&["configuration"], &["change"]),
        "SitePermanentlyDeleted" => (&["configuration"], &["deletion"]),
        // The reference has them.
        "FileModified" | "FolderModified" => return None,
        other => return by_affix(other),
    })
}

fn by_affix(operation: &str) -> Option<Classes> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| operation.starts_with(prefix));
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| operation.ends_with(suffix));
    if starts(&["SharingInvitation", "AccessInvitation", "AccessRequest"]) {
        return Some((&["file", "iam"], &["change"]));
    }
    if starts(&["PermissionLevel", "SharingInheritance"]) {
        return Some((&["iam"], &["admin", "change"]));
    }
    if starts(&["List", "ContainerType"]) {
        if ends(&["Created"]) {
            return Some((&["configuration"], &["creation"]));
        }
        if ends(&["Deleted"]) {
            return Some((&["configuration"], &["deletion"]));
        }
        if ends(&["Updated"]) {
            return Some((&["configuration"], &["change"]));
        }
    }
    ends(&[
        "Set",
        "Modified",
        "Enabled",
        "Changed",
        "Activated",
        "Deactivated",
    ])
    .then_some((&["configuration"] as &[_], &["change"] as &[_]))
}

/// X13: names, sizes, destinations and labels of files.
pub(super) fn files(doc: &mut Document<'_>) -> Step {
    if let Some(name) = doc.ecs_text(path!("file.name")) {
        let plain = name.plain(doc.bump);
        if !doc.has(path!("file.extension"))
            && let Some((_, extension)) = plain.rsplit_once('.')
            && !extension.is_empty()
        {
            let extension = doc.text(&extension.to_lowercase());
            doc.set(path!("file.extension"), extension)?;
        }
        if !doc.has(path!("file.path"))
            && let Some(directory) = doc.ecs_text(path!("file.directory"))
            && !directory.is_empty()
        {
            let path = doc.text(&format!("{}/{plain}", directory.plain(doc.bump)));
            doc.set(path!("file.path"), path)?;
        }
    }
    file_size(doc)?;
    if let (Some(11 | 13), Some(id)) = (doc.record_type, doc.ecs_text(path!("file.inode"))) {
        doc.set_if_unset(path!("o365.ext.file_id"), id)?;
    }
    doc.copy_if_filled(
        path!("DestinationRelativeUrl"),
        path!("o365.ext.destination.directory"),
    )?;
    doc.copy_if_filled(path!("DestinationFileName"), path!("o365.ext.destination.name"))?;
    doc.copy_if_filled(
        path!("DestinationFileExtension"),
        path!("o365.ext.destination.extension"),
    )?;
    doc.copy_if_filled(path!("ListItemUniqueId"), path!("o365.ext.file_id"))?;
    doc.copy_if_filled(path!("SourceLabel"), path!("o365.ext.label.source"))?;
    doc.copy_if_filled(path!("DestinationLabel"), path!("o365.ext.label.destination"))?;
    doc.copy_if_filled(path!("SensitivityLabelId"), path!("o365.ext.label.id"))
}

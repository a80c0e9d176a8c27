//! SharePoint and OneDrive.
//!
//! | from | to |
//! |---|---|
//! | `ObjectId` | `url.original` |
//! | `SourceRelativeUrl` | `file.directory` |
//! | `SourceFileName` | `file.name` |
//! | `SourceFileExtension` | `file.extension` |

use crate::document::{Document, Step};
use crate::json::path;

/// §3.5, fields: record types of file and of sharing operations.
pub(super) fn fields(doc: &mut Document<'_>) -> Step {
    doc.move_field(path!("ObjectId"), path!("url.original"))?;
    doc.move_field(path!("SourceRelativeUrl"), path!("file.directory"))?;
    doc.move_field(path!("SourceFileName"), path!("file.name"))?;
    doc.move_field(path!("SourceFileExtension"), path!("file.extension"))
}

/// §3.5, actions: every record type.
pub(super) fn actions(doc: &mut Document<'_>) {
    let (category, kind) = match doc.action() {
        "FileAccessed" | "FileDownloaded" => ("file", "access"),
        "FileModified" | "FileMoved" | "FileRenamed" | "FileRestored" | "FolderModified" | "FolderMoved"
        | "FolderRenamed" | "FolderRestored" => ("file", "change"),
        "FileDeleted" | "FolderDeleted" => ("file", "deletion"),
        "FileUploaded" | "FolderCopied" | "FolderCreated" => ("file", "creation"),
        "ComplianceSettingChanged" => ("configuration", "change"),
        _ => return,
    };
    doc.classify(&[category], &[kind]);
}

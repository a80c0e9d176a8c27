//! SharePoint and OneDrive: the operations that the reference does not classify, sharing targets, and the
//! parts of files and addresses. X09, X13.

use super::related::set_target;
use crate::document::{Document, Step};
use crate::json::{Text, Value};
use crate::mapping::{file_size, is_ip};
use crate::survey::Survey;

/// X09.
pub(super) fn operations(doc: &mut Document<'_>) -> Step {
    let provider = doc.ecs_text("event.provider");
    if !provider.is_some_and(|provider| provider.is("SharePoint") || provider.is("OneDrive")) {
        return Ok(());
    }
    if let Some((categories, types)) = classes(doc.action()) {
        doc.classify_further(categories, types);
        if doc.action() == "FileMalwareDetected" && doc.overrides() {
            doc.set("event.kind", "alert")?;
        }
    }
    let kind = doc
        .src
        .text("TargetUserOrGroupType")
        .map_or("", |kind| kind.plain(doc.bump));
    let target = doc
        .src
        .text("TargetUserOrGroupName")
        .filter(|target| !target.is_empty());
    let shared_with = doc.src.text("UserSharedWith").filter(|target| !target.is_empty());
    if kind.contains("Group") {
        if let Some(group) = target {
            doc.set_if_unset("group.name", group)?;
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

/// X13, without the parts that need the public suffix list.
pub(super) fn files(doc: &mut Document<'_>) -> Step {
    if let Some(url) = doc.ecs_text("url.original") {
        url_parts(doc, url)?;
    }
    if let Some(name) = doc.ecs_text("file.name") {
        let plain = name.plain(doc.bump);
        if let Some((_, extension)) = plain
            .rsplit_once('.')
            .filter(|(_, extension)| !extension.is_empty())
        {
            let extension = doc.text(&extension.to_lowercase());
            doc.set_if_unset("file.extension", extension)?;
        }
        if let Some(directory) = doc
            .ecs_text("file.directory")
            .filter(|directory| !directory.is_empty())
        {
            let path = doc.text(&format!("{}/{plain}", directory.plain(doc.bump)));
            doc.set_if_unset("file.path", path)?;
        }
    }
    file_size(doc)?;
    if let (Some(11 | 13), Some(id)) = (doc.record_type, doc.ecs_text("file.inode")) {
        doc.set_if_unset("o365.ext.file_id", id)?;
    }
    if !doc.survey.has(Survey::LABELS) {
        return Ok(());
    }
    doc.copy_if_filled("DestinationRelativeUrl", "o365.ext.destination.directory")?;
    doc.copy_if_filled("DestinationFileName", "o365.ext.destination.name")?;
    doc.copy_if_filled("DestinationFileExtension", "o365.ext.destination.extension")?;
    doc.copy_if_filled("ListItemUniqueId", "o365.ext.file_id")?;
    doc.copy_if_filled("SourceLabel", "o365.ext.label.source")?;
    doc.copy_if_filled("DestinationLabel", "o365.ext.label.destination")?;
    doc.copy_if_filled("SensitivityLabelId", "o365.ext.label.id")
}

/// The parts of an absolute URL. Nothing is decoded.
fn url_parts<'a>(doc: &mut Document<'a>, url: Text<'a>) -> Step {
    let plain = url.plain(doc.bump);
    let Some(parts) = Url::parse(plain) else {
        return Ok(());
    };
    doc.set_if_unset("url.full", url)?;
    for (path, part) in [
        ("url.scheme", Some(parts.scheme)),
        ("url.domain", Some(parts.host)),
        ("url.path", parts.path),
        ("url.query", parts.query),
        ("url.fragment", parts.fragment),
        ("url.extension", parts.extension()),
    ] {
        if let Some(part) = part.filter(|part| !part.is_empty()) {
            let part = Text::new(part, doc.bump);
            doc.set_if_unset(path, part)?;
        }
    }
    match parts.port {
        Some(port) => doc.set_if_unset("url.port", Value::Number(port)),
        None => Ok(()),
    }
}

struct Url<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<&'a str>,
    path: Option<&'a str>,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let (rest, fragment) = rest
            .split_once('#')
            .map_or((rest, None), |(rest, it)| (rest, Some(it)));
        let (rest, query) = rest
            .split_once('?')
            .map_or((rest, None), |(rest, it)| (rest, Some(it)));
        let (authority, path) = match rest.find('/') {
            Some(at) => (&rest[..at], Some(&rest[at..])),
            None => (rest, None),
        };
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() && !port.starts_with(['0', '+']) => {
                (host, Some(port))
            }
            _ => (authority, None),
        };
        let host_fits = !host.is_empty()
            && !host.contains(|c: char| c.is_whitespace() || c == '\\')
            && (!host.contains(':') || is_ip(host.trim_matches(['[', ']'])));
        (fits && host_fits).then_some(Self {
            scheme,
            host,
            port,
            path,
            query,
            fragment,
        })
    }

    fn extension(&self) -> Option<&'a str> {
        let name = self.path?.rsplit('/').next()?;
        name.rsplit_once('.').map(|(_, extension)| extension)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = Url::parse("https://contoso.example:8443/sites/a b/x.docx?web=1#top").expect("a URL");
        assert_eq!(
            (url.scheme, url.host, url.port),
            ("https", "contoso.example", Some("8443"))
        );
        assert_eq!(
            (url.path, url.query, url.fragment),
            (Some("/sites/a b/x.docx"), Some("web=1"), Some("top"))
        );
        assert_eq!(url.extension(), Some("docx"));
        for text in [
            "Not a URL",
            "/sites/x",
            "https://",
            "://x",
            "https://a b/",
            "1x://a",
        ] {
            assert!(Url::parse(text).is_none(), "{text}");
        }
    }
}

//! SharePoint and OneDrive: files (6), sharing (14), pages (4) and list items (36).

use super::{Actor, Event, address};
use crate::json::Object;

const FILE_OPERATIONS: [(u64, &str); 10] = [
    (30, "FileAccessed"),
    (18, "FileModified"),
    (14, "FileDownloaded"),
    (10, "FileUploaded"),
    (8, "FilePreviewed"),
    (6, "FileSyncDownloadedFull"),
    (5, "FileDeleted"),
    (4, "FileRenamed"),
    (3, "FileMoved"),
    (2, "FolderCreated"),
];
const SHARING_OPERATIONS: [&str; 7] = [
    "SharingSet",
    "SharingInvitationCreated",
    "AnonymousLinkCreated",
    "AnonymousLinkUsed",
    "SecureLinkCreated",
    "AddedToSecureLink",
    "SharingInheritanceBroken",
];
const FILES: [(&str, &str); 7] = [
    ("Budget 2026.xlsx", "xlsx"),
    ("Offer Contoso v3.docx", "docx"),
    ("Q1 & Q2 results.pptx", "pptx"),
    ("notes.one", "one"),
    ("Bewerbung Müller.pdf", "pdf"),
    ("backup.zip", "zip"),
    ("README", ""),
];

/// The place of an event: a team site or somebody's OneDrive.
#[derive(Debug)]
struct Place {
    workload: &'static str,
    /// With a slash at the end.
    site_url: String,
    folder: &'static str,
}

fn place(event: &mut Event<'_>) -> Place {
    let host = event.short_name();
    if event.random.chance(400) {
        let slug = &event.person.slug;
        Place {
            workload: "OneDrive",
            site_url: format!("https://{host}-my.sharepoint.example/personal/{slug}/"),
            folder: event
                .random
                .word(&["Documents", "Documents/Private", "Documents/Desktop"]),
        }
    } else {
        let site = *event.random.pick(&["finance", "sales", "projects", "hr"]);
        Place {
            workload: "SharePoint",
            site_url: format!("https://{host}.sharepoint.example/sites/{site}/"),
            folder: event
                .random
                .word(&["Shared Documents", "Shared Documents/General", "SiteAssets"]),
        }
    }
}

/// The head, and what every SharePoint record says about its origin.
fn common(record: &mut Object<'_>, event: &mut Event<'_>, record_type: i32, place: &Place, operation: &str) {
    let kind = (record_type, place.workload, operation);
    if event.random.chance(60) {
        let (key, id) = *event
            .random
            .pick(&[("S-1-0-0", "SHAREPOINT\\system"), ("app", "app@sharepoint")]);
        event.head(
            record,
            kind,
            None,
            &Actor {
                user_type: 4,
                user_key: key,
                user_id: id,
            },
        );
    } else {
        let (key, id) = (event.person.membership_key(), &event.person.upn);
        event.head(
            record,
            kind,
            None,
            &Actor {
                user_type: 0,
                user_key: &key,
                user_id: id,
            },
        );
    }
    address::write(record, event, "ClientIP");
    let correlation = event.random.guid();
    record
        .str("CorrelationId", &correlation)
        .str("EventSource", "SharePoint")
        .str("Site", &event.thing(&place.site_url))
        .str("WebId", &event.thing("web"))
        .str("UserAgent", event.person.agent.text);
    if event.random.chance(250) {
        let (session, token) = (event.random.guid(), event.random.hex(16));
        record.object("AppAccessContext", |context| {
            context
                .str("AADSessionId", &session)
                .str("ClientAppId", "08e18876-6177-487e-b8b5-cf950c1e598c")
                .str("ClientAppName", "SharePoint Online Web Client Extensibility")
                .str("CorrelationId", &correlation)
                .str("UniqueTokenId", &token);
        });
    }
}

/// Record type 6.
pub(super) fn file(record: &mut Object<'_>, event: &mut Event<'_>) {
    let (operation, place) = (*event.random.weighted(&FILE_OPERATIONS), place(event));
    let (name, extension) = *event.random.pick(&FILES);
    common(record, event, 6, &place, operation);
    let item = event.thing(&format!("{}{}{name}", place.site_url, place.folder));
    record
        .str("ObjectId", &format!("{}{}/{name}", place.site_url, place.folder))
        .str(
            "ItemType",
            if operation == "FolderCreated" {
                "Folder"
            } else {
                "File"
            },
        )
        .str("ListId", &event.thing("documents"))
        .str("ListItemUniqueId", &item)
        .str("SiteUrl", &place.site_url)
        .str("SourceFileExtension", extension)
        .str("SourceFileName", name)
        .str("SourceRelativeUrl", place.folder);
    match operation {
        "FileRenamed" => {
            record
                .str("DestinationFileName", &format!("old {name}"))
                .str("DestinationFileExtension", extension)
                .str("DestinationRelativeUrl", place.folder);
        }
        "FileMoved" => {
            record
                .str("DestinationFileName", name)
                .str("DestinationFileExtension", extension)
                .str("DestinationRelativeUrl", "Shared Documents/Archive");
        }
        "FileSyncDownloadedFull" => {
            record
                .str("MachineDomainInfo", &event.thing("domain"))
                .str("MachineId", &event.thing("machine"));
        }
        _ => {}
    }
    if event.random.chance(300) {
        let size = i64::try_from(10_000 + event.random.below(9_000_000_000)).unwrap_or(0);
        record
            .int("FileSizeBytes", size)
            .bool("IsManagedDevice", true)
            .str("Platform", "WinDesktop");
    }
}

/// Record type 14.
pub(super) fn sharing(record: &mut Object<'_>, event: &mut Event<'_>) {
    let (operation, place) = (*event.random.pick(&SHARING_OPERATIONS), place(event));
    let name = event.random.pick(&FILES).0;
    common(record, event, 14, &place, operation);
    record
        .str("ObjectId", &format!("{}{}/{name}", place.site_url, place.folder))
        .str("ItemType", "File")
        .str("ListId", &event.thing("documents"))
        .str("SiteUrl", &place.site_url)
        .str("SourceFileName", name)
        .str("SourceRelativeUrl", place.folder);
    if operation == "SharingInheritanceBroken" {
        record.str("EventData", "<copyRoleAssignments>True</copyRoleAssignments>");
    } else {
        let sharing = event.random.guid();
        let guest = event.random.chance(500);
        record
            .str(
                "EventData",
                "<Permissions granted>Contribute</Permissions granted>",
            )
            .str(
                "TargetUserOrGroupName",
                if guest {
                    "partner@fourthcoffee.example"
                } else {
                    "Everyone"
                },
            )
            .str(
                "TargetUserOrGroupType",
                if guest { "Guest" } else { "SecurityGroup" },
            )
            .str(
                "SharingLinkScope",
                if operation.starts_with("Anonymous") {
                    "Anyone"
                } else {
                    "Users"
                },
            )
            .str("UniqueSharingId", &sharing);
    }
}

/// Record type 4.
pub(super) fn page(record: &mut Object<'_>, event: &mut Event<'_>) {
    let operation = *event.random.pick(&[
        "PageViewed",
        "PageViewedExtended",
        "SearchQueryPerformed",
        "PagePrefetched",
    ]);
    let place = place(event);
    common(record, event, 4, &place, operation);
    record
        .str("ObjectId", &format!("{}SitePages/Home.aspx", place.site_url))
        .str("ItemType", "Page")
        .bool("CustomUniqueId", true);
    if operation == "SearchQueryPerformed" {
        record.str("SearchQueryText", "salary \"board minutes\"");
    }
}

/// Record type 36.
pub(super) fn list_item(record: &mut Object<'_>, event: &mut Event<'_>) {
    let operation = *event.random.pick(&[
        "ListItemCreated",
        "ListItemUpdated",
        "ListItemViewed",
        "ListItemDeleted",
    ]);
    let place = place(event);
    common(record, event, 36, &place, operation);
    let list = event.thing("tasks list");
    let number = event.random.below(5_000);
    record
        .str(
            "ObjectId",
            &format!("{}Lists/Tasks/{number}_.000", place.site_url),
        )
        .str("ItemType", "ListItem")
        .str("ListId", &list)
        .bool("FromApp", false)
        .int("ItemCount", 1)
        .str("ListBaseTemplateType", "100")
        .str("ListBaseType", "GenericList")
        .str("ListTitle", "Tasks");
}

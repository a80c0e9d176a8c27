//! The record types that are mapped alike, as a table.

use crate::json::{Path, path};

/// Record types that are mapped alike.
pub(super) struct Family {
    pub(super) record_types: &'static [u32],
    /// Whether the record is an alert; replaces `event.kind`.
    pub(super) alert: bool,
    pub(super) categories: &'static [&'static str],
    pub(super) types: &'static [&'static str],
    /// From a field of the record to a field of the document that is not set yet.
    pub(super) fields: &'static [(&'static Path, &'static Path)],
    /// From a field of the record, or each member of a list there, to a list of the document.
    pub(super) lists: &'static [(&'static Path, &'static Path)],
}

const PLAIN: Family = Family {
    record_types: &[],
    alert: false,
    categories: &[],
    types: &[],
    fields: &[],
    lists: &[],
};

const MAIL_LISTS: &[(&Path, &Path)] = &[
    (path!("P2Sender"), path!("email.from.address")),
    (path!("P1Sender"), path!("email.sender.address")),
    (path!("Recipients"), path!("email.to.address")),
    (path!("Subject"), path!("email.subject")),
    (path!("InternetMessageId"), path!("email.message_id")),
    (path!("NetworkMessageId"), path!("email.local_id")),
];

const FAMILIES: &[Family] = &[
    // Threat intelligence: mail, links, files.
    Family {
        record_types: &[28],
        alert: true,
        categories: &["email"],
        fields: &[
            (path!("Policy"), path!("rule.name")),
            (path!("DetectionMethod"), path!("event.reason")),
            (path!("EventDeepLink"), path!("event.url")),
        ],
        lists: MAIL_LISTS,
        ..PLAIN
    },
    Family {
        record_types: &[41],
        alert: true,
        categories: &["intrusion_detection"],
        fields: &[
            (path!("Url"), path!("url.original")),
            (path!("URL"), path!("url.original")),
        ],
        ..PLAIN
    },
    Family {
        record_types: &[47],
        alert: true,
        categories: &["malware", "file"],
        fields: &[
            (path!("FileData.FileName"), path!("file.name")),
            (path!("FileData.FilePath"), path!("file.path")),
            (path!("FileData.SHA256"), path!("file.hash.sha256")),
            (path!("FileData.MalwareFamily"), path!("threat.software.name")),
            (path!("LastModifiedBy"), path!("user.id")),
            (path!("EventDeepLink"), path!("event.url")),
        ],
        ..PLAIN
    },
    Family {
        record_types: &[34, 62, 90],
        categories: &["intrusion_detection"],
        ..PLAIN
    },
    Family {
        record_types: &[64, 86, 89],
        categories: &["intrusion_detection"],
        fields: &[
            (path!("InvestigationId"), path!("rule.id")),
            (path!("InvestigationName"), path!("rule.name")),
            (path!("DeepLinkUrl"), path!("event.url")),
            (path!("DeeplinkURL"), path!("event.url")),
        ],
        ..PLAIN
    },
    // Mail.
    Family {
        record_types: &[65],
        categories: &["email"],
        lists: &[
            (path!("NetworkMessageId"), path!("email.local_id")),
            (path!("ReleaseTo"), path!("email.to.address")),
        ],
        ..PLAIN
    },
    Family {
        record_types: &[29],
        categories: &["email"],
        fields: &[
            (path!("SubmissionType"), path!("event.reason")),
            (path!("RescanResult.RescanVerdict"), path!("rule.name")),
        ],
        lists: MAIL_LISTS,
        ..PLAIN
    },
    Family {
        record_types: &[51],
        categories: &["email", "iam"],
        types: &["user"],
        fields: &[(path!("Reason"), path!("event.reason"))],
        ..PLAIN
    },
    Family {
        record_types: &[85, 88, 218],
        categories: &["email"],
        ..PLAIN
    },
    // Data loss prevention beyond Exchange and SharePoint.
    Family {
        record_types: &[33, 63, 99, 100, 107],
        alert: true,
        categories: &["file"],
        types: &["access"],
        fields: &[
            (path!("FilePath"), path!("file.path")),
            (path!("FileExtension"), path!("file.extension")),
            (path!("Sha1"), path!("file.hash.sha1")),
            (path!("Sha256"), path!("file.hash.sha256")),
            (path!("EndpointMetaData.FilePath"), path!("file.path")),
            (path!("EndpointMetaData.FileExtension"), path!("file.extension")),
            (path!("EndpointMetaData.Sha1"), path!("file.hash.sha1")),
            (path!("EndpointMetaData.Sha256"), path!("file.hash.sha256")),
            (path!("EndpointMetaData.DeviceName"), path!("host.hostname")),
            (path!("EndpointMetaData.Application"), path!("process.name")),
            (path!("DeviceName"), path!("host.hostname")),
            (path!("Application"), path!("process.name")),
            (path!("EnforcementMode"), path!("o365.ext.enforcement")),
            (
                path!("EndpointMetaData.EnforcementMode"),
                path!("o365.ext.enforcement"),
            ),
        ],
        ..PLAIN
    },
    // Labels and information protection.
    Family {
        record_types: &[43, 71, 75, 82, 83, 84, 93, 94, 95, 96, 97],
        categories: &["file"],
        fields: &[
            (
                path!("SensitivityLabelEventData.SensitivityLabelId"),
                path!("o365.ext.label.id"),
            ),
            (path!("LabelId"), path!("o365.ext.label.id")),
            (path!("DeviceName"), path!("host.hostname")),
            (path!("ApplicationName"), path!("process.name")),
            (path!("ProcessName"), path!("process.name")),
        ],
        ..PLAIN
    },
    // Copilot and other AI applications.
    Family {
        record_types: &[261, 284, 328, 334, 363, 373],
        types: &["access"],
        fields: &[
            (path!("CopilotEventData.ThreadId"), path!("o365.ext.ai.thread_id")),
            (path!("CopilotEventData.AppHost"), path!("o365.ext.ai.app_host")),
        ],
        ..PLAIN
    },
    // Product alerts and insider risk.
    Family {
        record_types: &[294],
        alert: true,
        categories: &["intrusion_detection"],
        fields: &[
            (path!("RiskEventType"), path!("event.reason")),
            (path!("RiskEventType"), path!("rule.name")),
        ],
        ..PLAIN
    },
    Family {
        record_types: &[78, 98, 113, 235, 237],
        alert: true,
        categories: &["intrusion_detection"],
        ..PLAIN
    },
    Family {
        record_types: &[58, 61, 91, 292, 306, 307, 308, 335, 462],
        categories: &["intrusion_detection"],
        ..PLAIN
    },
    // eDiscovery.
    Family {
        record_types: &[24, 31, 333],
        types: &["access"],
        fields: &[
            (path!("CaseId"), path!("o365.ext.case.id")),
            (path!("CaseName"), path!("o365.ext.case.name")),
            (path!("Case"), path!("o365.ext.case.name")),
            (path!("QueryText"), path!("o365.ext.query")),
            (path!("Query"), path!("o365.ext.query")),
        ],
        ..PLAIN
    },
    // Administration.
    Family {
        record_types: &[87, 106, 302, 303, 304],
        categories: &["iam"],
        types: &["admin", "change"],
        ..PLAIN
    },
    Family {
        record_types: &[147, 288, 296, 297, 332, 336, 337, 338, 339],
        categories: &["configuration"],
        types: &["change"],
        ..PLAIN
    },
    Family {
        record_types: &[295],
        categories: &["configuration"],
        types: &["access"],
        ..PLAIN
    },
    Family {
        record_types: &[20, 357],
        fields: &[
            (path!("ReportName"), path!("o365.ext.object")),
            (path!("DashboardName"), path!("o365.ext.object")),
            (path!("DatasetName"), path!("o365.ext.object")),
            (path!("ArtifactName"), path!("o365.ext.object")),
            (path!("ObjectDisplayName"), path!("o365.ext.object")),
        ],
        ..PLAIN
    },
    Family {
        record_types: &[25, 57],
        fields: &[
            (path!("TeamGuid"), path!("group.id")),
            (path!("ChatThreadId"), path!("o365.ext.chat_id")),
            (path!("MessageURLs"), path!("o365.ext.urls")),
        ],
        ..PLAIN
    },
    Family {
        record_types: &[359],
        categories: &["web"],
        types: &["access"],
        fields: &[
            (path!("URLPath"), path!("url.original")),
            (path!("DomainURL"), path!("url.domain")),
            (path!("Category"), path!("rule.category")),
        ],
        ..PLAIN
    },
];

/// Record types beyond it have no family.
const LAST: usize = 511;

/// One more than the place of each record type's family, 0 for none.
static PLACES: [u8; LAST + 1] = {
    let mut places = [0; LAST + 1];
    let (mut family, mut place) = (0, 1);
    while family < FAMILIES.len() {
        let mut at = 0;
        while at < FAMILIES[family].record_types.len() {
            places[FAMILIES[family].record_types[at] as usize] = place;
            at += 1;
        }
        place += 1;
        family += 1;
    }
    places
};

/// The family of a record type.
pub(super) fn family_of(record_type: u32) -> Option<&'static Family> {
    let place = *PLACES.get(usize::try_from(record_type).ok()?)?;
    FAMILIES.get(usize::from(place).checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_type_is_in_one_family() {
        let mut seen = std::collections::BTreeSet::new();
        for record_type in FAMILIES.iter().flat_map(|family| family.record_types) {
            assert!(seen.insert(record_type), "{record_type}");
        }
    }

    #[test]
    fn every_record_type_finds_its_family() {
        for record_type in 0..2_000 {
            let listed = FAMILIES
                .iter()
                .find(|family| family.record_types.contains(&record_type));
            let found = family_of(record_type).map(|family| family.record_types);
            assert_eq!(found, listed.map(|family| family.record_types), "{record_type}");
        }
    }
}

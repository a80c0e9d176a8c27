//! The record types that are mapped alike, as a table.

/// Record types that are mapped alike.
pub(super) struct Family {
    pub(super) record_types: &'static [u32],
    /// Whether the record is an alert; replaces `event.kind`.
    pub(super) alert: bool,
    pub(super) categories: &'static [&'static str],
    pub(super) types: &'static [&'static str],
    /// From a field of the record to a field of the document that is not set yet.
    pub(super) fields: &'static [(&'static str, &'static str)],
    /// From a field of the record, or each member of a list there, to a list of the document.
    pub(super) lists: &'static [(&'static str, &'static str)],
}

const PLAIN: Family = Family {
    record_types: &[],
    alert: false,
    categories: &[],
    types: &[],
    fields: &[],
    lists: &[],
};

const MAIL_LISTS: &[(&str, &str)] = &[
    ("P2Sender", "email.from.address"),
    ("P1Sender", "email.sender.address"),
    ("Recipients", "email.to.address"),
    ("Subject", "email.subject"),
    ("InternetMessageId", "email.message_id"),
    ("NetworkMessageId", "email.local_id"),
];

pub(super) static FAMILIES: &[Family] = &[
    // Threat intelligence: mail, links, files.
    Family {
        record_types: &[28],
        alert: true,
        categories: &["email"],
        fields: &[
            ("Policy", "rule.name"),
            ("DetectionMethod", "event.reason"),
            ("EventDeepLink", "event.url"),
        ],
        lists: MAIL_LISTS,
        ..PLAIN
    },
    Family {
        record_types: &[41],
        alert: true,
        categories: &["intrusion_detection"],
        fields: &[("Url", "url.original"), ("URL", "url.original")],
        ..PLAIN
    },
    Family {
        record_types: &[47],
        alert: true,
        categories: &["malware", "file"],
        fields: &[
            ("FileData.FileName", "file.name"),
            ("FileData.FilePath", "file.path"),
            ("FileData.SHA256", "file.hash.sha256"),
            ("FileData.MalwareFamily", "threat.software.name"),
            ("LastModifiedBy", "user.id"),
            ("EventDeepLink", "event.url"),
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
            ("InvestigationId", "rule.id"),
            ("InvestigationName", "rule.name"),
            ("DeepLinkUrl", "event.url"),
            ("DeeplinkURL", "event.url"),
        ],
        ..PLAIN
    },
    // Mail.
    Family {
        record_types: &[65],
        categories: &["email"],
        lists: &[
            ("NetworkMessageId", "email.local_id"),
            ("ReleaseTo", "email.to.address"),
        ],
        ..PLAIN
    },
    Family {
        record_types: &[29],
        categories: &["email"],
        fields: &[
            ("SubmissionType", "event.reason"),
            ("RescanResult.RescanVerdict", "rule.name"),
        ],
        lists: MAIL_LISTS,
        ..PLAIN
    },
    Family {
        record_types: &[51],
        categories: &["email", "iam"],
        types: &["user"],
        fields: &[("Reason", "event.reason")],
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
            ("FilePath", "file.path"),
            ("FileExtension", "file.extension"),
            ("Sha1", "file.hash.sha1"),
            ("Sha256", "file.hash.sha256"),
            ("EndpointMetaData.FilePath", "file.path"),
            ("EndpointMetaData.FileExtension", "file.extension"),
            ("EndpointMetaData.Sha1", "file.hash.sha1"),
            ("EndpointMetaData.Sha256", "file.hash.sha256"),
            ("EndpointMetaData.DeviceName", "host.hostname"),
            ("EndpointMetaData.Application", "process.name"),
            ("DeviceName", "host.hostname"),
            ("Application", "process.name"),
            ("EnforcementMode", "o365.ext.enforcement"),
            ("EndpointMetaData.EnforcementMode", "o365.ext.enforcement"),
        ],
        ..PLAIN
    },
    // Labels and information protection.
    Family {
        record_types: &[43, 71, 75, 82, 83, 84, 93, 94, 95, 96, 97],
        categories: &["file"],
        fields: &[
            (
                "SensitivityLabelEventData.SensitivityLabelId",
                "o365.ext.label.id",
            ),
            ("LabelId", "o365.ext.label.id"),
            ("DeviceName", "host.hostname"),
            ("ApplicationName", "process.name"),
            ("ProcessName", "process.name"),
        ],
        ..PLAIN
    },
    // Copilot and other AI applications.
    Family {
        record_types: &[261, 284, 328, 334, 363, 373],
        types: &["access"],
        fields: &[
            ("CopilotEventData.ThreadId", "o365.ext.ai.thread_id"),
            ("CopilotEventData.AppHost", "o365.ext.ai.app_host"),
        ],
        ..PLAIN
    },
    // Product alerts and insider risk.
    Family {
        record_types: &[294],
        alert: true,
        categories: &["intrusion_detection"],
        fields: &[("RiskEventType", "event.reason"), ("RiskEventType", "rule.name")],
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
            ("CaseId", "o365.ext.case.id"),
            ("CaseName", "o365.ext.case.name"),
            ("Case", "o365.ext.case.name"),
            ("QueryText", "o365.ext.query"),
            ("Query", "o365.ext.query"),
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
            ("ReportName", "o365.ext.object"),
            ("DashboardName", "o365.ext.object"),
            ("DatasetName", "o365.ext.object"),
            ("ArtifactName", "o365.ext.object"),
            ("ObjectDisplayName", "o365.ext.object"),
        ],
        ..PLAIN
    },
    Family {
        record_types: &[25, 57],
        fields: &[
            ("TeamGuid", "group.id"),
            ("ChatThreadId", "o365.ext.chat_id"),
            ("MessageURLs", "o365.ext.urls"),
        ],
        ..PLAIN
    },
    Family {
        record_types: &[359],
        categories: &["web"],
        types: &["access"],
        fields: &[
            ("URLPath", "url.original"),
            ("DomainURL", "url.domain"),
            ("Category", "rule.category"),
        ],
        ..PLAIN
    },
];

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
}

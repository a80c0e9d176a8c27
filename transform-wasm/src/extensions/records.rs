//! Record types that the reference leaves to its general rules: X12.
//!
//! Most of them are one row of [`FAMILIES`]; what needs a decision is a function below it.

use super::exchange::members;
use super::related::set_target_address;
use crate::document::{Document, Step};
use crate::json::{Text, Value};
use crate::mapping::is_ip;
use crate::time;
use crate::workload::dlp;

/// Record types that are mapped alike.
struct Family {
    record_types: &'static [u32],
    /// Whether the record is an alert; replaces `event.kind`.
    alert: bool,
    categories: &'static [&'static str],
    types: &'static [&'static str],
    /// From a field of the record to a field of the document that is not set yet.
    fields: &'static [(&'static str, &'static str)],
    /// From a field of the record, or each member of a list there, to a list of the document.
    lists: &'static [(&'static str, &'static str)],
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

static FAMILIES: &[Family] = &[
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
        fields: &[("EventValue", "user.target.email"), ("Reason", "event.reason")],
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

/// X12.
pub(super) fn further(doc: &mut Document<'_>) -> Step {
    let Some(record_type) = doc.record_type else {
        return Ok(());
    };
    if let Some(family) = FAMILIES
        .iter()
        .find(|family| family.record_types.contains(&record_type))
    {
        if family.alert && doc.overrides() {
            doc.set("event.kind", "alert")?;
        }
        doc.classify_further(family.categories, family.types);
        for (from, to) in family.fields {
            doc.copy_if_unset(from, to)?;
        }
        for (from, list) in family.lists {
            doc.collect_field(from, list);
        }
    }
    match record_type {
        28 => threat_mail(doc),
        41 => threat_link(doc),
        47 => {
            let size = doc
                .src
                .at("FileData.FileSize")
                .and_then(|size| size.to_text(doc.bump));
            match size.and_then(|size| size.wire().parse::<u64>().ok()) {
                Some(size) => {
                    let size = doc.number(size);
                    doc.set_if_unset("file.size", size)
                }
                None => Ok(()),
            }
        }
        33 | 63 | 99 | 100 | 107 => dlp::policies(doc),
        64 | 86 | 89 => period(doc, "StartTimeUtc", "EndTimeUtc"),
        24 | 31 | 333 => period(doc, "StartTime", "EndTime"),
        294 => period(doc, "ActivityDateTime", ""),
        43 | 71 | 75 | 82..=84 | 93..=97 => label(doc),
        261 | 284 | 328 | 334 | 363 | 373 => assistant(doc),
        310..=325 | 362 | 379 | 380 | 383 | 384 | 454 => {
            let kind = by_verb(doc.action(), false);
            doc.classify_further(&["configuration"], &[kind]);
            Ok(())
        }
        20 | 357 => {
            let action = doc.action();
            if ["View", "Get", "Export", "Download"]
                .iter()
                .any(|verb| action.starts_with(verb))
            {
                doc.classify_further(&[], &["access"]);
            }
            let shared = members(doc, "SharingInformation", "RecipientEmail");
            if let Some(address) = shared.list().and_then(|list| list.first()).and_then(Value::text) {
                set_target_address(doc, address);
            }
            Ok(())
        }
        25 | 57 => {
            teams(doc);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Creation, deletion or change, from the words of an operation.
fn by_verb(operation: &str, anywhere: bool) -> &'static str {
    let has = |words: &[&str]| {
        words.iter().any(|word| {
            if anywhere {
                operation.contains(word)
            } else {
                operation.starts_with(word)
            }
        })
    };
    if has(&["Create", "Added", "Installed"]) && !operation.contains("Uninstalled") {
        "creation"
    } else if has(&["Delete", "Removed", "Uninstalled"]) {
        "deletion"
    } else {
        "change"
    }
}

/// `event.start` and `event.end`.
fn period(doc: &mut Document<'_>, start: &str, end: &str) -> Step {
    for (from, to) in [(start, "event.start"), (end, "event.end")] {
        let utc = doc
            .src
            .text(from)
            .and_then(|text| time::to_utc(text.plain(doc.bump)));
        if let Some(utc) = utc {
            let utc = doc.text(&utc);
            doc.set_if_unset(to, utc)?;
        }
    }
    Ok(())
}

fn threat_mail(doc: &mut Document<'_>) -> Step {
    if doc
        .src
        .text("Verdict")
        .is_some_and(|verdict| verdict.is("Malware"))
    {
        doc.classify_further(&["malware"], &[]);
    }
    if let Some(direction) = doc
        .src
        .text("Directionality")
        .filter(|direction| !direction.is_empty())
    {
        let direction = direction.to_lowercase(doc.bump);
        let direction = if direction.is("intra-org") {
            Text::literal("internal")
        } else {
            direction
        };
        doc.set("email.direction", direction)?;
    }
    let delivered = doc
        .src
        .text("MessageTime")
        .and_then(|text| time::to_utc(text.plain(doc.bump)));
    if let Some(delivered) = delivered {
        let delivered = doc.text(&delivered);
        doc.set("email.delivery_timestamp", delivered)?;
    }
    let mut files = doc.new_list();
    let mut family = None;
    for attachment in doc
        .src
        .get("AttachmentData")
        .and_then(Value::list)
        .unwrap_or_default()
    {
        let Some(attachment) = attachment.object() else {
            continue;
        };
        let mut file = doc.new_object();
        if let Some(name) = attachment.text("FileName") {
            file.set(Text::literal("name"), name);
            let plain = name.plain(doc.bump);
            if let Some((_, extension)) = plain.rsplit_once('.') {
                file.set(Text::literal("extension"), Text::new(extension, doc.bump));
            }
        }
        if let Some(digest) = attachment.text("SHA256") {
            let mut hash = doc.new_object();
            hash.set(Text::literal("sha256"), digest);
            file.set(Text::literal("hash"), Value::Object(hash));
        }
        family = family.or_else(|| {
            attachment
                .text("MalwareFamily")
                .filter(|family| !family.is_empty())
        });
        let mut member = doc.new_object();
        member.set(Text::literal("file"), Value::Object(file));
        files.push(Value::Object(member));
    }
    if !files.is_empty() {
        doc.set("email.attachments", Value::List(files))?;
    }
    if let Some(family) = family {
        doc.set_if_unset("threat.software.name", family)?;
    }
    match doc.src.text("SenderIp").filter(|ip| is_ip(ip.wire())) {
        Some(ip) => doc.set_if_unset("source.ip", ip),
        None => Ok(()),
    }
}

fn threat_link(doc: &mut Document<'_>) -> Step {
    let click = ["UrlClickAction", "URLClickAction"]
        .into_iter()
        .find_map(|key| doc.src.get(key));
    match click.and_then(|click| click.to_text(doc.bump)).map(Text::wire) {
        Some("2" | "3") => doc.classify_further(&[], &["denied"]),
        Some("4" | "5") => doc.classify_further(&[], &["allowed"]),
        _ => {}
    }
    if let Some(ip) = doc.src.text("UserIp").filter(|ip| is_ip(ip.wire()))
        && !doc.has("client.ip")
    {
        for path in ["client.address", "client.ip", "source.ip"] {
            doc.set_if_unset(path, ip)?;
        }
        doc.append_unique("related.ip", ip);
    }
    if doc.src.text("AppName").is_some_and(|app| app.is("Mail")) {
        doc.collect_field("SourceId", "email.local_id");
    }
    period(doc, "TimeOfClick", "")
}

fn label(doc: &mut Document<'_>) -> Step {
    let kind = match doc.record_type {
        Some(96) => "deletion",
        Some(93 | 97) => "access",
        _ if doc.action().contains("Open") || doc.action() == "Access" => "access",
        _ => "change",
    };
    doc.classify_further(&[], &[kind]);
    match doc.src.text("ObjectId") {
        Some(path) if path.wire().contains(['/', '\\']) => doc.set_if_unset("file.path", path),
        _ => Ok(()),
    }
}

/// What a person asked an assistant, and what it read to answer.
fn assistant(doc: &mut Document<'_>) -> Step {
    if doc.overrides() {
        doc.copy_if_filled("CopilotEventData.AppHost", "cloud.service.name")?;
    }
    for (from, to) in [
        ("ModelName", "gen_ai.request.model"),
        ("ModelProviderName", "gen_ai.provider.name"),
    ] {
        for list in [
            "ModelTransparencyDetails",
            "CopilotEventData.ModelTransparencyDetails",
        ] {
            if let Some(first) = members(doc, list, from).list().and_then(|list| list.first()) {
                doc.set_if_unset(to, first.clone())?;
            }
        }
    }
    let (mut prompts, mut responses) = (doc.new_list(), doc.new_list());
    for message in doc
        .src
        .at("CopilotEventData.Messages")
        .and_then(Value::list)
        .unwrap_or_default()
    {
        let Some(message) = message.object() else { continue };
        let Some(id) = message.get("Id").or_else(|| message.get("id")) else {
            continue;
        };
        let prompt = matches!(message.get("isPrompt"), Some(Value::Bool(true)));
        if prompt {
            prompts.push(id.clone());
        } else {
            responses.push(id.clone());
        }
    }
    doc.collect(&Value::List(prompts), "o365.ext.ai.prompt_ids");
    doc.collect(&Value::List(responses), "o365.ext.ai.response_ids");
    for (field, list) in [
        ("Id", "o365.ext.ai.plugin_ids"),
        ("Name", "o365.ext.ai.plugin_names"),
    ] {
        let plugins = members(doc, "CopilotEventData.AISystemPlugin", field);
        doc.collect(&plugins, list);
    }
    resources(doc)
}

fn resources(doc: &mut Document<'_>) -> Step {
    const FIELDS: [(&str, &str); 6] = [
        ("Name", "name"),
        ("SiteUrl", "url"),
        ("Type", "type"),
        ("Action", "action"),
        ("SensitivityLabelId", "label_id"),
        ("ID", "item_id"),
    ];
    let accessed = doc
        .src
        .at("CopilotEventData.AccessedResources")
        .and_then(Value::list)
        .unwrap_or_default();
    let mut resources = doc.new_list();
    for resource in accessed.iter().filter_map(Value::object) {
        let mut object = doc.new_object();
        for (from, to) in FIELDS {
            if let Some(value) = resource.get(from).filter(|value| !value.is_void()) {
                object.set(Text::literal(to), value.clone());
            }
        }
        resources.push(Value::Object(object));
    }
    let Some(first) = resources.first().and_then(Value::object) else {
        return Ok(());
    };
    let (name, url) = (first.text("name"), first.text("url"));
    if resources.len() == 1 {
        if let Some(name) = name {
            doc.set_if_unset("file.name", name)?;
        }
        if let Some(url) = url {
            doc.set_if_unset("url.original", url)?;
        }
    }
    doc.classify_further(&["file"], &[]);
    doc.set("o365.ext.ai.resources", Value::List(resources))
}

fn teams(doc: &mut Document<'_>) {
    let operation = doc.operation.map_or("", |operation| operation.plain(doc.bump));
    match operation {
        "MemberRemoved" | "MemberRoleChanged" => doc.classify_further(&["iam"], &["group", "change"]),
        "TeamDeleted" => doc.classify_further(&["iam"], &["group", "deletion"]),
        "TeamsSessionStarted" => doc.classify_further(&["session"], &["start"]),
        other
            if ["Channel", "Tab", "Connector", "Bot", "App"]
                .iter()
                .any(|prefix| other.starts_with(prefix))
                || other.ends_with("SettingChanged") =>
        {
            doc.classify_further(&["configuration"], &[by_verb(other, true)]);
        }
        _ => {}
    }
    if let Some([Value::Object(only)]) = doc.src.get("Members").and_then(Value::list)
        && let Some(address) = only.text("UPN")
    {
        set_target_address(doc, address);
    }
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
}

//! The same job as the VRL program does, over `serde_json::Value`: what somebody would write in Rust without a tree that borrows.
//!
//! It covers less than the mapping does; `tests/same_job.rs` lists the fields that are equal.

mod endpoints;
mod people;
mod services;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

/// A list of texts, of `event.type` and the like.
type Words = Vec<Value>;
type Object = Map<String, Value>;

/// Numbers that are identifiers become text.
const IDENTIFIERS: [&str; 14] = [
    "RecordType",
    "Version",
    "UserType",
    "LogonType",
    "InternalLogonType",
    "FileSize",
    "ErrorNumber",
    "AzureActiveDirectoryEventType",
    "ListBaseType",
    "SecurityComplianceCenterEventType",
    "YammerNetworkId",
    "ActorYammerUserId",
    "TargetYammerUserId",
    "RunningTime",
];

/// What is made of an event, beside its record.
#[derive(Default)]
struct Document {
    fields: Object,
    action: String,
    categories: Words,
    types: Words,
    users: Words,
    hosts: Words,
}

impl Document {
    /// Sets `group.field`; nothing if there is no value.
    fn set(&mut self, group: &str, field: &str, value: impl Into<Value>) {
        let value = value.into();
        if !value.is_null() {
            self.group(group).insert(field.to_owned(), value);
        }
    }

    fn group(&mut self, group: &str) -> &mut Object {
        let value = self.fields.entry(group).or_insert_with(|| Object::new().into());
        value.as_object_mut().expect("only objects are put there")
    }

    fn text(&self, group: &str, field: &str) -> &str {
        self.fields
            .get(group)
            .and_then(|group| group.get(field))
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn classify(&mut self, category: &str, types: &[&str]) {
        self.categories.push(category.into());
        self.types.extend(types.iter().map(|kind| Value::from(*kind)));
    }
}

/// Maps one event and appends its document to the output.
pub fn map(event: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let Value::Object(mut src) = serde_json::from_slice(event)? else {
        bail!("not a JSON object");
    };
    let mut doc = Document {
        types: vec!["info".into()],
        categories: vec!["web".into()],
        ..Document::default()
    };
    constants(&mut doc, &mut src, std::str::from_utf8(event)?);
    pairs(&mut src);
    agent(&mut doc, &mut src);
    let client = ["ClientIPAddress", "ClientIP", "ActorIpAddress"]
        .into_iter()
        .find_map(|key| src.remove(key).filter(|client| !client.is_null()));
    let server = services::known(&mut doc, &mut src);
    services::operation(&mut doc, &src);
    let action = std::mem::take(&mut doc.action);
    doc.set("event", "action", action);
    let ips = endpoints::both(&mut doc, client.as_ref(), server.as_ref());
    people::all(&mut doc, &src);
    let (categories, types) = (
        std::mem::take(&mut doc.categories),
        std::mem::take(&mut doc.types),
    );
    doc.set("event", "category", categories);
    doc.set("event", "type", types);
    let (users, hosts) = (unique(&doc.users), unique(&doc.hosts));
    doc.set("related", "ip", ips);
    doc.set("related", "user", users);
    doc.set("related", "hosts", hosts);
    doc.set("o365", "audit", src);
    let mut document = Value::Object(doc.fields);
    compact(&mut document);
    serde_json::to_writer(out, &document).context("a value is always writable as JSON")
}

fn constants(doc: &mut Document, src: &mut Object, original: &str) {
    doc.set("ecs", "version", "8.11.0");
    doc.set("event", "kind", "event");
    doc.set("event", "original", original);
    if let Some(timestamp) = text(src, "CreationTime").and_then(timestamp) {
        doc.fields.insert("@timestamp".into(), timestamp.into());
    }
    for (from, group, to) in [
        ("Id", "event", "id"),
        ("Workload", "event", "provider"),
        ("UserAgent", "user_agent", "original"),
    ] {
        doc.set(group, to, src.remove(from).unwrap_or_default());
    }
    if let Some(Value::String(id)) = src.remove("OrganizationId") {
        let id = id.to_lowercase();
        doc.set("organization", "id", id.as_str());
        doc.set("host", "id", id);
    }
    if let Some(Value::String(action)) = src.remove("Operation") {
        doc.action = action;
    }
    for key in IDENTIFIERS {
        src.get_mut(key).map(to_text);
    }
    for key in ["Actor", "Target"] {
        let members = src.get_mut(key).and_then(Value::as_array_mut);
        for member in members.into_iter().flatten() {
            member.get_mut("Type").map(to_text);
        }
    }
    doc.set(
        "event",
        "code",
        record_type_name(text(src, "RecordType").unwrap_or_default()),
    );
    doc.set("user", "id", text(src, "UserId").unwrap_or_default());
    let status = text(src, "ResultStatus").unwrap_or_default().to_lowercase();
    let failed = matches!(status.as_str(), "failed" | "false");
    doc.set("event", "outcome", if failed { "failure" } else { "success" });
}

/// Milliseconds of UTC; times of audit records are UTC, whether or not they say so.
fn timestamp(created: &str) -> Option<String> {
    let created = created.strip_suffix('Z').unwrap_or(created);
    let (seconds, fraction) = created.split_once('.').unwrap_or((created, ""));
    let is_time = seconds.len() == 19 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    is_time.then(|| format!("{seconds}.{:0<3}Z", fraction.get(..3).unwrap_or(fraction)))
}

fn to_text(value: &mut Value) {
    if value.is_number() {
        *value = value.to_string().into();
    }
}

fn record_type_name(record_type: &str) -> Option<&'static str> {
    Some(match record_type {
        "1" => "ExchangeAdmin",
        "2" => "ExchangeItem",
        "3" => "ExchangeItemGroup",
        "4" => "SharePoint",
        "6" => "SharePointFileOperation",
        "8" => "AzureActiveDirectory",
        "11" => "ComplianceDLPSharePoint",
        "13" => "ComplianceDLPExchange",
        "14" => "SharePointSharingOperation",
        "15" => "AzureActiveDirectoryStsLogon",
        "18" => "SecurityComplianceCenterEOPCmdlet",
        "20" => "PowerBIAudit",
        "22" => "Yammer",
        "25" => "MicrosoftTeams",
        "28" => "ThreatIntelligence",
        "36" => "SharePointListOperation",
        "40" => "SecurityComplianceAlerts",
        "41" => "ThreatIntelligenceUrl",
        "47" => "ThreatIntelligenceAtpContent",
        "50" => "ExchangeItemAggregated",
        "52" => "DataInsightsRestApiAudit",
        "54" => "SharePointListItemOperation",
        "56" => "SharePointFieldOperation",
        _ => return None,
    })
}

/// Lists of names and values become objects.
fn pairs(src: &mut Object) {
    for key in ["Parameters", "ExtendedProperties"] {
        match src.get_mut(key) {
            Some(value @ Value::Array(_)) => {
                let mut object = Object::new();
                for member in value.as_array_mut().into_iter().flatten() {
                    if let (Some(Value::String(name)), Some(value)) =
                        (taken(member, "Name"), taken(member, "Value"))
                    {
                        object.insert(name, value);
                    }
                }
                *value = Value::Object(object);
            }
            Some(value @ Value::String(_)) if key == "Parameters" => *value = json!({ "_raw": value.take() }),
            _ => {}
        }
    }
    if let Some(changes @ Value::Array(_)) = src.get_mut("ModifiedProperties") {
        let mut object = Object::new();
        for change in changes.as_array_mut().into_iter().flatten() {
            if let (Some(Value::String(name)), Some(new), Some(old)) = (
                taken(change, "Name"),
                taken(change, "NewValue"),
                taken(change, "OldValue"),
            ) {
                let sides = json!({ "NewValue": new, "OldValue": old });
                object.insert(name.replace([' ', '.'], "_"), sides);
            }
        }
        *changes = Value::Object(object);
    }
}

fn taken(member: &mut Value, key: &str) -> Option<Value> {
    member
        .get_mut(key)
        .map(Value::take)
        .filter(|value| !value.is_null())
}

fn agent(doc: &mut Document, src: &mut Object) {
    let Some(Value::Object(properties)) = src.get_mut("ExtendedProperties") else {
        return;
    };
    if let Some(agent) = properties.remove("UserAgent") {
        doc.set("user_agent", "original", agent);
    }
    if let Some(details) = properties.get_mut("additionalDetails")
        && let Value::String(text) = details
    {
        *details = serde_json::from_str(text).unwrap_or_default();
        if doc.text("user_agent", "original").is_empty()
            && let Some(agent) = details.get("User-Agent")
        {
            doc.set("user_agent", "original", agent.clone());
        }
    }
}

fn text<'s>(src: &'s Object, key: &str) -> Option<&'s str> {
    src.get(key)?.as_str()
}

/// Texts, each once, and none without a letter.
fn unique(words: &[Value]) -> Words {
    let mut unique = Words::with_capacity(words.len());
    for word in words {
        if word.as_str().is_some_and(|word| !word.is_empty()) && !unique.contains(word) {
            unique.push(word.clone());
        }
    }
    unique
}

/// Takes away what is null or empty, at every depth. True if nothing is left.
fn compact(value: &mut Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(members) => {
            members.retain_mut(|member| !compact(member));
            members.is_empty()
        }
        Value::Object(fields) => {
            fields.retain(|_, field| !compact(field));
            fields.is_empty()
        }
        Value::Bool(_) | Value::Number(_) => false,
    }
}

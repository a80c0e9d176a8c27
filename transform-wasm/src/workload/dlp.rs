//! Data loss prevention in SharePoint, OneDrive and Exchange.
//!
//! | from | to |
//! |---|---|
//! | `SharePointMetaData.From` | `user.id`, if there is no other |
//! | `SharePointMetaData.{FileName, FilePathUrl, UniqueId, FileOwner}` | `file.name`, `url.original`, `file.inode`, `file.owner` |
//! | `SharePointMetaData.LastModifiedTime` | `file.mtime` |
//! | `ExchangeMetaData.From` | `source.user.email` |
//! | `ExchangeMetaData.Subject` | `message` (newer references: `email.subject`) |
//! | `ExchangeMetaData.{To, CC, BCC}` | `destination.user.email` |
//! | `PolicyId`, `PolicyName`, `PolicyDetails[].Rules[]` | `rule.*`, `event.severity`, `event.outcome` |

use crate::document::{Document, Step};
use crate::json::{Text, Value, key, path};
use crate::mapping::SEVERITIES;
use crate::record_type;
use crate::time;

/// §3.7.
pub(super) fn policy_match(doc: &mut Document<'_>) -> Step {
    if doc.profile.maps_newer_fields && doc.record_type == Some(record_type::COMPLIANCE_DLP_EXCHANGE) {
        describe_mail(doc)?;
    }
    doc.set(path!("event.kind"), "alert")?;
    doc.classify(&["file"], &["access"]);
    if !doc.has(path!("user.id")) {
        doc.move_field(path!("SharePointMetaData.From"), path!("user.id"))?;
    }
    doc.move_field(path!("SharePointMetaData.FileName"), path!("file.name"))?;
    doc.move_field(path!("SharePointMetaData.FilePathUrl"), path!("url.original"))?;
    doc.move_field(path!("SharePointMetaData.UniqueId"), path!("file.inode"))?;
    doc.move_field(path!("SharePointMetaData.UniqueID"), path!("file.inode"))?;
    doc.move_field(path!("SharePointMetaData.FileOwner"), path!("file.owner"))?;
    doc.move_field(path!("ExchangeMetaData.From"), path!("source.user.email"))?;
    if !doc.profile.maps_newer_fields {
        doc.move_field(path!("ExchangeMetaData.Subject"), path!("message"))?;
    }
    doc.move_field(path!("PolicyId"), path!("rule.id"))?;
    doc.move_field(path!("PolicyName"), path!("rule.name"))?;
    modification_time(doc)?;
    recipients(doc)?;
    if let Some(reason) = doc.src.text(key!("ExceptionInfo")) {
        let mut object = doc.new_object();
        object.set(key!("Reason"), reason);
        doc.src.set(key!("ExceptionInfo"), Value::Object(object));
    }
    policies(doc)
}

/// N14: what the alert says instead of the bare subject.
fn describe_mail(doc: &mut Document<'_>) -> Step {
    let plain = |text: Option<Text<'_>>| text.map_or(String::new(), |text| text.decoded().into_owned());
    let operation = plain(doc.ecs_text(path!("event.action")));
    let user = plain(doc.ecs_text(path!("user.id")));
    let subject = doc
        .src
        .at(path!("ExchangeMetaData.Subject"))
        .and_then(Value::text);
    let subject = plain(subject.or_else(|| doc.ecs_text(path!("email.subject"))));
    let message = if operation.is_empty() && user.is_empty() && subject.is_empty() {
        "Office365 Alert".to_owned()
    } else {
        format!("Office365 Alert: {operation} detected in email sent by {user} with subject '{subject}'")
    };
    let message = doc.text(&message);
    doc.set(path!("message"), message)
}

fn modification_time(doc: &mut Document<'_>) -> Step {
    let Some(modified) = doc
        .src
        .at(path!("SharePointMetaData.LastModifiedTime"))
        .filter(|value| !value.is_null())
    else {
        return Ok(());
    };
    match modified
        .text()
        .and_then(|text| time::to_utc(text.plain(doc.bump)))
    {
        Some(utc) => {
            let utc = doc.text(&utc);
            doc.set(path!("file.mtime"), utc)
        }
        None => doc.fault("SharePointMetaData.LastModifiedTime is not a date"),
    }
}

fn recipients(doc: &mut Document<'_>) -> Step {
    let Some(mail) = doc.src.present(key!("ExchangeMetaData")) else {
        return Ok(());
    };
    let mut recipients = doc.new_list();
    for field in [key!("To"), key!("CC"), key!("BCC")] {
        match mail.object().and_then(|mail| mail.get(field)) {
            Some(Value::List(members)) => {
                let members = members.iter().filter(|member| !doc.refuses(member));
                recipients.extend(members.cloned());
            }
            Some(Value::Text(recipient)) => recipients.push(Value::Text(*recipient)),
            _ => {}
        }
    }
    doc.set(path!("destination.user.email"), Value::from(recipients))
}

/// The rules that matched: which, how grave, and whether the access went through.
pub(crate) fn policies(doc: &mut Document<'_>) -> Step {
    let Some(policies) = doc.src.present(key!("PolicyDetails")) else {
        return Ok(());
    };
    let policies = policies.list().unwrap_or_default();
    let (mut ids, mut names) = (doc.new_list(), doc.new_list());
    let (mut highest, mut blocks, mut unrated) = (0, false, false);
    let rules = policies
        .iter()
        .filter_map(|policy| policy.object()?.get(key!("Rules"))?.list())
        .flatten();
    for rule in rules.filter_map(Value::object) {
        let severity = rule.text(key!("Severity"));
        unrated |= severity.is_none();
        highest = highest.max(severity.map_or(0, level));
        if let (Some(id), Some(name)) = (rule.present(key!("RuleId")), rule.present(key!("RuleName")))
            && !doc.refuses(id)
            && !doc.refuses(name)
        {
            ids.push(id.clone());
            names.push(name.clone());
        }
        let mut actions = rule
            .get(key!("Actions"))
            .and_then(Value::list)
            .unwrap_or_default()
            .iter();
        blocks |= actions.any(|action| action.text().is_some_and(|action| action.is("BlockAccess")));
    }
    if unrated {
        doc.fault("a rule has no Severity")?;
    }
    if doc.profile.aborts_on_error
        && !ids.is_empty()
        && (doc.has(path!("rule.id")) || doc.has(path!("rule.name")))
    {
        doc.fault("PolicyId beside rules in PolicyDetails")?;
    }
    for (path, mut found) in [(path!("rule.id"), ids), (path!("rule.name"), names)] {
        if let Some(list) = doc.list_at(path) {
            list.append(&mut found);
        }
    }
    let highest = doc.number(highest);
    doc.set(path!("event.severity"), highest)?;

    let excepted = doc
        .src
        .get(key!("ExceptionInfo"))
        .and_then(Value::object)
        .is_some_and(|exception| !exception.is_empty());
    let action = doc.action();
    let is = |operation: &str| {
        // Only the extensions go on to other types, which spell the operation in several ways (X12).
        let exact = matches!(
            doc.record_type,
            Some(record_type::COMPLIANCE_DLP_SHAREPOINT | record_type::COMPLIANCE_DLP_EXCHANGE)
        );
        if exact {
            action == operation
        } else {
            action.eq_ignore_ascii_case(operation)
        }
    };
    let outcome = if !blocks || is("DlpRuleUndo") {
        "success"
    } else if is("DlpInfo") {
        "failure"
    } else if excepted {
        "success"
    } else {
        "failure"
    };
    doc.set(path!("event.outcome"), outcome)
}

/// Informational 1 to high 4; other severities count as 0.
fn level(severity: Text<'_>) -> usize {
    SEVERITIES
        .iter()
        .position(|(name, _)| severity.is_ignoring_case(name))
        .map_or(0, |at| at + 1)
}

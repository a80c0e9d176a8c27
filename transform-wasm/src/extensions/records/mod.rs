//! Record types that the reference leaves to its general rules: X12.
//!
//! Most of them are one row of [`families::FAMILIES`]; what needs a decision is a function here or in the other modules.

mod assistant;
mod families;
mod risk;
mod teams;
mod threat;

use super::exchange::members;
use super::related::{set_actor_address, set_target, set_target_address};
use crate::document::{Document, Step};
use crate::json::{Key, Path, Value, key, parse, path};
use crate::mapping::whole_number;
use crate::time;
use crate::workload::dlp;
use families::family_of;

/// X12.
#[inline(never)]
pub(super) fn further(doc: &mut Document<'_>) -> Step {
    let Some(record_type) = doc.record_type else {
        return Ok(());
    };
    if let Some(family) = family_of(record_type) {
        if family.alert && doc.overrides() {
            doc.set(path!("event.kind"), "alert")?;
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
        28 => threat::mail(doc),
        29 => threat::mail_details(doc),
        41 => threat::link(doc),
        47 => {
            // Who changed the file last, where nobody else is named.
            set_actor_address(doc);
            size(doc, path!("FileData.FileSize"))
        }
        51 => match doc.src.text(key!("EventValue")).filter(|user| !user.is_empty()) {
            Some(user) => set_target(doc, user),
            None => Ok(()),
        },
        33 | 63 | 99 | 100 | 107 => {
            size(doc, path!("EndpointMetaData.FileSize"))?;
            dlp::policies(doc)
        }
        64 | 86 | 89 => period(doc, key!("StartTimeUtc"), Some(key!("EndTimeUtc"))),
        24 | 31 | 333 => period(doc, key!("StartTime"), Some(key!("EndTime"))),
        294 => risk::detection(doc),
        43 | 71 | 75 | 82..=84 | 93..=97 => label(doc),
        261 | 284 | 328 | 334 | 363 | 373 => assistant::interaction(doc),
        310..=325 | 362 | 379 | 380 | 383 | 384 | 454 => {
            let kind = by_verb(doc.action(), false);
            doc.classify_further(&["configuration"], &[kind]);
            Ok(())
        }
        20 | 357 => {
            analytics(doc);
            Ok(())
        }
        25 => {
            teams::activity(doc);
            Ok(())
        }
        57 => {
            teams::administration(doc);
            Ok(())
        }
        462 => report(doc),
        _ => Ok(()),
    }
}

/// Power BI and Fabric.
fn analytics(doc: &mut Document<'_>) {
    let action = doc.action();
    if ["View", "Get", "Export", "Download"]
        .iter()
        .any(|verb| action.starts_with(verb))
    {
        doc.classify_further(&[], &["access"]);
    }
    let shared = members(doc, path!("SharingInformation"), key!("RecipientEmail"));
    if let Some(address) = shared.list().and_then(|list| list.first()).and_then(Value::text) {
        set_target_address(doc, address);
    }
}

/// What somebody has reported about a message: JSON in a text.
fn report(doc: &mut Document<'_>) -> Step {
    let report = match doc.src.get(key!("ReportMetadata")) {
        Some(Value::Object(report)) => report.clone(),
        Some(Value::Text(text)) if !text.is_empty() => match parse(text.plain(doc.bump), doc.bump) {
            Ok(Value::Object(report)) => report,
            Ok(_) => return Ok(()),
            Err(error) => {
                doc.note(&format!("ReportMetadata is not JSON: {error}"));
                return Ok(());
            }
        },
        _ => return Ok(()),
    };
    doc.set(path!("o365.ext.report"), Value::Object(report))
}

/// `file.size` from a field that is no number in every record.
fn size(doc: &mut Document<'_>, from: &Path) -> Step {
    let size = doc.src.at(from).and_then(|size| size.to_text(doc.bump));
    match size.and_then(|size| whole_number(size.wire())) {
        Some(size) => {
            let size = doc.number(size);
            doc.set_if_unset(path!("file.size"), size)
        }
        None => Ok(()),
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
fn period(doc: &mut Document<'_>, start: &Key<'_>, end: Option<&Key<'_>>) -> Step {
    let ends = [(Some(start), path!("event.start")), (end, path!("event.end"))];
    for (from, to) in ends {
        let Some(from) = from else { continue };
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

fn label(doc: &mut Document<'_>) -> Step {
    let kind = match doc.record_type {
        Some(96) => "deletion",
        Some(93 | 97) => "access",
        _ if doc.action().contains("Open") || doc.action() == "Access" => "access",
        _ => "change",
    };
    doc.classify_further(&[], &[kind]);
    match doc.src.text(key!("ObjectId")) {
        Some(path) if path.wire().contains(['/', '\\']) && !path.wire().contains("://") => {
            doc.set_if_unset(path!("file.path"), path)
        }
        _ => Ok(()),
    }
}

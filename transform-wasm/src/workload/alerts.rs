//! Alerts of the security and compliance center, and the `Data` that alerts and investigations carry.
//!
//! | from | to |
//! |---|---|
//! | `Comments` (newer references: a copy of `Name`) | `message` |
//! | `Name`, `PolicyId`, `Category` | `rule.name`, `rule.id`, `rule.category` |
//! | `EntityType`, `AlertEntityId`, `AlertLinks` | `rule.ruleset`, `rule.description`, `rule.reference` |

use crate::document::{Document, Step};
use crate::json::{Key, Text, Value, key, parse, path};
use crate::mapping::is_ip;
use crate::time;

/// §3.6.
pub(super) fn alert(doc: &mut Document<'_>) -> Step {
    if doc.profile.maps_newer_fields {
        if doc.src.get(key!("Name")).is_none() {
            doc.fault("Name is missing")?;
        }
        doc.copy_field(path!("Name"), path!("message"))?;
    } else {
        doc.move_field(path!("Comments"), path!("message"))?;
    }
    doc.move_field(path!("Name"), path!("rule.name"))?;
    doc.move_field(path!("PolicyId"), path!("rule.id"))?;
    doc.move_field(path!("Category"), path!("rule.category"))?;
    doc.move_field(path!("EntityType"), path!("rule.ruleset"))?;
    doc.move_field(path!("AlertEntityId"), path!("rule.description"))?;
    doc.move_field(path!("AlertLinks"), path!("rule.reference"))?;
    doc.set(path!("event.kind"), "alert")
}

/// The keys of `Data` that are fields of their own.
#[rustfmt::skip]
const DATA_KEYS: [&str; 59] = [
    "ad", "af", "aii", "ail", "alk", "als", "an", "at", "cid", "cpid", "dm", "dpn", "eid", "etps", "etype",
    "f3u", "fvs", "imsgid", "lon", "mat", "md", "ms", "od", "op", "ot", "plk", "pud", "reid", "rid", "sev",
    "sict", "sid", "sip", "sitmi", "srt", "ssic", "suid", "tdc", "te", "thn", "tht", "tid", "tpid", "tpt",
    "trc", "ts", "tsd", "ttdt", "ttr", "upfc", "upfv", "ut", "von", "wl", "zfh", "zfn", "zmfh", "zmfn", "zu",
];

const DATA_DATES: [&Key<'static>; 5] = [key!("at"), key!("md"), key!("te"), key!("ts"), key!("ttdt")];

const AIR_INVESTIGATION: u32 = 64;

/// §3.10, step 44: any record type.
pub(crate) fn data(doc: &mut Document<'_>) -> Step {
    const KEY: &Key<'static> = key!("Data");
    let newer = doc.profile.maps_newer_fields;
    let parsed = match doc.src.get(KEY) {
        None => return Ok(()),
        Some(Value::Null) => Value::Null,
        Some(Value::Text(text)) => {
            let plain = text.plain(doc.bump);
            // Records of this type repeat a key in two spellings, the first of them no date of any standard.
            let cleaned = if newer && doc.record_type == Some(AIR_INVESTIGATION) {
                doc.bump.alloc_str(&without_local_query_times(plain))
            } else {
                plain
            };
            match parse(cleaned, doc.bump) {
                Ok(parsed) => parsed,
                Err(_) if newer => {
                    doc.src.remove(KEY);
                    return Ok(());
                }
                Err(error) => return doc.fault(&format!("Data is not JSON: {error}")),
            }
        }
        // Already what the text would have held.
        Some(value) if newer => value.clone(),
        Some(_) => return doc.fault("Data is not text"),
    };
    let mut fields = doc.new_object();
    fields.set(key!("flattened"), parsed.clone());
    if let Value::Object(parsed) = &parsed {
        for (key, value) in parsed.iter() {
            if DATA_KEYS.iter().any(|known| key.is(known)) {
                fields.set(key, value.clone());
            }
        }
    }
    doc.src.set(KEY, Value::Object(fields));

    match doc.src.at(path!("Data.sip")) {
        None => {}
        Some(Value::Text(sip)) if is_ip(sip.wire()) => {}
        Some(_) if newer => {
            doc.src.remove_at(path!("Data.sip"));
        }
        Some(_) => doc.fault("Data.sip is not an address")?,
    }
    for key in DATA_DATES {
        let bump = doc.bump;
        let Some(date) = doc
            .src
            .get_mut(KEY)
            .and_then(Value::object_mut)
            .and_then(|data| data.get_mut(key))
        else {
            continue;
        };
        if date.is_null() {
            continue;
        }
        let utc = date.text().and_then(|text| {
            let text = text.plain(bump);
            if newer && matches!(key.wire(), "te" | "ts") {
                time::to_utc_with_blank(text)
            } else {
                time::to_utc(text)
            }
        });
        match utc {
            Some(utc) => *date = Value::Text(Text::literal(bump.alloc_str(&utc))),
            None => doc.fault(&format!("Data.{key} is not a date"))?,
        }
    }
    Ok(())
}

/// Removes every member `"QueryTime":"M/D/YYYY h:mm:ss AM"` together with its comma (N06).
pub(crate) fn without_local_query_times(json: &str) -> String {
    const KEY: &str = "\"QueryTime\":\"";
    let mut kept = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find(KEY) {
        let value = &rest[at + KEY.len()..];
        let end = value.find('"').unwrap_or(value.len());
        let local =
            value[..end].contains('/') && (value[..end].ends_with("AM") || value[..end].ends_with("PM"));
        let after = value.get(end + 1..).unwrap_or("");
        if local && let Some(next) = after.strip_prefix(',') {
            kept.push_str(&rest[..at]);
            rest = next;
        } else if local && rest[..at].ends_with(',') {
            kept.push_str(&rest[..at - 1]);
            rest = after;
        } else {
            let through = at + KEY.len() + end;
            kept.push_str(&rest[..through]);
            rest = &rest[through..];
        }
    }
    kept + rest
}

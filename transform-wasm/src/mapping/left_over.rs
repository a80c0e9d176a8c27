//! Fields that stay in the record and only change their form.

use bumpalo::collections::Vec;

use crate::document::{Document, Step};
use crate::json::{Key, Path, Text, Value, key, number, parse, path};
use crate::time;
use crate::workload::alerts::without_local_query_times;

/// Identifiers that travel as numbers and are indexed as keywords: newer references spell them as text from
/// the start (N03, §7.3).
const NUMERIC_KEYWORDS: [&Path; 14] = [
    path!("RecordType"),
    path!("ActorYammerUserId"),
    path!("TargetYammerUserId"),
    path!("YammerNetworkId"),
    path!("Version"),
    path!("InternalLogonType"),
    path!("LogonType"),
    path!("RunningTime"),
    path!("FileSize"),
    path!("UserType"),
    path!("AzureActiveDirectoryEventType"),
    path!("ListBaseType"),
    path!("SecurityComplianceCenterEventType"),
    path!("ErrorNumber"),
];

/// N03.
pub(super) fn numbers_to_text_early(doc: &mut Document<'_>) -> Step {
    if doc.profile.converts_numbers_late {
        return Ok(());
    }
    for key in NUMERIC_KEYWORDS {
        let bump = doc.bump;
        let Some(value) = doc.src.at_mut(key) else {
            continue;
        };
        match value {
            Value::Number(number) => *value = Value::Text(Text::literal(plain_integer(number, bump))),
            Value::Text(text) if looks_scientific(text.wire()) => match number::to_integer(text.wire()) {
                Some(integer) if integer.integral => {
                    *value = Value::Text(Text::literal(bump.alloc_str(&integer.text)));
                }
                _ => doc.fault(&format!("{key} is not a whole number"))?,
            },
            _ => {}
        }
    }
    for key in [key!("Actor"), key!("Target")] {
        let bump = doc.bump;
        let Some(Value::List(members)) = doc.src.get_mut(key) else {
            continue;
        };
        for member in members.iter_mut().filter_map(Value::object_mut) {
            if let Some(kind) = member.get_mut(key!("Type"))
                && let Value::Number(number) = kind
            {
                *kind = Value::Text(Text::literal(plain_integer(number, bump)));
            }
        }
    }
    Ok(())
}

/// `1E5`, but not a word with an e in it.
fn looks_scientific(text: &str) -> bool {
    text.contains(['e', 'E']) && text.starts_with(|first: char| first.is_ascii_digit() || first == '-')
}

fn plain_integer<'a>(number: &'a str, bump: &'a bumpalo::Bump) -> &'a str {
    if !number.contains(['.', 'e', 'E']) {
        return number;
    }
    number::to_integer(number).map_or(number, |integer| bump.alloc_str(&integer.text))
}

/// Step 6: soft, the mapping goes on.
pub(super) fn list_base_type(doc: &mut Document<'_>) {
    if doc.profile.converts_numbers_late
        && let Some(value) = doc
            .src
            .get_mut(key!("ListBaseType"))
            .filter(|value| !value.is_null())
    {
        match value.to_text(doc.bump) {
            Some(text) => *value = Value::Text(text),
            None => doc.note("ListBaseType cannot become text"),
        }
    }
}

/// Step 43.
pub(super) fn numbers_to_text_late(doc: &mut Document<'_>) -> Step {
    if !doc.profile.converts_numbers_late {
        return Ok(());
    }
    for key in [
        key!("AzureActiveDirectoryEventType"),
        key!("RecordType"),
        key!("UserType"),
    ] {
        doc.make_text(key)?;
    }
    for key in [key!("Actor"), key!("Target")] {
        let bump = doc.bump;
        let Some(Value::List(members)) = doc.src.get_mut(key) else {
            continue;
        };
        for member in members.iter_mut().filter_map(Value::object_mut) {
            if let Some(kind) = member.get_mut(key!("Type"))
                && let Some(text) = kind.to_text(bump)
            {
                *kind = Value::Text(text);
            }
        }
    }
    for key in [
        key!("Version"),
        key!("InternalLogonType"),
        key!("LogonType"),
        key!("ActorYammerUserId"),
        key!("YammerNetworkId"),
    ] {
        doc.make_text(key)?;
    }
    Ok(())
}

/// Steps 10 and 11: text that holds JSON becomes what it holds, or goes away with a soft error.
pub(super) fn parse_in_place(doc: &mut Document<'_>, key: &Key<'static>) {
    let Some(text) = doc.src.text(key) else { return };
    let plain = text.plain(doc.bump);
    if plain.trim().is_empty() {
        doc.src.set(key, Value::Null);
        return;
    }
    match parse(plain, doc.bump) {
        Ok(value) => doc.src.set(key, value),
        Err(error) => {
            doc.src.remove(key);
            doc.note(&format!("{key} is not JSON: {error}"));
        }
    }
}

/// N04: objects leave the names that other records use for text.
pub(super) fn separate_objects(doc: &mut Document<'_>) {
    for (from, to) in [
        (key!("Sender"), key!("SenderEntity")),
        (key!("Message"), key!("MessageObject")),
    ] {
        if doc.src.get(from).and_then(Value::object).is_some()
            && let Some(object) = doc.src.remove(from)
        {
            doc.src.set(to, object);
        }
    }
}

/// N06: members of `Actions` that are JSON text become objects, behind those that are.
pub(super) fn parse_actions(doc: &mut Document<'_>) {
    const KEY: &Key<'static> = key!("Actions");
    let Some(actions) = doc.src.get(KEY).filter(|actions| !actions.is_void()) else {
        return;
    };
    let members = match actions {
        Value::List(members) if members.iter().all(|member| member.object().is_some()) => return,
        Value::List(members) => Vec::clone(members),
        single => Vec::from_iter_in([single.clone()], doc.bump),
    };
    let mut objects = doc.new_list();
    let mut parsed = doc.new_list();
    for member in members {
        match member {
            Value::Object(_) => objects.push(member),
            Value::Text(text) => {
                let cleaned = without_local_query_times(text.plain(doc.bump));
                match parse(doc.bump.alloc_str(&cleaned), doc.bump) {
                    Ok(value) => parsed.push(value),
                    Err(error) => {
                        doc.note(&format!("a member of {KEY} is not JSON: {error}"));
                        parsed.push(Value::Text(text));
                    }
                }
            }
            _ => {}
        }
    }
    objects.append(&mut parsed);
    doc.src.set(KEY, Value::from(objects));
}

/// N22.
pub(super) fn dates(doc: &mut Document<'_>) -> Step {
    for path in [
        path!("EndTimeUtc"),
        path!("LastUpdateTimeUtc"),
        path!("StartTimeUtc"),
        path!("StartTime"),
        path!("FilteringDate"),
        path!("RescanResult.Timestamp"),
    ] {
        let bump = doc.bump;
        let Some(date) = doc.src.at_mut(path).filter(|date| !date.is_void()) else {
            continue;
        };
        match date.text().and_then(|text| time::to_utc(text.plain(bump))) {
            Some(utc) => *date = Value::Text(Text::literal(bump.alloc_str(&utc))),
            None => doc.fault(&format!("{path} is not a date"))?,
        }
    }
    Ok(())
}

/// Step 16, and what newer references make of it (N11).
pub(super) fn platform(doc: &mut Document<'_>) -> Step {
    const NAMES: [&str; 6] = ["Unknown", "Windows", "MacOS", "iOS", "Android", "Web Browser"];
    const KEY: &Key<'static> = key!("Platform");
    const SYSTEMS: [(&str, &str); 6] = [
        ("windows", "windows"),
        ("linux", "linux"),
        ("mac", "macos"),
        ("unix", "unix"),
        ("ios", "ios"),
        ("android", "android"),
    ];
    let Some(platform) = doc
        .src
        .present(KEY)
        .and_then(|platform| platform.to_text(doc.bump))
    else {
        return Ok(());
    };
    let name = NAMES
        .iter()
        .enumerate()
        .find(|(at, _)| platform.is(&at.to_string()))
        .map(|(_, name)| *name);
    if let Some(name) = name {
        doc.src.set(KEY, name);
    }
    if !doc.profile.maps_newer_fields {
        return Ok(());
    }
    let platform = name.map_or(platform, Text::literal);
    let lower = platform.to_lowercase(doc.bump).plain(doc.bump);
    if let Some((_, system)) = SYSTEMS.iter().find(|(part, _)| lower.contains(part)) {
        doc.set(path!("host.os.type"), *system)?;
    }
    doc.set(path!("host.os.platform"), platform)
}

/// Step 19.
pub(super) fn alert_links(doc: &mut Document<'_>) {
    const KEY: &Key<'static> = key!("AlertLinks");
    let Some(links) = doc.src.get(KEY).and_then(Value::list) else {
        return;
    };
    let hrefs = links
        .iter()
        .filter_map(|link| link.object()?.text(key!("AlertLinkHref")).map(Value::Text));
    let hrefs = Vec::from_iter_in(hrefs, doc.bump);
    if hrefs.is_empty() {
        doc.src.remove(KEY);
    } else {
        doc.src.set(KEY, Value::from(hrefs));
    }
}

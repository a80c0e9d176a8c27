//! What surrounds every event: its original text, its time, its constants, and the record's way home.

use super::java_text;
use crate::document::{Document, Step};
use crate::json::{Key, Object, Path, Text, Value, key, path};
use crate::time;

/// The key of the audit record in an envelope.
pub(crate) const RECORD: &Key<'static> = key!("o365audit");

const ECS_VERSION: &str = "8.11.0";
const KEEP_ORIGINAL: &str = "preserve_original_event";

/// Step 1.
pub(super) fn original(doc: &mut Document<'_>) -> Step {
    if doc.profile.maps_newer_fields {
        sweep_collector(doc);
    }
    if !doc.has(path!("event.original")) {
        if let Some(message) = doc.ecs.remove(key!("message")) {
            doc.ecs.remove_at(path!("event.original"));
            doc.set(path!("event.original"), message)?;
        }
    } else if doc.profile.maps_newer_fields {
        doc.ecs.remove(key!("message"));
    }
    if doc.has(path!("event.original")) || !wants_original(doc) {
        return Ok(());
    }
    let text = if doc.profile.java_text_original && !doc.bare {
        Value::Text(doc.text(&java_text::of_object(&doc.src)))
    } else {
        Value::Verbatim(doc.bump.alloc(doc.original))
    };
    doc.set(path!("event.original"), text)
}

/// N01: artefacts of a hosted collector.
fn sweep_collector(doc: &mut Document<'_>) {
    const KEYS: [&Key<'static>; 3] = [key!("organization"), key!("division"), key!("team")];
    if KEYS.iter().all(|key| doc.ecs.text(key).is_some()) {
        for key in KEYS {
            doc.ecs.remove(key);
        }
    }
}

fn wants_original(doc: &Document<'_>) -> bool {
    doc.options.preserve_original
        || match doc.ecs.get(key!("tags")) {
            Some(Value::List(tags)) => tags
                .iter()
                .any(|tag| tag.text().is_some_and(|tag| tag.is(KEEP_ORIGINAL))),
            Some(Value::Text(tag)) => tag.is(KEEP_ORIGINAL),
            _ => false,
        }
}

/// Step 2, and the configured tags.
pub(super) fn constants(doc: &mut Document<'_>) -> Step {
    for tag in &doc.options.tags {
        let tag = doc.text(tag);
        doc.append_unique(path!("tags"), tag);
    }
    doc.set(path!("ecs.version"), ECS_VERSION)?;
    doc.set(path!("event.kind"), "event")?;
    doc.append(path!("event.type"), "info");
    doc.append(path!("event.category"), "web");
    Ok(())
}

/// Step 4.
pub(super) fn timestamp(doc: &mut Document<'_>) -> Step {
    let Some(created) = doc.src.present(key!("CreationTime")) else {
        return Ok(());
    };
    match created
        .text()
        .and_then(|created| time::to_utc_in(created.plain(doc.bump), doc.bump))
    {
        Some(utc) => doc.set(path!("@timestamp"), Text::literal(utc)),
        None => doc.fault("CreationTime is not a date"),
    }
}

/// Step 8.
pub(super) fn user_id(doc: &mut Document<'_>) -> Step {
    copy_user_id(doc, path!("UserId"))
}

/// The user's id from a field; newer references skip zero-length text (N08).
pub(crate) fn copy_user_id(doc: &mut Document<'_>, from: &Path) -> Step {
    if doc.profile.maps_newer_fields && doc.src.at(from).is_some_and(Value::is_void) {
        return Ok(());
    }
    doc.copy_as_text(from, path!("user.id"))
}

/// Step 46. After an error in a profile that aborts, the record stays where it was.
pub(super) fn put_back_record(doc: &mut Document<'_>, aborted: bool) {
    let record = std::mem::replace(&mut doc.src, Object::new_in(doc.bump));
    let path = if aborted {
        path!("o365audit")
    } else {
        path!("o365.audit")
    };
    // An envelope may hold anything below `o365`; the record comes first.
    if !aborted
        && doc
            .ecs
            .get(key!("o365"))
            .is_some_and(|value| value.object().is_none())
    {
        doc.ecs.remove(key!("o365"));
    }
    if let Ok((parent, key)) = doc.ecs.parent_of(path, doc.bump) {
        parent.set(key, Value::Object(record));
    }
}

/// Step 49.
pub(super) fn drop_unwanted(doc: &mut Document<'_>) {
    doc.ecs.remove(key!("_conf"));
    if doc.profile.java_text_original && !wants_original(doc) {
        doc.ecs.remove_at(path!("event.original"));
    }
}

/// N33 and the end of an aborted mapping.
pub(super) fn pipeline_error(doc: &mut Document<'_>) {
    let failed = doc
        .ecs
        .at(path!("error.message"))
        .is_some_and(|message| !message.is_void());
    let kept = doc.profile.java_text_original;
    if !failed {
        return;
    }
    if !kept {
        doc.append_unique(path!("tags"), KEEP_ORIGINAL);
    }
    let _ = doc.set(path!("event.kind"), "pipeline_error");
}

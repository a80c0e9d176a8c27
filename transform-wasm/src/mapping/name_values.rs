//! Lists of names and values become objects (§2.4, §2.5).

use bumpalo::collections::Vec;

use crate::document::{Document, Step};
use crate::json::{Object, Text, Value};

const RAW: &str = "_raw";

/// Longer lists are searched for repeated names no more.
const MAX_MULTI: usize = 1024;

/// Steps 15 and 17. Names are not changed; a member without a value is left out.
pub(super) fn to_object(doc: &mut Document<'_>, key: &'static str) -> Step {
    let bump = doc.bump;
    let mut misfits = false;
    match doc.src.get_mut(key) {
        Some(value @ Value::List(_)) => {
            let mut fields = Vec::new_in(bump);
            for member in value.list().unwrap_or_default() {
                let Some(member) = member.object() else {
                    misfits = true;
                    continue;
                };
                let name = member.present("Name").and_then(|name| name.to_text(bump));
                if let (Some(name), Some(value)) = (name, member.present("Value")) {
                    fields.push((name, value.clone()));
                }
            }
            if !(misfits && doc.profile.aborts_on_error) {
                let total = fields.len();
                let object = Object::from_fields(fields);
                let members = std::mem::replace(value, Value::Object(object));
                if doc.options.extensions {
                    keep_names(doc, key, total, &members)?;
                }
            }
        }
        Some(Value::Text(text)) => {
            let text = *text;
            set_raw(doc, key, text);
        }
        _ => {}
    }
    if misfits {
        doc.fault(&format!("a member of {key} is not an object"))
    } else {
        Ok(())
    }
}

/// X15: the names in a list of their own, and every value of a name that is repeated.
fn keep_names<'a>(doc: &mut Document<'a>, key: &'static str, total: usize, members: &Value<'a>) -> Step {
    let (path, multi) = match key {
        "Parameters" => ("o365.ext.parameter_names", "o365.ext.multi.Parameters"),
        _ => (
            "o365.ext.extended_property_names",
            "o365.ext.multi.ExtendedProperties",
        ),
    };
    let Some(unique) = doc
        .src
        .get(key)
        .and_then(Value::object)
        .filter(|unique| !unique.is_empty())
    else {
        return Ok(());
    };
    let mut names = Vec::with_capacity_in(unique.len(), doc.bump);
    names.extend(unique.iter().map(|(name, _)| Value::Text(name)));
    let is_repeated = unique.len() < total && total <= MAX_MULTI;
    if is_repeated {
        let mut repeated = doc.new_object();
        for name in names.iter().filter_map(Value::text) {
            let values = members
                .list()
                .unwrap_or_default()
                .iter()
                .filter_map(Value::object)
                .filter_map(|member| {
                    let same = member.get("Name")?.to_text(doc.bump)? == name;
                    member.present("Value").filter(|_| same).cloned()
                });
            let values = Vec::from_iter_in(values, doc.bump);
            if values.len() > 1 {
                repeated.set(name, Value::List(values));
            }
        }
        doc.set(multi, Value::Object(repeated))?;
    }
    doc.set(path, Value::List(names))
}

fn set_raw<'a>(doc: &mut Document<'a>, key: &'static str, text: Text<'a>) {
    let mut object = doc.new_object();
    object.set(Text::literal(RAW), text);
    doc.src.set(Text::literal(key), Value::Object(object));
}

/// Step 18. A change is kept only if it has both sides.
pub(super) fn modified_properties(doc: &mut Document<'_>) -> Step {
    const KEY: &str = "ModifiedProperties";
    let mut nameless = false;
    let (mut names, mut one_sided) = (doc.new_list(), Vec::new_in(doc.bump));
    match doc.src.get(KEY) {
        Some(Value::List(members)) => {
            let mut fields = Vec::new_in(doc.bump);
            for member in members {
                if let (true, Some(change)) = (doc.options.extensions, member.object())
                    && let Some(name) = change.text("Name")
                {
                    names.push(Value::Text(name));
                    if let Some(side) = only_side(doc, change) {
                        one_sided.push((sanitised(doc, name), Value::Object(side)));
                    }
                }
                match member {
                    Value::Text(name) => {
                        fields.push((sanitised(doc, *name), Value::Object(doc.new_object())));
                    }
                    Value::Object(change) => {
                        let (Some(old), Some(new)) = (change.present("OldValue"), change.present("NewValue"))
                        else {
                            continue;
                        };
                        let Some(name) = change.present("Name").and_then(|name| name.to_text(doc.bump))
                        else {
                            nameless = true;
                            continue;
                        };
                        let mut sides = doc.new_object();
                        sides.set(Text::literal("NewValue"), new.clone());
                        sides.set(Text::literal("OldValue"), old.clone());
                        fields.push((sanitised(doc, name), Value::Object(sides)));
                    }
                    _ => {}
                }
            }
            if fields.is_empty() {
                doc.src.remove(KEY);
            } else {
                doc.src
                    .set(Text::literal(KEY), Value::Object(Object::from_fields(fields)));
            }
        }
        Some(Value::Text(text)) => {
            let text = *text;
            set_raw(doc, KEY, text);
        }
        _ => {}
    }
    if !names.is_empty() {
        doc.set("o365.ext.modified_property_names", Value::List(names))?;
    }
    if !one_sided.is_empty() {
        doc.set("o365.ext.modified", Value::Object(Object::from_fields(one_sided)))?;
    }
    if nameless {
        doc.fault("a member of ModifiedProperties has no Name")
    } else {
        Ok(())
    }
}

/// X16: the side of a change that has only one, as an addition or a removal does.
fn only_side<'a>(doc: &Document<'a>, change: &Object<'a>) -> Option<Object<'a>> {
    let (side, value) = match (change.present("OldValue"), change.present("NewValue")) {
        (Some(old), None) => ("OldValue", old),
        (None, Some(new)) => ("NewValue", new),
        _ => return None,
    };
    let mut object = doc.new_object();
    object.set(Text::literal(side), value.clone());
    Some(object)
}

/// Blanks and dots would make a name something else in the index.
fn sanitised<'a>(doc: &Document<'a>, name: Text<'a>) -> Text<'a> {
    if !name.wire().contains([' ', '.', '\\']) {
        return name;
    }
    doc.text(&name.plain(doc.bump).replace([' ', '.'], "_"))
}

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
                let name = name_of(member, doc.options.extensions).and_then(|name| name.to_text(bump));
                if let (Some(name), Some(value)) = (name, member.present("Value")) {
                    fields.push((name, value.clone()));
                }
            }
            if !(misfits && doc.profile.aborts_on_error) {
                let object = Object::from_fields(fields);
                let members = std::mem::replace(value, Value::Object(object));
                if doc.options.extensions {
                    let entries = members
                        .list()
                        .unwrap_or_default()
                        .iter()
                        .filter_map(Value::object)
                        .filter_map(|member| {
                            let name = name_of(member, true)?.to_text(bump)?;
                            Some((name, member.present("Value").cloned()))
                        });
                    let entries = Vec::from_iter_in(entries, bump);
                    let kept = if key == "Parameters" {
                        PARAMETERS
                    } else {
                        EXTENDED_PROPERTIES
                    };
                    keep_names(doc, &kept, &entries)?;
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

/// Some services call the name a key. The reference leaves such members out.
fn name_of<'o, 'a>(member: &'o Object<'a>, extensions: bool) -> Option<&'o Value<'a>> {
    let name = member.present("Name");
    if extensions {
        name.or_else(|| member.present("Key"))
    } else {
        name
    }
}

/// Where X15 keeps what the object of a list of names and values cannot.
struct Kept {
    names: &'static str,
    multi: &'static str,
}

const PARAMETERS: Kept = Kept {
    names: "o365.ext.parameter_names",
    multi: "o365.ext.multi.Parameters",
};
const EXTENDED_PROPERTIES: Kept = Kept {
    names: "o365.ext.extended_property_names",
    multi: "o365.ext.multi.ExtendedProperties",
};
const MODIFIED_PROPERTIES: Kept = Kept {
    names: "o365.ext.modified_property_names",
    multi: "o365.ext.multi.ModifiedProperties",
};

/// X15: the names in a list of their own, whether or not they have a value, and every value of a name that is repeated.
fn keep_names<'a>(doc: &mut Document<'a>, kept: &Kept, entries: &[(Text<'a>, Option<Value<'a>>)]) -> Step {
    if entries.is_empty() {
        return Ok(());
    }
    let names = entries.iter().map(|(name, _)| (*name, Value::Null));
    let unique = Object::from_fields(Vec::from_iter_in(names, doc.bump));
    if unique.len() < entries.len() && entries.len() <= MAX_MULTI {
        let mut repeated = doc.new_object();
        for (name, _) in unique.iter() {
            let values = entries
                .iter()
                .filter(|(other, _)| *other == name)
                .filter_map(|(_, value)| value.clone());
            let values = Vec::from_iter_in(values, doc.bump);
            if values.len() > 1 {
                repeated.set(name, Value::List(values));
            }
        }
        if !repeated.is_empty() {
            doc.set(kept.multi, Value::Object(repeated))?;
        }
    }
    let names = unique.iter().map(|(name, _)| Value::Text(name));
    doc.set(kept.names, Value::List(Vec::from_iter_in(names, doc.bump)))
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
    let (mut entries, mut one_sided) = (Vec::new_in(doc.bump), Vec::new_in(doc.bump));
    match doc.src.get(KEY) {
        Some(Value::List(members)) => {
            let mut fields = Vec::new_in(doc.bump);
            for member in members {
                if let (true, Some(name)) = (doc.options.extensions, member.text()) {
                    entries.push((name, None));
                }
                if let (true, Some(change)) = (doc.options.extensions, member.object())
                    && let Some(name) = change.present("Name").and_then(|name| name.to_text(doc.bump))
                {
                    entries.push((name, Some(sides(doc, change))));
                    if let Some(side) = only_side(doc, change) {
                        one_sided.push((sanitised(doc, name), Value::Object(side)));
                    }
                }
                match member {
                    Value::Text(name) => {
                        fields.push((sanitised(doc, *name), Value::Object(doc.new_object())));
                    }
                    Value::Object(change) => {
                        if change.present("OldValue").is_none() || change.present("NewValue").is_none() {
                            continue;
                        }
                        let Some(name) = change.present("Name").and_then(|name| name.to_text(doc.bump))
                        else {
                            nameless = true;
                            continue;
                        };
                        fields.push((sanitised(doc, name), sides(doc, change)));
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
    keep_names(doc, &MODIFIED_PROPERTIES, &entries)?;
    if !one_sided.is_empty() {
        doc.set("o365.ext.modified", Value::Object(Object::from_fields(one_sided)))?;
    }
    if nameless {
        doc.fault("a member of ModifiedProperties has no Name")
    } else {
        Ok(())
    }
}

/// What a change says of before and after.
fn sides<'a>(doc: &Document<'a>, change: &Object<'a>) -> Value<'a> {
    let mut sides = doc.new_object();
    for side in ["NewValue", "OldValue"] {
        if let Some(value) = change.present(side) {
            sides.set(Text::literal(side), value.clone());
        }
    }
    Value::Object(sides)
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

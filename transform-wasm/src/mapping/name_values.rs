//! Lists of names and values become objects (§2.4, §2.5).

use bumpalo::Bump;
use bumpalo::collections::Vec;

use crate::document::{Document, Step};
use crate::json::{Key, Object, Path, Text, Value, key, path};

const RAW: &Key<'static> = key!("_raw");

/// Longer lists are searched for repeated names no more.
const MAX_MULTI: usize = 1024;

/// Steps 15 and 17. Names are not changed; a member without a value is left out.
pub(super) fn to_object(doc: &mut Document<'_>, key: &Key<'static>) -> Step {
    let bump = doc.bump;
    let mut misfits = false;
    match doc.src.get_mut(key) {
        Some(value @ Value::List(_)) => {
            let members = value.list().unwrap_or_default();
            let mut fields = Vec::with_capacity_in(members.len(), bump);
            for member in members {
                let Some(member) = member.object() else {
                    misfits = true;
                    continue;
                };
                let name = name_of(member, doc.options.extensions).and_then(|name| name.to_text(bump));
                if let (Some(name), Some(value)) = (name, member.present(key!("Value"))) {
                    fields.push((Key::from(name), value.clone()));
                }
            }
            if !(misfits && doc.profile.aborts_on_error) {
                let object = Object::from_fields(fields, bump);
                let members = std::mem::replace(value, Value::Object(object));
                let complete =
                    value.object().map_or(0, Object::len) == members.list().unwrap_or_default().len();
                let place = if key == key!("Parameters") {
                    PARAMETERS
                } else {
                    EXTENDED_PROPERTIES
                };
                if doc.options.extensions && complete {
                    // Every member has become a field of its own.
                    let names = value.object().into_iter().flat_map(Object::iter);
                    let names = Vec::from_iter_in(names.map(|(name, _)| Value::Text(name)), bump);
                    Names {
                        names,
                        repeated: Object::new_in(bump),
                    }
                    .keep(doc, &place)?;
                } else if doc.options.extensions {
                    let entries = members
                        .list()
                        .unwrap_or_default()
                        .iter()
                        .filter_map(Value::object)
                        .filter_map(|member| {
                            let name = name_of(member, true)?.to_text(bump)?;
                            Some((name, member.present(key!("Value"))))
                        });
                    let entries = Vec::from_iter_in(entries, bump);
                    let names = Names::of(bump, &entries, Option::<&Value<'_>>::cloned);
                    names.keep(doc, &place)?;
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
    let name = member.present(key!("Name"));
    if extensions {
        name.or_else(|| member.present(key!("Key")))
    } else {
        name
    }
}

/// Where X15 keeps what the object of a list of names and values cannot.
struct Place {
    names: &'static Path,
    multi: &'static Path,
}

const PARAMETERS: Place = Place {
    names: path!("o365.ext.parameter_names"),
    multi: path!("o365.ext.multi.Parameters"),
};
const EXTENDED_PROPERTIES: Place = Place {
    names: path!("o365.ext.extended_property_names"),
    multi: path!("o365.ext.multi.ExtendedProperties"),
};
const MODIFIED_PROPERTIES: Place = Place {
    names: path!("o365.ext.modified_property_names"),
    multi: path!("o365.ext.multi.ModifiedProperties"),
};

/// X15: the names of a list, each once and whether or not it has a value, and every value of a name that is repeated.
struct Names<'a> {
    names: Vec<'a, Value<'a>>,
    repeated: Object<'a>,
}

impl<'a> Names<'a> {
    /// `value` is asked only for names that are repeated, which are few.
    fn of<T: Copy>(
        bump: &'a Bump,
        entries: &[(Text<'a>, T)],
        value: impl Fn(T) -> Option<Value<'a>>,
    ) -> Self {
        let names = entries.iter().map(|(name, _)| (Key::from(*name), Value::Null));
        let unique = Object::from_fields(names, bump);
        let mut repeated = Object::new_in(bump);
        if unique.len() < entries.len() && entries.len() <= MAX_MULTI {
            for (name, _) in unique.iter() {
                let same = entries.iter().filter(|(other, _)| *other == name);
                if same.clone().nth(1).is_none() {
                    continue;
                }
                let values = Vec::from_iter_in(same.filter_map(|(_, it)| value(*it)), bump);
                if values.len() > 1 {
                    repeated.set(name, Value::from(values));
                }
            }
        }
        let names = Vec::from_iter_in(unique.iter().map(|(name, _)| Value::Text(name)), bump);
        Self { names, repeated }
    }

    fn keep(self, doc: &mut Document<'a>, place: &Place) -> Step {
        if !self.repeated.is_empty() {
            doc.set(place.multi, Value::Object(self.repeated))?;
        }
        if self.names.is_empty() {
            return Ok(());
        }
        doc.set(place.names, Value::from(self.names))
    }
}

fn set_raw<'a>(doc: &mut Document<'a>, key: &Key<'static>, text: Text<'a>) {
    let mut object = doc.new_object();
    object.set(RAW, text);
    doc.src.set(key, Value::Object(object));
}

/// Step 18. A change is kept only if it has both sides.
pub(super) fn modified_properties(doc: &mut Document<'_>) -> Step {
    const KEY: &Key<'static> = key!("ModifiedProperties");
    let mut nameless = false;
    let (mut names, mut one_sided) = (None, Vec::new_in(doc.bump));
    match doc.src.get(KEY) {
        Some(Value::List(members)) => {
            let mut fields = Vec::with_capacity_in(members.len(), doc.bump);
            let mut entries = Vec::with_capacity_in(members.len(), doc.bump);
            for member in members.iter() {
                if let (true, Some(name)) = (doc.options.extensions, member.text()) {
                    entries.push((name, None));
                }
                if let (true, Some(change)) = (doc.options.extensions, member.object())
                    && let Some(name) = change
                        .present(key!("Name"))
                        .and_then(|name| name.to_text(doc.bump))
                {
                    entries.push((name, Some(change)));
                    // X16: an addition or a removal has only one.
                    if change.present(key!("OldValue")).is_some()
                        != change.present(key!("NewValue")).is_some()
                    {
                        one_sided.push((sanitised(doc, name), sides(doc.bump, change)));
                    }
                }
                match member {
                    Value::Text(name) => {
                        fields.push((sanitised(doc, *name), Value::Object(doc.new_object())));
                    }
                    Value::Object(change) => {
                        if change.present(key!("OldValue")).is_none()
                            || change.present(key!("NewValue")).is_none()
                        {
                            continue;
                        }
                        let Some(name) = change
                            .present(key!("Name"))
                            .and_then(|name| name.to_text(doc.bump))
                        else {
                            nameless = true;
                            continue;
                        };
                        fields.push((sanitised(doc, name), sides(doc.bump, change)));
                    }
                    _ => {}
                }
            }
            let bump = doc.bump;
            names = Some(Names::of(bump, &entries, |change| {
                change.map(|change| sides(bump, change))
            }));
            drop(entries);
            if fields.is_empty() {
                doc.src.remove(KEY);
            } else {
                doc.src.set(KEY, Value::Object(Object::from_fields(fields, bump)));
            }
        }
        Some(Value::Text(text)) => {
            let text = *text;
            set_raw(doc, KEY, text);
        }
        _ => {}
    }
    if let Some(names) = names {
        names.keep(doc, &MODIFIED_PROPERTIES)?;
    }
    if !one_sided.is_empty() {
        doc.set(
            path!("o365.ext.modified"),
            Value::Object(Object::from_fields(one_sided, doc.bump)),
        )?;
    }
    if nameless {
        doc.fault("a member of ModifiedProperties has no Name")
    } else {
        Ok(())
    }
}

/// What a change says of before and after.
fn sides<'a>(bump: &'a Bump, change: &Object<'a>) -> Value<'a> {
    let mut sides = Object::new_in(bump);
    for side in [key!("NewValue"), key!("OldValue")] {
        if let Some(value) = change.present(side) {
            sides.set(side, value.clone());
        }
    }
    Value::Object(sides)
}

/// Blanks and dots would make a name something else in the index.
fn sanitised<'a>(doc: &Document<'a>, name: Text<'a>) -> Key<'a> {
    if !name.wire().contains([' ', '.', '\\']) {
        return name.into();
    }
    doc.text(&name.plain(doc.bump).replace([' ', '.'], "_")).into()
}

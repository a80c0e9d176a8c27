//! The text form of a Java map (Appendix A of the specification), which the old reference wrote for a record
//! without its original text.

use bumpalo::Bump;

use crate::json::{Object, Value, number};

pub(super) fn of_object(object: &Object<'_>) -> String {
    let mut text = String::new();
    write_object(object, &mut text);
    text
}

fn write_object(object: &Object<'_>, text: &mut String) {
    let mut fields: Vec<_> = object.iter().map(|(key, value)| (key.decoded(), value)).collect();
    fields.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
    let mut capacity = 16;
    while fields.len() * 4 > capacity * 3 {
        capacity *= 2;
    }
    fields.sort_by_key(|(key, _)| bucket(key, capacity));
    text.push('{');
    for (at, (key, value)) in fields.iter().enumerate() {
        if at > 0 {
            text.push_str(", ");
        }
        text.push_str(key);
        text.push('=');
        write_value(value, text);
    }
    text.push('}');
}

fn write_value(value: &Value<'_>, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => text.push_str(number::to_text(number, &Bump::new())),
        Value::Text(value) => text.push_str(&value.decoded()),
        Value::Verbatim(value) => text.push_str(value.text()),
        Value::List(members) => {
            text.push('[');
            for (at, member) in members.iter().enumerate() {
                if at > 0 {
                    text.push_str(", ");
                }
                write_value(member, text);
            }
            text.push(']');
        }
        Value::Object(object) => write_object(object, text),
    }
}

/// Where a hash map of this capacity keeps a key.
fn bucket(key: &str, capacity: usize) -> usize {
    let hash = key
        .encode_utf16()
        .fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    (hash ^ (hash >> 16)) as usize & (capacity - 1)
}

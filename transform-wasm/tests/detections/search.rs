//! Whether a document satisfies a condition, as a detection engine sees it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::data::Condition;

/// Whether any value at a path satisfies the condition.
pub(crate) fn satisfies(document: &Value, path: &str, condition: &Condition<'_>) -> bool {
    let keys: Vec<_> = path.split('.').collect();
    any_at(document, &keys, &mut |value| holds(value, condition))
}

/// Whether every field has its value.
pub(crate) fn has_all(document: &Value, fields: &BTreeMap<String, String>) -> bool {
    fields
        .iter()
        .all(|(path, value)| satisfies(document, path, &Condition::Equals(value)))
}

/// Visits the values at a path: every member of lists on the way, every value inside an object at its end.
fn any_at(value: &Value, keys: &[&str], found: &mut impl FnMut(&Value) -> bool) -> bool {
    match (value, keys) {
        (Value::Array(members), _) => members.iter().any(|member| any_at(member, keys, found)),
        (Value::Object(fields), [key, rest @ ..]) => {
            fields.get(*key).is_some_and(|value| any_at(value, rest, found))
        }
        (Value::Object(fields), []) => fields.values().any(|value| any_at(value, keys, found)),
        (leaf, []) => found(leaf),
        _ => false,
    }
}

fn holds(value: &Value, condition: &Condition<'_>) -> bool {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => return false,
        other => other.to_string(),
    };
    match condition {
        Condition::Present => true,
        // Identifiers are text in the documents, so numbers do not count here.
        Condition::Equals(wanted) => value.as_str() == Some(*wanted),
        Condition::Like(pattern) => like(&text.to_lowercase(), &pattern.to_lowercase()),
        Condition::Contains(part) => text.to_lowercase().contains(&part.to_lowercase()),
        Condition::Is(wanted) => value.as_bool() == Some(*wanted),
        Condition::AtLeast(bound) => text.parse::<f64>().is_ok_and(|number| number >= *bound),
        Condition::AtMost(bound) => text.parse::<f64>().is_ok_and(|number| number <= *bound),
    }
}

/// A pattern in which `*` stands for any text.
fn like(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return text == pattern;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<_> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(end)
}

#[test]
fn patterns() {
    for (text, pattern) in [
        ("abc", "abc"),
        ("abc", "*"),
        ("abc", "a*"),
        ("abc", "*c"),
        ("abc", "*b*"),
        ("aXbYc", "a*b*c"),
        ("aa", "a*a"),
        ("", "*"),
    ] {
        assert!(like(text, pattern), "{text} {pattern}");
    }
    for (text, pattern) in [
        ("abc", "ab"),
        ("abc", "b*"),
        ("abc", "*b"),
        ("a", "a*a"),
        ("ab", "*b*a*"),
        ("abc", ""),
    ] {
        assert!(!like(text, pattern), "{text} {pattern}");
    }
}

#[test]
fn any_member_of_a_list_and_any_value_of_an_object_counts() {
    let document = serde_json::json!({"a": [{"b": "1"}, {"b": ["2", 3]}, null], "c": true});
    let satisfied = |path, condition| satisfies(&document, path, &condition);
    assert!(satisfied("a.b", Condition::Equals("2")));
    assert!(satisfied("a", Condition::Equals("1")));
    assert!(satisfied("a.b", Condition::AtLeast(3.0)));
    assert!(satisfied("a.b", Condition::AtMost(1.0)));
    assert!(satisfied("c", Condition::Is(true)));
    for (path, condition) in [
        ("a.b", Condition::Equals("3")),
        ("a.b.c", Condition::Present),
        ("x", Condition::Present),
        ("a.b", Condition::AtLeast(4.0)),
        ("c", Condition::Is(false)),
        ("c", Condition::Equals("true")),
    ] {
        assert!(!satisfied(path, condition), "{path}");
    }
}

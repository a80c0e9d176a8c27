//! Finds every problem of a struct, though serde stops at the first.
//!
//! What is wrong is taken out of a copy of the tree, or replaced by a placeholder, and the struct is read again. The
//! value that comes out of that is thrown away; only what else is found counts.

use std::{collections::HashSet, ops::Range};

use serde::de::DeserializeOwned;

use super::{
    de::{Deserializer, Error, FORMS, Fault},
    node::{Entry, Kind, Node, Segment},
    secrets::{Secrecy, is_secret_name},
    suggest::{listing, nearest},
};

/// More problems than anyone reads at once, and the forms of their placeholders.
const READINGS: usize = 1_000;

/// What is wrong at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// Below the node that was read.
    pub(super) path: Vec<Segment>,
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    /// A value whose key was probably meant to be that of a secret.
    pub(super) hide: Option<Range<usize>>,
}

/// Reads `T`, or says everything that is wrong.
///
/// `at` is where a missing key is reported if the struct itself has no place; `also` are keys that were read by hand
/// before, for suggestions.
pub(super) fn read<T: DeserializeOwned>(
    node: &Node,
    at: &Range<usize>,
    also: &[&str],
    within: &[Segment],
) -> Result<T, Vec<Finding>> {
    let mut copy = None;
    let mut findings = Vec::new();
    let mut removed = HashSet::new();
    for _ in 0..READINGS {
        let tree = copy.as_ref().unwrap_or(node);
        let error = match T::deserialize(Deserializer(tree)) {
            Ok(value) if findings.is_empty() && copy.is_none() => return Ok(value),
            Ok(_) => break,
            Err(error) => error,
        };
        let path = error.path();
        let tree = copy.get_or_insert_with(|| node.clone());
        if is_new(tree, &path, &error.fault, &removed) {
            findings.push(explain(node, at, also, within, &path, &error));
        }
        if !step_over(tree, &path, &error.fault, &mut removed) {
            break;
        }
    }
    Err(findings)
}

/// Whether a fault is the person's, not a consequence of what was taken out.
fn is_new(tree: &Node, path: &[Segment], fault: &Fault, removed: &HashSet<Vec<Segment>>) -> bool {
    match fault {
        Fault::Placeholder => false,
        Fault::MissingField(field) => {
            !removed.contains(&child(path, field)) && !touches_placeholder(tree, path)
        }
        _ => !touches_placeholder(tree, path),
    }
}

fn touches_placeholder(tree: &Node, path: &[Segment]) -> bool {
    (0..=path.len()).any(|length| {
        tree.find(&path[..length])
            .is_some_and(|found| matches!(found.node.kind, Kind::Placeholder(_)))
    })
}

fn child(path: &[Segment], key: &str) -> Vec<Segment> {
    let mut path = path.to_vec();
    path.push(key.into());
    path
}

/// Changes the tree so that the next reading gets further. False if there is nothing left to change.
fn step_over(tree: &mut Node, path: &[Segment], fault: &Fault, removed: &mut HashSet<Vec<Segment>>) -> bool {
    match fault {
        Fault::UnknownField { .. } => remove(tree, path, removed),
        Fault::MissingField(field) => {
            let field_path = child(path, field);
            if removed.contains(&field_path) {
                return replace(tree, path, removed);
            }
            match tree.find_mut(path).map(|node| &mut node.kind) {
                Some(Kind::Map(entries)) => {
                    entries.push(Entry {
                        key: (*field).to_owned(),
                        key_span: 0..0,
                        value: Node::new(Kind::Placeholder(0), 0..0),
                    });
                    true
                }
                _ => replace(tree, path, removed),
            }
        }
        _ => replace(tree, path, removed),
    }
}

/// Puts a placeholder at a path. If there is one already it takes another form, and in the end it is taken out.
fn replace(tree: &mut Node, path: &[Segment], removed: &mut HashSet<Vec<Segment>>) -> bool {
    let Some((_, parent)) = path.split_last() else {
        return false;
    };
    match tree.find_mut(path) {
        Some(Node {
            kind: Kind::Placeholder(form),
            ..
        }) => {
            *form += 1;
            *form < FORMS || remove(tree, path, removed)
        }
        Some(node) => {
            node.kind = Kind::Placeholder(0);
            true
        }
        None => replace(tree, parent, removed),
    }
}

fn remove(tree: &mut Node, path: &[Segment], removed: &mut HashSet<Vec<Segment>>) -> bool {
    let Some((last, parent)) = path.split_last() else {
        return false;
    };
    match (last, tree.find_mut(parent).map(|node| &mut node.kind)) {
        (Segment::Key(key), Some(Kind::Map(entries))) => {
            entries.retain(|entry| entry.key != *key);
            removed.insert(path.to_vec());
            true
        }
        // An item cannot go: those after it would be reported at the wrong place.
        _ => replace(tree, parent, removed),
    }
}

fn explain(
    root: &Node,
    at: &Range<usize>,
    also: &[&str],
    within: &[Segment],
    path: &[Segment],
    error: &Error,
) -> Finding {
    let found = root.find(path);
    let key_span = found.as_ref().and_then(|found| found.key_span.clone());
    let value_span = found.as_ref().map(|found| found.node.span.clone());
    let secret = found
        .as_ref()
        .is_some_and(|found| matches!(&found.node.kind, Kind::String(text) if text.secret))
        || secrecy(root, within, path) != Secrecy::Open;
    let own_place = || {
        value_span
            .clone()
            .filter(|span| !span.is_empty())
            .or_else(|| key_span.clone())
    };
    let mut finding = Finding {
        path: path.to_vec(),
        span: own_place().unwrap_or_else(|| at.clone()),
        message: String::new(),
        hint: None,
        hide: None,
    };
    match &error.fault {
        Fault::UnknownField { field, expected } => {
            let also = if path.len() == 1 { also } else { &[] };
            let expected = || also.iter().chain(*expected).copied();
            let suggestion = nearest(field, expected());
            finding.span = key_span.unwrap_or_else(|| at.clone());
            finding.message = format!("unknown key `{field}`");
            finding.hint = Some(hint(suggestion, "the keys are", expected()));
            finding.hide = suggestion.filter(|name| is_secret_name(name)).and(value_span);
        }
        Fault::MissingField(field) => {
            finding.span = if path.is_empty() {
                at.clone()
            } else {
                key_span.or(value_span).unwrap_or_else(|| at.clone())
            };
            finding.message = format!("`{field}` is missing");
            finding.hint = Some(format!("add the key `{field}`"));
        }
        Fault::UnknownVariant { variant, expected } => {
            finding.message = if secret {
                "is not one of the possible values".to_owned()
            } else {
                format!("`{variant}` is not one of the possible values")
            };
            let suggestion = nearest(variant, expected.iter().copied());
            finding.hint = Some(hint(suggestion, "the values are", expected.iter().copied()));
        }
        Fault::Mismatch {
            found: shown,
            kind,
            expected,
        } => {
            let shown = if secret { kind } else { shown.as_str() };
            let expected = plain(expected);
            finding.message = format!("expected {expected}, found {shown}");
            finding.hint = advice(expected, kind, shown);
        }
        Fault::Custom(_) if secret => "is not valid".clone_into(&mut finding.message),
        Fault::Custom(message) => {
            finding.message = match message.strip_prefix("data did not match any variant of untagged enum") {
                Some(_) => "has a form that is not understood".to_owned(),
                None => message.clone(),
            }
        }
        Fault::Placeholder => {}
    }
    finding
}

/// Of the place at `path` of a tree that itself is `within` another.
fn secrecy(root: &Node, within: &[Segment], path: &[Segment]) -> Secrecy {
    let above = within
        .iter()
        .fold(Secrecy::Open, |above, step| above.below(step, None));
    path.iter().enumerate().fold(above, |above, (index, step)| {
        above.below(step, root.find(&path[..=index]).map(|found| found.node))
    })
}

/// How to write what is expected.
fn advice(expected: &str, kind: &str, shown: &str) -> Option<String> {
    let advice = match (expected, kind) {
        ("a text", "an integer" | "a number") if shown.starts_with('`') && shown.len() <= 7 => {
            return Some(format!(
                "put it in quotes, or add a unit if it is a duration: `{}s`",
                shown.trim_matches('`')
            ));
        }
        ("a text" | "a path", "a boolean" | "an integer" | "a number") => "put it in quotes",
        ("a boolean", _) => "write `true` or `false`",
        ("a list", _) => "write a list: `[a, b]`",
        ("a map", _) => "write a map: `{ key: value }`",
        ("a whole number" | WHOLE_NUMBER, "a text") => "write digits only, without quotes",
        _ => return None,
    };
    Some(advice.to_owned())
}

const WHOLE_NUMBER: &str = "a whole number that is not negative";

/// serde's words in those of people.
fn plain(expected: &str) -> &str {
    match expected {
        "a string" | "a borrowed string" => "a text",
        "a sequence" => "a list",
        _ if expected.starts_with("struct ") => "a map",
        "path string" => "a path",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => WHOLE_NUMBER,
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        _ => expected,
    }
}

/// Did you mean, and what there is.
pub(super) fn hint<'n>(
    suggestion: Option<&str>,
    intro: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> String {
    let names = listing(names);
    match suggestion {
        Some(suggestion) => format!("did you mean `{suggestion}`? {intro} {names}"),
        None if names.is_empty() => "it has no keys of its own".to_owned(),
        None => format!("{intro} {names}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::{
        super::{
            node::format_path,
            read::{Format, read as read_text},
        },
        *,
    };

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(with = "o365_core::duration")]
        wait: Duration,
        count: u16,
        names: Vec<String>,
        #[serde(default)]
        ratio: Option<f32>,
        inner: Inner,
        way: Way,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        a: String,
        b: bool,
        #[serde(default)]
        pair: (i64, u8),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    enum Way {
        Plain,
        Of(u8),
        With { depth: u8 },
    }

    fn try_read(text: &str) -> Result<Outer, Vec<String>> {
        let node = read_text(text, Format::Yaml).unwrap();
        read::<Outer>(&node, &(0..0), &[], &[]).map_err(|findings| {
            let line = |finding: &Finding| format!("{}: {}", format_path(&finding.path), finding.message);
            findings.iter().map(line).collect()
        })
    }

    #[track_caller]
    fn fails(text: &str, expected: &[&str]) {
        assert_eq!(try_read(text).unwrap_err(), expected);
    }

    #[test]
    fn reads_what_is_right() {
        let text =
            "{wait: 5s, count: 7, names: [x], ratio: 1, inner: {a: x, b: true, pair: [-1, 2]}, way: plain}";
        let expected = Outer {
            wait: Duration::from_secs(5),
            count: 7,
            names: vec!["x".to_owned()],
            ratio: Some(1.0),
            inner: Inner {
                a: "x".to_owned(),
                b: true,
                pair: (-1, 2),
            },
            way: Way::Plain,
        };
        assert_eq!(try_read(text), Ok(expected));
        for (way, expected) in [
            ("{of: 3}", Way::Of(3)),
            ("{with: {depth: 2}}", Way::With { depth: 2 }),
        ] {
            assert_eq!(try_read(&text.replace("plain", way)).unwrap().way, expected);
        }
    }

    #[test]
    fn finds_everything_that_is_missing() {
        fails(
            "{inner: {}}",
            &[
                "inner: `a` is missing",
                "inner: `b` is missing",
                ": `wait` is missing",
                ": `count` is missing",
                ": `names` is missing",
                ": `way` is missing",
            ],
        );
    }

    #[test]
    fn finds_everything_that_is_wrong() {
        fails(
            "{wait: long, cuont: 7, count: 70000, names: [1, x, {}], ratio: x, inner: {a: [], c: 1}, way: up}",
            &[
                "wait: `long` is not a duration: write a number and a unit, like `500ms`, `90s`, `3m`, `24h`, `7d` \
                 or `1h30m`",
                "cuont: unknown key `cuont`",
                "count: expected a whole number that is not negative, found `70000`",
                "names[0]: expected a text, found `1`",
                "names[2]: expected a text, found a map",
                "ratio: expected a number, found the text `x`",
                "inner.a: expected a text, found a list",
                "inner.c: unknown key `c`",
                "inner: `b` is missing",
                "way: `up` is not one of the possible values",
            ],
        );
        fails(
            "{wait: 1s, count: 1, names: [], inner: [x, true], way: {of: x, with: {}}}",
            &[
                "inner: expected a map, found a list",
                "way: expected a map with exactly one key",
            ],
        );
        fails(
            "{wait: 1s, count: 1, names: [], inner: {a: x, b: true, pair: [1]}, way: {with: {deep: 1}}}",
            &[
                "inner.pair: expected a tuple of size 2, found 1 values",
                "way.with.deep: unknown key `deep`",
                "way.with: `depth` is missing",
            ],
        );
    }
}

//! Variables in texts: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?message}`,
//! `${NAME?message}`, and `$$` for a dollar sign.
//!
//! This happens in the tree, after reading: a value with line feeds, quotes or colons stays one text, and what a variable
//! holds is never looked at again. Keys are left alone, and so are
//!
//! - VRL programs — `source` and `condition` of a transform and what is below `route` — because `$` ends a line in a
//!   regular expression;
//! - everything below `tests`: events contain dollar signs, and a test does not depend on who runs it.
//!
//! A `$` before anything but a name, a brace or another `$` is a dollar sign.

use std::{fmt::Write as _, ops::Range};

use super::{
    node::{Kind, Node, Segment},
    secrets::is_secret_name,
};

/// Where variables come from.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// A text whose variables could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) path: Vec<Segment>,
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) hint: String,
}

/// Fills in the variables of every text. What cannot be filled in becomes a placeholder.
pub(super) fn interpolate(root: &mut Node, text: &str, env: Environment<'_>) -> Vec<Missing> {
    let mut walk = Walk {
        text,
        env,
        path: Vec::new(),
        missing: Vec::new(),
    };
    walk.node(root);
    walk.missing
}

struct Walk<'a> {
    text: &'a str,
    env: Environment<'a>,
    path: Vec<Segment>,
    missing: Vec<Missing>,
}

impl Walk<'_> {
    fn node(&mut self, node: &mut Node) {
        if is_literal(&self.path) {
            return;
        }
        match &mut node.kind {
            Kind::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.path.push(Segment::Index(index));
                    self.node(item);
                    self.path.pop();
                }
            }
            Kind::Map(entries) => {
                for entry in entries {
                    self.path.push(Segment::Key(entry.key.clone()));
                    self.node(&mut entry.value);
                    self.path.pop();
                }
            }
            Kind::String(value) if value.value.contains('$') => match expand(&value.value, self.env) {
                Ok(expanded) => {
                    value.interpolated = !expanded.variables.is_empty();
                    value.secret = expanded.variables.iter().any(|name| is_secret_name(name));
                    value.value = expanded.text;
                }
                Err(problems) => {
                    for problem in problems {
                        let raw = self.text.get(node.defined.clone()).unwrap_or_default();
                        // The exact place, if the text is written as it is read.
                        let span = raw.find(&problem.written).map_or(node.span.clone(), |at| {
                            let start = node.defined.start + at;
                            start..start + problem.written.len()
                        });
                        self.missing.push(Missing {
                            path: self.path.clone(),
                            span,
                            message: problem.message,
                            hint: problem.hint,
                        });
                    }
                    node.kind = Kind::Placeholder(0);
                }
            },
            _ => {}
        }
    }
}

/// Whether what is at the path is taken as it is.
fn is_literal(path: &[Segment]) -> bool {
    let key = |at: usize| match path.get(at) {
        Some(Segment::Key(key)) => key.as_str(),
        _ => "",
    };
    match key(0) {
        "tests" => true,
        "transforms" => matches!(key(2), "source" | "condition" | "route"),
        _ => false,
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Expanded {
    text: String,
    variables: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Problem {
    written: String,
    message: String,
    hint: String,
}

fn expand(text: &str, env: Environment<'_>) -> Result<Expanded, Vec<Problem>> {
    let mut expanded = Expanded {
        text: String::with_capacity(text.len()),
        variables: Vec::new(),
    };
    let mut problems = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.text.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('$') {
            expanded.text.push('$');
            rest = after;
        } else if let Some(inner) = after.strip_prefix('{') {
            let Some(end) = inner.find('}') else {
                problems.push(syntax(&rest[at..], "the brace of `${` is not closed"));
                break;
            };
            let written = &rest[at..at + end + 3];
            match braced(&inner[..end], written, env) {
                Ok((name, value)) => {
                    expanded.text.push_str(&value);
                    expanded.variables.push(name);
                }
                Err(problem) => problems.push(problem),
            }
            rest = &inner[end + 1..];
        } else {
            let name = name_at(after);
            if name.is_empty() {
                expanded.text.push('$');
            } else if let Some(value) = env(name) {
                expanded.text.push_str(&value);
                expanded.variables.push(name.to_owned());
            } else {
                problems.push(missing(name, &rest[at..=at + name.len()]));
            }
            rest = &after[name.len()..];
        }
    }
    expanded.text.push_str(rest);
    if problems.is_empty() {
        Ok(expanded)
    } else {
        Err(problems)
    }
}

/// What is between the braces.
fn braced(inner: &str, written: &str, env: Environment<'_>) -> Result<(String, String), Problem> {
    let name = name_at(inner);
    if name.is_empty() {
        return Err(syntax(written, "`${` needs the name of a variable"));
    }
    let rest = &inner[name.len()..];
    if rest.contains("${") {
        return Err(Problem {
            written: written.to_owned(),
            message: format!("a variable within the default of `{name}` is not supported"),
            hint: "give the default as a plain text".to_owned(),
        });
    }
    // With a colon, an empty variable is as good as none.
    let (rest, empty_counts) = match rest.strip_prefix(':') {
        Some(rest) => (rest, false),
        None => (rest, true),
    };
    let value = env(name).filter(|value| empty_counts || !value.is_empty());
    let value = match (rest.chars().next(), value) {
        (None, Some(value)) if empty_counts => value,
        (None, None) if empty_counts => return Err(missing(name, written)),
        (Some('-' | '?'), Some(value)) => value,
        (Some('-'), None) => rest[1..].to_owned(),
        (Some('?'), None) => {
            let message = if rest.len() > 1 {
                &rest[1..]
            } else {
                "it must be set"
            };
            return Err(Problem {
                message: format!("environment variable `{name}` is not set: {message}"),
                ..missing(name, written)
            });
        }
        _ => {
            return Err(syntax(
                written,
                "after the name come `:-default`, `-default`, `:?message` or `?message`",
            ));
        }
    };
    Ok((name.to_owned(), value))
}

/// The name at the start of a text.
fn name_at(text: &str) -> &str {
    let end = text
        .find(|c: char| !(c == '_' || c.is_ascii_alphanumeric()))
        .unwrap_or(text.len());
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        ""
    } else {
        &text[..end]
    }
}

fn missing(name: &str, written: &str) -> Problem {
    let mut hint = if is_secret_name(name) {
        "set it before starting".to_owned()
    } else {
        format!("set it, or give a default: `${{{name}:-default}}`")
    };
    // Writing to a String cannot fail.
    let _ = write!(hint, "; a dollar sign is written `$$`");
    Problem {
        written: written.to_owned(),
        message: format!("environment variable `{name}` is not set"),
        hint,
    }
}

fn syntax(written: &str, message: &str) -> Problem {
    Problem {
        written: written.to_owned(),
        message: message.to_owned(),
        hint: "a dollar sign is written `$$`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("example".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICKY" => Some("a: $HOST\n- ${HOST} $$".to_owned()),
            _ => None,
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(
            expand(text, &env).map(|expanded| expanded.text),
            Ok(expected.to_owned())
        );
    }

    #[track_caller]
    fn fails(text: &str, written: &str, message: &str) {
        let problems = expand(text, &env).unwrap_err();
        let found: Vec<_> = problems
            .iter()
            .map(|problem| (problem.written.as_str(), problem.message.as_str()))
            .collect();
        assert_eq!(found, [(written, message)]);
    }

    #[test]
    fn fills_in() {
        check("https://$HOST/${HOST}s", "https://example/examples");
        check("${NONE:-a b}|${NONE-c}|${EMPTY:-d}|${EMPTY-e}|", "a b|c|d||");
        check("${HOST:?needed}${HOST?needed}", "exampleexample");
        check("$$HOST costs 5$, $1, ^a$", "$HOST costs 5$, $1, ^a$");
    }

    #[test]
    fn never_looks_at_what_it_filled_in() {
        check("x=${TRICKY}", "x=a: $HOST\n- ${HOST} $$");
    }

    #[test]
    fn says_what_is_missing() {
        fails("a $NONE b", "$NONE", "environment variable `NONE` is not set");
        fails(
            "${NONE:?ask the admin}",
            "${NONE:?ask the admin}",
            "environment variable `NONE` is not set: ask the admin",
        );
        fails(
            "${EMPTY:?}",
            "${EMPTY:?}",
            "environment variable `EMPTY` is not set: it must be set",
        );
        fails("${HOST", "${HOST", "the brace of `${` is not closed");
        fails("${}", "${}", "`${` needs the name of a variable");
        fails(
            "${HOST:x}",
            "${HOST:x}",
            "after the name come `:-default`, `-default`, `:?message` or `?message`",
        );
        fails(
            "${NONE:-${HOST}}",
            "${NONE:-${HOST}",
            "a variable within the default of `NONE` is not supported",
        );
    }

    #[test]
    fn leaves_programs_and_tests_alone() {
        let path = |path: &str| super::super::node::parse_path(path);
        for literal in [
            "transforms.a.source",
            "transforms.a.condition",
            "transforms.a.route.x",
            "tests[0].outputs[0].conditions[0].source",
        ] {
            assert!(is_literal(&path(literal)), "{literal}");
        }
        for filled_in in [
            "transforms.a.file",
            "sources.a.source",
            "transforms.source.module",
            "data_dir",
        ] {
            assert!(!is_literal(&path(filled_in)), "{filled_in}");
        }
    }
}

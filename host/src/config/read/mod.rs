//! From text to a tree. Interpolation and meaning come later.

mod toml;
mod yaml;

use std::{collections::HashMap, ops::Range, path::Path};

use super::node::{Entry, Kind, Node};

/// Reads a data file that is no configuration, such as a list of rules. The error is for people.
pub(crate) fn yaml_data<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    yaml::data(text)
}

/// The language of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `.yaml`, `.yml`
    Yaml,
    /// `.json`
    Json,
    /// `.toml`
    Toml,
}

impl Format {
    /// The language of a file by its extension.
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// Why a text is no tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReadError {
    pub(super) span: Range<usize>,
    /// A second place that belongs to the problem, with what it is.
    pub(super) other: Option<(Range<usize>, &'static str)>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl ReadError {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span,
            other: None,
            message: message.into(),
            hint: None,
        }
    }

    fn duplicate(key: &str, span: Range<usize>, first: Option<Range<usize>>) -> Self {
        Self {
            other: first.map(|span| (span, "first here")),
            ..Self::new(span, format!("duplicate key `{key}`")).hint("keep one of the two")
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Reads a text. On failure there is at least one error.
pub(super) fn read(text: &str, format: Format) -> Result<Node, Vec<ReadError>> {
    let root = match format {
        Format::Yaml => yaml::read(text),
        // YAML understands nearly all JSON, but explains a syntax error in terms of YAML.
        Format::Json => match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => yaml::read(text),
            Err(error) => Err(json_error(text, &error)),
        },
        Format::Toml => toml::read(text),
    };
    let root = root.map_err(|error| vec![error])?;
    let mut errors = Vec::new();
    check_keys(&root, &mut errors);
    if errors.is_empty() { Ok(root) } else { Err(errors) }
}

fn json_error(text: &str, error: &serde_json::Error) -> ReadError {
    // Columns are bytes here.
    let mut at = (offset_of(text, error.line(), 1) + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let message = error.to_string();
    // "expected `,` at line 3 column 5": the place is said elsewhere.
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(message, _)| message);
    ReadError::new(at..at, format!("not JSON: {message}"))
}

/// The byte at a line and a column in characters, both from 1.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let rest = text.get(start..).unwrap_or_default();
    let within = rest
        .char_indices()
        .nth(column.saturating_sub(1))
        .map_or(rest.len(), |(at, _)| at);
    start + within.min(rest.find('\n').unwrap_or(rest.len()))
}

/// Duplicate keys, and keys that mean something in YAML that we do not do.
fn check_keys(node: &Node, errors: &mut Vec<ReadError>) {
    match &node.kind {
        Kind::List(items) => items.iter().for_each(|item| check_keys(item, errors)),
        Kind::Map(entries) => {
            let mut seen: HashMap<&str, &Entry> = HashMap::new();
            for entry in entries {
                if entry.key == "<<" {
                    errors.push(
                        ReadError::new(entry.key_span.clone(), "merge keys (`<<`) are not supported")
                            .hint("write the keys out, or share a whole value with an anchor and an alias"),
                    );
                } else if let Some(first) = seen.insert(&entry.key, entry) {
                    let first = Some(first.key_span.clone());
                    errors.push(ReadError::duplicate(&entry.key, entry.key_span.clone(), first));
                }
                check_keys(&entry.value, errors);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every scalar's text, read back from the file through its span.
    fn scalars(node: &Node, text: &str, found: &mut Vec<String>) {
        match &node.kind {
            Kind::List(items) => items.iter().for_each(|item| scalars(item, text, found)),
            Kind::Map(entries) => {
                for entry in entries {
                    found.push(text[entry.key_span.clone()].to_owned());
                    scalars(&entry.value, text, found);
                }
            }
            _ => found.push(text[node.span.clone()].to_owned()),
        }
    }

    #[track_caller]
    fn check(text: &str, format: Format, json: &str, spans: &[&str]) {
        let node = read(text, format).unwrap_or_else(|errors| panic!("{errors:?}"));
        let expected: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(node.to_json(), expected);
        let mut found = Vec::new();
        scalars(&node, text, &mut found);
        assert_eq!(found, spans);
    }

    #[track_caller]
    fn fails(text: &str, format: Format, expected: &[(&str, &str)]) {
        let errors = read(text, format).unwrap_err();
        let errors: Vec<_> = errors
            .iter()
            .map(|error| (&text[error.span.start..], error.message.as_str()))
            .collect();
        assert_eq!(errors, expected);
    }

    #[test]
    fn yaml_keeps_places() {
        check(
            "ä: 1\nb: [x, \"é\\n\", 'it''s']\nc: {d: null, e: true, f: 1.5}\n",
            Format::Yaml,
            r#"{"ä":1,"b":["x","é\n","it's"],"c":{"d":null,"e":true,"f":1.5}}"#,
            &[
                "ä",
                "1",
                "b",
                "x",
                "\"é\\n\"",
                "'it''s'",
                "c",
                "d",
                "null",
                "e",
                "true",
                "f",
                "1.5",
            ],
        );
    }

    #[test]
    fn yaml_aliases_stand_where_they_are_used() {
        check(
            "base: &b {k: v}\nuse: *b\n",
            Format::Yaml,
            r#"{"base":{"k":"v"},"use":{"k":"v"}}"#,
            &["base", "k", "v", "use", "*b", "*b"],
        );
    }

    #[test]
    fn json_keeps_places() {
        check(
            "{\n\t\"a\": [1, \"\\ud83d\\ude00\\/\"],\n\t\"b\": \"x\"\n}",
            Format::Json,
            r#"{"a":[1,"😀/"],"b":"x"}"#,
            &["\"a\"", "1", "\"\\ud83d\\ude00\\/\"", "\"b\"", "\"x\""],
        );
    }

    #[test]
    fn toml_keeps_places() {
        check(
            "a = 0x10\n[b]\nc = [1.5, \"x\"]\nd = '''\ny'''\n[[e]]\nf = true\n",
            Format::Toml,
            r#"{"a":16,"b":{"c":[1.5,"x"],"d":"y"},"e":[{"f":true}]}"#,
            &[
                "a",
                "0x10",
                "b",
                "c",
                "1.5",
                "\"x\"",
                "d",
                "'''\ny'''",
                "e",
                "f",
                "true",
            ],
        );
    }

    #[test]
    fn syntax_errors_have_a_place() {
        fails(
            "a: [1\n",
            Format::Yaml,
            &[("[1\n", "not YAML: unclosed bracket '['")],
        );
        fails(
            "ä: 1\n---\nb: 2\n",
            Format::Yaml,
            &[("b: 2\n", "more than one YAML document")],
        );
        fails(
            "a: *nope\n",
            Format::Yaml,
            &[("*nope\n", "not YAML: alias references unknown anchor")],
        );
        fails(
            "{\"ä\": 1,}",
            Format::Json,
            &[("}", "not JSON: key must be a string")],
        );
        fails(
            "a = \n",
            Format::Toml,
            &[(
                "\n",
                "not TOML: string values must be quoted, expected literal string",
            )],
        );
    }

    #[test]
    fn what_yaml_can_and_we_cannot_is_refused() {
        fails(
            "b: &b {k: v}\nc: {<<: *b}\n",
            Format::Yaml,
            &[("<<: *b}\n", "merge keys (`<<`) are not supported")],
        );
        let errors = read("a: !foo x\n", Format::Yaml).unwrap_err();
        assert!(errors[0].message.contains("tag"), "{errors:?}");
        assert!(read("? [a]\n: x\n", Format::Yaml).is_err());
    }

    #[test]
    fn duplicate_keys_name_both_places() {
        let text = "a: 1\nb: {c: 1, c: 2}\na: 2\n";
        let errors = read(text, Format::Yaml).unwrap_err();
        let places: Vec<_> = errors
            .iter()
            .map(|error| (error.span.start, error.other.clone().map(|(span, _)| span.start)))
            .collect();
        assert_eq!(places, [(15, Some(9)), (21, Some(0))]);
        let errors = read("[x]\nb = 1\n[y]\na = 1\na = 2\n", Format::Toml).unwrap_err();
        assert_eq!(errors[0].message, "duplicate key `a`");
        assert_eq!(
            (errors[0].span.start, errors[0].other.clone().unwrap().0.start),
            (20, 14)
        );
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let tens = |of: &str| [of; 10].join(",");
        let mut lines = vec![format!("a: &a [{}]", tens("x"))];
        for names in ["a", "b", "c", "d", "e", "f", "g", "h"].windows(2) {
            let of = format!("*{}", names[0]);
            lines.push(format!("{name}: &{name} [{}]", tens(&of), name = names[1]));
        }
        assert!(read(&lines.join("\n"), Format::Yaml).is_err());
    }
}

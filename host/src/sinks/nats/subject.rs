//! Where a message goes and how it is recognised: a subject that may be made of the event's fields, and an id.

use std::fmt::Write as _;

use o365_core::Failure;
use sha2::{Digest, Sha256};

use super::super::lookup;

/// A subject stands in a line of the protocol, and a server ends the connection when that has more than 4096 bytes.
const LONGEST_SUBJECT: usize = 1_024;
/// A longer id is replaced by its hash.
const LONGEST_ID: usize = 200;

/// A subject with `{{ field }}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Which of the looked up fields.
    Field(usize),
}

/// What a message is addressed by, and the fields that it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    subject: Subject,
    /// Those of the subject, then that of the id if there is one.
    paths: Vec<Vec<String>>,
    has_id: bool,
}

/// What is wrong with a template, in words.
type Wrong = String;

impl Envelope {
    /// Reads a template, and where the id of an event is.
    pub(super) fn new(template: &str, id_key: Option<&str>) -> Result<Self, Wrong> {
        let mut paths = Vec::new();
        let subject = Subject::read(template, &mut paths)?;
        if paths.len() >= lookup::MOST {
            return Err("has too many fields".to_owned());
        }
        paths.extend(id_key.map(path));
        Ok(Self {
            subject,
            paths,
            has_id: id_key.is_some(),
        })
    }

    /// Whether messages carry an id.
    pub(super) fn has_id(&self) -> bool {
        self.has_id
    }

    /// Whether all messages go to the same subject, without an id.
    pub(super) fn is_fixed(&self) -> bool {
        self.paths.is_empty()
    }

    /// The subject of all messages as far as it is known: with `*` for the tokens that fields are in.
    pub(super) fn pattern(&self) -> String {
        let mut any = String::new();
        for part in &self.subject.parts {
            match part {
                Part::Text(text) => any.push_str(text),
                Part::Field(_) => any.push('*'),
            }
        }
        let token = |token: &str| {
            if token.contains('*') {
                "*".to_owned()
            } else {
                token.to_owned()
            }
        };
        any.split('.').map(token).collect::<Vec<_>>().join(".")
    }

    /// Subject and id of a document.
    pub(super) fn address(&self, document: &[u8]) -> Result<(String, Option<String>), Failure> {
        let paths: Vec<&[String]> = self.paths.iter().map(Vec::as_slice).collect();
        let mut found = vec![None; paths.len()];
        lookup::find(document, &paths, &mut found)
            .map_err(|error| Failure::new("encoding", format!("the event is not a JSON object: {error}")))?;
        let id = if self.has_id { found.pop().flatten() } else { None };
        let mut subject = String::new();
        for part in &self.subject.parts {
            match part {
                Part::Text(text) => subject.push_str(text),
                Part::Field(number) => match found[*number].as_deref() {
                    Some(value) if !value.is_empty() => push_token(value, &mut subject),
                    _ => {
                        let field = self.paths[*number].join(".");
                        let reason =
                            format!("the event has no text at `{field}`, and `subject` is made of it");
                        return Err(Failure::new("encoding", reason));
                    }
                },
            }
        }
        if subject.len() > LONGEST_SUBJECT {
            let reason = format!(
                "the subject would have {} bytes, more than {LONGEST_SUBJECT}: a field of `subject` is too long",
                subject.len()
            );
            return Err(Failure::new("encoding", reason));
        }
        Ok((subject, id.filter(|id| !id.is_empty()).map(message_id)))
    }
}

impl Subject {
    fn read(template: &str, paths: &mut Vec<Vec<String>>) -> Result<Self, Wrong> {
        let (mut parts, mut rest) = (Vec::new(), template);
        while let Some((text, after)) = rest.split_once("{{") {
            let (field, after) = after.split_once("}}").ok_or("has `{{` without `}}`".to_owned())?;
            let field = field.trim();
            let path = path(field.strip_prefix('.').unwrap_or(field));
            if path
                .iter()
                .any(|part| part.is_empty() || part.contains(['{', '}', '"', '[', ' ']))
            {
                return Err(format!("`{field}` is not a path"));
            }
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            parts.push(Part::Field(paths.len()));
            paths.push(path);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let subject = Self { parts };
        let example = subject.with("x");
        if example.contains("}}") {
            return Err("has `}}` without `{{`".to_owned());
        }
        if example.len() > LONGEST_SUBJECT {
            return Err("is too long".to_owned());
        }
        if let Some(token) = example
            .split('.')
            .find(|token| token.is_empty() || !token.chars().all(is_allowed))
        {
            return Err(match token {
                "" => "has an empty part: dots stand between parts, not at the ends".to_owned(),
                token => format!("has the part `{token}`: blanks, `*` and `>` cannot be published to"),
            });
        }
        Ok(subject)
    }

    /// With one value for all fields.
    fn with(&self, value: &str) -> String {
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Field(_) => value.to_owned(),
        };
        self.parts.iter().map(text).collect()
    }
}

fn path(text: &str) -> Vec<String> {
    text.split('.').map(str::to_owned).collect()
}

/// Whether a character can be within a part of a subject.
fn is_allowed(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, '.' | '*' | '>')
}

/// A value stays within one part.
fn push_token(value: &str, subject: &mut String) {
    subject.extend(value.chars().map(|c| if is_allowed(c) { c } else { '_' }));
}

/// What the stream recognises an event by. The server skips blanks around a header, so that two ids could look the same:
/// anything but visible ASCII is replaced by its hash.
fn message_id(id: String) -> String {
    if id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return id;
    }
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(id) {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(template: &str, document: &str) -> Result<(String, Option<String>), String> {
        let envelope = Envelope::new(template, Some("event.id")).unwrap();
        envelope
            .address(document.as_bytes())
            .map_err(|failure| failure.reason)
    }

    #[test]
    fn a_subject_is_made_of_fields() {
        let document =
            r#"{"event":{"id":"e-1","provider":"Exchange","code":7},"organization":{"id":"a.b *>\tc"}}"#;
        let subject = |template: &str| address(template, document).unwrap().0;
        assert_eq!(subject("o365.audit"), "o365.audit");
        assert_eq!(subject("{{event.provider}}"), "Exchange");
        assert_eq!(
            subject("o365.{{ .event.provider }}.x{{ event.code }}-{{event.provider}}"),
            "o365.Exchange.x7-Exchange"
        );
        // A value never makes a part more, nor a wildcard.
        assert_eq!(subject("o365.{{ organization.id }}"), "o365.a_b____c");
        assert_eq!(address("o365", document).unwrap().1.as_deref(), Some("e-1"));
    }

    #[test]
    fn an_event_that_has_no_subject_is_refused() {
        for document in [
            r#"{"a":{}}"#,
            r#"{"a":{"b":""}}"#,
            r#"{"a":{"b":["x"]}}"#,
            r#"{"a":{"b":null}}"#,
        ] {
            let reason = address("o365.{{ a.b }}", document).unwrap_err();
            assert_eq!(
                reason,
                "the event has no text at `a.b`, and `subject` is made of it"
            );
        }
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(5_000));
        let reason = address("o365.{{ a }}", &long).unwrap_err();
        assert!(reason.contains("5005 bytes, more than 1024"), "{reason}");
        assert!(address("o365", "[]").unwrap_err().contains("not a JSON object"));
    }

    #[test]
    fn what_no_server_takes_is_no_subject() {
        for (template, wrong) in [
            ("", "empty part"),
            ("a..b", "empty part"),
            ("a.{{ b }}.", "empty part"),
            ("a.*", "`*`"),
            ("a.>", "`>`"),
            ("a b", "`a b`"),
            ("a.{{ b", "without `}}`"),
            ("a.b }}", "without `{{`"),
            ("a.{{ }}", "is not a path"),
            ("a.{{ b..c }}", "is not a path"),
            ("a.{{ b c }}", "is not a path"),
        ] {
            let found = Envelope::new(template, None).unwrap_err();
            assert!(found.contains(wrong), "{template}: {found}");
        }
        assert!(Envelope::new(&"{{a}}".repeat(64), None).is_err());
        assert!(Envelope::new(&"a".repeat(2_000), None).is_err());
    }

    #[test]
    fn the_pattern_has_a_star_for_each_part_with_fields() {
        let pattern = |template: &str| Envelope::new(template, None).unwrap().pattern();
        assert_eq!(pattern("o365.audit"), "o365.audit");
        assert_eq!(pattern("o365.{{ a.b }}.x{{ c }}-{{ d }}.z"), "o365.*.*.z");
        assert!(Envelope::new("o365", None).unwrap().is_fixed());
        assert!(!Envelope::new("o365", Some("event.id")).unwrap().is_fixed());
    }

    #[test]
    fn ids_that_a_header_would_change_are_hashed() {
        let id = |id: &str| {
            let document = serde_json::json!({"event": {"id": id}}).to_string();
            address("o365", &document).unwrap().1
        };
        assert_eq!(id(""), None);
        assert_eq!(address("o365", "{}").unwrap().1, None);
        let plain = "1d6f2f0c-0000-4e3f-9f0a-08dc1b2c3d4e";
        assert_eq!(id(plain).as_deref(), Some(plain));
        let odd = [" a", "a ", "a\r\nb", "ä", &"a".repeat(300)].map(|odd| id(odd).unwrap());
        let different: std::collections::BTreeSet<_> = odd.iter().collect();
        assert_eq!(different.len(), odd.len());
        for hash in odd {
            assert!(hash.len() == 71 && hash.starts_with("sha256:"), "{hash}");
        }
    }
}

//! The file as text: lines, excerpts without secrets, places within a program.

use std::{fmt, ops::Range};

use super::{
    node::{Kind, Node},
    secrets::{Secrecy, find_secrets, secret_lines},
};

/// What stands for a secret.
pub(super) const REDACTED: &str = "**REDACTED**";

/// A configuration file.
pub(super) struct Document {
    pub(super) name: String,
    pub(super) text: String,
    /// Bytes that must not be shown; sorted, not overlapping.
    secrets: Vec<Range<usize>>,
    /// Texts that must not be shown.
    secret_texts: Vec<String>,
}

// The text may hold secrets.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Document {
    /// A text that could not be read: secrets are found by the look of the lines.
    pub(super) fn unread(name: &str, text: &str) -> Self {
        let mut document = Self {
            name: name.to_owned(),
            text: text.to_owned(),
            secrets: Vec::new(),
            secret_texts: Vec::new(),
        };
        document.hide(secret_lines(text));
        document
    }

    /// A text that was read; its tree says where secrets are, before and after interpolation.
    pub(super) fn read(name: &str, text: &str, root: &Node) -> Self {
        let mut document = Self {
            name: name.to_owned(),
            text: text.to_owned(),
            secrets: Vec::new(),
            secret_texts: Vec::new(),
        };
        let mut spans = Vec::new();
        find_secrets(root, Secrecy::Open, text, &mut spans, &mut document.secret_texts);
        // Longest first, so that no rest of a secret stays when another is a part of it.
        document
            .secret_texts
            .sort_by_key(|text| std::cmp::Reverse(text.len()));
        // The same text elsewhere, unless it is so short that it may be there by chance.
        for secret in document.secret_texts.iter().filter(|secret| secret.len() >= 6) {
            spans.extend(
                text.match_indices(secret.as_str())
                    .map(|(at, _)| at..at + secret.len()),
            );
        }
        document.hide(spans);
        document
    }

    /// Hides more of the text.
    pub(super) fn hide(&mut self, spans: impl IntoIterator<Item = Range<usize>>) {
        for span in spans {
            // A block reaches to the next key: the space between stays.
            let shown = self
                .text
                .get(span.clone())
                .map_or(0, |text| text.trim_end().len());
            self.secrets.push(span.start..span.start + shown);
        }
        self.secrets.sort_by_key(|span| (span.start, span.end));
        let mut merged: Vec<Range<usize>> = Vec::new();
        for span in self.secrets.drain(..) {
            match merged.last_mut() {
                Some(last) if span.start < last.end => last.end = last.end.max(span.end),
                _ => merged.push(span),
            }
        }
        self.secrets = merged;
    }

    /// A message without any of the secrets.
    pub(super) fn clean(&self, message: &str) -> String {
        self.secret_texts
            .iter()
            .filter(|secret| !secret.is_empty())
            .fold(message.to_owned(), |message, secret| {
                message.replace(secret.as_str(), REDACTED)
            })
    }

    /// See [`position`].
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        position(&self.text, offset)
    }

    /// The text without secrets, and where bytes of the file are in it. The lines stay the same.
    pub(super) fn redacted(&self) -> Redacted {
        let mut redacted = Redacted {
            text: String::new(),
            shifts: Vec::new(),
        };
        let mut at = 0;
        for span in &self.secrets {
            let Some(secret) = self.text.get(span.clone()) else {
                continue;
            };
            redacted.text.push_str(&self.text[at..span.start]);
            let start = redacted.text.len();
            redacted.text.push_str(REDACTED);
            redacted.text.extend(secret.matches('\n'));
            redacted.shifts.push((span.clone(), start..redacted.text.len()));
            at = span.end;
        }
        redacted.text.push_str(&self.text[at..]);
        redacted
    }

    /// Bytes of the file for bytes of a text's value, as well as the way it is written allows.
    pub(super) fn within(&self, node: &Node, range: &Range<usize>) -> Option<Range<usize>> {
        let Kind::String(text) = &node.kind else {
            return None;
        };
        if text.interpolated || range.start > range.end || range.end > text.value.len() {
            return None;
        }
        let start = self.place_of(&text.value, &node.defined, range.start)?;
        let end = if range.is_empty() {
            start
        } else {
            // From the last byte, since the byte after it may be on the next line.
            self.place_of(&text.value, &node.defined, range.end - 1)? + 1
        };
        let span = start..end.max(start);
        self.text.get(span.clone()).map(|_| span)
    }

    /// Where one byte of a value stands.
    fn place_of(&self, value: &str, span: &Range<usize>, offset: usize) -> Option<usize> {
        let raw = self.text.get(span.clone())?;
        if let Some(before) = raw.find(value.trim_end_matches('\n')) {
            return Some(span.start + before + offset.min(raw.len() - before));
        }
        // A block: the lines of the value are the ends of the lines of the file.
        let line_start = self.text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let mut lines = self
            .text
            .get(line_start..span.end)?
            .split_inclusive('\n')
            .peekable();
        let mut at = line_start;
        let mut value_at = 0;
        for value_line in value.split_inclusive('\n') {
            let content = value_line.trim_end_matches(['\n', '\r']);
            // The file may have blank lines before the first line of the span.
            if value_at == 0 || !content.is_empty() {
                while let Some(line) = lines.next_if(|line| line.trim().is_empty()) {
                    at += line.len();
                    if content.is_empty() {
                        break;
                    }
                }
            }
            if content.is_empty() && offset < value_at + value_line.len() {
                return Some(at);
            }
            if !content.is_empty() {
                let line = lines.next()?;
                let body = line.trim_end_matches(['\n', '\r']);
                if !body.ends_with(content) {
                    return None;
                }
                if offset < value_at + value_line.len() {
                    return Some(at + body.len() - content.len() + (offset - value_at).min(content.len()));
                }
                at += line.len();
            }
            value_at += value_line.len();
        }
        Some(at)
    }
}

/// See [`Document::redacted`].
#[derive(Debug)]
pub(super) struct Redacted {
    pub(super) text: String,
    /// Bytes of the file, and those that stand for them, line feeds included.
    shifts: Vec<(Range<usize>, Range<usize>)>,
}

impl Redacted {
    /// Where bytes of the file are in this text. A part of a secret becomes all of its replacement.
    pub(super) fn place(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.shift(span.start, |secret| span.start < secret.end, 0);
        let end = self.shift(span.end, |secret| span.end <= secret.end, REDACTED.len());
        start..end.max(start)
    }

    /// `within` says whether the offset belongs to the secret that starts before it; if so, it becomes `place` of the
    /// replacement.
    fn shift(&self, offset: usize, within: impl Fn(&Range<usize>) -> bool, place: usize) -> usize {
        let before = self.shifts.iter().rfind(|(secret, _)| secret.start < offset);
        let shifted = match before {
            Some((secret, replacement)) if within(secret) => replacement.start + place,
            Some((secret, replacement)) => replacement.end + (offset - secret.end),
            None => offset,
        };
        // A place of a reader's error may be within a character.
        let mut shifted = shifted.min(self.text.len());
        while !self.text.is_char_boundary(shifted) {
            shifted -= 1;
        }
        shifted
    }
}

/// Line and column, both from 1; columns count characters.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    let characters = before[line_start..]
        .trim_start_matches('\u{feff}')
        .chars()
        .count();
    (line, characters + 1)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            node::parse_path,
            read::{Format, read},
        },
        *,
    };

    fn document(text: &str) -> (Document, Node) {
        let root = read(text, Format::Yaml).unwrap();
        (Document::read("test.yaml", text, &root), root)
    }

    #[test]
    fn positions_count_characters_from_one() {
        let (document, _) = document("ä: 1\nöö: x\n");
        assert_eq!(document.position(0), (1, 1));
        assert_eq!(document.position(6), (2, 1));
        assert_eq!(document.position(10), (2, 3));
        assert_eq!(document.position(9999), (3, 1));
    }

    #[test]
    fn hides_the_values_of_secrets() {
        let (document, _) = document(
            "a: {client_secret: hunter2, b: \"x\"}\nkey_passphrase: |\n  one\n  two\nc: 1\nauth: {token: 12345}\n\
             password: ${PASSWORD}\nkey: -----BEGIN PRIVATE KEY-----\nd: &d s3same\nsecret: *d\n",
        );
        let redacted = document.redacted();
        assert_eq!(
            redacted.text,
            "a: {client_secret: **REDACTED**, b: \"x\"}\nkey_passphrase: |\n  **REDACTED**\n\nc: 1\nauth: {token: \
             **REDACTED**}\npassword: ${PASSWORD}\nkey: **REDACTED**\nd: &d **REDACTED**\nsecret: *d\n"
        );
        for needle in ["b: ", "c: 1", "key: ", "${PASSWORD}"] {
            let at = document.text.find(needle).unwrap();
            let place = redacted.place(&(at..at + needle.len()));
            assert_eq!(&redacted.text[place], needle);
        }
        let at = document.text.find("hunter2").unwrap();
        for span in [at..at + 7, at + 2..at + 4] {
            assert_eq!(&redacted.text[redacted.place(&span)], REDACTED);
        }
        assert_eq!(
            document.clean("`hunter2` or 12345"),
            "`**REDACTED**` or **REDACTED**"
        );
    }

    #[test]
    fn hides_secrets_of_a_text_that_is_no_yaml() {
        let text = "a: [\nclient_secret: \"hunter2\"\n{\"token\" : \"abc\", \"b\": 1}\npassword:\n  s3same\nb: x\nkey_passphrase = 'y'\n\
                    secret: ${SECRET}\nsecret: ${SECRET:-x}";
        assert_eq!(
            Document::unread("test.yaml", text).redacted().text,
            "a: [\nclient_secret: **REDACTED**\n{\"token\" : **REDACTED**\npassword:\n  **REDACTED**\nb: x\nkey_passphrase = \
             **REDACTED**\nsecret: ${SECRET}\nsecret: **REDACTED**"
        );
    }

    #[test]
    fn shows_where_secrets_are_kept() {
        let (document, _) = document(
            "federated_token_file: /run/token\nclient_secret: {file: secret.txt, timeout: 5s}\nkey_passphrase:\n  \
             command: [get, hunter2]\n  timeout: 5\n  more: {file: hunter2, timeout: hunter2}\ntoken_file: [hunter2]\n\
             password: {a: {file: hunter2}, token: {file: b.txt}}\nsecret: [{file: hunter2}]\n",
        );
        assert_eq!(
            document.redacted().text,
            "federated_token_file: /run/token\nclient_secret: {file: secret.txt, timeout: 5s}\nkey_passphrase:\n  \
             command: [**REDACTED**, **REDACTED**]\n  timeout: 5\n  more: {file: **REDACTED**, timeout: \
             **REDACTED**}\ntoken_file: [**REDACTED**]\npassword: {a: {file: **REDACTED**}, token: {file: \
             b.txt}}\nsecret: [{file: **REDACTED**}]\n"
        );
        assert_eq!(
            document.clean("secret.txt cannot be read"),
            "secret.txt cannot be read"
        );
    }

    #[test]
    fn hides_who_shows_himself_to_a_proxy() {
        let text = "proxy:\n  https: http://u:hunter2@proxy:3128\n  http: \"http://u:p/@ss@proxy\"\n  no_proxy: a@b\n\
                    url: https://host.example/path\nvar: http://${USER}:${PASSWORD}@proxy\n";
        let expect = "proxy:\n  https: http://**REDACTED**@proxy:3128\n  http: \"http://**REDACTED**@proxy\"\n  no_proxy: \
                      a@b\nurl: https://host.example/path\nvar: http://${USER}:${PASSWORD}@proxy\n";
        let (document, _) = document(text);
        assert_eq!(document.redacted().text, expect);
        assert_eq!(Document::unread("test.yaml", text).redacted().text, expect);
        assert_eq!(
            document.clean("http://u:hunter2@proxy or `hunter2`"),
            "http://**REDACTED**@proxy or `**REDACTED**`"
        );
    }

    /// `needle` stands once in the value and, at the place that is found, in the file.
    #[track_caller]
    fn check_within(text: &str, needle: &str, line_and_column: Option<(usize, usize)>) {
        let (document, root) = document(text);
        let node = root.find(&parse_path("source")).unwrap().node;
        let start = node.as_str().unwrap().find(needle).unwrap();
        let span = document.within(node, &(start..start + needle.len()));
        if let Some(span) = &span {
            assert_eq!(&document.text[span.clone()], needle);
        }
        assert_eq!(span.map(|span| document.position(span.start)), line_and_column);
    }

    #[test]
    fn finds_the_place_within_a_program() {
        check_within("source: .a = upcase(.b)\n", "upcase", Some((1, 14)));
        check_within("source: '.a = upcase(.b)'\n", "upcase", Some((1, 15)));
        check_within("source: |\n  .a = 1\n  .b = ä(2)\n", ".b", Some((3, 3)));
        check_within("source: |\n  .a = 1\n  .b = ä(2)\n", "(2)", Some((3, 9)));
        check_within(
            "source: |\n\n  if x {\n\n\n    .b = 2\n  }\n",
            ".b = 2",
            Some((6, 5)),
        );
        check_within("source: |2-\n    .a = 1\n  .b = 2\n", ".b", Some((3, 3)));
        check_within("source: |2-\n    .a = 1\n  .b = 2\n", ".a", Some((2, 5)));
        check_within("source: >\n  .a = 1;\n  .b = 2\n", ".b", None);
        check_within("source: \".a\\n.b\"\n", ".b", None);
    }
}

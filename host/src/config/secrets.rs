//! What must not be shown of a file. Found by names, so that a secret at the wrong place is hidden too.

use std::ops::Range;

use super::node::{Kind, Node, Segment};

/// Whether a key's, or a variable's, value must not be shown. Where a secret is kept is none.
pub(super) fn is_secret_name(name: &str) -> bool {
    !names_a_file(name) && has_secret_name(name)
}

fn names_a_file(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("_file") || name.ends_with("-file")
}

fn has_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['-', '_'], "");
    [
        "secret",
        "password",
        "passwd",
        "passphrase",
        "token",
        "apikey",
        "privatekey",
        "credential",
    ]
    .iter()
    .any(|part| name.contains(part))
        || name == "authorization"
        // Of requests: any of them may hold a key.
        || name == "headers"
}

/// Whether what stands at a place must not be shown, for the keys above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// It may be shown.
    Open,
    /// It is the value of a key with a secret's name.
    Value,
    /// It is somewhere below such a value.
    Within,
}

impl Secrecy {
    /// Of what is one step further down. The place of a secret, and how long is waited for it, are shown, unless the
    /// form shows that something else is meant.
    pub(super) fn below(self, step: &Segment, value: Option<&Node>) -> Self {
        let is_scalar = value.is_some_and(|node| !matches!(node.kind, Kind::Map(_) | Kind::List(_)));
        match step {
            Segment::Key(key)
                if is_scalar
                    && (names_a_file(key)
                        || self == Self::Value && matches!(key.as_str(), "file" | "timeout")) =>
            {
                Self::Open
            }
            Segment::Key(key) if has_secret_name(key) => Self::Value,
            _ if self == Self::Open => Self::Open,
            _ => Self::Within,
        }
    }
}

/// Whether a text is a reference to a variable and nothing else: it shows no secret, and helps when it is missing.
fn is_reference(raw: &str) -> bool {
    let raw = raw.trim().trim_matches(['"', '\'']);
    let Some(name) = raw.strip_prefix('$') else {
        return false;
    };
    let name = match name.strip_prefix('{') {
        Some(name) => match name.strip_suffix('}') {
            // A message is shown anyway; a default is a secret.
            Some(name) => name
                .split_once('?')
                .map_or(name, |(name, _)| name.trim_end_matches(':')),
            None => return false,
        },
        None => name,
    };
    !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
}

/// What stands between `://` and `@` of the URLs in a text: who asks, often with a password. The last `@` of a word
/// counts, since a password may hold others.
pub(super) fn user_infos(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices("://").filter_map(|(at, separator)| {
        let start = at + separator.len();
        let word = text[start..]
            .split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`'))
            .next()?;
        let user_info = &word[..word.rfind('@')?];
        let is_secret = !user_info.is_empty() && !user_info.split(':').all(is_reference);
        is_secret.then(|| start..start + user_info.len())
    })
}

/// Secrets of a tree: where they stand, and what they are after interpolation.
pub(super) fn find_secrets(
    node: &Node,
    secrecy: Secrecy,
    text: &str,
    spans: &mut Vec<Range<usize>>,
    texts: &mut Vec<String>,
) {
    match &node.kind {
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                let secrecy = secrecy.below(&Segment::Index(index), Some(item));
                find_secrets(item, secrecy, text, spans, texts);
            }
        }
        Kind::Map(entries) => {
            for entry in entries {
                let secrecy = secrecy.below(&entry.key.as_str().into(), Some(&entry.value));
                find_secrets(&entry.value, secrecy, text, spans, texts);
            }
        }
        Kind::String(value) => {
            let shown = text.get(node.defined.clone()).unwrap_or_default();
            if secrecy != Secrecy::Open || value.secret || value.value.contains("PRIVATE KEY") {
                // Too short to be one, and replacing it would garble the message.
                if value.value.len() >= 4 && !is_reference(&value.value) {
                    texts.push(value.value.clone());
                }
                if !is_reference(shown) {
                    spans.push(node.defined.clone());
                }
            } else {
                let start = node.defined.start;
                spans.extend(user_infos(shown).map(|range| start + range.start..start + range.end));
                for range in user_infos(&value.value) {
                    let user_info = &value.value[range];
                    let password = user_info.split_once(':').map(|(_, password)| password);
                    let secrets = [Some(user_info), password].into_iter().flatten();
                    texts.extend(secrets.filter(|secret| secret.len() >= 4).map(str::to_owned));
                }
            }
        }
        Kind::Int(_) | Kind::Float(_) if secrecy != Secrecy::Open => {
            spans.push(node.defined.clone());
            texts.extend(
                text.get(node.defined.clone())
                    .filter(|raw| raw.len() >= 4)
                    .map(ToOwned::to_owned),
            );
        }
        _ => {}
    }
}

/// Secrets of a text that is no tree: after a key with such a name, the rest of the line and deeper lines below it; and
/// what URLs hold.
pub(super) fn secret_lines(text: &str) -> Vec<Range<usize>> {
    let mut spans: Vec<_> = user_infos(text).collect();
    let mut at = 0;
    let mut below: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let body = line.trim_end();
        let indent = line.len() - line.trim_start().len();
        if below.is_some_and(|depth| indent > depth) && !body.is_empty() {
            spans.push(at + indent..at + body.len());
        } else {
            if !body.is_empty() {
                below = None;
            }
            if let Some(start) = value_of_secret(body) {
                below = Some(indent);
                if start < body.len() && !is_reference(&body[start..]) {
                    spans.push(at + start..at + body.len());
                }
            }
        }
        at += line.len();
    }
    spans
}

/// Where the value starts on a line that has a key with a secret's name.
fn value_of_secret(line: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = line[from..].find([':', '=']) {
        let separator = from + found;
        let key = line[..separator].trim_end().trim_end_matches(['"', '\'']);
        let name = key.rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'));
        if is_secret_name(
            &key[name.map_or(0, |at| at + key[at..].chars().next().map_or(1, char::len_utf8))..],
        ) {
            let value = &line[separator + 1..];
            return Some(line.len() - value.trim_start().len());
        }
        from = separator + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_secrets() {
        for name in [
            "client_secret",
            "key_passphrase",
            "Password",
            "API-Key",
            "O365_CLIENT_SECRET",
            "authorization",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "key",
            "certificate",
            "application_id",
            "authentication_endpoint",
            "name",
            "federated_token_file",
            "AZURE_FEDERATED_TOKEN_FILE",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn a_reference_is_no_secret_but_a_default_is() {
        for text in ["$A", "${A}", "\"${A}\"", "${A:?ask}", "${A?ask}"] {
            assert!(is_reference(text), "{text}");
        }
        for text in ["${A:-x}", "${A-x}", "x${A}", "${A}${B}", "$", "${}", "x", ""] {
            assert!(!is_reference(text), "{text}");
        }
    }
}

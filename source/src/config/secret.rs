//! A secret in the configuration: its text, or where to get it.

use std::{fmt, path::PathBuf, time::Duration};

use o365_core::SensitiveString;
use serde::{Deserialize, Deserializer, de};

/// Where a secret comes from.
///
/// Written as a text (`${O365_CLIENT_SECRET}` takes it from the environment), as `{ file: PATH }`, or as
/// `{ command: [PROGRAM, ARG…], timeout: 30s }`. A file and a command are read for every token request, so that a
/// rotated secret is taken up without a restart. A newline at the end does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The secret itself.
    Text(SensitiveString),
    /// A file that holds nothing else. Relative paths start at the configuration's directory.
    File(PathBuf),
    /// A program that prints the secret. It runs without a shell, in the configuration's directory.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
        /// After this the program is killed. `1s` to `5m`, default `30s`.
        timeout: Duration,
    },
}

impl From<SensitiveString> for SecretSource {
    fn from(secret: SensitiveString) -> Self {
        Self::Text(secret)
    }
}

impl From<&str> for SecretSource {
    fn from(secret: &str) -> Self {
        Self::Text(secret.into())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    #[serde(default)]
    file: Option<PathBuf>,
    #[serde(default)]
    command: Option<Vec<String>>,
    #[serde(default = "half_a_minute", with = "o365_core::duration")]
    timeout: Duration,
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

/// Numbers are refused here, since serde's own message would repeat them.
macro_rules! not_a_text {
    ($($name:ident: $type:ty),*) => {
        $(fn $name<E: de::Error>(self, _: $type) -> Result<SecretSource, E> {
            Err(E::custom("expected a text: write the secret in quotes"))
        })*
    };
}

impl<'de> de::Visitor<'de> for Visitor {
    type Value = SecretSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, { file: PATH } or { command: [PROGRAM, ARG] }")
    }

    not_a_text!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretSource, E> {
        Ok(SecretSource::Text(text.into()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<SecretSource, E> {
        Ok(SecretSource::Text(text.into()))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<SecretSource, A::Error> {
        let place = Place::deserialize(de::value::MapAccessDeserializer::new(map))?;
        match (place.file, place.command) {
            (Some(file), None) => Ok(SecretSource::File(file)),
            (None, Some(command)) => Ok(SecretSource::Command {
                command,
                timeout: place.timeout,
            }),
            _ => Err(de::Error::custom("expected either `file` or `command`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_text_a_file_or_a_command() {
        let read = |text: &str| serde_json::from_str::<SecretSource>(text);
        assert_eq!(read(r#""s""#).unwrap(), SecretSource::Text("s".into()));
        assert_eq!(
            read(r#"{"file": "s.txt"}"#).unwrap(),
            SecretSource::File("s.txt".into())
        );
        assert_eq!(
            read(r#"{"command": ["get", "it"], "timeout": "5s"}"#).unwrap(),
            SecretSource::Command {
                command: vec!["get".to_owned(), "it".to_owned()],
                timeout: Duration::from_secs(5)
            }
        );
        for text in [
            "123456",
            "-123456",
            "123456.5",
            "{}",
            r#"{"file": "a", "command": ["123456"]}"#,
            r#"{"fil": "123456"}"#,
            r#"["123456"]"#,
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(!error.contains("123456"), "{error}");
        }
    }
}

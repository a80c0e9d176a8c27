//! Secrets that cannot be printed by accident.

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

/// A secret: a client secret, a passphrase, an access token.
///
/// `Debug` and `Display` print `**REDACTED**`, there is no `Serialize`, and the memory is wiped on drop. The text
/// leaves only through [`SensitiveString::expose`], so that every use can be found by that name.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct SensitiveString(Zeroizing<String>);

impl SensitiveString {
    /// The secret itself. Do not store, log or format what this returns.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no secret at all, which is nearly always a mistake in a configuration.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for SensitiveString {
    fn from(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }
}

impl From<&str> for SensitiveString {
    fn from(secret: &str) -> Self {
        secret.to_owned().into()
    }
}

impl fmt::Debug for SensitiveString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("**REDACTED**")
    }
}

impl fmt::Display for SensitiveString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("**REDACTED**")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_prints_the_secret() {
        let secret = SensitiveString::from("hunter2");
        assert_eq!(
            format!("{secret} {secret:?} {:?}", Some(&secret)),
            "**REDACTED** **REDACTED** Some(**REDACTED**)"
        );
        assert_eq!(secret.expose(), "hunter2");
    }
}

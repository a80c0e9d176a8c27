//! Access tokens: shaped like those of Entra ID, with a checksum where the signature is.
//!
//! The checksum only proves that this simulator made the token, so that a test notices a client that sends something else.
//! It is no cryptography.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::json;
use crate::random;

/// What the API reads in a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Claims {
    pub(crate) aud: String,
    pub(crate) tid: String,
    pub(crate) exp: i64,
    pub(crate) nbf: i64,
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    /// The number of the token.
    serial: u64,
}

/// What a new token is to say.
#[derive(Debug)]
pub(crate) struct Grant<'a> {
    pub(crate) audience: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) application: &'a str,
    /// `None` leaves the claim out.
    pub(crate) roles: Option<&'a [String]>,
    pub(crate) issued: i64,
    pub(crate) expires: i64,
}

/// Issued and refused tokens.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    seed: u64,
    next: u64,
    /// Tokens with a smaller number are refused.
    valid_from: u64,
    /// The assertions seen, with their expiry.
    pub(crate) assertions: HashMap<String, i64>,
}

impl Tokens {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Refuses all tokens issued so far.
    pub(crate) fn revoke_all(&mut self) {
        self.valid_from = self.next;
    }

    fn checksum(&self, signed: &str) -> String {
        let first = random::hash(&[self.seed, random::hash_text(signed)]);
        format!("{first:016x}{:016x}", random::mix(first))
    }

    pub(crate) fn issue(&mut self, grant: &Grant<'_>) -> String {
        let serial = self.next;
        self.next += 1;
        let header =
            URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"RS256","x5t":"simulated","kid":"simulated"}"#);
        let claims = json::text(|claims| {
            claims
                .str("aud", grant.audience)
                .str("iss", &format!("https://sts.windows.net/{}/", grant.tenant))
                .int("iat", grant.issued)
                .int("nbf", grant.issued)
                .int("exp", grant.expires)
                .str("appid", grant.application)
                .str("appidacr", "1");
            if let Some(roles) = grant.roles {
                claims.array("roles", |list| roles.iter().for_each(|role| list.str(role)));
            }
            claims
                .str("tid", grant.tenant)
                .str("ver", "1.0")
                .int("serial", i64::try_from(serial).unwrap_or(i64::MAX));
        });
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let checksum = self.checksum(&signed);
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(checksum))
    }

    /// The claims of a token of ours that was not revoked.
    pub(crate) fn verify(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        if URL_SAFE_NO_PAD.decode(signature).ok()? != self.checksum(signed).as_bytes() {
            return None;
        }
        let claims: Claims = payload(token)?;
        (claims.serial >= self.valid_from).then_some(claims)
    }
}

/// The decoded second part of a JWT.
pub(crate) fn payload<T: serde::de::DeserializeOwned>(token: &str) -> Option<T> {
    part(token, 1)
}

/// The decoded first part of a JWT.
pub(crate) fn header<T: serde::de::DeserializeOwned>(token: &str) -> Option<T> {
    part(token, 0)
}

fn part<T: serde::de::DeserializeOwned>(token: &str, index: usize) -> Option<T> {
    let parts: Vec<_> = token.split('.').collect();
    if parts.len() != 3 {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[index]).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_unrevoked_tokens_are_valid() {
        let roles = vec!["ActivityFeed.Read".to_owned()];
        let grant = Grant {
            audience: "https://manage.office.com",
            tenant: "t",
            application: "a",
            roles: Some(&roles),
            issued: 1,
            expires: 2,
        };
        let mut tokens = Tokens::new(1);
        let token = tokens.issue(&grant);
        assert_eq!(
            tokens.verify(&token).map(|claims| claims.roles),
            Some(roles.clone())
        );
        assert_eq!(Tokens::new(2).verify(&token), None);
        assert_eq!(tokens.verify(&token[..token.len() - 1]), None);
        tokens.revoke_all();
        assert_eq!(tokens.verify(&token), None);
        let without = tokens.issue(&Grant { roles: None, ..grant });
        assert_eq!(
            tokens.verify(&without).map(|claims| claims.roles),
            Some(Vec::new())
        );
    }
}

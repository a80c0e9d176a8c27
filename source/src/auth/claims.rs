//! What a token says about itself: for advice only, never for a decision. Tokens are opaque by contract.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::types::ContentType;

/// Claims that explain a refusal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Claims {
    /// Tenant.
    pub(crate) tid: Option<String>,
    /// Granted application roles; absent if there is no consent.
    pub(crate) roles: Vec<String>,
}

impl Claims {
    pub(crate) fn read(token: &str) -> Option<Self> {
        let payload = token.split('.').nth(1)?;
        let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// The role that a feed needs and the token lacks.
    pub(crate) fn missing_role(&self, content_type: ContentType) -> Option<&'static str> {
        let needed = match content_type {
            ContentType::Dlp => ["ActivityFeed.Read", "ActivityFeed.ReadDlp"].as_slice(),
            ContentType::AzureActiveDirectory
            | ContentType::Exchange
            | ContentType::SharePoint
            | ContentType::General => ["ActivityFeed.Read"].as_slice(),
        };
        needed
            .iter()
            .copied()
            .find(|role| !self.roles.iter().any(|granted| granted == role))
    }
}

/// Issuer, subject and audience of a token, never the token itself.
pub(super) fn origin(token: &str) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Origin {
        iss: serde_json::Value,
        sub: serde_json::Value,
        aud: serde_json::Value,
    }
    let origin: Option<Origin> = token
        .split('.')
        .nth(1)
        .and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok())
        .and_then(|json| serde_json::from_slice(&json).ok());
    match origin {
        Some(Origin { iss, sub, aud }) => format!("iss {iss}, sub {sub}, aud {aud}"),
        None => "no claims that can be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn roles_are_read_and_missed() {
        let claims = Claims::read(&token(r#"{"tid":"t","roles":["ActivityFeed.Read"],"x":1}"#)).unwrap();
        assert_eq!(claims.missing_role(ContentType::Exchange), None);
        assert_eq!(
            claims.missing_role(ContentType::Dlp),
            Some("ActivityFeed.ReadDlp")
        );
        let none = Claims::read(&token("{}")).unwrap();
        assert_eq!(none.missing_role(ContentType::General), Some("ActivityFeed.Read"));
    }

    #[test]
    fn a_foreign_token_says_where_it_is_from() {
        let token = token(r#"{"iss":"https://k8s","sub":"system:sa","aud":["api"],"x":"y"}"#);
        assert_eq!(
            origin(&token),
            r#"iss "https://k8s", sub "system:sa", aud ["api"]"#
        );
        assert_eq!(origin("opaque"), "no claims that can be read");
    }

    #[test]
    fn an_opaque_token_says_nothing() {
        for text in ["", "opaque", "a.b.c", "e30.!!.x"] {
            assert_eq!(Claims::read(text), None);
        }
    }
}

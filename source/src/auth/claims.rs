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
    fn an_opaque_token_says_nothing() {
        for text in ["", "opaque", "a.b.c", "e30.!!.x"] {
            assert_eq!(Claims::read(text), None);
        }
    }
}

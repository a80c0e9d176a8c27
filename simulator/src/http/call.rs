//! A request, taken apart: which operation it is, and its parameters under any casing.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::content_type::ContentType;
use crate::fault::Operation;
use crate::http::identity::Platform;
use crate::http::{App, lock};

/// Name-value pairs of a query or a form, decoded.
#[derive(Debug, Default)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Decodes `a=b&c=d`. As in forms, a raw `+` is a space: an offset `+00:00` has to come as `%2B00:00`.
    pub(crate) fn parse(text: &str) -> Self {
        Self(
            text.split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    /// The first value under this name, compared without case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = escaped {
            out.push(byte);
            at += 3;
        } else {
            out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Which door was knocked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Token {
        tenant: String,
        v2: bool,
    },
    /// Tokens of a managed identity.
    Identity(Platform),
    Api {
        tenant: String,
        operation: Operation,
        content_id: Option<String>,
    },
    Unknown,
}

impl Route {
    fn of(method: &Method, path: &str) -> Self {
        let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let (get, post) = (method == Method::GET, method == Method::POST);
        match segments.as_slice() {
            [tenant, "oauth2", "token"] if post => Self::Token {
                tenant: (*tenant).to_owned(),
                v2: false,
            },
            [tenant, "oauth2", "v2.0", "token"] if post => Self::Token {
                tenant: (*tenant).to_owned(),
                v2: true,
            },
            ["metadata", "identity", "oauth2", "token"] if get => Self::Identity(Platform::VirtualMachine),
            ["msi", "token"] if get => Self::Identity(Platform::AppService),
            ["api", "v1.0" | "v1", tenant, "activity", "feed", rest @ ..] => {
                let (operation, content_id) = match rest {
                    ["subscriptions", "start"] if post => (Operation::Start, None),
                    ["subscriptions", "stop"] if post => (Operation::Stop, None),
                    ["subscriptions", "list"] if get => (Operation::ListSubscriptions, None),
                    ["subscriptions", "content"] if get => (Operation::ListContent, None),
                    ["subscriptions", "notifications"] if get => (Operation::Notifications, None),
                    ["resources", "dlpSensitiveTypes"] if get => (Operation::SensitiveTypes, None),
                    ["audit", id] if get && !id.is_empty() => (Operation::FetchBlob, Some((*id).to_owned())),
                    _ => return Self::Unknown,
                };
                Self::Api {
                    tenant: (*tenant).to_owned(),
                    operation,
                    content_id,
                }
            }
            _ => Self::Unknown,
        }
    }

    pub(crate) fn operation(&self) -> Operation {
        match self {
            Self::Token { .. } | Self::Identity(_) => Operation::Token,
            Self::Api { operation, .. } => *operation,
            Self::Unknown => Operation::Unknown,
        }
    }

    /// The tenant as it stands in the path.
    pub(crate) fn tenant(&self) -> Option<&str> {
        match self {
            Self::Token { tenant, .. } | Self::Api { tenant, .. } => Some(tenant),
            Self::Identity(_) | Self::Unknown => None,
        }
    }

    /// The blob, in the bytes of the path.
    pub(crate) fn content_id(&self) -> Option<&str> {
        match self {
            Self::Api { content_id, .. } => content_id.as_deref(),
            _ => None,
        }
    }
}

/// One request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) route: Route,
    /// Method and path.
    pub(crate) label: String,
    /// Path and query as they came.
    pub(crate) target: String,
    pub(crate) path: String,
    pub(crate) query: Pairs,
    pub(crate) headers: HeaderMap,
    pub(crate) post: bool,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn new(parts: &Parts, body: Bytes) -> Self {
        let path = parts.uri.path().to_owned();
        Self {
            route: Route::of(&parts.method, &path),
            label: format!("{} {path}", parts.method),
            target: parts
                .uri
                .path_and_query()
                .map_or_else(|| path.clone(), ToString::to_string),
            path,
            query: Pairs::parse(parts.uri.query().unwrap_or_default()),
            headers: parts.headers.clone(),
            post: parts.method == Method::POST,
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The bearer token.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// Client id and secret from HTTP Basic.
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        let (scheme, credentials) = self.header("authorization")?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        // OAuth libraries encode both as in a form before they join them; an unencoded one may hold a raw plus.
        let part = |text: &str| decode(&text.replace('+', "%2B"));
        Some((part(id), part(secret)))
    }

    /// The tenant of a token request.
    pub(crate) fn token_tenant(&self) -> Option<&str> {
        match &self.route {
            Route::Token { tenant, .. } => Some(tenant),
            _ => None,
        }
    }

    /// The content type that the request is about: by parameter, or that of the blob.
    pub(crate) fn content_type(&self, app: &App) -> Option<ContentType> {
        if let Some(name) = self.query.get("contentType") {
            return name.parse().ok();
        }
        let id = self.route.content_id()?;
        let tenant = app.tenant_by_id(self.route.tenant()?)?;
        let mut world = lock(&app.world);
        world.feeds_of(tenant).iter_mut().find_map(|feed| {
            let plain = id.strip_suffix(super::listing::PARTIAL_SUFFIX).unwrap_or(id);
            feed.find(plain).is_some().then_some(feed.content_type)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_in_any_casing_and_plus_is_a_space() {
        let pairs =
            Pairs::parse("contenttype=Audit.Exchange&endtime=2026-01-01T00:00:00+00:00&x=%2B%zz&empty");
        assert_eq!(pairs.get("contentType"), Some("Audit.Exchange"));
        assert_eq!(pairs.get("endTime"), Some("2026-01-01T00:00:00 00:00"));
        assert_eq!(pairs.get("X"), Some("+%zz"));
        assert_eq!(pairs.get("empty"), Some(""));
        assert_eq!(pairs.get("absent"), None);
    }

    #[test]
    fn routes_are_exact() {
        let of = |path| Route::of(&Method::GET, path).operation();
        assert_eq!(
            of("/api/v1.0/t/activity/feed/subscriptions/content"),
            Operation::ListContent
        );
        assert_eq!(of("/api/v1/t/activity/feed/audit/a$b"), Operation::FetchBlob);
        assert_eq!(of("/api/v2/t/activity/feed/audit/a$b"), Operation::Unknown);
        assert_eq!(
            of("/api/v1.0/t/activity/feed/subscriptions/start"),
            Operation::Unknown,
            "start is a POST"
        );
        assert_eq!(
            of("/t/oauth2/token"),
            Operation::Unknown,
            "so is the token request"
        );
        assert_eq!(of("/"), Operation::Unknown);
    }
}

//! Where the bearer token may go, and nowhere else.
//!
//! `contentUri` and `NextPageUri` come from a response and are requested with the token. Such a text becomes
//! an [`ApiUrl`] only if it points to the configured host and to the tenant's own feed (reference §13). Requests are made
//! from [`ApiUrl`]s only.

use std::fmt;

use url::{Host, Url};

use crate::types::TenantId;

/// The root of the API for one tenant.
#[derive(Debug, Clone)]
pub(crate) struct ApiBase {
    root: Url,
    tenant: TenantId,
    publisher: String,
}

/// A URL that may be requested with the tenant's token: see the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiUrl(Url);

/// Why a URL from a response is not requested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefusedUrl {
    #[error("it is not an absolute URL")]
    Malformed,
    #[error("its scheme is `{0}`")]
    Scheme(String),
    #[error("it names the host `{0}` instead of the configured one")]
    Host(String),
    #[error("it names another port than the configured one")]
    Port,
    #[error("it carries a user name or a password")]
    UserInfo,
    #[error("its path is not the activity feed of this tenant")]
    Path,
}

/// Whether a URL may carry a secret: `https`, or `http` that does not leave the machine.
pub(crate) fn is_confidential(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(url),
        _ => false,
    }
}

/// Whether a URL points to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

impl ApiBase {
    /// `root` is the configured resource, checked by the configuration.
    pub(crate) fn new(root: &Url, tenant: TenantId, publisher: String) -> Self {
        let mut root = root.clone();
        root.set_query(None);
        root.set_fragment(None);
        Self {
            root,
            tenant,
            publisher,
        }
    }

    pub(crate) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The URL of an operation, below `/activity/feed/`.
    pub(crate) fn operation(&self, operation: &str, query: &[(&str, &str)]) -> ApiUrl {
        let mut url = self.root.clone();
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!(
            "{prefix}/api/v1.0/{}/activity/feed/{operation}",
            self.tenant
        ));
        // Colons of a time stay as they are: the documented form has them bare.
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        url.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
        self.with_publisher(url)
    }

    /// A URL that the service gave us.
    pub(crate) fn pin(&self, text: &str) -> Result<ApiUrl, RefusedUrl> {
        let url = Url::parse(text.trim()).map_err(|_| RefusedUrl::Malformed)?;
        if url.scheme() != self.root.scheme() {
            return Err(RefusedUrl::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RefusedUrl::UserInfo);
        }
        // The parser has brought both hosts into lower case.
        if url.host() != self.root.host() {
            return Err(RefusedUrl::Host(url.host_str().unwrap_or_default().to_owned()));
        }
        if url.port_or_known_default() != self.root.port_or_known_default() {
            return Err(RefusedUrl::Port);
        }
        let prefix = self.root.path().trim_end_matches('/');
        let own = url
            .path()
            .strip_prefix(prefix)
            .and_then(|path| path.strip_prefix("/api/"))
            .and_then(|path| path.split_once('/'))
            .map(|(_version, path)| path.to_ascii_lowercase())
            .is_some_and(|path| path.starts_with(&format!("{}/activity/feed/", self.tenant)));
        if !own {
            return Err(RefusedUrl::Path);
        }
        Ok(self.with_publisher(url))
    }

    fn with_publisher(&self, mut url: Url) -> ApiUrl {
        let query = url.query().unwrap_or_default();
        let present = query.split('&').any(|pair| {
            let name = pair.split_once('=').map_or(pair, |(name, _)| name);
            name.eq_ignore_ascii_case("PublisherIdentifier")
        });
        if !present {
            let separator = if query.is_empty() { "" } else { "&" };
            let query = format!("{query}{separator}PublisherIdentifier={}", self.publisher);
            url.set_query(Some(&query));
        }
        ApiUrl(url)
    }
}

impl ApiUrl {
    pub(crate) fn as_url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TENANT: &str = "41463f53-8812-40f4-890f-865bf6e35190";
    const FEED: &str = "/api/v1.0/41463f53-8812-40f4-890f-865bf6e35190/activity/feed/";

    fn base(root: &str) -> ApiBase {
        let tenant: TenantId = TENANT.parse().unwrap();
        ApiBase::new(&Url::parse(root).unwrap(), tenant, "pub".to_owned())
    }

    #[track_caller]
    fn refused(url: &str) -> RefusedUrl {
        base("https://manage.office.com").pin(url).unwrap_err()
    }

    #[test]
    fn a_content_uri_is_sent_as_it_came_with_the_publisher_behind_it() {
        let uri =
            format!("https://manage.office.com{FEED}audit/2026$2026$audit_exchange$Audit_Exchange$emea0026");
        let url = base("https://manage.office.com").pin(&uri).unwrap();
        assert_eq!(url.to_string(), format!("{uri}?PublisherIdentifier=pub"));
    }

    #[test]
    fn a_page_url_keeps_its_token_its_version_and_its_publisher() {
        let page = "https://manage.office.com/api/v1/41463F53-8812-40F4-890F-865BF6E35190/activity/feed/\
                    subscriptions/content?contentType=Audit.Exchange&endtime=2026-06-24T19:00:00&\
                    publisheridentifier=x&nextPage=a!b%2Bc-d_e=";
        let url = base("https://manage.office.com").pin(page).unwrap();
        assert_eq!(url.to_string(), page);
    }

    #[test]
    fn an_operation_is_written_as_documented() {
        let url = base("https://manage.office.com/").operation(
            "subscriptions/content",
            &[
                ("contentType", "Audit.Exchange"),
                ("startTime", "2026-06-24T18:00:00"),
            ],
        );
        assert_eq!(
            url.to_string(),
            format!(
                "https://manage.office.com{FEED}subscriptions/content?contentType=Audit.Exchange&\
                 startTime=2026-06-24T18:00:00&PublisherIdentifier=pub"
            )
        );
    }

    #[test]
    fn the_token_goes_nowhere_else() {
        let path = format!("{FEED}audit/x");
        assert_eq!(refused("audit/x"), RefusedUrl::Malformed);
        assert_eq!(
            refused(&format!("http://manage.office.com{path}")),
            RefusedUrl::Scheme("http".to_owned())
        );
        assert!(matches!(
            refused(&format!("https://evil.example{path}")),
            RefusedUrl::Host(_)
        ));
        assert!(matches!(
            refused(&format!("https://manage.office.com.evil.example{path}")),
            RefusedUrl::Host(_)
        ));
        assert!(matches!(
            refused(&format!("https://203.0.113.7{path}")),
            RefusedUrl::Host(_)
        ));
        assert_eq!(
            refused(&format!("https://manage.office.com:8443{path}")),
            RefusedUrl::Port
        );
        assert_eq!(
            refused(&format!("https://a@manage.office.com{path}")),
            RefusedUrl::UserInfo
        );
        assert!(matches!(
            refused(&format!("https://manage.office.com@evil.example{path}")),
            RefusedUrl::UserInfo | RefusedUrl::Host(_)
        ));
        let other = path.replace("41463f53", "00000000");
        assert_eq!(
            refused(&format!("https://manage.office.com{other}")),
            RefusedUrl::Path
        );
        assert_eq!(
            refused(&format!("https://manage.office.com/evil?x={path}")),
            RefusedUrl::Path
        );
        assert_eq!(
            refused(&format!("https://manage.office.com{FEED}../../../../../evil")),
            RefusedUrl::Path
        );
    }

    #[test]
    fn loopback_is_pinned_to_its_very_origin() {
        let base = base("http://127.0.0.1:8080");
        assert!(base.pin(&format!("http://127.0.0.1:8080{FEED}audit/x")).is_ok());
        assert!(base.pin(&format!("http://127.0.0.1:8081{FEED}audit/x")).is_err());
        assert!(base.pin(&format!("http://localhost:8080{FEED}audit/x")).is_err());
    }

    #[test]
    fn plain_http_stays_on_the_machine() {
        let check = |url: &str| is_confidential(&Url::parse(url).unwrap());
        assert!(check("https://manage.office.com") && check("http://127.0.0.1:1") && check("http://[::1]:1"));
        assert!(
            !check("http://manage.office.com")
                && !check("http://127.0.0.1.evil.example")
                && !check("ftp://localhost")
        );
    }

    proptest! {
        #[test]
        fn whatever_is_pinned_has_the_configured_origin(text in "(https|http|ftp)://[a-z.@:/0-9\\\\%]{0,40}(/api/v1.0/41463f53-8812-40f4-890f-865bf6e35190/activity/feed/)?[ -~]{0,20}") {
            if let Ok(url) = base("https://manage.office.com").pin(&text) {
                prop_assert_eq!(url.as_url().origin().ascii_serialization(), "https://manage.office.com");
            }
        }
    }
}

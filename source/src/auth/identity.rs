//! Tokens of a managed identity: the platform hands them out to whoever runs on it (reference §3.5).

use o365_core::SensitiveString;
use url::{Host, Url};

/// The metadata service of a virtual machine.
pub(crate) const METADATA_SERVICE: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// The identity that Azure gives to the machine or app on which this program runs.
#[derive(Debug, Clone)]
pub(crate) struct ManagedIdentity {
    pub(crate) endpoint: Url,
    /// Client id of a user-assigned identity.
    pub(crate) client_id: Option<String>,
    /// What App Service, Functions and Container Apps want to see; a virtual machine has none.
    pub(crate) header: Option<SensitiveString>,
}

impl ManagedIdentity {
    /// The request for a token of `resource`.
    pub(super) fn request(&self, http: &reqwest::Client, resource: &str) -> reqwest::RequestBuilder {
        let version = match self.header {
            Some(_) => "2019-08-01",
            None => "2018-02-01",
        };
        let mut query = vec![("api-version", version), ("resource", resource)];
        if let Some(client_id) = &self.client_id {
            query.push(("client_id", client_id));
        }
        let request = http.get(self.endpoint.clone()).query(&query);
        match &self.header {
            Some(header) => request.header("X-IDENTITY-HEADER", header.expose()),
            None => request.header("Metadata", "true"),
        }
    }

    /// Whether the platform says "not now": it is starting, updating, or busy.
    pub(super) fn is_transient(status: u16) -> bool {
        matches!(status, 404 | 408 | 410 | 429 | 500..)
    }

    pub(super) const ADVICE: &str = "is a managed identity assigned to this machine or app, is client_id the client id of \
                                     that identity, and has it been given the role ActivityFeed.Read?";
}

/// Whether a URL points to the platform below this machine, where no proxy is and plain `http` is what there is.
pub(crate) fn is_link_local(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Ipv4(address)) if address.is_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(header: Option<&str>, client_id: Option<&str>) -> reqwest::Request {
        let identity = ManagedIdentity {
            endpoint: Url::parse(METADATA_SERVICE).unwrap(),
            client_id: client_id.map(str::to_owned),
            header: header.map(SensitiveString::from),
        };
        identity
            .request(&reqwest::Client::new(), "https://manage.office.com")
            .build()
            .unwrap()
    }

    #[test]
    fn a_virtual_machine_is_asked_as_documented() {
        let request = request(None, None);
        assert_eq!(
            request.url().as_str(),
            "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01\
             &resource=https%3A%2F%2Fmanage.office.com"
        );
        assert_eq!(request.headers()["metadata"], "true");
        assert!(is_link_local(request.url()));
    }

    #[test]
    fn an_app_shows_its_header_and_may_name_an_identity() {
        let request = request(Some("hunter2"), Some("11111111-1111-1111-1111-111111111111"));
        let query = request.url().query().unwrap();
        assert!(query.contains("api-version=2019-08-01"));
        assert!(query.ends_with("client_id=11111111-1111-1111-1111-111111111111"));
        assert_eq!(request.headers()["x-identity-header"], "hunter2");
        assert!(!request.headers().contains_key("metadata"));
    }
}

//! How requests leave this machine, in the configuration.

use std::path::PathBuf;

use o365_core::SensitiveString;
use serde::{Deserialize, Deserializer};

use super::list;

/// Which certificates of the service are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// PEM file with certificates of authorities that are trusted besides those of the system, such as that of a proxy
    /// which looks into TLS. Relative paths start at the configuration's directory. Read at the start. Default: none.
    pub ca_file: Option<PathBuf>,
}

/// Through which proxy the token endpoint and the API are asked. Shaped like Vector's option. Targets on this machine
/// and link-local ones are always asked without.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyConfig {
    /// `false` uses no proxy, whatever the environment says. Default `true`.
    pub enabled: bool,
    /// URL of the proxy for plain `http`, which nothing beyond this machine speaks: it is there for those who copy it
    /// from Vector. May hold a user and a password. Default: `HTTP_PROXY` of the environment.
    pub http: Option<SensitiveString>,
    /// URL of the proxy for `https`: `http`, `https`, `socks4`, `socks4a`, `socks5` or `socks5h`. May hold a user and a
    /// password. Default: `HTTPS_PROXY` or `ALL_PROXY` of the environment.
    pub https: Option<SensitiveString>,
    /// Hosts that are asked without the proxy: names (their subdomains too), addresses, networks (`10.0.0.0/8`), or `*`.
    /// A list, or a text with commas. Default: `NO_PROXY` of the environment.
    #[serde(deserialize_with = "hosts")]
    pub no_proxy: Option<Vec<String>>,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            http: None,
            https: None,
            no_proxy: None,
        }
    }
}

fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let hosts = list::texts(deserializer)?;
    let hosts = hosts.iter().flat_map(|text| text.split(',')).map(str::trim);
    Ok(Some(
        hosts.filter(|host| !host.is_empty()).map(str::to_owned).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_without_a_proxy_are_a_list_or_a_text() {
        let read = |text: &str| serde_json::from_str::<ProxyConfig>(text).unwrap().no_proxy;
        let expect = Some(vec!["a.example".to_owned(), "10.0.0.0/8".to_owned()]);
        assert_eq!(read(r#"{"no_proxy": ["a.example", "10.0.0.0/8"]}"#), expect);
        assert_eq!(read(r#"{"no_proxy": "a.example, 10.0.0.0/8,"}"#), expect);
        assert_eq!(read(r#"{"no_proxy": []}"#), Some(Vec::new()));
        assert_eq!(read("{}"), None);
    }

    #[test]
    fn a_proxy_s_password_is_not_shown() {
        let proxy: ProxyConfig = serde_json::from_str(r#"{"https": "http://u:hunter2@proxy:3128"}"#).unwrap();
        assert!(!format!("{proxy:?}").contains("hunter2"));
    }
}

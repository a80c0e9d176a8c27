//! Directly or through a proxy: what the configuration says, else the environment.
//!
//! A client of ours asks one host only, so this is decided once.

use std::{env, fmt};

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use o365_core::{SensitiveString, config::Problem};
use url::Url;

use crate::{auth::is_link_local, url::is_loopback};

/// What the configuration says.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProxySettings {
    pub(crate) disabled: bool,
    pub(crate) http: Option<SensitiveString>,
    pub(crate) https: Option<SensitiveString>,
    /// Hosts without a proxy, with commas.
    pub(crate) no_proxy: Option<String>,
}

/// What is wrong with the URL of a proxy. Says nothing of the URL, which may hold a password.
pub(crate) fn check_proxy(field: &str, url: &SensitiveString) -> Option<Problem> {
    let hint = "write http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT";
    if url.is_empty() {
        let hint = "is the environment variable set that it comes from? `enabled: false` uses no proxy";
        return Some(Problem::new(field, "is empty").hint(hint));
    }
    let message = match Url::parse(url.expose()) {
        Err(_) => "is not a URL",
        Ok(parsed) if !PROXIES.contains(&parsed.scheme()) => "is not a URL of a proxy",
        Ok(_) if parse(url, &example()).is_none() => "is not a URL of a proxy",
        Ok(_) => return None,
    };
    Some(Problem::new(field, message).hint(hint))
}

const PROXIES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// What the machine says: environment variables, or the settings of Windows and macOS.
#[derive(Debug)]
pub(crate) struct Environment {
    proxies: Matcher,
    no_proxy: Option<String>,
}

impl Environment {
    pub(crate) fn read() -> Self {
        Self {
            proxies: Matcher::from_system(),
            no_proxy: ["NO_PROXY", "no_proxy"]
                .into_iter()
                .find_map(|name| env::var(name).ok()),
        }
    }
}

/// The way to a host.
#[derive(Debug, Clone)]
pub(crate) enum Route {
    Direct,
    Proxy(Via),
}

/// A proxy. Neither form shows its password.
#[derive(Debug, Clone)]
pub(crate) struct Via {
    proxy: Intercept,
    /// Where it was found.
    origin: &'static str,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.proxy.uri().to_string();
        write!(f, "the proxy {} ({})", url.trim_end_matches('/'), self.origin)
    }
}

impl Route {
    pub(crate) fn to(target: &Url, settings: &ProxySettings, environment: &Environment) -> Self {
        // What stays on this machine, or on the platform below it, has no business with a proxy.
        if settings.disabled || is_loopback(target) || is_link_local(target) {
            return Self::Direct;
        }
        let (configured, origin) = if target.scheme() == "http" {
            (&settings.http, "`proxy.http`")
        } else {
            (&settings.https, "`proxy.https`")
        };
        let no_proxy = settings.no_proxy.as_ref().or(environment.no_proxy.as_ref());
        if no_proxy.is_some_and(|hosts| is_exempt(target, hosts)) {
            return Self::Direct;
        }
        let (proxy, origin) = match configured {
            Some(url) => (parse(url, target), origin),
            // These heed the environment's exceptions too.
            None => (intercept(&environment.proxies, target), "from the environment"),
        };
        proxy.map_or(Self::Direct, |proxy| Self::Proxy(Via { proxy, origin }))
    }

    pub(crate) fn via(&self) -> Option<&Via> {
        match self {
            Self::Direct => None,
            Self::Proxy(via) => Some(via),
        }
    }
}

impl Via {
    pub(super) fn proxy(&self) -> Result<reqwest::Proxy, reqwest::Error> {
        let url = self.proxy.uri().to_string();
        if let Some(header) = self.proxy.basic_auth() {
            return Ok(reqwest::Proxy::all(url)?.custom_http_auth(header.clone()));
        }
        let mut proxy = reqwest::Proxy::all(url)?;
        if let Some((user, password)) = self.proxy.raw_auth() {
            proxy = proxy.basic_auth(user, password);
        }
        Ok(proxy)
    }
}

/// The URL of a proxy, for a target.
fn parse(url: &SensitiveString, target: &Url) -> Option<Intercept> {
    intercept(&Matcher::builder().all(url.expose()).build(), target)
}

fn intercept(proxies: &Matcher, target: &Url) -> Option<Intercept> {
    proxies.intercept(&target.as_str().parse().ok()?)
}

/// Whether a target is one of the hosts without a proxy.
fn is_exempt(target: &Url, hosts: &str) -> bool {
    let any = Matcher::builder().all("http://any.example");
    intercept(&any.no(hosts).build(), target).is_none()
}

fn example() -> Url {
    Url::parse("https://manage.office.com").expect("a URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(proxy: &str, no_proxy: Option<&str>) -> Environment {
        Environment {
            proxies: Matcher::builder()
                .https(proxy)
                .no(no_proxy.unwrap_or_default())
                .build(),
            no_proxy: no_proxy.map(str::to_owned),
        }
    }

    fn settings(https: Option<&str>, no_proxy: Option<&str>) -> ProxySettings {
        ProxySettings {
            https: https.map(Into::into),
            no_proxy: no_proxy.map(str::to_owned),
            ..ProxySettings::default()
        }
    }

    #[track_caller]
    fn check(target: &str, settings: &ProxySettings, environment: &Environment, expect: Option<&str>) {
        let route = Route::to(&Url::parse(target).unwrap(), settings, environment);
        let shown = route.via().map(ToString::to_string);
        assert_eq!(shown.as_deref(), expect, "{target}");
    }

    const API: &str = "https://manage.office.com/";
    const CONFIGURED: Option<&str> = Some("the proxy http://c:1 (`proxy.https`)");
    const FOUND: Option<&str> = Some("the proxy http://e:2 (from the environment)");

    #[test]
    fn the_configuration_wins_over_the_environment() {
        let nothing = environment("", None);
        let proxy = environment("http://e:2", None);
        check(API, &settings(None, None), &nothing, None);
        check(API, &settings(None, None), &proxy, FOUND);
        check(API, &settings(Some("http://c:1"), None), &nothing, CONFIGURED);
        check(API, &settings(Some("http://c:1"), None), &proxy, CONFIGURED);
        let disabled = ProxySettings {
            disabled: true,
            ..settings(Some("http://c:1"), None)
        };
        check(API, &disabled, &proxy, None);
        let other_scheme = ProxySettings {
            http: Some("http://c:1".into()),
            ..ProxySettings::default()
        };
        check(API, &other_scheme, &nothing, None);
    }

    #[test]
    fn hosts_may_be_exempt() {
        let proxy = environment("http://e:2", None);
        let exempt = environment("http://e:2", Some("office.com"));
        // The environment's exceptions hold for both, unless the configuration has its own.
        check(API, &settings(None, None), &exempt, None);
        check(API, &settings(Some("http://c:1"), None), &exempt, None);
        check(API, &settings(Some("http://c:1"), Some("")), &exempt, CONFIGURED);
        for hosts in ["manage.office.com", ".office.com", "a,office.com", "*"] {
            check(API, &settings(Some("http://c:1"), Some(hosts)), &proxy, None);
            check(API, &settings(None, Some(hosts)), &proxy, None);
        }
        check(API, &settings(None, Some("example.com")), &proxy, FOUND);
    }

    #[test]
    fn what_stays_on_this_machine_needs_no_proxy() {
        for target in [
            "https://127.0.0.1/",
            "https://localhost:8/",
            "https://[::1]/",
            "http://169.254.169.254/",
        ] {
            let both = ProxySettings {
                http: Some("http://c:1".into()),
                ..settings(Some("http://c:1"), None)
            };
            check(target, &both, &environment("http://e:2", None), None);
        }
    }

    #[test]
    fn a_password_goes_to_the_proxy_and_is_not_shown() {
        for url in [
            "http://u:hunter2@c:1",
            "socks5h://u:hunter2@c:1",
            "https://u:hunter2@c:1",
        ] {
            let route = Route::to(
                &Url::parse(API).unwrap(),
                &settings(Some(url), None),
                &environment("", None),
            );
            let via = route.via().unwrap();
            let client = reqwest::Client::builder()
                .no_proxy()
                .proxy(via.proxy().unwrap())
                .build()
                .unwrap();
            let shown = format!("{via} {route:?} {client:?} {:?}", settings(Some(url), None));
            assert!(shown.contains("//c:1"), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_being_repeated() {
        for url in [
            "",
            "proxy:3128",
            "ftp://u:hunter2@proxy",
            "http://",
            "//proxy",
            "http://u:hun ter2@",
        ] {
            let problem = check_proxy("proxy.https", &url.into()).unwrap();
            assert!(!format!("{problem:?}").contains("ter2"), "{problem:?}");
            assert!(problem.hint.is_some());
        }
        for url in [
            "http://proxy:3128",
            "https://u:p%40ss@proxy",
            "socks5://10.0.0.1:1080",
        ] {
            assert_eq!(check_proxy("proxy.https", &url.into()), None, "{url}");
        }
    }
}

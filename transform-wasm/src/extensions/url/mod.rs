//! The parts of an absolute URL. X13.

mod suffixes;

use crate::document::{Document, Step};
use crate::json::{Text, Value, path};
use crate::mapping::is_ip;
use suffixes::public_suffix;

/// X13: the parts of `url.original`, if it is an absolute URL. Nothing is decoded.
pub(super) fn parts(doc: &mut Document<'_>) -> Step {
    let Some(url) = doc.ecs_text(path!("url.original")) else {
        return Ok(());
    };
    let plain = url.plain(doc.bump);
    let Some(parts) = Url::parse(plain) else {
        return Ok(());
    };
    doc.set_if_unset(path!("url.full"), url)?;
    let domain = Domain::of(parts.host);
    for (path, part) in [
        (path!("url.scheme"), Some(parts.scheme)),
        (path!("url.domain"), Some(parts.host)),
        (path!("url.path"), parts.path),
        (path!("url.query"), parts.query),
        (path!("url.fragment"), parts.fragment),
        (path!("url.extension"), parts.extension()),
        (path!("url.top_level_domain"), domain.map(|domain| domain.suffix)),
        (
            path!("url.registered_domain"),
            domain.map(|domain| domain.registered),
        ),
        (path!("url.subdomain"), domain.map(|domain| domain.subdomain)),
    ] {
        if let Some(part) = part.filter(|part| !part.is_empty()) {
            let part = Text::new(part, doc.bump);
            doc.set_if_unset(path, part)?;
        }
    }
    match parts.port {
        Some(port) => doc.set_if_unset(path!("url.port"), Value::Number(port)),
        None => Ok(()),
    }
}

struct Url<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<&'a str>,
    path: Option<&'a str>,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let (rest, fragment) = rest
            .split_once('#')
            .map_or((rest, None), |(rest, it)| (rest, Some(it)));
        let (rest, query) = rest
            .split_once('?')
            .map_or((rest, None), |(rest, it)| (rest, Some(it)));
        let (authority, path) = match rest.find('/') {
            Some(at) => (&rest[..at], Some(&rest[at..])),
            None => (rest, None),
        };
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() && !port.starts_with(['0', '+']) => {
                (host, Some(port))
            }
            _ => (authority, None),
        };
        let host_fits = !host.is_empty()
            && !host.contains(|c: char| c.is_whitespace() || c == '\\')
            && (!host.contains(':') || is_ip(host.trim_matches(['[', ']'])));
        (fits && host_fits).then_some(Self {
            scheme,
            host,
            port,
            path,
            query,
            fragment,
        })
    }

    fn extension(&self) -> Option<&'a str> {
        let name = self.path?.rsplit('/').next()?;
        name.rsplit_once('.').map(|(_, extension)| extension)
    }
}

/// What of a host name was registered, and below what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Domain<'a> {
    /// The public suffix: where names are registered.
    suffix: &'a str,
    registered: &'a str,
    /// Empty if the host is the registered name itself.
    subdomain: &'a str,
}

impl<'a> Domain<'a> {
    /// By the part of the public suffix list that the registries maintain: what a company hands out below its own domain
    /// still belongs to the company. Nothing for addresses, single labels, suffixes and names of private networks.
    fn of(host: &'a str) -> Option<Self> {
        let host = host.strip_suffix('.').unwrap_or(host);
        let suffix = public_suffix(&host.to_ascii_lowercase())?;
        let suffix = host.get(host.len().checked_sub(suffix)?..)?;
        let rest = host.strip_suffix(suffix)?.strip_suffix('.')?;
        let (subdomain, name) = rest.rsplit_once('.').unwrap_or(("", rest));
        let registered = host.get(host.len() - suffix.len() - 1 - name.len()..)?;
        (!name.is_empty()).then_some(Self {
            suffix,
            registered,
            subdomain,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = Url::parse("https://contoso.example:8443/sites/a b/x.docx?web=1#top").expect("a URL");
        assert_eq!(
            (url.scheme, url.host, url.port),
            ("https", "contoso.example", Some("8443"))
        );
        assert_eq!(
            (url.path, url.query, url.fragment),
            (Some("/sites/a b/x.docx"), Some("web=1"), Some("top"))
        );
        assert_eq!(url.extension(), Some("docx"));
        for text in [
            "Not a URL",
            "/sites/x",
            "https://",
            "://x",
            "https://a b/",
            "1x://a",
        ] {
            assert!(Url::parse(text).is_none(), "{text}");
        }
    }

    #[track_caller]
    fn check(host: &str, expected: Option<(&str, &str, &str)>) {
        let found = Domain::of(host).map(|domain| (domain.subdomain, domain.registered, domain.suffix));
        assert_eq!(found, expected, "{host}");
    }

    #[test]
    fn domains_are_what_was_registered() {
        check("sharepoint.com", Some(("", "sharepoint.com", "com")));
        check("A.B.Contoso.CO.UK.", Some(("A.B", "Contoso.CO.UK", "CO.UK")));
        // A wildcard, and the exception from it.
        check("a.b.c.ck", Some(("a", "b.c.ck", "c.ck")));
        check("a.www.ck", Some(("a", "www.ck", "ck")));
        // A suffix of a company, not of a registry.
        check("a.b.azurewebsites.net", Some(("a.b", "azurewebsites.net", "net")));
        check("b.github.io", Some(("b", "github.io", "io")));
        for nothing in [
            "com",
            "co.uk",
            "localhost",
            "files.contoso.example",
            "192.0.2.7",
            "[2001:db8::1]",
            "",
            ".",
            "..com",
        ] {
            check(nothing, None);
        }
    }
}

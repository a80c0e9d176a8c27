//! From where, to where.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::{Document, Words};

/// From where, to where; the addresses.
pub(super) fn both(doc: &mut Document, client: Option<&Value>, server: Option<&Value>) -> Words {
    let mut ips = Words::new();
    if let Some(client) = client.and_then(Value::as_str).filter(|client| !client.is_empty()) {
        match host_and_port(client) {
            Some((host, port)) => {
                let host = unmapped(host);
                doc.set("client", "address", host);
                if is_ip(host) {
                    doc.set("client", "ip", host);
                    doc.set("source", "ip", host);
                    doc.set(
                        "network",
                        "type",
                        if host.contains(':') { "ipv6" } else { "ipv4" },
                    );
                    ips.push(host.into());
                }
                if let Some(port) = port {
                    doc.set("client", "port", port);
                    doc.set("source", "port", port);
                }
            }
            None => doc.set("client", "domain", client),
        }
    }
    if let Some(server) = server.and_then(Value::as_str) {
        let server = server.replace(['\r', '\n'], "");
        let parts = server.split_once(" (").and_then(|(host, rest)| {
            let host = host
                .rsplit(char::is_whitespace)
                .next()
                .filter(|host| !host.is_empty())?;
            Some((host, rest.split_once(')')?.0))
        });
        match parts {
            Some((host, address)) => {
                doc.set("server", "domain", host);
                doc.set("server", "address", address);
            }
            None => doc.set("server", "address", server),
        }
    }
    ips
}

fn is_ip(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok()
}

/// The IPv4 address that an IPv6 address stands for.
fn unmapped(address: &str) -> &str {
    address
        .strip_prefix("::ffff:")
        .filter(|rest| rest.parse::<Ipv4Addr>().is_ok())
        .unwrap_or(address)
}

/// An address, `v4:port`, `[v6]` or `[v6]:port`.
fn host_and_port(client: &str) -> Option<(&str, Option<u64>)> {
    if is_ip(client) {
        return Some((client, None));
    }
    let (host, port) = match client.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (
                host,
                if port.is_empty() {
                    None
                } else {
                    Some(port.strip_prefix(':')?)
                },
            )
        }
        None => client
            .split_once(':')
            .map_or((client, None), |(host, port)| (host, Some(port))),
    };
    let fits = if client.starts_with('[') {
        host.bytes()
            .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
    } else {
        let mut parts = host.split('.');
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        host.split('.').count() == 4 && parts.all(digits)
    };
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port| *port > 0)?),
        None => None,
    };
    fits.then_some((host, port))
}

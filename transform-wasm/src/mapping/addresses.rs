//! Network addresses: which field holds the client's, and what its text means (§4.1, §4.2).

use std::borrow::Cow;
use std::net::Ipv6Addr;

use crate::document::{Document, Step};
use crate::json::{Path, Text, Value, key, path};

const MAPPED: &str = "::ffff:";
const CLIENT: &Path = path!("client._temp");
pub(crate) const SERVER: &Path = path!("server._temp");

/// Step 7: the first source that has something wins, the others stay in the record.
pub(super) fn choose_client(doc: &mut Document<'_>) -> Step {
    for source in [
        path!("ClientIPAddress"),
        path!("ClientIP"),
        path!("ActorIpAddress"),
    ] {
        // X14: some services write their "nothing" out.
        let nothing = doc.overrides()
            && doc
                .src
                .at(source)
                .and_then(Value::text)
                .is_some_and(|text| matches!(text.wire(), "" | "-" | "null" | "<null>"));
        if !nothing && !doc.has(CLIENT) {
            doc.move_field(source, CLIENT)?;
        }
    }
    Ok(())
}

/// Steps 31 and 33 for the client.
pub(super) fn client(doc: &mut Document<'_>) -> Step {
    let text = match doc.ecs.remove_at(CLIENT) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Text(text)) => text,
        Some(other) => {
            doc.fault("the client address is not text")?;
            // Objects have stayed in the record.
            return doc.set(path!("o365.ext.client_raw"), other);
        }
    };
    if text.is_empty() {
        return Ok(());
    }
    let plain = text.plain(doc.bump);
    let (mut plain, mut tidied) = (plain, false);
    if doc.overrides() {
        let whole = plain;
        plain = tidy(doc, whole);
        tidied = !whole.ends_with(plain);
    }
    let plain: &str = match unmap(plain, doc.profile.anchors_mapped_addresses) {
        Cow::Borrowed(plain) => plain,
        Cow::Owned(unmapped) => doc.bump.alloc_str(&unmapped),
    };
    let endpoint = Endpoint::parse(plain);
    let lossless = endpoint.domain.is_none() && endpoint.address.is_some_and(fits_ip) && !tidied;
    if doc.options.extensions && !lossless {
        doc.set(path!("o365.ext.client_raw"), text)?;
        if let Some(port) = endpoint.domain.and_then(port_of_host) {
            doc.set(path!("o365.ext.client_port"), Value::Number(port))?;
        }
    }
    if let Some(address) = endpoint.address {
        let address_text = Text::new(address, doc.bump);
        doc.set(path!("client.address"), address_text)?;
        if let Some(ip) = indexed_ip(doc, address) {
            doc.set(path!("client.ip"), ip)?;
        }
    }
    if let Some(domain) = endpoint.domain {
        let domain = Text::new(domain, doc.bump);
        doc.set(path!("client.domain"), domain)?;
    }
    if let Some(port) = endpoint.port.and_then(|port| port.parse::<i32>().ok()) {
        let port = doc.number(port);
        doc.set(path!("client.port"), port)?;
    }
    Ok(())
}

/// X14: a list of addresses counts as its first one, blanks around it do not count, and a mapped address may
/// have a port.
fn tidy<'a>(doc: &mut Document<'a>, text: &'a str) -> &'a str {
    let mut text = text.trim();
    if text.contains(',') {
        let addresses = || text.split(',').map(str::trim).filter(|part| is_ip(part));
        if let Some(first) = addresses().next() {
            for address in addresses() {
                let address = Text::new(address, doc.bump);
                doc.append_unique(path!("related.ip"), address);
            }
            text = first;
        }
    }
    match text.strip_prefix(MAPPED) {
        Some(rest)
            if rest
                .split_once(':')
                .is_some_and(|(address, _)| is_dotted(address)) =>
        {
            rest
        }
        _ => text,
    }
}

/// The port of `HOST:PORT`.
fn port_of_host(host: &str) -> Option<&str> {
    let (name, port) = host.split_once(':')?;
    let fits = !name.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
    (fits && !port.starts_with(['0', '+'])).then_some(port)
}

/// Steps 32 and 33 for the server. Failures are ignored.
pub(super) fn server(doc: &mut Document<'_>) -> Step {
    let text = match doc.ecs.remove_at(SERVER) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Text(text)) => text,
        Some(other) => {
            if !doc.profile.aborts_on_error {
                doc.note("OriginatingServer is not text");
                doc.src.set(key!("OriginatingServer"), other);
            }
            return Ok(());
        }
    };
    let plain = text.plain(doc.bump);
    let line: &str = if plain.contains(['\r', '\n']) {
        doc.bump.alloc_str(&plain.replace(['\r', '\n'], ""))
    } else {
        plain
    };
    if line.is_empty() {
        return Ok(());
    }
    let named = bracketed(line)
        .and_then(host_with_address)
        .or_else(|| host_with_address_within(line));
    let (domain, address) = named.map_or((None, line), |(host, address)| (Some(host), address));
    if let Some(domain) = domain {
        let domain = Text::new(domain, doc.bump);
        doc.set(path!("server.domain"), domain)?;
    }
    let address_text = Text::new(address, doc.bump);
    doc.set(path!("server.address"), address_text)?;
    match indexed_ip(doc, address) {
        Some(ip) => doc.set(path!("server.ip"), ip),
        None => Ok(()),
    }
}

/// Step 34.
pub(super) fn endpoints(doc: &mut Document<'_>) -> Step {
    for (from, to) in [
        (path!("client.ip"), path!("source.ip")),
        (path!("client.port"), path!("source.port")),
        (path!("server.ip"), path!("destination.ip")),
    ] {
        if let Some(value) = doc.ecs.at(from).filter(|value| !value.is_null()).cloned() {
            doc.set(to, value)?;
        }
    }
    Ok(())
}

/// Step 36.
pub(super) fn network_type(doc: &mut Document<'_>) -> Step {
    match doc.ecs_text(path!("client.ip")) {
        Some(ip) if ip.wire().contains(':') => doc.set(path!("network.type"), "ipv6"),
        Some(_) => doc.set(path!("network.type"), "ipv4"),
        None => Ok(()),
    }
}

/// A literal address: IPv4 without padded groups, or IPv6 with an optional zone.
pub(crate) fn is_ip(text: &str) -> bool {
    if text.contains(':') {
        let (address, zone) = text
            .split_once('%')
            .map_or((text, None), |(ip, zone)| (ip, Some(zone)));
        address.parse::<Ipv6Addr>().is_ok() && zone != Some("")
    } else {
        is_ipv4(text, false)
    }
}

/// An address as a field of type `ip` takes it; nothing if it is none. No index takes the zone, which says what network
/// interface the address is behind.
pub(crate) fn indexed_ip<'a>(doc: &Document<'a>, address: &'a str) -> Option<Text<'a>> {
    if !is_ip(address) {
        return None;
    }
    let zone = if doc.overrides() { address.find('%') } else { None };
    Some(Text::new(&address[..zone.unwrap_or(address.len())], doc.bump))
}

/// IPv4 addresses out of their IPv6 mapping.
fn unmap(text: &str, anchored: bool) -> Cow<'_, str> {
    if !text.contains(MAPPED) {
        return Cow::Borrowed(text);
    }
    if anchored {
        let whole = text.strip_prefix(MAPPED).filter(|rest| is_dotted(rest));
        let in_brackets = || {
            let rest = text.strip_prefix('[')?.strip_prefix(MAPPED)?;
            let (address, port) = rest.split_once(']')?;
            let port_fits = match port.strip_prefix(':') {
                Some(digits) => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()),
                None => port.is_empty(),
            };
            (is_dotted(address) && port_fits).then(|| format!("{address}{port}"))
        };
        return match whole {
            Some(address) => Cow::Borrowed(address),
            None => in_brackets().map_or(Cow::Borrowed(text), Cow::Owned),
        };
    }
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(MAPPED) {
        let (before, after) = (&rest[..at], &rest[at + MAPPED.len()..]);
        result.push_str(before);
        let dotted = after
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(after.len());
        if !starts_with_dotted(&after[..dotted]) {
            result.push_str(MAPPED);
        }
        rest = after;
    }
    Cow::Owned(result + rest)
}

/// Four groups of digits; whether they are in range is checked elsewhere.
fn is_dotted(text: &str) -> bool {
    let (mut groups, mut digits) = (1, 0);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' if digits > 0 => (groups, digits) = (groups + 1, 0),
            _ => return false,
        }
    }
    groups == 4 && digits > 0
}

fn starts_with_dotted(text: &str) -> bool {
    let mut groups = text.split('.');
    (0..4).all(|_| groups.next().is_some_and(|group| !group.is_empty()))
}

/// What an address text says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Endpoint<'a> {
    pub(crate) address: Option<&'a str>,
    pub(crate) domain: Option<&'a str>,
    pub(crate) port: Option<&'a str>,
}

impl<'a> Endpoint<'a> {
    /// The first pattern of §4.1 that fits.
    pub(crate) fn parse(text: &'a str) -> Self {
        let of_address = |address, port| Self {
            address: Some(address),
            domain: None,
            port,
        };
        let of_domain = |domain, port| Self {
            address: None,
            domain: Some(domain),
            port,
        };
        // 1: `[IP]:PORT…`
        if let Some((inner, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']'))
            && fits_ip(inner)
            && let Some(port) = leading_port(rest)
        {
            return of_address(inner, Some(port));
        }
        // 2: `IP`, 3: `[IP]`
        if fits_ip(text) {
            return of_address(text, None);
        }
        if let Some(inner) = bracketed(text)
            && fits_ip(inner)
        {
            return of_address(inner, None);
        }
        // 4: `IP:PORT…`
        if let Some((address, port)) = leading_ip_and_port(text) {
            return of_address(address, Some(port));
        }
        // 5: no white space
        if !text.contains(char::is_whitespace) {
            return of_domain(text, None);
        }
        let word = text.split(char::is_whitespace).next().unwrap_or_default();
        // 6: `[HOST]:PORT …`, 7: `HOST:PORT …`
        if word.starts_with('[')
            && let Some((at, port)) = last_port(word, "]:")
            && at > 1
        {
            return of_domain(&word[1..at], Some(port));
        }
        if let Some((at, port)) = last_port(word, ":")
            && at > 0
        {
            return of_domain(&word[..at], Some(port));
        }
        // 8: `[HOST (ADDR)]`, 9: `HOST (ADDR)`
        if let Some((host, address)) = bracketed(text)
            .and_then(host_with_address)
            .or_else(|| host_with_address(text))
        {
            return Self {
                address: Some(address),
                domain: Some(host),
                port: None,
            };
        }
        of_address(text.lines().next().unwrap_or(text), None)
    }
}

fn bracketed(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']')
}

/// `HOST (ADDR)`, the whole text.
fn host_with_address(text: &str) -> Option<(&str, &str)> {
    let (host, rest) = text.split_once(" (")?;
    let address = rest.strip_suffix(')')?;
    let fits = !host.is_empty() && !host.contains(char::is_whitespace) && !address.contains(')');
    (fits && !address.is_empty()).then_some((host, address))
}

/// `HOST (ADDR)` anywhere in the text.
fn host_with_address_within(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    while let Some(at) = text[from..].find(" (").map(|at| from + at) {
        let host = text[..at].rsplit(char::is_whitespace).next().unwrap_or_default();
        if let Some((address, _)) = text[at + 2..].split_once(')')
            && !host.is_empty()
            && !address.is_empty()
        {
            return Some((host, address));
        }
        from = at + 2;
    }
    None
}

/// Whether a text has the shape of an address. More tolerant than [`is_ip`]: groups may be padded.
fn fits_ip(text: &str) -> bool {
    if text.contains(':') {
        is_ip(text)
    } else {
        fits_ipv4(text)
    }
}

fn fits_ipv4(text: &str) -> bool {
    is_ipv4(text, true)
}

/// Four numbers up to 255, of at most three digits; whether zeros may stand before them.
fn is_ipv4(text: &str, padded: bool) -> bool {
    let (mut groups, mut digits, mut number) = (1, 0, 0);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => {
                let leading_zero = digits == 1 && number == 0;
                number = number * 10 + u32::from(byte - b'0');
                digits += 1;
                if digits > 3 || number > 255 || (leading_zero && !padded) {
                    return false;
                }
            }
            b'.' if digits > 0 => {
                groups += 1;
                (digits, number) = (0, 0);
            }
            _ => return false,
        }
    }
    groups == 4 && digits > 0
}

/// `:PORT` at the start: digits without a leading zero that end at a word boundary.
fn leading_port(text: &str) -> Option<&str> {
    let digits = text.strip_prefix(':')?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (port, rest) = digits.split_at(end);
    let at_boundary = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    (!port.is_empty() && !port.starts_with('0') && at_boundary).then_some(port)
}

/// The last place where a separator is followed by a port, and that port.
fn last_port<'a>(word: &'a str, separator: &str) -> Option<(usize, &'a str)> {
    word.rmatch_indices(separator).find_map(|(at, _)| {
        let colon = at + separator.len() - 1;
        leading_port(&word[colon..]).map(|port| (at, port))
    })
}

/// An address followed by a port. The reference tries an IPv6 address without a dotted quad first, longest
/// first, which takes `::ffff:192.0.2.7:4711` apart in the wrong place.
fn leading_ip_and_port(text: &str) -> Option<(&str, &str)> {
    let candidates = || {
        text.match_indices(':').filter_map(|(at, _)| {
            let port = leading_port(&text[at..])?;
            Some((&text[..at], port))
        })
    };
    let dotted = |address: &str| address.contains('.') && address.contains(':');
    let plain = candidates().rfind(|(address, _)| !dotted(address) && fits_ip(address));
    plain.or_else(|| candidates().rfind(|(address, _)| fits_ip(address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the standard library and, with zeros before the numbers, as the pattern of the reference have it.
    #[test]
    fn four_numbers_are_an_address() {
        let parts = [
            "0", "00", "000", "0000", "7", "07", "99", "199", "255", "256", "300", "1000", "", "x", "-1",
            "+1",
        ];
        for first in parts {
            for last in parts {
                for text in [
                    format!("{first}.1.2.{last}"),
                    format!("1.{first}.{last}.2"),
                    format!("{first}.{last}.1"),
                    format!("{first}.{last}.1.1.1"),
                ] {
                    let standard = text.parse::<std::net::Ipv4Addr>().is_ok();
                    assert_eq!(is_ipv4(&text, false), standard, "{text}");
                    let groups: Vec<_> = text.split('.').collect();
                    let digits =
                        |group: &&str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
                    let dotted = groups.len() == 4 && groups.iter().all(digits);
                    assert_eq!(is_dotted(&text), dotted, "{text}");
                    let fits =
                        |group: &&str| group.len() <= 3 && group.parse::<u16>().is_ok_and(|it| it <= 255);
                    assert_eq!(is_ipv4(&text, true), dotted && groups.iter().all(fits), "{text}");
                }
            }
        }
    }

    /// Address, domain and port of a text after the rewriting of mapped addresses.
    #[track_caller]
    fn check(text: &str, anchored: bool, expected: (Option<&str>, Option<&str>, Option<&str>)) {
        let unmapped = unmap(text, anchored);
        let endpoint = Endpoint::parse(&unmapped);
        assert_eq!(
            (endpoint.address, endpoint.domain, endpoint.port),
            expected,
            "{text:?}"
        );
    }

    /// The table of §4.1.
    #[test]
    fn the_forms_of_client_addresses() {
        for anchored in [false, true] {
            let address = |text, address| check(text, anchored, (Some(address), None, None));
            let endpoint = |text, address, port| check(text, anchored, (Some(address), None, Some(port)));
            let domain = |text| check(text, anchored, (None, Some(text), None));
            address("192.0.2.7", "192.0.2.7");
            endpoint("192.0.2.7:4711", "192.0.2.7", "4711");
            endpoint("192.0.2.7:4711 and more", "192.0.2.7", "4711");
            address("[192.0.2.7]", "192.0.2.7");
            endpoint("[192.0.2.7]:4711", "192.0.2.7", "4711");
            address("2001:db8::7", "2001:db8::7");
            address("[2001:db8::7]", "2001:db8::7");
            endpoint("[2001:db8::7]:4711", "2001:db8::7", "4711");
            address("2001:db8::7:4711", "2001:db8::7:4711");
            endpoint("2001:db8::7:47110", "2001:db8::7", "47110");
            endpoint("1:2:3:4:5:6:7:8:443", "1:2:3:4:5:6:7:8", "443");
            address("fe80::1%eth0", "fe80::1%eth0");
            address("::ffff:192.0.2.7", "192.0.2.7");
            endpoint("[::ffff:192.0.2.7]:4711", "192.0.2.7", "4711");
            for host in [
                "mail01",
                "mail01.example.com:25",
                "192.0.2.999",
                "192.0.2.7:0",
                "null",
                "<null>",
            ] {
                domain(host);
            }
            for text in ["192.0.2.7, 192.0.2.8", "192.0.2.7 ", "a b", "010.1.2.3"] {
                address(text, text);
            }
            address("a b\nc", "a b");
            check(
                "MAIL01 (192.0.2.7)",
                anchored,
                (Some("192.0.2.7"), Some("MAIL01"), None),
            );
            check(
                "[MAIL01 (192.0.2.7)]",
                anchored,
                (Some("192.0.2.7"), Some("MAIL01"), None),
            );
            check(
                "MAIL01 (192.0.2.999)",
                anchored,
                (Some("192.0.2.999"), Some("MAIL01"), None),
            );
            check("mail01:25 x", anchored, (None, Some("mail01"), Some("25")));
            check("[mail01]:25 x", anchored, (None, Some("mail01"), Some("25")));
        }
    }

    #[test]
    fn mapped_addresses_with_a_port_differ_between_references() {
        check(
            "::ffff:192.0.2.7:4711",
            false,
            (Some("192.0.2.7"), None, Some("4711")),
        );
        check("::ffff:192.0.2.7:4711", true, (Some("::ffff"), None, Some("192")));
    }

    #[test]
    fn literals_are_strict() {
        for text in ["192.0.2.7", "2001:db8::7", "::", "::ffff:1.2.3.4", "fe80::1%eth0"] {
            assert!(is_ip(text), "{text}");
        }
        for text in [
            "010.1.2.3",
            "192.0.2.999",
            "1.2.3",
            "",
            "fe80::1%",
            "2001:db8::g",
            "15.20.4867.012",
        ] {
            assert!(!is_ip(text), "{text}");
        }
    }
}

//! What to do about a request that did not arrive. The words are those of the HTTP client and of the system.

use super::Route;

/// What an operator can do, if it is more than to wait.
pub(crate) fn hint(reason: &str) -> Option<&'static str> {
    if has(
        reason,
        &["unknownissuer", "unknown issuer", "not trusted", "self-signed"],
    ) {
        Some(
            "the certificate is of an authority that this machine does not trust, such as that of a proxy that looks \
             into TLS: name a PEM file with the authority's certificate in `tls.ca_file`",
        )
    } else if has(
        reason,
        &["proxy authorization required", "credentials not accepted"],
    ) {
        Some(
            "the proxy wants another user or password: write them into `proxy.https`, as \
             http://USER:PASSWORD@HOST:PORT",
        )
    } else if has(reason, &["tunnel error: unsuccessful"]) {
        Some("the proxy refuses the way to this host: allow it there, or name the host in `proxy.no_proxy`")
    } else {
        None
    }
}

/// What to do about a failure on the way to the host that `option` names.
pub(crate) fn on_the_way(reason: &str, option: &str, route: &Route) -> String {
    let advice = if let Some(hint) = hint(reason) {
        hint.to_owned()
    } else if has(reason, &["dns error", "lookup address", "resolve"]) {
        format!("the host's name is not known: check DNS on this machine, and `{option}`")
    } else if has(reason, &["certificate", "tls", "handshake"]) {
        format!("no secure connection: check `{option}` and the clock")
    } else if has(reason, &["refused"]) {
        format!("nothing listens there, or a firewall refuses: check `{option}` and the proxy")
    } else if has(reason, &["timed out", "timeout", "unreachable"]) {
        format!("the host does not answer: open the firewall to it, or configure a proxy; check `{option}`")
    } else {
        format!("the connection broke: check firewall and proxy, and `{option}`")
    };
    match route.via() {
        Some(via) => format!("{advice} (asked through {via}, which may be what fails)"),
        None => advice,
    }
}

fn has(reason: &str, words: &[&str]) -> bool {
    let reason = reason.to_lowercase();
    words.iter().any(|word| reason.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_fails_is_explained() {
        for (reason, expect) in [
            (
                "error trying to connect: dns error: failed to lookup address",
                "DNS",
            ),
            (
                "tcp connect error: Connection refused (os error 111)",
                "nothing listens",
            ),
            (
                "invalid peer certificate: NotValidForName",
                "no secure connection",
            ),
            ("operation timed out", "does not answer"),
            ("connection closed before message completed", "broke"),
        ] {
            let advice = on_the_way(reason, "api.resource", &Route::Direct);
            assert!(
                advice.contains(expect) && advice.contains("api.resource"),
                "{advice}"
            );
        }
    }
}

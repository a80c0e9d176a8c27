//! Who may ask the API, and for what.
//!
//! Reading is open to whoever reaches the port, unless there is a token. Changing something needs the token, or a request
//! from this machine that no web page has made: a browser sends pages' requests with `Origin`, and with a `Host` of theirs if
//! their name has been pointed at this machine.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use o365_core::SensitiveString;
use sha2::{Digest, Sha256};

/// See the module.
#[derive(Clone)]
pub(super) struct Guard {
    /// Its digest, so that comparing takes the same time whatever is compared.
    token: Option<[u8; 32]>,
    on_loopback: bool,
}

/// Paths that a load balancer asks without a token; they name nobody.
const OPEN: [&str; 2] = ["/health", "/ready"];

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("token", &self.token.is_some())
            .field("on_loopback", &self.on_loopback)
            .finish()
    }
}

impl Guard {
    pub(super) fn new(address: SocketAddr, token: Option<&SensitiveString>) -> Self {
        Self {
            token: token.map(|token| Sha256::digest(token.expose()).into()),
            on_loopback: address.ip().is_loopback(),
        }
    }

    /// Whether the request has the token, or none is needed to see everything.
    pub(super) fn sees_all(&self, headers: &HeaderMap) -> bool {
        let Some(token) = self.token else { return true };
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        given.is_some_and(|given| <[u8; 32]>::from(Sha256::digest(given)) == token)
    }

    fn admits(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<(), (StatusCode, &'static str)> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        if self.token.is_some() {
            let open = reads && OPEN.contains(&path);
            return if open || self.sees_all(headers) {
                Ok(())
            } else {
                Err((
                    StatusCode::UNAUTHORIZED,
                    "send `Authorization: Bearer` with the token of `api.token`\n",
                ))
            };
        }
        if reads {
            return Ok(());
        }
        if !self.on_loopback {
            return Err((
                StatusCode::FORBIDDEN,
                "the API is reachable from other machines: set `api.token` to change something\n",
            ));
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        if headers.contains_key(header::ORIGIN) || !host.is_some_and(names_this_machine) {
            return Err((
                StatusCode::FORBIDDEN,
                "web pages may not change anything: set `api.token`, and send it\n",
            ));
        }
        Ok(())
    }
}

fn names_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Lets a request through, or answers why not.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.admits(request.method(), request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        address: &str,
        token: Option<&str>,
        (method, path): (&Method, &str),
        headers: &[(&str, &str)],
        expected: u16,
    ) {
        let token = token.map(SensitiveString::from);
        let guard = Guard::new(address.parse().unwrap(), token.as_ref());
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<header::HeaderName>().unwrap(),
                    value.parse().unwrap(),
                )
            })
            .collect();
        let status = guard
            .admits(method, path, &headers)
            .map_or_else(|(status, _)| status.as_u16(), |()| 200);
        assert_eq!(status, expected, "{address} {method} {path} {headers:?}");
    }

    #[test]
    fn who_may_do_what() {
        let (here, elsewhere) = ("127.0.0.1:8686", "0.0.0.0:8686");
        let reload = (&Method::POST, "/api/transforms/ecs/reload");
        let local = ("host", "127.0.0.1:8686");
        for address in [here, elsewhere] {
            for path in ["/health", "/ready", "/metrics", "/api/transforms"] {
                check(address, None, (&Method::GET, path), &[], 200);
            }
        }
        check(here, None, reload, &[local], 200);
        check(here, None, reload, &[("host", "localhost")], 200);
        check(here, None, reload, &[("host", "[::1]:8686")], 200);
        check(
            here,
            None,
            reload,
            &[local, ("origin", "http://evil.example")],
            403,
        );
        check(here, None, reload, &[("host", "evil.example:8686")], 403);
        check(here, None, reload, &[], 403);
        check(elsewhere, None, reload, &[local], 403);

        let (good, bad) = (
            ("authorization", "Bearer s3cret"),
            ("authorization", "Bearer wrong"),
        );
        for address in [here, elsewhere] {
            check(address, Some("s3cret"), (&Method::GET, "/health"), &[], 200);
            check(address, Some("s3cret"), (&Method::GET, "/metrics"), &[], 401);
            check(address, Some("s3cret"), (&Method::GET, "/metrics"), &[good], 200);
            check(address, Some("s3cret"), reload, &[local], 401);
            check(address, Some("s3cret"), reload, &[local, bad], 401);
            check(address, Some("s3cret"), reload, &[local, good], 200);
        }
    }
}

//! Requests to a server over HTTP: login, trust, compression, and what an answer means for what was sent.

use std::{
    fmt,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use flate2::write::GzEncoder;
use o365_core::{Failure, SensitiveString, config::Problem};
use reqwest::{
    Certificate, Method, RequestBuilder, Response, StatusCode, Url,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use serde::Deserialize;

use super::delivery::{Again, Answer};

/// An answer is read so far, for its reason.
const REASON_BYTES: usize = 2_000;
/// More of an answer is of no use to whoever looks at its status only. Up to here, the connection can be used again.
pub(super) const STATUS_ONLY: usize = 64 << 10;

/// How to log in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, tag = "strategy", rename_all = "snake_case")]
pub enum AuthOptions {
    /// User and password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: SensitiveString,
    },
    /// A token.
    Bearer {
        /// The token.
        token: SensitiveString,
    },
}

/// Whom to trust.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsOptions {
    /// PEM file with certificates of authorities that are trusted besides those of the system. A relative path starts at
    /// the configuration file. Default: none.
    pub ca_file: Option<PathBuf>,
    /// Whether the server's certificate is checked. Default `true`; `false` is for tests only: whoever is on the way can
    /// read and change everything.
    pub verify_certificate: Option<bool>,
}

/// How bodies are made smaller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// The body as it is sent.
    pub(crate) fn compress(self, body: Vec<u8>) -> std::io::Result<Vec<u8>> {
        match self {
            Self::None => Ok(body),
            Self::Gzip => {
                let mut encoder =
                    GzEncoder::new(Vec::with_capacity(body.len() / 8), flate2::Compression::fast());
                encoder.write_all(&body)?;
                encoder.finish()
            }
            Self::Zstd => zstd::encode_all(body.as_slice(), zstd::DEFAULT_COMPRESSION_LEVEL),
        }
    }

    fn header(self) -> Option<HeaderValue> {
        match self {
            Self::None => None,
            Self::Gzip => Some(HeaderValue::from_static("gzip")),
            Self::Zstd => Some(HeaderValue::from_static("zstd")),
        }
    }
}

/// A client for one sink.
#[derive(Clone)]
pub(super) struct Web {
    client: reqwest::Client,
    auth: Option<AuthOptions>,
    headers: HeaderMap,
    compression: Compression,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").finish_non_exhaustive()
    }
}

/// What a server said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    /// As much as was wished for.
    pub(super) body: Bytes,
}

impl Web {
    /// Reads the file of authorities.
    pub(super) fn new(
        config_dir: &Path,
        tls: &TlsOptions,
        auth: Option<AuthOptions>,
        headers: HeaderMap,
        compression: Compression,
    ) -> Result<Self, Problem> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("o365-host/", env!("CARGO_PKG_VERSION")))
            // A redirect would take the login along.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(30));
        if let Some(file) = &tls.ca_file {
            builder = builder.tls_certs_merge(authorities(&config_dir.join(file))?);
        }
        if tls.verify_certificate == Some(false) {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        let client = builder
            .build()
            .map_err(|error| Problem::new("tls", format!("the client cannot be made: {error}")))?;
        Ok(Self {
            client,
            auth,
            headers,
            compression,
        })
    }

    /// Sends a body, and reads the answer, at most `longest` bytes of it. No answer is told in words.
    pub(super) async fn send(
        &self,
        method: Method,
        url: Url,
        content_type: &'static str,
        body: Vec<u8>,
        longest: usize,
    ) -> Result<Said, String> {
        let body = self
            .compression
            .compress(body)
            .map_err(|error| format!("compressing failed: {error}"))?;
        let mut request = self
            .client
            .request(method, url)
            .header(CONTENT_TYPE, content_type);
        if let Some(encoding) = self.compression.header() {
            request = request.header(CONTENT_ENCODING, encoding);
        }
        self.finish(request.body(body), longest).await
    }

    /// Asks, and sends nothing.
    pub(super) async fn ask(&self, method: Method, url: Url, longest: usize) -> Result<Said, String> {
        self.finish(self.client.request(method, url), longest).await
    }

    async fn finish(&self, request: RequestBuilder, longest: usize) -> Result<Said, String> {
        let request = request.headers(self.headers.clone());
        let request = match &self.auth {
            None => request,
            Some(AuthOptions::Basic { user, password }) => request.basic_auth(user, Some(password.expose())),
            Some(AuthOptions::Bearer { token }) => request.bearer_auth(token.expose()),
        };
        let response = request.send().await.map_err(explain)?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let body = beginning(response, longest).await.map_err(explain)?;
        Ok(Said {
            status,
            retry_after,
            body,
        })
    }
}

/// A body, or as much of it; what is longer costs the connection.
async fn beginning(mut response: Response, longest: usize) -> Result<Bytes, reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        let room = longest - body.len();
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if chunk.len() > room {
            break;
        }
    }
    Ok(body.freeze())
}

impl Said {
    /// What an answer with this status means for a body of so many events, of which nothing else is known.
    pub(super) fn answer(&self, events: usize) -> Answer {
        let reason = self.reason();
        match self.status.as_u16() {
            200..=299 => Answer::delivered(events),
            413 => Answer::TooLarge(Failure::new("rejected", reason)),
            400 | 422 => Answer::Divide(Failure::new("rejected", reason)),
            429 => Answer::Again(Again::crowded(reason, self.retry_after)),
            408 | 500..=599 => Answer::Again(Again::overloaded(reason, self.retry_after)),
            // Nothing is wrong with the events: a login that has ended, a wrong path.
            _ => Answer::Again(Again::failed(format!("{reason}; {}", advice(self.status)))),
        }
    }

    /// Status and the beginning of the body, in one line.
    pub(super) fn reason(&self) -> String {
        let body = self.body.get(..REASON_BYTES).unwrap_or(&self.body);
        let text = String::from_utf8_lossy(body);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let status = self.status;
        if text.is_empty() {
            format!("the server answers {status}")
        } else {
            format!("the server answers {status}: {text}")
        }
    }
}

/// What to do about a status that has nothing to do with the events.
pub(super) fn advice(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "check the login (`auth`) and what it may do",
        404 | 405 => "check the address",
        300..=399 => "the server is somewhere else: configure that address, redirects are not followed",
        _ => "check the configuration of the sink",
    }
}

/// The innermost reason, without the address, which may hold a password.
fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        reason = format!("{reason}: {inner}");
        source = inner.source();
    }
    reason
}

/// The certificates of a PEM file; at least one.
pub(super) fn authorities(path: &Path) -> Result<Vec<Certificate>, Problem> {
    let problem = |message: String| {
        Problem::new("tls.ca_file", message)
            .hint("the file must have blocks `-----BEGIN CERTIFICATE-----`; a relative path starts at the configuration file")
    };
    let shown = path.display();
    let pem = std::fs::read(path).map_err(|error| problem(format!("{shown} cannot be read: {error}")))?;
    let certificates =
        Certificate::from_pem_bundle(&pem).map_err(|_| problem(format!("{shown} is not PEM")))?;
    if certificates.is_empty() {
        return Err(problem(format!("there is no certificate in {shown}")));
    }
    Ok(certificates)
}

/// An address that events can be sent to.
pub(super) fn address(field: &str, text: &str) -> Result<Url, Problem> {
    let hint = "write something like `https://siem.example:8088/path`";
    if text.is_empty() {
        return Err(Problem::new(field, "is empty").hint(hint));
    }
    let url = Url::parse(text)
        .map_err(|error| Problem::new(field, format!("`{text}` is not a URL: {error}")).hint(hint))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(Problem::new(field, format!("`{text}` is not a URL of HTTP")).hint(hint));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            Problem::new(field, "holds a login").hint("write it below `auth`: it stays out of logs there")
        );
    }
    Ok(url)
}

/// Headers as they are written. Those that the sink sets itself are refused.
pub(super) fn headers<'h>(
    written: impl IntoIterator<Item = (&'h String, &'h SensitiveString)>,
) -> Result<HeaderMap, Vec<Problem>> {
    let (mut headers, mut problems) = (HeaderMap::new(), Vec::new());
    for (name, value) in written {
        let field = format!("headers.{name}");
        let Ok(header) = HeaderName::try_from(name.as_str()) else {
            problems.push(Problem::new(field, "is not a name of a header"));
            continue;
        };
        if [
            CONTENT_ENCODING,
            reqwest::header::CONTENT_LENGTH,
            reqwest::header::HOST,
        ]
        .contains(&header)
        {
            problems.push(Problem::new(field, "is set by the sink itself").hint("leave it out"));
            continue;
        }
        match HeaderValue::try_from(value.expose()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                headers.insert(header, value);
            }
            Err(_) => problems.push(Problem::new(field, "has characters that no header can have")),
        }
    }
    if problems.is_empty() {
        Ok(headers)
    } else {
        Err(problems)
    }
}

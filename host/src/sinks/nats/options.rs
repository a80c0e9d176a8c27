//! Options of a `nats` sink.

use std::path::{Path, PathBuf};

use async_nats::ServerAddr;
use o365_core::{
    SensitiveString,
    config::{ComponentContext, Problem},
};
use serde::Deserialize;
use url::Url;

use super::{
    super::{
        delivery::{BatchOptions, OneOrMore, RemoteConfig, RemoteOptions, RequestOptions},
        web,
    },
    Nats,
    link::Link,
    subject::Envelope,
};
use crate::encoding::Encoding;

/// Options of a `nats` sink.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsConfig {
    /// The servers of one cluster, `nats` or `tls`: one text (several with commas between them) or a list.
    pub url: OneOrMore,
    /// The subject of an event, which a stream must take. Parts may be fields of the event: `o365.{{ organization.id }}`.
    pub subject: String,
    /// The stream that must take it: another one refuses. Default: any.
    #[serde(default)]
    pub stream: Option<String>,
    /// Where the id of an event is. What comes again within the stream's duplicate window is stored once. `null`: it is stored
    /// again. Default `event.id`.
    #[serde(default = "event_id")]
    pub id_key: Option<String>,
    /// What the server calls this connection. Default `o365-host`.
    #[serde(default = "connection_name")]
    pub connection_name: String,
    /// How to log in. Default: not at all.
    #[serde(default)]
    pub auth: Option<NatsAuth>,
    /// TLS, also for addresses with `nats`. Default: when the address says `tls`, or the server wants it.
    #[serde(default)]
    pub tls: Option<NatsTls>,
    /// How an event is written. Default `json`.
    #[serde(default)]
    pub encoding: Encoding,
    /// How events are put together.
    #[serde(default)]
    pub batch: BatchOptions,
    /// How requests are made.
    #[serde(default)]
    pub request: RequestOptions,
    /// Whether the server is asked at the start if it is there. Default `true`.
    #[serde(default = "yes")]
    pub healthcheck: bool,
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the type of the field")]
fn event_id() -> Option<String> {
    Some("event.id".to_owned())
}

fn connection_name() -> String {
    "o365-host".to_owned()
}

fn yes() -> bool {
    true
}

/// How to log in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, tag = "strategy", rename_all = "snake_case")]
pub enum NatsAuth {
    /// User and password.
    UserPassword {
        /// The user.
        user: String,
        /// The password.
        password: SensitiveString,
    },
    /// A token.
    Token {
        /// The token.
        token: SensitiveString,
    },
    /// A key pair.
    Nkey {
        /// The seed, which begins with `SU`.
        seed: SensitiveString,
    },
    /// A file with a token (JWT) and a seed, as `nsc` makes it. It is read again for each connection.
    CredentialsFile {
        /// A relative path starts at the configuration file.
        path: PathBuf,
    },
}

/// Whom to trust, and what to show.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NatsTls {
    /// PEM file with the certificates of the authorities that are trusted, in place of those of the system. A relative path
    /// starts at the configuration file.
    pub ca_file: Option<PathBuf>,
    /// PEM file with a certificate to log in with, and those above it.
    pub crt_file: Option<PathBuf>,
    /// PEM file with its private key.
    pub key_file: Option<PathBuf>,
}

impl RemoteConfig for NatsConfig {
    type Destination = Nats;
    const TYPE: &'static str = "nats";
    const SUMMARY: &'static str = "publishes events to a stream of NATS JetStream";

    fn remote(&self) -> RemoteOptions {
        RemoteOptions {
            batch: self.batch,
            request: self.request,
            healthcheck: self.healthcheck,
        }
    }

    /// The files that a connection is made with.
    fn files(&self) -> Vec<PathBuf> {
        let tls = self.tls.iter();
        let mut files: Vec<_> = tls
            .flat_map(|tls| {
                [&tls.ca_file, &tls.crt_file, &tls.key_file]
                    .into_iter()
                    .flatten()
                    .cloned()
            })
            .collect();
        if let Some(NatsAuth::CredentialsFile { path }) = &self.auth {
            files.push(path.clone());
        }
        files
    }

    fn destination(&self, cx: &ComponentContext) -> Result<Nats, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut found = |problem: Problem| problems.push(problem);
        let servers = self.servers(&mut found);
        if let Some(key) = &self.id_key
            && key.split('.').any(str::is_empty)
        {
            found(Problem::new("id_key", format!("`{key}` is not a path")).hint("use `event.id`, say"));
        }
        if let Some(stream) = &self.stream
            && (stream.is_empty() || stream.contains(|c: char| !c.is_ascii_graphic() || ".*>/\\".contains(c)))
        {
            let message = format!("`{stream}` is not the name of a stream");
            found(Problem::new("stream", message).hint("a name has no blanks, `.`, `*`, `>`, `/` and `\\`"));
        }
        let envelope = Envelope::new(&self.subject, self.id_key.as_deref()).map_err(|wrong| {
            let problem = Problem::new("subject", wrong);
            found(problem.hint("write something like `o365.audit` or `o365.{{ organization.id }}`"));
        });
        self.encoding.message_problems().into_iter().for_each(&mut found);
        self.login(&cx.config_dir, &mut found);
        let tls = self.tls(&cx.config_dir, &mut found);
        match envelope {
            Ok(envelope) if problems.is_empty() => Ok(Nats {
                link: Link::new(self, servers, tls, &cx.config_dir),
                envelope,
                stream: self.stream.clone(),
                encoding: self.encoding.clone(),
                request: self.request,
            }),
            _ => Err(problems),
        }
    }
}

impl NatsConfig {
    fn servers(&self, found: &mut impl FnMut(Problem)) -> Vec<ServerAddr> {
        let hint = "write something like `nats://nats.example:4222`, or `tls://…`";
        let texts = self.url.texts().iter();
        let mut servers = Vec::new();
        for text in texts.flat_map(|text| text.split(',')).map(str::trim) {
            match Url::parse(text) {
                // Before the text is shown to anybody.
                Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                    let problem = Problem::new("url", "holds a login");
                    found(problem.hint("write it below `auth`: it stays out of logs there"));
                }
                Ok(url) if matches!(url.scheme(), "nats" | "tls") && url.has_host() => {
                    servers.extend(ServerAddr::from_url(url));
                }
                _ if text.contains('@') => {
                    found(Problem::new("url", "is not the URL of a NATS server").hint(hint));
                }
                _ => {
                    found(
                        Problem::new("url", format!("`{text}` is not the URL of a NATS server")).hint(hint),
                    );
                }
            }
        }
        if self.url.texts().is_empty() {
            found(Problem::new("url", "is empty").hint(hint));
        }
        servers
    }

    /// What can be told about a login without a server.
    fn login(&self, config_dir: &Path, found: &mut impl FnMut(Problem)) {
        let empty = |field: &str| Problem::new(field, "is empty").hint("is the variable set?");
        match &self.auth {
            Some(NatsAuth::UserPassword { password, .. }) if password.is_empty() => {
                found(empty("auth.password"));
            }
            Some(NatsAuth::Token { token }) if token.is_empty() => found(empty("auth.token")),
            Some(NatsAuth::Nkey { seed }) => {
                let text = seed.expose();
                let base32 = text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'));
                if !text.starts_with("SU") || text.len() != 58 || !base32 {
                    let problem = Problem::new("auth.seed", "is not the seed of a user");
                    found(problem.hint("it has 58 capital letters and digits and begins with `SU`"));
                }
            }
            Some(NatsAuth::CredentialsFile { path }) => {
                let path = config_dir.join(path);
                if let Err(error) = super::link::credentials(&path) {
                    let problem = Problem::new("auth.path", error);
                    found(problem.hint("it is what `nsc generate creds` prints; a relative path starts at the configuration file"));
                }
            }
            Some(NatsAuth::UserPassword { .. } | NatsAuth::Token { .. }) | None => {}
        }
    }

    /// With absolute paths.
    fn tls(&self, config_dir: &Path, found: &mut impl FnMut(Problem)) -> Option<NatsTls> {
        let tls = self.tls.as_ref()?;
        let absolute = |path: &Option<PathBuf>| path.as_ref().map(|path| config_dir.join(path));
        let tls = NatsTls {
            ca_file: absolute(&tls.ca_file),
            crt_file: absolute(&tls.crt_file),
            key_file: absolute(&tls.key_file),
        };
        if let Some(path) = &tls.ca_file
            && let Err(problem) = web::authorities(path)
        {
            found(problem);
        }
        match (&tls.crt_file, &tls.key_file) {
            (Some(crt), Some(key)) => {
                for (field, path) in [("tls.crt_file", crt), ("tls.key_file", key)] {
                    if let Err(error) = std::fs::File::open(path) {
                        let message = format!("{} cannot be read: {error}", path.display());
                        found(
                            Problem::new(field, message)
                                .hint("a relative path starts at the configuration file"),
                        );
                    }
                }
            }
            (None, None) => {}
            (Some(_), None) => found(Problem::new(
                "tls.key_file",
                "is missing: `crt_file` needs its key",
            )),
            (None, Some(_)) => found(Problem::new(
                "tls.crt_file",
                "is missing: `key_file` needs its certificate",
            )),
        }
        Some(tls)
    }
}

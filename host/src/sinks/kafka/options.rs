//! Options of a `kafka` sink, and what they are called in the client library.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use o365_core::{
    SensitiveString,
    config::{ComponentContext, Problem},
};
use rdkafka::{ClientConfig, error::KafkaError};
use serde::Deserialize;

use super::{
    super::delivery::{BatchOptions, RemoteConfig, RemoteOptions, RequestOptions},
    Kafka,
    client::Producers,
};
use crate::{encoding::Encoding, wasm::ByteSize};

/// Options of a `kafka` sink.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// Brokers to begin with, with commas between them: `kafka-1:9092,kafka-2:9092`.
    pub bootstrap_servers: String,
    /// The topic.
    pub topic: String,
    /// Where the key of a message is: events with the same key keep their order. `null`: no key, any partition. Default
    /// `organization.id`, the tenant.
    #[serde(default = "tenant")]
    pub key_field: Option<String>,
    /// Where the id of an event is, which is sent as the header `id`. `null`: none. Default `event.id`.
    #[serde(default = "event_id")]
    pub id_key: Option<String>,
    /// `none` (default), `gzip`, `snappy`, `lz4` or `zstd`.
    #[serde(default)]
    pub compression: KafkaCompression,
    /// How large a message may be: `1KiB` to `100MiB`. The topic has a limit of its own, `max.message.bytes`. Default `1MiB`,
    /// as brokers have it.
    #[serde(default = "message_max_bytes")]
    pub message_max_bytes: ByteSize,
    /// How to log in. Default: not at all.
    #[serde(default)]
    pub sasl: Option<KafkaSasl>,
    /// TLS, with the defaults of its options: `tls: {}`. Default: none.
    #[serde(default)]
    pub tls: Option<KafkaTls>,
    /// More options of librdkafka, as it calls them. Those that this sink sets are refused.
    #[serde(default)]
    pub librdkafka_options: IndexMap<String, SensitiveString>,
    /// How an event is written. Default `json`.
    #[serde(default)]
    pub encoding: Encoding,
    /// How events are put together.
    #[serde(default)]
    pub batch: BatchOptions,
    /// How requests are made.
    #[serde(default)]
    pub request: RequestOptions,
    /// Whether a broker is asked at the start if it is there. Default `true`.
    #[serde(default = "yes")]
    pub healthcheck: bool,
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the type of the field")]
fn tenant() -> Option<String> {
    Some("organization.id".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the type of the field")]
fn event_id() -> Option<String> {
    Some("event.id".to_owned())
}

fn message_max_bytes() -> ByteSize {
    ByteSize(1 << 20)
}

fn yes() -> bool {
    true
}

/// How messages are made smaller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KafkaCompression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// How to log in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSasl {
    /// What brokers expect.
    pub mechanism: SaslMechanism,
    /// The user.
    pub username: String,
    /// The password.
    pub password: SensitiveString,
}

/// How a password is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum SaslMechanism {
    /// As it is. Needs TLS.
    #[serde(rename = "PLAIN")]
    Plain,
    /// By SCRAM with SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// By SCRAM with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

/// Whom to trust, and what to show.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaTls {
    /// PEM file with the certificates of the authorities that are trusted, in place of those of the system. A relative path
    /// starts at the configuration file.
    pub ca_file: Option<PathBuf>,
    /// PEM file with a certificate to log in with, and those above it.
    pub crt_file: Option<PathBuf>,
    /// PEM file with its private key.
    pub key_file: Option<PathBuf>,
    /// What the key is encrypted with.
    pub key_pass: Option<SensitiveString>,
    /// Whether the certificate and the name of a broker are checked. Default `true`; `false` is for tests only: whoever is on
    /// the way can read and change everything.
    pub verify_certificate: Option<bool>,
}

/// Options of the library that would break what this sink promises.
const PROMISED: [&str; 14] = [
    "acks",
    "bootstrap.servers",
    "delivery.timeout.ms",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "log_level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.send.max.retries",
    "metadata.broker.list",
    "queuing.strategy",
    "request.required.acks",
    "retries",
    "transactional.id",
];

impl RemoteConfig for KafkaConfig {
    type Destination = Kafka;
    const TYPE: &'static str = "kafka";
    const SUMMARY: &'static str = "sends events to a topic of Kafka";

    fn remote(&self) -> RemoteOptions {
        RemoteOptions {
            batch: self.batch,
            request: self.request,
            healthcheck: self.healthcheck,
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let tls = self.tls.iter();
        tls.flat_map(|tls| [&tls.ca_file, &tls.crt_file, &tls.key_file])
            .flatten()
            .cloned()
            .collect()
    }

    fn destination(&self, cx: &ComponentContext) -> Result<Kafka, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut found = |problem: Problem| problems.push(problem);
        let no_host = |text: &str| {
            !text.trim().rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
            })
        };
        if let Some(wrong) = self.bootstrap_servers.split(',').find(|text| no_host(text)) {
            let problem = Problem::new("bootstrap_servers", format!("`{wrong}` is not an address"));
            found(problem.hint("write something like `kafka-1:9092,kafka-2:9092`"));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.topic.is_empty() || self.topic.len() > 249 || !self.topic.chars().all(legal) {
            let problem = Problem::new("topic", format!("`{}` is not the name of a topic", self.topic));
            found(problem.hint("use up to 249 letters, digits, `.`, `_` and `-`"));
        }
        for (field, key) in [("key_field", &self.key_field), ("id_key", &self.id_key)] {
            if key.as_ref().is_some_and(|key| key.split('.').any(str::is_empty)) {
                let problem = Problem::new(field, "is not a path of a field");
                found(problem.hint("use something like `event.id`, or `null`"));
            }
        }
        if !(ByteSize(1 << 10)..=ByteSize(100 << 20)).contains(&self.message_max_bytes) {
            let message = format!("{} is out of range", self.message_max_bytes);
            found(Problem::new("message_max_bytes", message).hint("use 1KiB to 100MiB"));
        }
        self.encoding.message_problems().into_iter().for_each(&mut found);
        if self
            .sasl
            .as_ref()
            .is_some_and(|sasl| sasl.mechanism == SaslMechanism::Plain)
            && self.tls.is_none()
        {
            let problem = Problem::new(
                "sasl.mechanism",
                "`PLAIN` shows the password to everybody on the way",
            );
            found(problem.hint("add `tls: {}`, or use `SCRAM-SHA-512`"));
        }
        let own = self.library_options(&cx.config_dir, &mut found);
        for name in self.librdkafka_options.keys() {
            if PROMISED.contains(&name.as_str()) || own.iter().any(|(own, _)| own == name) {
                let field = format!("librdkafka_options.{name}");
                found(Problem::new(field, "is set by the sink itself").hint("leave it out"));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut config = ClientConfig::new();
        for (name, value) in own {
            config.set(name, value);
        }
        for (name, value) in &self.librdkafka_options {
            config.set(name, value.expose());
        }
        let path = |field: &Option<String>| -> Vec<String> {
            let parts = field.iter().flat_map(|field| field.split('.'));
            parts.map(str::to_owned).collect()
        };
        Ok(Kafka {
            producers: Producers::new(config, cx.key.clone()).map_err(|error| vec![wrong(error)])?,
            topic: self.topic.clone(),
            paths: [path(&self.key_field), path(&self.id_key)],
            encoding: self.encoding.clone(),
            timeout: self.request.timeout,
        })
    }
}

impl KafkaConfig {
    /// What the library is told.
    fn library_options(&self, dir: &Path, found: &mut impl FnMut(Problem)) -> Vec<(&'static str, String)> {
        let request = &self.request;
        let millis = |duration: std::time::Duration| duration.as_millis().to_string();
        let compression = match self.compression {
            KafkaCompression::None => "none",
            KafkaCompression::Gzip => "gzip",
            KafkaCompression::Snappy => "snappy",
            KafkaCompression::Lz4 => "lz4",
            KafkaCompression::Zstd => "zstd",
        };
        // What waits in the client beside what waits in the requests, at most.
        let queue = (4 * self.batch.max_bytes.0)
            .max(2 * self.message_max_bytes.0)
            .max(64 << 20);
        // `retries` of the library have no end, unless ours have.
        let patience = match request.retry_attempts {
            None => "0".to_owned(),
            Some(_) => millis(request.timeout),
        };
        // The library refuses a first wait above the last one.
        let longest = request.retry_max_duration.min(std::time::Duration::from_mins(5));
        let first = request.retry_initial_backoff.min(longest);
        let mut options = vec![
            ("bootstrap.servers", self.bootstrap_servers.clone()),
            ("client.id", "o365-host".to_owned()),
            ("acks", "all".to_owned()),
            ("enable.idempotence", "true".to_owned()),
            ("message.timeout.ms", patience),
            (
                "request.timeout.ms",
                millis(request.timeout.min(std::time::Duration::from_mins(15))),
            ),
            ("retry.backoff.ms", millis(first)),
            ("retry.backoff.max.ms", millis(longest)),
            ("reconnect.backoff.ms", millis(first)),
            ("reconnect.backoff.max.ms", millis(longest)),
            ("message.max.bytes", self.message_max_bytes.0.to_string()),
            ("compression.type", compression.to_owned()),
            ("queue.buffering.max.kbytes", (queue >> 10).to_string()),
            // As Kafka's own clients choose the partition of a key.
            ("partitioner", "murmur2_random".to_owned()),
        ];
        let protocol = match (&self.sasl, &self.tls) {
            (None, None) => "plaintext",
            (None, Some(_)) => "ssl",
            (Some(_), None) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        options.push(("security.protocol", protocol.to_owned()));
        if let Some(sasl) = &self.sasl {
            let mechanism = match sasl.mechanism {
                SaslMechanism::Plain => "PLAIN",
                SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
                SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
            };
            if sasl.password.is_empty() {
                found(Problem::new("sasl.password", "is empty").hint("is the variable set?"));
            }
            options.extend([
                ("sasl.mechanism", mechanism.to_owned()),
                ("sasl.username", sasl.username.clone()),
                ("sasl.password", sasl.password.expose().to_owned()),
            ]);
        }
        if let Some(tls) = &self.tls {
            tls.library_options(dir, &mut options, found);
        }
        options
    }
}

impl KafkaTls {
    fn library_options(
        &self,
        dir: &Path,
        options: &mut Vec<(&'static str, String)>,
        found: &mut impl FnMut(Problem),
    ) {
        let files = [
            ("tls.ca_file", "ssl.ca.location", &self.ca_file),
            ("tls.crt_file", "ssl.certificate.location", &self.crt_file),
            ("tls.key_file", "ssl.key.location", &self.key_file),
        ];
        for (field, option, file) in files {
            let Some(file) = file else { continue };
            let path = dir.join(file);
            match std::fs::File::open(&path) {
                Ok(_) => options.push((option, path.to_string_lossy().into_owned())),
                Err(error) => {
                    let problem = Problem::new(field, format!("{} cannot be read: {error}", path.display()));
                    found(problem.hint("a relative path starts at the configuration file"));
                }
            }
        }
        if self.ca_file.is_none() {
            // OpenSSL is compiled in, and does not know where the system has them.
            options.push(("ssl.ca.location", "probe".to_owned()));
        }
        match (&self.crt_file, &self.key_file) {
            (Some(_), None) => found(Problem::new(
                "tls.key_file",
                "is missing: `crt_file` needs its key",
            )),
            (None, Some(_)) => {
                found(Problem::new(
                    "tls.crt_file",
                    "is missing: `key_file` needs its certificate",
                ));
            }
            _ => {}
        }
        if let Some(password) = &self.key_pass {
            options.push(("ssl.key.password", password.expose().to_owned()));
        }
        let verify = self.verify_certificate != Some(false);
        let algorithm = if verify { "https" } else { "none" };
        options.push(("enable.ssl.certificate.verification", verify.to_string()));
        options.push(("ssl.endpoint.identification.algorithm", algorithm.to_owned()));
    }
}

/// What the library does not take. Its text may hold the value, which may be a secret.
fn wrong(error: KafkaError) -> Problem {
    match error {
        KafkaError::ClientConfig(_, _, name, _) => Problem::new(
            format!("librdkafka_options.{name}"),
            "is unknown to librdkafka, or has a value that it does not take",
        ),
        KafkaError::ClientCreation(reason) => {
            Problem::new("tls", format!("the client cannot be made: {reason}"))
        }
        other => Problem::new("librdkafka_options", other.to_string()),
    }
}

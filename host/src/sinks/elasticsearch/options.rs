//! Options of an `elasticsearch` sink.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::format::{Item, StrftimeItems};
use o365_core::{
    SensitiveString,
    config::{ComponentContext, Problem},
};
use reqwest::{
    Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use serde::Deserialize;
use std::{path::PathBuf, time::Duration};

use super::{
    super::{
        delivery::{BatchOptions, OneOrMore, RemoteConfig, RemoteOptions, RequestOptions},
        web::{self, AuthOptions, Compression, TlsOptions, Web},
    },
    Elasticsearch,
    hosts::Hosts,
    target::{Into, Target, is_part},
};

/// Options of an `elasticsearch` sink.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElasticsearchConfig {
    /// The hosts of one cluster, `http` or `https`: one text or a list. They take turns.
    pub endpoints: OneOrMore,
    /// `data_stream` (default) or `bulk`.
    #[serde(default)]
    pub mode: Mode,
    /// The data stream of events that do not name theirs.
    #[serde(default)]
    pub data_stream: DataStream,
    /// The index, for `mode: bulk`.
    #[serde(default)]
    pub bulk: Option<BulkOptions>,
    /// Where the id of an event is. What comes again is stored once. `null`: documents have ids of the server, and what
    /// comes again is stored again. Default `event.id`.
    #[serde(default = "event_id")]
    pub id_key: Option<String>,
    /// How to log in. Default: not at all.
    #[serde(default)]
    pub auth: Option<ElasticAuth>,
    /// Whom to trust.
    #[serde(default)]
    pub tls: TlsOptions,
    /// `none` (default) or `gzip`.
    #[serde(default)]
    pub compression: Compression,
    /// What answers. Default `auto`: it is asked.
    #[serde(default)]
    pub api_version: ApiVersion,
    /// For `o365-host setup elasticsearch`: how long the data stream keeps events. Default: for ever.
    #[serde(default)]
    pub lifecycle: Option<Lifecycle>,
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

fn yes() -> bool {
    true
}

/// Where events are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// In a data stream.
    #[default]
    DataStream,
    /// In an index.
    Bulk,
}

/// The name of a data stream, in its parts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataStream {
    /// Default `logs`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Default `o365.audit`.
    pub dataset: String,
    /// Default `default`.
    pub namespace: String,
}

impl Default for DataStream {
    fn default() -> Self {
        Self {
            kind: "logs".to_owned(),
            dataset: "o365.audit".to_owned(),
            namespace: "default".to_owned(),
        }
    }
}

/// The index, for `mode: bulk`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkOptions {
    /// Its name. Parts of the event's `@timestamp`, in UTC, by strftime: `audit-%Y.%m.%d`.
    pub index: String,
    /// `create` (default): what is there stays. `index`: what is there is replaced.
    #[serde(default)]
    pub action: BulkAction,
}

/// What is done with a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// Stored, if it is not there.
    #[default]
    Create,
    /// Stored in place of what is there.
    Index,
}

/// How to log in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, tag = "strategy", rename_all = "snake_case")]
pub enum ElasticAuth {
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
    /// An API key: `id:key`, or encoded as Kibana shows it.
    ApiKey {
        /// The key.
        key: SensitiveString,
    },
}

/// What answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApiVersion {
    /// It is asked.
    #[default]
    Auto,
    /// Elasticsearch.
    Elasticsearch,
    /// OpenSearch.
    OpenSearch,
}

/// How long a data stream keeps events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// At least so long: `1h` or more.
    #[serde(with = "o365_core::duration")]
    pub data_retention: Duration,
}

impl RemoteConfig for ElasticsearchConfig {
    type Destination = Elasticsearch;
    const TYPE: &'static str = "elasticsearch";
    const SUMMARY: &'static str = "stores events in Elasticsearch or OpenSearch";

    fn remote(&self) -> RemoteOptions {
        RemoteOptions {
            batch: self.batch,
            request: self.request,
            healthcheck: self.healthcheck,
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        self.tls.ca_file.iter().cloned().collect()
    }

    fn destination(&self, cx: &ComponentContext) -> Result<Elasticsearch, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut found = |problem: Problem| problems.push(problem);
        let urls = self.urls(&mut found);
        let target = self.target(&mut found);
        if self.compression == Compression::Zstd {
            found(Problem::new("compression", "the servers do not read `zstd`").hint("use `gzip` or `none`"));
        }
        if self
            .lifecycle
            .is_some_and(|lifecycle| lifecycle.data_retention < Duration::from_hours(1))
        {
            found(Problem::new("lifecycle.data_retention", "is less than an hour").hint("use `90d`, say"));
        }
        let (auth, headers) = login(self.auth.as_ref(), &mut found);
        let web = Web::new(&cx.config_dir, &self.tls, auth, headers, self.compression).map_err(found);
        match (web, target) {
            (Ok(web), Some(target)) if problems.is_empty() => Ok(Elasticsearch {
                bulk: Elasticsearch::bulk(self.request.timeout),
                web,
                hosts: Hosts::new(urls),
                target,
                version: self.api_version,
            }),
            _ => Err(problems),
        }
    }
}

impl ElasticsearchConfig {
    fn urls(&self, found: &mut impl FnMut(Problem)) -> Vec<Url> {
        let written = self.endpoints.texts();
        if written.is_empty() {
            found(Problem::new("endpoints", "is empty").hint("write at least one address"));
        }
        let mut urls = Vec::new();
        for text in written {
            match web::address("endpoints", text) {
                Ok(mut url) if url.query().is_none() && url.fragment().is_none() => {
                    if !url.path().ends_with('/') {
                        url.set_path(&format!("{}/", url.path()));
                    }
                    urls.push(url);
                }
                Ok(_) => {
                    found(Problem::new("endpoints", format!("`{text}` has a query")).hint("leave it out"));
                }
                Err(problem) => found(problem),
            }
        }
        urls
    }

    fn target(&self, found: &mut impl FnMut(Problem)) -> Option<Target> {
        if let Some(key) = &self.id_key
            && key.split('.').any(str::is_empty)
        {
            found(Problem::new("id_key", format!("`{key}` is not a path")).hint("use `event.id`, say"));
        }
        let into = match (self.mode, &self.bulk) {
            (Mode::DataStream, None) => {
                let DataStream {
                    kind,
                    dataset,
                    namespace,
                } = &self.data_stream;
                for (name, part, hyphen) in [
                    ("type", kind, false),
                    ("dataset", dataset, false),
                    ("namespace", namespace, true),
                ] {
                    if !is_part(part) || (!hyphen && part.contains('-')) {
                        let field = format!("data_stream.{name}");
                        let hint = "use small letters, digits, `.` and `_`";
                        found(Problem::new(field, format!("`{part}` cannot be part of a name")).hint(hint));
                    }
                }
                Into::DataStream(self.data_stream.clone())
            }
            (Mode::DataStream, Some(_)) => {
                found(Problem::new("bulk", "is for `mode: bulk`").hint("set the mode, or leave it out"));
                return None;
            }
            (Mode::Bulk, None) => {
                let hint = "write `bulk: { index: \"audit-%Y.%m.%d\" }`";
                found(Problem::new("bulk", "is missing: `mode: bulk` needs an index").hint(hint));
                return None;
            }
            (Mode::Bulk, Some(bulk)) => {
                let items = StrftimeItems::new(&bulk.index);
                if bulk.index.is_empty() || items.into_iter().any(|item| item == Item::Error) {
                    let message = format!("`{}` is not the name of an index", bulk.index);
                    found(Problem::new("bulk.index", message).hint("write something like `audit-%Y.%m.%d`"));
                }
                Into::Index {
                    format: bulk.index.clone(),
                    action: bulk.action,
                }
            }
        };
        Some(Target::new(into, self.id_key.as_deref()))
    }
}

/// What the client logs in with, and the header that it does not know.
fn login(auth: Option<&ElasticAuth>, found: &mut impl FnMut(Problem)) -> (Option<AuthOptions>, HeaderMap) {
    let mut headers = HeaderMap::new();
    let auth = match auth.cloned() {
        None => None,
        Some(ElasticAuth::Basic { user, password }) => Some(AuthOptions::Basic { user, password }),
        Some(ElasticAuth::Bearer { token }) => Some(AuthOptions::Bearer { token }),
        Some(ElasticAuth::ApiKey { key }) => {
            let key = key.expose();
            let encoded = if key.contains(':') {
                STANDARD.encode(key)
            } else {
                key.to_owned()
            };
            match HeaderValue::try_from(format!("ApiKey {encoded}")) {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    headers.insert(AUTHORIZATION, value);
                }
                Err(_) => found(Problem::new("auth.key", "has characters that no header can have")),
            }
            None
        }
    };
    (auth, headers)
}

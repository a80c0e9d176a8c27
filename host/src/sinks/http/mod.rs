//! `type: http`: batches of events in the bodies of requests, for whatever takes JSON over HTTP.

#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use indexmap::IndexMap;
use o365_core::{
    ComponentError, Failure, LogEvent, SensitiveString,
    config::{ComponentContext, Problem},
};
use reqwest::{Method, Url};
use serde::Deserialize;

use super::{
    delivery::{Answer, BatchOptions, Destination, Encoded, RemoteConfig, RemoteOptions, RequestOptions},
    web::{self, AuthOptions, Compression, TlsOptions, Web},
};
use crate::encoding::Encoding;

/// Options of an `http` sink.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where to: `http` or `https`.
    pub uri: String,
    /// `post` (default), `put` or `patch`.
    #[serde(default)]
    pub method: HttpMethod,
    /// Headers of every request. Default: none but `Content-Type`, which may be set here.
    #[serde(default)]
    pub headers: IndexMap<String, SensitiveString>,
    /// How to log in: `{ strategy: basic, user: U, password: P }` or `{ strategy: bearer, token: T }`. Default: not at all.
    #[serde(default)]
    pub auth: Option<AuthOptions>,
    /// Whom to trust.
    #[serde(default)]
    pub tls: TlsOptions,
    /// How an event is written. Default `json`.
    #[serde(default)]
    pub encoding: Encoding,
    /// How events stand beside each other: `newline_delimited` (default) or `json_array`.
    #[serde(default)]
    pub framing: Framing,
    /// What stands before the events of a request. Default: nothing; `[` for `json_array`.
    #[serde(default)]
    pub payload_prefix: Option<String>,
    /// What stands after them. Default: nothing; `]` for `json_array`.
    #[serde(default)]
    pub payload_suffix: Option<String>,
    /// `none` (default), `gzip` or `zstd`.
    #[serde(default)]
    pub compression: Compression,
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

fn yes() -> bool {
    true
}

/// The method of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpMethod {
    /// `POST`
    #[default]
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
}

/// How events stand beside each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// One a line.
    #[default]
    NewlineDelimited,
    /// A JSON list.
    JsonArray,
}

impl RemoteConfig for HttpConfig {
    type Destination = Http;
    const TYPE: &'static str = "http";
    const SUMMARY: &'static str = "sends batches of events over HTTP";

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

    fn destination(&self, cx: &ComponentContext) -> Result<Http, Vec<Problem>> {
        let mut problems = Vec::new();
        let url = web::address("uri", &self.uri).map_err(|problem| problems.push(problem));
        let headers = web::headers(&self.headers).map_err(|found| problems.extend(found));
        if self.encoding.codec.is_for_people() {
            problems.push(
                Problem::new("encoding.codec", "`pretty` is for people").hint("use `json` or `original`"),
            );
        }
        if !self.encoding.codec.is_json() && self.framing == Framing::JsonArray {
            problems.push(
                Problem::new("framing", "`csv` makes no JSON list")
                    .hint("use `newline_delimited`, or `codec: json`"),
            );
        }
        if !self.encoding.codec.header().is_empty() {
            problems.push(
                Problem::new("encoding.csv.header", "only files have a header")
                    .hint("if each request needs one, write it as `payload_prefix`"),
            );
        }
        let (Ok(url), Ok(headers)) = (url, headers) else {
            return Err(problems);
        };
        let web = Web::new(
            &cx.config_dir,
            &self.tls,
            self.auth.clone(),
            headers,
            self.compression,
        );
        match web {
            Ok(web) if problems.is_empty() => Ok(Http {
                web,
                url,
                method: match self.method {
                    HttpMethod::Post => Method::POST,
                    HttpMethod::Put => Method::PUT,
                    HttpMethod::Patch => Method::PATCH,
                },
                encoding: self.encoding.clone(),
                form: Form::new(self),
            }),
            Ok(_) => Err(problems),
            Err(problem) => {
                problems.push(problem);
                Err(problems)
            }
        }
    }
}

impl HttpConfig {}

/// What a body is made of.
#[derive(Debug, Clone)]
struct Form {
    before: Arc<str>,
    between: u8,
    after: Arc<str>,
    content_type: &'static str,
}

impl Form {
    fn new(config: &HttpConfig) -> Self {
        let (before, between, after, content_type) = match config.framing {
            Framing::NewlineDelimited if !config.encoding.codec.is_json() => ("", b'\n', "\n", "text/csv"),
            Framing::NewlineDelimited => ("", b'\n', "\n", "application/x-ndjson"),
            Framing::JsonArray => ("[", b',', "]", "application/json"),
        };
        let or = |written: &Option<String>, default: &str| written.as_deref().unwrap_or(default).into();
        Self {
            before: or(&config.payload_prefix, before),
            between,
            after: or(&config.payload_suffix, after),
            content_type,
        }
    }

    fn body(&self, events: &[Encoded]) -> Vec<u8> {
        let size: usize = events.iter().map(|event| event.body.len() + 1).sum();
        let mut body = Vec::with_capacity(size + self.before.len() + self.after.len());
        body.extend_from_slice(self.before.as_bytes());
        for (number, event) in events.iter().enumerate() {
            if number > 0 {
                body.push(self.between);
            }
            body.extend_from_slice(&event.body);
        }
        body.extend_from_slice(self.after.as_bytes());
        body
    }
}

/// See [`Destination`].
#[derive(Debug)]
pub struct Http {
    web: Web,
    url: Url,
    method: Method,
    encoding: Encoding,
    form: Form,
}

#[async_trait]
impl Destination for Http {
    fn encode(&self, event: &mut LogEvent) -> Result<Encoded, Failure> {
        Ok(Encoded::new(self.encoding.codec.text(event)))
    }

    async fn deliver(&self, events: &[Encoded]) -> Answer {
        let body = self.form.body(events);
        let said = self
            .web
            .send(
                self.method.clone(),
                self.url.clone(),
                self.form.content_type,
                body,
                web::STATUS_ONLY,
            )
            .await;
        match said {
            Ok(said) => said.answer(events.len()),
            Err(reason) => Answer::again(reason),
        }
    }

    /// Any answer but a refused login says that somebody is there; what takes events may not answer to `HEAD`.
    async fn check(&self) -> Result<String, ComponentError> {
        let said = self
            .web
            .ask(Method::HEAD, self.url.clone(), web::STATUS_ONLY)
            .await?;
        match said.status.as_u16() {
            401 | 403 | 500..=599 => Err(format!("{}; {}", said.reason(), web::advice(said.status)).into()),
            _ => Ok("the server answers".to_owned()),
        }
    }
}

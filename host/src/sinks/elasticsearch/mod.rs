//! `type: elasticsearch`: the bulk API of Elasticsearch and OpenSearch, into data streams or indices.

mod bulk;
mod hosts;
mod options;
mod product;
mod setup;
mod target;
mod template;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use o365_core::{ComponentError, Failure, LogEvent};
use options::ApiVersion;
pub use options::ElasticsearchConfig;
use reqwest::Method;
pub use setup::Setup;

use self::{hosts::Hosts, product::Product, target::Target};
use super::{
    delivery::{Answer, Destination, Encoded},
    web::{self, Said, Web},
};
use crate::encoding::Codec;

/// Only what [`bulk`] reads: an answer of a thousand items is some kilobytes with it.
const BULK: &str = "_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,\
                    items.*.error.caused_by.reason";

/// Bytes of an answer that are read at most; of one to a bulk request so many more for each event, which is a long reason. What
/// is longer is cut, and so no answer that can be read.
const ANSWER: usize = 16 << 20;
const ENTRY: usize = 8 << 10;

/// See [`Destination`].
#[derive(Debug)]
pub struct Elasticsearch {
    /// Path and query of a bulk request.
    bulk: String,
    web: Web,
    hosts: Hosts,
    target: Target,
    version: ApiVersion,
}

#[async_trait]
impl Destination for Elasticsearch {
    fn encode(&self, event: &mut LogEvent) -> Result<Encoded, Failure> {
        let document = Codec::Json.text(event);
        let mut body = self.target.action(&document)?;
        body.push(b'\n');
        body.extend_from_slice(&document);
        Ok(Encoded::new(body))
    }

    async fn deliver(&self, events: &[Encoded]) -> Answer {
        let size = events.iter().map(|event| event.body.len() + 1).sum();
        let mut body = Vec::with_capacity(size);
        for event in events {
            body.extend_from_slice(&event.body);
            body.push(b'\n');
        }
        match self.send(body, events.len()).await {
            Ok(said) if said.status.is_success() => bulk::answer(&said),
            Ok(said) => said.answer(events.len()),
            Err(reason) => Answer::again(reason),
        }
    }

    async fn check(&self) -> Result<String, ComponentError> {
        if self.version == ApiVersion::Auto {
            Ok(self.product().await?.to_string())
        } else {
            Ok("not asked, because `api_version` is set".to_owned())
        }
    }
}

impl Elasticsearch {
    /// The server gives up before we do, and says why: a shard without a primary is waited for as long as this.
    fn bulk(timeout: Duration) -> String {
        format!("{BULK}&timeout={}ms", timeout.as_millis() * 3 / 4)
    }

    async fn send(&self, body: Vec<u8>, events: usize) -> Result<Said, String> {
        let body = Some(("application/x-ndjson", body));
        let longest = ANSWER + events * ENTRY;
        self.request_for(longest, Method::POST, &self.bulk, body).await
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Vec<u8>)>,
    ) -> Result<Said, String> {
        self.request_for(ANSWER, method, path, body).await
    }

    /// Asks one host after the other, until one answers. What has arrived at two of them has the same id.
    async fn request_for(
        &self,
        longest: usize,
        method: Method,
        path: &str,
        mut body: Option<(&'static str, Vec<u8>)>,
    ) -> Result<Said, String> {
        let mut failed = String::new();
        for left in (0..self.hosts.len()).rev() {
            let turn = self.hosts.turn();
            let body = if left == 0 { body.take() } else { body.clone() };
            let said = match body {
                Some((content_type, body)) => {
                    self.web
                        .send(method.clone(), turn.url(path)?, content_type, body, longest)
                        .await
                }
                None => self.web.ask(method.clone(), turn.url(path)?, longest).await,
            };
            match said {
                Ok(said) => {
                    // These are from something before the host, which is not there itself.
                    if !matches!(said.status.as_u16(), 502..=504) {
                        turn.answered();
                    }
                    return Ok(said);
                }
                Err(reason) => failed = format!("{}: {reason}", turn.host()),
            }
        }
        Err(failed)
    }

    /// What answers, and which version of it.
    async fn product(&self) -> Result<Product, ComponentError> {
        let said = self.request(Method::GET, "", None).await?;
        if !said.status.is_success() {
            let hint = "or set `api_version`, if this login may write but not look";
            return Err(format!("{}; {}, {hint}", said.reason(), web::advice(said.status)).into());
        }
        Product::read(&said.body)
    }
}

//! `type: kafka`: messages to a topic of Kafka, one an event, by an idempotent producer.
//!
//! The client library is its own delivery engine: it batches for each partition, sends again what a broker did not
//! acknowledge, and numbers messages so that a broker stores what comes again once, and in order. So a request of ours hands
//! its events over and waits for as long as that takes. Only what the library gives up on is judged here.

mod client;
mod options;
#[cfg(test)]
mod tests;
mod verdict;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future;
use o365_core::{ComponentError, Failure, LogEvent};
pub use options::{KafkaCompression, KafkaConfig, KafkaSasl, KafkaTls, SaslMechanism};
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::FutureRecord,
};

use self::client::Producers;
use super::{
    delivery::{Answer, Destination, Encoded, RequestOptions},
    lookup,
};
use crate::encoding::{Codec, Encoding};

/// The name of the header with the event's id.
const ID: &str = "id";

/// See [`Destination`].
#[derive(Debug)]
pub struct Kafka {
    producers: Producers,
    topic: String,
    /// Where the key of an event is, by parts, and where its id is.
    paths: [Vec<String>; 2],
    encoding: Encoding,
    /// For the health check.
    timeout: Duration,
}

#[async_trait]
impl Destination for Kafka {
    fn encode(&self, event: &mut LogEvent) -> Result<Encoded, Failure> {
        let body = self.encoding.codec.text(event);
        let mut encoded = Encoded::new(body);
        if self.paths.iter().any(|path| !path.is_empty()) {
            let [key, id] = &self.paths;
            let document = match self.encoding.codec {
                Codec::Json => encoded.body.clone(),
                _ => event.to_bytes(),
            };
            // An event that is no JSON has no fields, and is sent all the same.
            let [key, id] = lookup::texts(&document, [key, id]).unwrap_or_default();
            encoded.key = key.map(Into::into);
            encoded.id = id;
        }
        Ok(encoded)
    }

    async fn deliver(&self, events: &[Encoded]) -> Answer {
        let producer = match self.producers.get() {
            Ok(producer) => producer,
            Err(reason) => return Answer::again(reason),
        };
        // Handed over in order before anything is waited for.
        let sent: Vec<_> = events
            .iter()
            .map(|event| producer.send(self.record(event)))
            .collect();
        let verdicts = future::join_all(sent.into_iter().map(async |sent| match sent {
            Ok(acknowledgement) => verdict::of(acknowledgement.await),
            Err(error) => verdict::of_error(&error),
        }));
        let verdicts = verdicts.await;
        if let Some(why) = producer.fatal_error() {
            self.producers.give_up(&producer, &why);
        }
        Answer::Each(verdicts)
    }

    async fn check(&self) -> Result<String, ComponentError> {
        let producer = self.producers.get()?;
        producer.look(self.topic.clone(), self.timeout).await
    }

    /// The library has the timeout: see the module. What we gave up on could still arrive, and would be there twice.
    fn request(&self, options: RequestOptions) -> RequestOptions {
        RequestOptions {
            timeout: Duration::MAX,
            ..options
        }
    }
}

impl Kafka {
    fn record<'e>(&'e self, event: &'e Encoded) -> FutureRecord<'e, [u8], [u8]> {
        let mut record = FutureRecord::to(&self.topic).payload(&event.body[..]);
        if let Some(key) = &event.key {
            record = record.key(&key[..]);
        }
        if let Some(id) = &event.id {
            let header = Header {
                key: ID,
                value: Some(id),
            };
            record = record.headers(OwnedHeaders::new().insert(header));
        }
        record
    }
}

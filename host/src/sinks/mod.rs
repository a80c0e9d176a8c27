//! Where events go.

mod blackhole;
pub mod collect;
mod console;
pub mod delivery;
mod elasticsearch;
mod file;
mod http;
#[cfg(feature = "sink-kafka")]
mod kafka;
mod lookup;
mod nats;
mod web;

pub use blackhole::BlackholeConfig;
pub use console::{ConsoleConfig, ConsoleTarget};
pub use elasticsearch::{ElasticsearchConfig, Setup};
pub use file::FileConfig;
pub use http::{Framing, HttpConfig, HttpMethod};
#[cfg(feature = "sink-kafka")]
pub use kafka::{KafkaCompression, KafkaConfig, KafkaSasl, KafkaTls, SaslMechanism};
pub use nats::{NatsAuth, NatsConfig, NatsTls};
pub use web::{AuthOptions, Compression, TlsOptions};

pub use crate::append::Rotation;

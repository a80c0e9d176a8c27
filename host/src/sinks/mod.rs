//! Where events go.

mod blackhole;
pub mod collect;
mod console;
pub mod delivery;
mod elasticsearch;
mod file;
mod http;
mod lookup;
mod nats;
mod web;

pub use blackhole::BlackholeConfig;
pub use console::{ConsoleConfig, ConsoleTarget};
pub use elasticsearch::{ElasticsearchConfig, Setup};
pub use file::FileConfig;
pub use http::{Framing, HttpConfig, HttpMethod};
pub use nats::{NatsAuth, NatsConfig, NatsTls};
pub use web::{AuthOptions, Compression, TlsOptions};

pub use crate::append::Rotation;

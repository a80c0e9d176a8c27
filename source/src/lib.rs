#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod alarm;
mod auth;
mod backfill;
mod beside;
mod budget;
mod check;
mod client;
mod config;
mod dedupe;
mod error;
mod events;
mod feed;
mod fetch;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod ledger;
mod network;
mod pace;
mod plan;
mod quarantine;
mod run;
mod settings;
mod slots;
mod stats;
mod telemetry;
mod trace;
mod types;
mod url;
mod watch;
mod wire;

pub use alarm::{Alarm, AlarmKind};
pub use backfill::{Backfill, Left, RangeError};
pub use check::{CheckStatus, Finding, TenantReport};
pub use config::{
    ApiConfig, CertificateAlgorithm, Cloud, ManagedIdentityConfig, O365AuditConfig, ProxyConfig,
    SecretSource, TenantConfig, TlsConfig, TokenEndpointVersion,
};
pub use error::{Incomplete, SourceError};
pub use run::AuditSource;
pub use stats::{FeedSnapshot, LedgerView, RequestCount, Stats, TenantSnapshot};
pub use types::{ContentType, FeedKey, InvalidTenantId, TenantId, UnknownContentType, Window};

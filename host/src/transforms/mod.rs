//! Transforms that are not components.

mod condition;
mod dedupe;
mod field;
mod filter;
mod geoip;
pub(crate) mod program;
mod remap;
mod route;
mod user_agent;

pub use condition::{Condition, ConditionConfig, NoAnswer};
pub use dedupe::{CacheConfig, DedupeConfig, FieldsConfig, TimeSettings};
pub use filter::FilterConfig;
pub use geoip::{GeoipConfig, GeoipField, Locale};
pub use remap::RemapConfig;
pub use route::RouteConfig;
pub use user_agent::{UserAgentConfig, UserAgentField};

//! Transforms that are not components.

mod field;
mod geoip;
mod remap;
mod user_agent;

pub use geoip::{GeoipConfig, GeoipField, Locale};
pub use remap::RemapConfig;
pub use user_agent::{UserAgentConfig, UserAgentField};

//! Transforms that are not components.

mod condition;
mod field;
mod geoip;
mod program;
mod remap;
mod user_agent;

pub use condition::{Condition, ConditionConfig, NoAnswer};
pub use geoip::{GeoipConfig, GeoipField, Locale};
pub use remap::RemapConfig;
pub use user_agent::{UserAgentConfig, UserAgentField};

//! Every component type that a configuration can name.

use o365_source::O365AuditConfig;

use crate::{
    config::Registry,
    enrichment,
    sinks::{self, delivery::Remote},
    sources, transforms, wasm,
};

/// The component types of this program.
pub fn registry() -> Registry {
    let registry = Registry::new()
        .source::<O365AuditConfig>("o365_audit")
        .source::<sources::StdinConfig>("stdin")
        .source::<sources::FileConfig>("file")
        .transform::<wasm::WasmConfig>("wasm")
        .transform::<transforms::RemapConfig>("remap")
        .transform::<transforms::FilterConfig>("filter")
        .transform::<transforms::RouteConfig>("route")
        .transform::<transforms::DedupeConfig>("dedupe")
        .transform::<transforms::GeoipConfig>("geoip")
        .transform::<transforms::UserAgentConfig>("user_agent")
        .sink::<sinks::ConsoleConfig>("console")
        .sink::<sinks::FileConfig>("file")
        .sink::<sinks::BlackholeConfig>("blackhole")
        .sink::<Remote<sinks::HttpConfig>>("http")
        .sink::<Remote<sinks::ElasticsearchConfig>>("elasticsearch")
        .sink::<Remote<sinks::NatsConfig>>("nats")
        .enrichment_table::<enrichment::FileTableConfig>("file")
        .enrichment_table::<enrichment::MmdbTableConfig>("mmdb");
    kafka(registry)
}

#[cfg(feature = "sink-kafka")]
fn kafka(registry: Registry) -> Registry {
    registry.sink::<Remote<sinks::KafkaConfig>>("kafka")
}

#[cfg(not(feature = "sink-kafka"))]
fn kafka(registry: Registry) -> Registry {
    registry.sink_left_out("kafka", "build it with `--features sink-kafka`")
}

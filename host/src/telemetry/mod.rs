//! Traces for OpenTelemetry.
//!
//! Sources and the topology make spans of `tracing` with the target [`TRACE_TARGET`]. Here they become spans of
//! OpenTelemetry, if a configuration says so: `layer` is part of the subscriber from the start, since logging begins before a
//! configuration is read, and lets nothing through until `Traces::start`. Until then a span costs what a log line costs whose
//! level is off.
//!
//! ```text
//! span ends ── Gate: bounded, counts ──► batch processor (a thread) ── Counted ──► OTLP over HTTP
//! ```

mod config;
mod counts;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
pub use config::{OtlpConfig, Protocol, TelemetryConfig, TracesConfig};
pub use counts::TraceCounts;
use counts::{Counted, Gate, QUEUE};
use o365_core::TRACE_TARGET;
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider},
};
use tracing::{info, warn};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, filter_fn},
    reload,
};

/// How long the spans at the end may take to be exported.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

type Exported = OpenTelemetryLayer<Registry, SdkTracer>;

/// Where the exporting layer is put when there is one.
static PLACE: OnceLock<reload::Handle<Option<Exported>, Registry>> = OnceLock::new();
static ON: AtomicBool = AtomicBool::new(false);

/// The layer to be put on the registry, below all others.
pub(crate) fn layer() -> impl Layer<Registry> {
    let (layer, handle) = reload::Layer::new(None);
    // A second subscriber would have no traces; there is one for a process.
    let _ = PLACE.set(handle);
    let wanted = filter_fn(|metadata| metadata.target() == TRACE_TARGET && ON.load(Ordering::Relaxed));
    layer.with_filter(wanted.with_max_level_hint(LevelFilter::INFO))
}

/// Traces that are being exported.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    counts: Arc<TraceCounts>,
}

impl Traces {
    /// Begins to export, if the configuration says so. Nothing is sent yet: a collector that is down is no error.
    pub(crate) async fn start(config: &TelemetryConfig) -> anyhow::Result<Option<Self>> {
        let Some(TracesConfig { otlp }) = config.traces.clone() else {
            return Ok(None);
        };
        let shown = otlp.traces_url();
        // The client blocks, and may be made and used only where that is allowed.
        let started = tokio::task::spawn_blocking(move || Self::build(&otlp)).await?;
        let traces = started.context("telemetry.traces.otlp")?;
        let tracer = traces.provider.tracer("o365-host");
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false);
        ON.store(true, Ordering::Relaxed);
        let place = PLACE.get().context("logging has not begun")?;
        // Asks all spans again whether anybody wants them.
        place.reload(Some(layer))?;
        info!(
            endpoint = shown.as_deref().unwrap_or("of the environment"),
            "traces are exported"
        );
        Ok(Some(traces))
    }

    fn build(config: &OtlpConfig) -> anyhow::Result<Self> {
        let counts = Arc::new(TraceCounts::default());
        let mut client = reqwest::blocking::Client::builder().redirect(reqwest::redirect::Policy::none());
        let headers = config.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.expose().to_owned()));
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(match config.protocol {
                Protocol::HttpProtobuf => opentelemetry_otlp::Protocol::HttpBinary,
            })
            .with_headers(headers.collect());
        if let Some(url) = config.traces_url() {
            exporter = exporter.with_endpoint(url);
        }
        let timeout = config.timeout.or_else(timeout_of_environment);
        if let Some(timeout) = timeout {
            exporter = exporter.with_timeout(timeout);
        }
        client = client.timeout(timeout.unwrap_or(opentelemetry_otlp::OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT));
        let exporter = exporter.with_http_client(client.build()?).build()?;
        let batches = BatchSpanProcessor::builder(Counted {
            inner: exporter,
            counts: Arc::clone(&counts),
        });
        let queue = BatchConfigBuilder::default().with_max_queue_size(QUEUE).build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Gate {
                inner: batches.with_batch_config(queue).build(),
                counts: Arc::clone(&counts),
            })
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
                config.sample_ratio,
            ))))
            .with_resource(resource(config))
            .build();
        Ok(Self { provider, counts })
    }

    /// What became of spans.
    pub fn counts(&self) -> Arc<TraceCounts> {
        Arc::clone(&self.counts)
    }

    /// Exports what there is, but does not wait for long, and makes no more spans.
    pub(crate) async fn stop(self) {
        ON.store(false, Ordering::Relaxed);
        if let Some(place) = PLACE.get() {
            // Only a subscriber that is gone refuses.
            let _ = place.reload(None);
        }
        let provider = self.provider;
        let flush = move || provider.shutdown_with_timeout(FLUSH_WITHIN);
        match tokio::task::spawn_blocking(flush).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "the last spans of traces may not have been exported"),
            Err(error) => warn!(%error, "the last spans of traces may not have been exported"),
        }
    }
}

/// As the exporter reads it, which does not tell the client that it is given.
fn timeout_of_environment() -> Option<Duration> {
    let names = [
        opentelemetry_otlp::OTEL_EXPORTER_OTLP_TRACES_TIMEOUT,
        opentelemetry_otlp::OTEL_EXPORTER_OTLP_TIMEOUT,
    ];
    let millis = |name: &str| std::env::var(name).ok()?.parse().ok();
    names.into_iter().find_map(millis).map(Duration::from_millis)
}

fn resource(config: &OtlpConfig) -> Resource {
    let attributes = config.resource_attributes.iter();
    let attributes = attributes.map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    let mut resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attributes(attributes);
    // The builder has read the environment.
    let named = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let in_attributes =
        std::env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|value| value.contains("service.name="));
    let elsewhere = named("OTEL_SERVICE_NAME")
        || in_attributes
        || config.resource_attributes.contains_key("service.name");
    match &config.service_name {
        Some(name) => resource = resource.with_service_name(name.clone()),
        None if elsewhere => {}
        None => resource = resource.with_service_name("o365-host"),
    }
    resource.build()
}

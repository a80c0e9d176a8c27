//! What is mapped: events of the simulator, the same ones for the same seed, and those of a real tenant where there are any.

use std::path::Path;

use anyhow::{Context as _, Result};
use o365_host::wasm::Corpus;
use o365_simulator::{BlobContent, BlobSpec, ContentType, Simulator, SimulatorConfig};

/// Another seed gives other events, and other instruction counts.
const SEED: u64 = 7;
/// Real events, beside the checkout or not at all: they are not ours to copy.
const REAL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../shared/corpus/audit-real.ndjson.gz"
);

/// Events of one kind.
#[derive(Debug)]
pub struct Workload {
    /// Short, for tables.
    pub name: &'static str,
    /// The events.
    pub corpus: Corpus,
}

/// The workloads of the simulator, one a feed, `events` events each.
pub fn simulated(events: u32) -> Result<Vec<Workload>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime of the simulator does not start")?;
    runtime.block_on(async {
        let config = SimulatorConfig::demo(SEED, 1, 0);
        let tenant = config.tenants.first().context("no tenant")?.id.clone();
        let simulator = Simulator::start_local(config).await?;
        let handle = simulator.handle();
        let mut workloads = Vec::new();
        for content_type in ContentType::ALL {
            let spec = BlobSpec::new(&tenant, content_type, BlobContent::Generated(events));
            let blob = handle.add_blob(spec)?;
            let events = handle.events_of(&tenant, content_type, &blob)?;
            workloads.push(Workload {
                name: name_of(content_type),
                corpus: Corpus::of_events(events.into_iter().map(String::into_bytes).collect()),
            });
        }
        simulator.stop().await;
        Ok(workloads)
    })
}

fn name_of(content_type: ContentType) -> &'static str {
    match content_type {
        ContentType::AzureActiveDirectory => "entra",
        ContentType::Exchange => "exchange",
        ContentType::SharePoint => "sharepoint",
        ContentType::General => "general",
        ContentType::Dlp => "dlp",
    }
}

/// The events of a real tenant, where there are any.
pub fn real() -> Result<Option<Workload>> {
    let path = Path::new(REAL);
    if !path.exists() {
        return Ok(None);
    }
    let corpus = Corpus::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(Some(Workload { name: "real", corpus }))
}

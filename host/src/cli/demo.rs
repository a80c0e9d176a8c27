//! `demo`: the whole pipeline against the built-in simulator.

use std::{
    io::{IsTerminal, Write},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use indexmap::IndexMap;
use o365_core::{ManualClock, RunMode, ShutdownTrigger, config::SourceConfig};
use o365_simulator::{RunningSimulator, Simulator, SimulatorConfig};
use o365_source::O365AuditConfig;
use serde_json::json;

use super::{EXIT_OK, Failed, pipeline, signals};
use crate::{
    dead_letter::Target,
    encoding::Codec,
    sinks::collect::{CollectConfig, Collected},
    topology::{self, Environment, Pipeline},
    transforms::RemapConfig,
    wasm::WasmConfig,
};

/// What the demonstration refines: any VRL program could stand here.
const PROGRAM: &str = r#".labels.env = "demo"
if .event.outcome == "failure" { .tags = push(array(.tags) ?? [], "needs-attention") }
"#;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Events to generate, over all tenants and feeds. They are sorted in memory, about 6 kB each.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    events: u64,

    /// Tenants to generate them for.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    tenants: u16,

    /// The same seed gives the same output, byte for byte.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Plain NDJSON even on a terminal.
    #[arg(long)]
    json: bool,
}

pub(super) async fn demo(args: Args) -> Result<u8, Failed> {
    let config = SimulatorConfig::demo(args.seed, usize::from(args.tenants), args.events);
    let now = config.clock.now();
    let started = tokio::time::Instant::now();
    let source = source_config(&config);
    let simulator = Simulator::start_local(config)
        .await
        .context("starting the simulator failed")?;
    let source = source(&simulator)?;
    let collected = Collected::default();
    let data = tempfile::tempdir().context("making a temporary directory failed")?;

    let pipeline = Pipeline {
        sources: IndexMap::from([("o365".into(), Box::new(source) as Box<dyn SourceConfig>)]),
        transforms: IndexMap::from([
            (
                "ecs".into(),
                (
                    vec!["o365".to_owned()],
                    Box::new(WasmConfig::new("builtin:ecs", json!({}))) as _,
                ),
            ),
            (
                "refine".into(),
                (
                    vec!["ecs".to_owned()],
                    Box::new(RemapConfig::from_source(PROGRAM)) as _,
                ),
            ),
        ]),
        sinks: IndexMap::from([(
            "out".into(),
            (
                vec!["refine".to_owned()],
                Box::new(CollectConfig(collected.clone())) as _,
            ),
        )]),
        workers: pipeline::default_workers(),
        config_dir: ".".into(),
        data_dir: data.path().to_owned(),
        ..Pipeline::default()
    };
    let shutdown = ShutdownTrigger::new();
    let cache = pipeline::user_cache_dir();
    let environment = Environment {
        // The simulator's clock stands still, so that the same seed gives the same output on any day.
        clock: Arc::new(ManualClock::at(now)),
        ..pipeline::environment(cache.as_deref(), RunMode::Once, shutdown.signal(), Target::Stderr)?
    };
    let plan = topology::plan(&pipeline).expect("the demonstration's pipeline is connected");
    let topology = topology::build(&pipeline, &plan, &environment).await;
    let topology =
        topology.map_err(|failure| anyhow::anyhow!("building the demonstration failed: {failure:?}"))?;
    let run = async {
        let result = topology.run(&shutdown, Duration::from_secs(10)).await;
        simulator.stop().await;
        result
    };
    signals::under(&shutdown, run)
        .await
        .map_err(anyhow::Error::from)?;
    let elapsed = started.elapsed();
    let terminal = std::io::stdout().is_terminal();
    let codec = if terminal && !args.json {
        Codec::Pretty
    } else {
        Codec::Json
    };
    print(&collected, &codec, terminal && !args.json).context("writing to standard output failed")?;
    summary(&collected, elapsed).context("writing to standard error failed")?;
    Ok(EXIT_OK)
}

/// The source's configuration as a person would write it, once the simulator's address is known.
fn source_config(
    config: &SimulatorConfig,
) -> impl Fn(&RunningSimulator) -> Result<O365AuditConfig, Failed> + use<> {
    let tenants: Vec<_> = config
        .tenants
        .iter()
        .map(|tenant| json!({"id": tenant.id, "name": tenant.name}))
        .collect();
    let (application_id, client_secret) = (config.application_id.clone(), config.client_secret.clone());
    move |simulator| {
        let url = simulator.base_url();
        let config = json!({
            "application_id": application_id, "client_secret": client_secret, "tenants": tenants,
            // The simulator is ours alone: nobody has to be spared.
            "api": {"authentication_endpoint": url, "resource": url, "max_requests_per_minute": 60_000},
        });
        Ok(serde_json::from_value(config).context("the demonstration's source has a bad configuration")?)
    }
}

fn print(collected: &Collected, codec: &Codec, colour: bool) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut text = Vec::new();
    let result = collected.sorted().into_iter().try_for_each(|document| {
        text.clear();
        codec.encode(&mut o365_core::LogEvent::untracked(document), colour, &mut text);
        out.write_all(&text)
    });
    match result.and_then(|()| out.flush()) {
        // `demo | head`: whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn summary(collected: &Collected, elapsed: Duration) -> std::io::Result<()> {
    let counts = collected.counts();
    let mut out = std::io::stderr().lock();
    writeln!(out, "\n{} events", counts.events)?;
    for (content_type, events) in &counts.content_types {
        writeln!(out, "  {events:>8}  {content_type}")?;
    }
    writeln!(out, "most frequent event.action")?;
    for (action, events) in counts.top_actions(5) {
        writeln!(out, "  {events:>8}  {action}")?;
    }
    let rate = counts.events as f64 / elapsed.as_secs_f64();
    writeln!(
        out,
        "{:.2} seconds, {rate:.0} events/s, from the start of the simulator to the last event",
        elapsed.as_secs_f64()
    )
}

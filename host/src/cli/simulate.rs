//! `simulate`: serves the simulator, to try a configuration against.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use o365_core::{Clock, ShutdownTrigger, SystemClock};
use o365_simulator::{SimClock, Simulator, SimulatorConfig};

use super::{EXIT_OK, Failed, report, signals};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address to serve on.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: SocketAddr,

    /// Events to generate, over all tenants and feeds.
    #[arg(long, default_value_t = 1_000)]
    events: u64,

    /// Tenants to generate them for.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    tenants: u16,

    /// Events in a content blob, on average.
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    events_per_blob: u32,

    /// The same seed gives the same tenants and the same events.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Part of the events that becomes available while the simulator runs, over the next so much time, such as `1h`.
    #[arg(long, value_parser = duration, default_value = "0s", value_name = "DURATION")]
    upcoming: Duration,

    /// NDJSON file with audit records to serve besides the generated ones; may be given several times.
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,

    /// Write a configuration that collects from this simulator, from all of its tenants, into `o365.ndjson`: for `run --config
    /// FILE`. The file must not exist.
    #[arg(long, value_name = "FILE")]
    write_config: Option<PathBuf>,

    /// JSON file with a fault plan: what goes wrong, where and when.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, String> {
    o365_core::duration::parse(text).map_err(|error| error.to_string())
}

pub(super) async fn simulate(args: Args) -> Result<u8, Failed> {
    let mut config = SimulatorConfig::demo(args.seed, usize::from(args.tenants), args.events);
    config.clock = SimClock::running(SystemClock.now());
    config.upcoming = args.upcoming;
    config.files = args.file;
    config.events_per_blob = args.events_per_blob;
    if let Some(path) = &args.faults {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading `{}` failed", path.display()))?;
        config.faults = serde_json::from_str(&text).map_err(|error| {
            Failed::Config(format!(
                "error: {}:{}:{}: {error}",
                path.display(),
                error.line(),
                error.column()
            ))
        })?;
    }
    let introduction = introduction(&config);
    let tried = config.clone();
    let listener = tokio::net::TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("listening on {} failed", args.listen))?;
    let mut simulator = Simulator::start(config, listener)
        .await
        .context("starting the simulator failed")?;
    if let Some(path) = &args.write_config {
        write_config(path, &configuration(&tried, simulator.base_url()))?;
    }
    report::line(&format!("simulator on {}\n{introduction}", simulator.base_url()));
    let shutdown = ShutdownTrigger::new();
    let signal = shutdown.signal();
    let served = async {
        tokio::select! {
            () = simulator.stopped() => {}
            () = signal.cancelled() => {}
        }
    };
    signals::under(&shutdown, served).await;
    simulator.stop().await;
    Ok(EXIT_OK)
}

fn introduction(config: &SimulatorConfig) -> String {
    let tenants = config
        .tenants
        .iter()
        .take(10)
        .map(|tenant| format!("\n  tenant          {}  {}", tenant.id, tenant.name));
    format!(
        "  application_id  {}\n  client_secret   {}{}",
        config.application_id,
        config.client_secret,
        tenants.collect::<String>()
    )
}

/// A pipeline that collects everything from the simulator.
fn configuration(config: &SimulatorConfig, url: &str) -> String {
    let tenants = config
        .tenants
        .iter()
        .map(|tenant| format!("      - {{ id: {}, name: {} }}\n", tenant.id, tenant.name));
    format!(
        "# Collects from `o365-host simulate`: o365-host run --config FILE
sources:
  o365:
    type: o365_audit
    application_id: {}
    client_secret: {}
    api: {{ authentication_endpoint: \"{url}\", resource: \"{url}\" }}
    tenants:
{}transforms:
  ecs: {{ type: wasm, inputs: [o365], module: \"builtin:ecs\" }}
sinks:
  out: {{ type: file, inputs: [ecs], path: o365.ndjson }}
",
        config.application_id,
        config.client_secret,
        tenants.collect::<String>()
    )
}

/// What somebody has written is not written over.
fn write_config(path: &Path, text: &str) -> Result<(), Failed> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let advice = if error.kind() == ErrorKind::AlreadyExists {
            "; remove it, or name another file"
        } else {
            ""
        };
        anyhow::anyhow!("writing `{}` failed: {error}{advice}", path.display()).into()
    })
}

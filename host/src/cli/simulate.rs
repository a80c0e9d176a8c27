//! `simulate`: serves the simulator, to try a configuration against.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

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
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    tenants: u16,

    /// The same seed gives the same tenants and the same events.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Part of the events that becomes available while the simulator runs, over the next so much time, such as `1h`.
    #[arg(long, value_parser = duration, default_value = "0s", value_name = "DURATION")]
    upcoming: Duration,

    /// NDJSON file with audit records to serve besides the generated ones; may be given several times.
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,

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
    let listener = tokio::net::TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("listening on {} failed", args.listen))?;
    let mut simulator = Simulator::start(config, listener)
        .await
        .context("starting the simulator failed")?;
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

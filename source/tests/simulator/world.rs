//! A simulated service, a source that collects from it, and what arrived.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in its helpers"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use o365_core::{
    Capacity, Clock, ComponentKey, EventStatus, LogEvent, RunMode, ShutdownSignal, Source, SourceContext,
    SourceSender, channel,
    config::{BuildError, SourceConfig},
    testing::{Collected, collect_source},
};
use o365_simulator::{
    Action, ContentType, FaultPlan, FaultRule, Operation, RunningSimulator, Simulator, SimulatorConfig,
    SimulatorHandle,
};
use o365_source::{
    O365AuditConfig, TenantConfig, TenantReport,
    ledger::{FeedRecord, LedgerReader, ledger_path},
};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// No test takes longer, unless something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// The simulated time, or a clock that is wrong by a fixed span.
struct SimTime(SimulatorHandle, TimeDelta);

impl std::fmt::Debug for SimTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimTime({})", self.now())
    }
}

impl Clock for SimTime {
    fn now(&self) -> DateTime<Utc> {
        self.0.now() + self.1
    }
}

pub(crate) struct World {
    pub(crate) config: O365AuditConfig,
    pub(crate) tenants: Vec<String>,
    /// Where relative paths of the configuration start.
    pub(crate) config_dir: PathBuf,
    /// Where the simulator listens, whatever it is called.
    pub(crate) address: SocketAddr,
    simulator: RunningSimulator,
    clock: Arc<dyn Clock>,
    data: TempDir,
}

impl World {
    pub(crate) async fn start(simulated: SimulatorConfig) -> Self {
        let tenants: Vec<_> = simulated.tenants.iter().map(|tenant| tenant.id.clone()).collect();
        let mut config = O365AuditConfig::new(
            simulated.application_id.clone(),
            simulated.client_secret.as_str(),
            simulated
                .tenants
                .iter()
                .map(|tenant| TenantConfig::new(tenant.id.clone(), tenant.name.clone())),
        );
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let simulator = Simulator::start(simulated, listener).await.unwrap();
        config.api.authentication_endpoint = Some(simulator.base_url().to_owned());
        config.api.resource = Some(simulator.base_url().to_owned());
        config.api.poll_interval = Duration::from_secs(1);
        // Tests of the rate set their own; no other waits for it.
        config.api.max_requests_per_minute = 60_000;
        config.once_give_up_after = Duration::from_secs(20);
        Self {
            config,
            tenants,
            config_dir: PathBuf::from("."),
            address,
            clock: Arc::new(SimTime(simulator.handle(), TimeDelta::zero())),
            simulator,
            data: tempfile::tempdir().unwrap(),
        }
    }

    /// One tenant, one feed.
    pub(crate) async fn small(events: u64, change: impl FnOnce(&mut SimulatorConfig)) -> Self {
        let mut simulated = SimulatorConfig::demo(7, 1, events);
        simulated.content_types = vec![ContentType::Exchange];
        change(&mut simulated);
        let mut world = Self::start(simulated).await;
        world.config.content_type = vec!["Audit.Exchange".to_owned()];
        world
    }

    pub(crate) fn handle(&self) -> SimulatorHandle {
        self.simulator.handle()
    }

    /// The source's clock is behind the service's.
    pub(crate) fn set_back(&mut self, by: TimeDelta) {
        self.clock = Arc::new(SimTime(self.handle(), -by));
    }

    pub(crate) fn faults(&self, rules: impl IntoIterator<Item = FaultRule>) {
        self.handle().set_faults(FaultPlan::new(rules));
    }

    pub(crate) fn context(
        &self,
        out: SourceSender,
        mode: RunMode,
        shutdown: ShutdownSignal,
    ) -> SourceContext {
        SourceContext {
            key: ComponentKey::from("o365"),
            out,
            shutdown,
            data_dir: self.data.path().to_owned(),
            config_dir: self.config_dir.clone(),
            clock: Arc::clone(&self.clock),
            mode,
        }
    }

    pub(crate) async fn source(&self, out: SourceSender, mode: RunMode, shutdown: ShutdownSignal) -> Source {
        self.config
            .build(self.context(out, mode, shutdown))
            .await
            .unwrap()
    }

    /// Tries to build a source.
    pub(crate) async fn build(&self) -> Result<(), BuildError> {
        let (sender, _receiver) = channel(Capacity::default());
        let cx = self.context(SourceSender::new(sender), RunMode::Once, ShutdownSignal::never());
        self.config.build(cx).await.map(drop)
    }

    /// Asks the service what a collection would need.
    pub(crate) async fn check(&self) -> Result<Vec<TenantReport>, BuildError> {
        self.config.check(&self.config_dir, Arc::clone(&self.clock)).await
    }

    /// Runs once; every event gets the status that `decide` picks.
    pub(crate) async fn once_with(&self, decide: impl FnMut(&mut LogEvent) -> EventStatus) -> Collected {
        self.run_once(PATIENCE, decide).await
    }

    async fn run_once(
        &self,
        patience: Duration,
        decide: impl FnMut(&mut LogEvent) -> EventStatus,
    ) -> Collected {
        let run = collect_source(
            |out| self.source(out, RunMode::Once, ShutdownSignal::never()),
            decide,
        );
        tokio::time::timeout(patience, run)
            .await
            .expect("the run must end")
    }

    /// Runs once, for as long as a test with its own time likes.
    pub(crate) async fn once_for(&self, patience: Duration) -> Collected {
        self.run_once(patience, |_| EventStatus::Delivered).await
    }

    pub(crate) async fn once(&self) -> Collected {
        self.once_with(|_| EventStatus::Delivered).await
    }

    /// Runs once without trouble.
    pub(crate) async fn collect(&self) -> Vec<String> {
        let collected = self.once().await;
        assert!(
            collected.result.is_ok(),
            "{:?}",
            collected.result.map_err(|error| error.to_string())
        );
        ids(&collected.documents)
    }

    /// The ids of all events that exist, feed by feed.
    pub(crate) fn expected(&self) -> Vec<String> {
        self.handle().all_event_ids().unwrap()
    }

    pub(crate) fn ledger_path(&self) -> PathBuf {
        ledger_path(self.data.path(), &ComponentKey::from("o365"))
    }

    pub(crate) fn reader(&self) -> LedgerReader {
        LedgerReader::open(&self.ledger_path()).unwrap()
    }

    pub(crate) fn feed(&self) -> FeedRecord {
        self.reader().feeds(self.clock.now()).unwrap().remove(0)
    }

    /// Everything that a good client does not do.
    #[track_caller]
    pub(crate) fn assert_well_behaved(&self) {
        let report = self.handle().report();
        let forbidden: Vec<_> = report
            .forbidden
            .iter()
            .map(|incident| format!("{}: {}", incident.request, incident.reason))
            .collect();
        assert_eq!(forbidden, Vec::<String>::new());
        assert_eq!(report.without_token, 0);
        assert!(
            report.without_publisher.is_empty(),
            "{:?}",
            report.without_publisher
        );
        assert_eq!(report.stops.len(), 0);
        assert!(report.starts.iter().all(|start| !start.within_cooldown));
        assert!(
            report.token_requests_at_once <= 1,
            "{}",
            report.token_requests_at_once
        );
    }
}

/// A rule that strikes the first request only.
pub(crate) fn once(on: Operation, action: Action) -> FaultRule {
    FaultRule {
        nth: Some(1),
        ..FaultRule::new(on, action)
    }
}

pub(crate) fn id(document: &Bytes) -> String {
    let value: serde_json::Value = serde_json::from_slice(document).unwrap();
    value["Id"].as_str().unwrap_or_default().to_owned()
}

/// Ids in order, repetitions included.
pub(crate) fn ids(documents: &[Bytes]) -> Vec<String> {
    let mut ids: Vec<_> = documents.iter().map(id).collect();
    ids.sort();
    ids
}

pub(crate) fn distinct(ids: &[String]) -> BTreeSet<String> {
    ids.iter().cloned().collect()
}

/// How often each id is there.
pub(crate) fn counts(ids: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for id in ids {
        *counts.entry(id.clone()).or_default() += 1;
    }
    counts
}

//! All feeds at once.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use o365_core::{
    Clock, RunMode, SourceContext,
    backoff::Jitter,
    config::{BuildError, Problem},
};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tracing::Instrument;

use crate::{
    auth::{Credential, TokenClient, TokenSettings},
    beside::{Beside, ROOM_AFTER},
    budget::{Budget, Start},
    client::{ApiClient, Http},
    config::O365AuditConfig,
    dedupe::InFlight,
    error::{Incomplete, SourceError, chain},
    feed::{Feed, Shared, TenantShared},
    fetch::BodyRoom,
    ledger::{Configured, Ledger, RETRY_NOTICED_AFTER, ledger_in_use, ledger_path},
    network::{Network, Timeouts},
    pace::Pace,
    quarantine::{KeepError, Quarantine},
    settings::{Settings, Tenant},
    slots::Slots,
    stats::{Stats, TenantStats},
    telemetry,
    types::FeedKey,
    url::ApiBase,
    watch::Watch,
};

/// Time that each feed adds to the beginning of all.
const STAGGER: Duration = Duration::from_millis(10);
/// How often it is written that windows held nothing, if nothing else is.
const WRITE_LISTED_EVERY: Duration = Duration::from_secs(1);
/// How often the ledger forgets what cannot come again.
const EVICT_EVERY: Duration = Duration::from_hours(1);

/// A source that is ready to run. Programs without a host use it as it is:
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use o365_core::{Capacity, ComponentKey, EventStatus, RunMode, ShutdownTrigger, SourceContext, SourceSender, SystemClock};
/// use o365_source::{AuditSource, O365AuditConfig, TenantConfig};
///
/// let config = O365AuditConfig::new(
///     "11111111-1111-1111-1111-111111111111",
///     std::env::var("O365_CLIENT_SECRET")?,
///     [TenantConfig::new("22222222-2222-2222-2222-222222222222", "contoso.onmicrosoft.com")],
/// );
/// let (sender, mut events) = o365_core::channel(Capacity::default());
/// let stop = ShutdownTrigger::new();
/// let source = AuditSource::new(
///     &config,
///     SourceContext {
///         key: ComponentKey::from("o365"),
///         out: SourceSender::new(sender),
///         shutdown: stop.signal(),
///         data_dir: "./data".into(),
///         config_dir: ".".into(),
///         clock: Arc::new(SystemClock),
///         mode: RunMode::Once,
///     },
/// )?;
/// let print = async {
///     while let Some(batch) = events.recv().await {
///         for mut event in batch {
///             println!("{}", String::from_utf8_lossy(&event.to_bytes()));
///             event.finish(EventStatus::Delivered);
///         }
///     }
/// };
/// let (result, ()) = tokio::join!(source.run(), print);
/// result?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AuditSource {
    settings: Settings,
    credential: Credential,
    network: Network,
    stats: Stats,
    path: PathBuf,
    /// The ledger of the collection; another one than `path` if this is a backfill.
    collection: PathBuf,
    quarantine: PathBuf,
    cx: SourceContext,
}

impl AuditSource {
    /// Checks the configuration and reads the credential's files. Nothing is opened or requested yet.
    pub fn new(config: &O365AuditConfig, cx: SourceContext) -> Result<Self, BuildError> {
        let settings = Settings::new(config)?;
        let network = settings.read_files(&cx.config_dir, cx.clock.now())?;
        let credential = settings.credential.load(&cx.config_dir);
        let key = cx.key.as_str();
        if key.is_empty() || key.starts_with('.') || key.contains(['/', '\\']) {
            return Err(Problem::new("", format!("the name `{key}` cannot be the name of a folder")).into());
        }
        // Each ledger has a quarantine of its own: what it does not know is removed from there.
        let collection = ledger_path(&cx.data_dir, &cx.key);
        let (path, quarantine) = if let Some(range) = config.backfill {
            let path = range.ledger_path(&cx.data_dir, &cx.key);
            (path.clone(), path.with_extension("quarantine"))
        } else {
            (collection.clone(), collection.with_file_name("quarantine"))
        };
        Ok(Self {
            settings,
            credential,
            network,
            stats: config.stats.clone(),
            path,
            collection,
            quarantine,
            cx,
        })
    }

    /// The counters of the source.
    pub fn stats(&self) -> Stats {
        self.stats.clone()
    }

    /// Collects until it is told to stop or, run once, until everything up to now is delivered.
    ///
    /// # Errors
    /// [`SourceError::Ledger`], [`SourceError::HttpClient`], [`SourceError::OutputClosed`] and
    /// [`SourceError::FeedDied`] end the source; [`SourceError::Incomplete`] names the feeds of a single run that could not
    /// be collected, after all others have been.
    ///
    /// # Cancel safety
    /// Dropping the future is like killing the process: nothing is lost, and blobs in flight are repeated.
    pub async fn run(self) -> Result<(), SourceError> {
        let is_backfill = self.path != self.collection;
        let start = if is_backfill && ledger_in_use(&self.collection)? {
            telemetry::waits_for_room(ROOM_AFTER);
            Start::Beside
        } else if self.path.exists() {
            // Who finds a ledger may have had a predecessor a moment ago, whose requests count too.
            Start::Resumed
        } else {
            Start::First
        };
        let said = is_backfill.then_some(self.settings.requests_per_minute);
        let ledger = Ledger::open_and_say(&self.path, said).await?;
        let SourceContext {
            key: component,
            out,
            shutdown,
            clock,
            mode,
            ..
        } = self.cx;
        let feeds = self.settings.tenants.len() * self.settings.content_types.len();
        let stagger = (STAGGER * u32::try_from(feeds).unwrap_or(u32::MAX)).min(self.settings.poll_interval);
        let quarantine = Quarantine::new(self.quarantine, self.settings.quarantine_max_size);
        if let Err(error) = tidy(&ledger, &quarantine).await? {
            telemetry::quarantine_failed(&chain(&error));
        }
        let shared = Arc::new(Shared {
            component,
            settings: self.settings,
            ledger,
            pace: Pace::new(Arc::clone(&clock)),
            mode,
            room: BodyRoom::default(),
            jitter: Jitter::random(),
            stop: shutdown.token().child_token(),
            nudge: watch::Sender::new(0),
            quarantine,
            stagger,
        });
        let settings = &shared.settings;
        let clients = Clients::new(settings, &self.credential, &self.network, start)
            .map_err(SourceError::HttpClient)?;
        let mut keys = Vec::new();
        let mut tenants = Vec::new();
        for tenant in &settings.tenants {
            let tenant_shared = Arc::new(TenantShared {
                name: tenant.name.clone(),
                client: clients.tenant(
                    settings,
                    &self.credential,
                    tenant,
                    &clock,
                    self.stats.tenant(&tenant.id),
                ),
                fetching: Semaphore::new(settings.fetch_concurrency),
                in_flight: Arc::new(InFlight::default()),
            });
            tenants.push(Arc::clone(&tenant_shared));
            keys.extend(settings.content_types.iter().map(|content_type| {
                let key = FeedKey {
                    tenant: tenant.id.clone(),
                    content_type: *content_type,
                };
                (key, Arc::clone(&tenant_shared))
            }));
        }
        // All together, so that thousands of feeds share a few commits.
        let rows = try_join_all(keys.iter().map(|(key, _)| shared.ledger.feed(key))).await?;
        let configured = keys.iter().zip(&rows).map(|((_, tenant), row)| Configured {
            feed: row.feed,
            tenant: row.tenant,
            tenant_name: tenant.name.clone(),
            lookback: settings.plan.lookback,
        });
        shared.ledger.configured(configured.collect()).await?;
        let mut beside = (!is_backfill).then(|| Beside::new(self.collection, tenants));
        if let Some(beside) = &mut beside {
            beside.look().await;
        }
        let mut feeds = JoinSet::new();
        for ((key, tenant), row) in keys.into_iter().zip(rows) {
            let stats = self.stats.feed(&key);
            let tenant_name = tenant.name.clone();
            let feed = Feed::new(key.clone(), row, Arc::clone(&shared), tenant, stats);
            let out = out.clone();
            let run = async move {
                let reason = feed.run(out).await?;
                Ok(reason.map(|reason| Incomplete {
                    feed: key,
                    tenant_name,
                    reason,
                }))
            };
            // A host may have named the source in it.
            feeds.spawn(run.in_current_span());
        }
        // The pipeline ends when the last feed lets go of it.
        drop(out);
        telemetry::started(feeds.len(), settings.tenants.len());
        let mut watch = Watch::new(&self.path, self.stats, shared.pace.clone());
        let ended = tokio::select! {
            ended = supervise(&shared, feeds, beside) => ended,
            never = watch.run() => match never {},
        };
        watch.look().await;
        ended
    }
}

async fn supervise(
    shared: &Shared,
    mut feeds: JoinSet<Result<Option<Incomplete>, SourceError>>,
    mut beside: Option<Beside>,
) -> Result<(), SourceError> {
    let mut incomplete = Vec::new();
    let mut fatal = None;
    let mut evict = interval(EVICT_EVERY);
    evict.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look = interval(RETRY_NOTICED_AFTER);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut write = interval(WRITE_LISTED_EVERY);
    write.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut version = None;
    loop {
        let ended = tokio::select! {
            ended = feeds.join_next() => ended,
            _ = evict.tick() => {
                for [tenant, content_type, content_id, reason] in shared.ledger.expire(shared.pace.calendar()).await? {
                    telemetry::quarantined_expired(&tenant, &content_type, &content_id, &reason);
                }
                let keep_events = shared.settings.deduplicate_retention;
                shared.ledger.evict(shared.pace.calendar(), keep_events).await?;
                continue;
            }
            _ = write.tick() => {
                shared.ledger.write_listed().await?;
                continue;
            }
            _ = look.tick() => {
                if let Some(beside) = &mut beside {
                    beside.look().await;
                }
                // `state retry` writes into the ledger beside us.
                let found = shared.ledger.foreign_version().await?;
                if version.replace(found).is_some_and(|known| known != found) {
                    shared.nudge.send_modify(|count| *count += 1);
                }
                continue;
            }
        };
        let failure = match ended {
            None => break,
            Some(Ok(Ok(None))) => continue,
            Some(Ok(Ok(Some(feed)))) => {
                incomplete.push(feed);
                continue;
            }
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => SourceError::FeedDied(error.to_string()),
        };
        shared.stop.cancel();
        fatal.get_or_insert(failure);
    }
    let written = shared.ledger.write_listed().await;
    telemetry::stopped(incomplete.len());
    incomplete.sort_by(|a, b| a.feed.cmp(&b.feed));
    if let Some(error) = fatal {
        return Err(error);
    }
    written?;
    if shared.mode == RunMode::Once && !incomplete.is_empty() {
        return Err(SourceError::Incomplete(incomplete));
    }
    Ok(())
}

/// Removes what the quarantine folder has and the ledger does not know.
async fn tidy(ledger: &Ledger, quarantine: &Quarantine) -> Result<Result<(), KeepError>, SourceError> {
    let known = ledger.kept().await?;
    Ok(quarantine.tidy(known).await)
}

/// What all tenants ask with.
pub(crate) struct Clients {
    login: reqwest::Client,
    api: Http,
    timeouts: Timeouts,
    start: Start,
}

impl Clients {
    pub(crate) fn new(
        settings: &Settings,
        credential: &Credential,
        network: &Network,
        start: Start,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            login: network.client(credential.issuer(&settings.authority))?,
            api: Http {
                listings: network.client(&settings.resource)?,
                blobs: network.bulk_client(&settings.resource)?,
                slots: Arc::new(Slots::for_the_others()),
            },
            timeouts: settings.network.timeouts,
            start,
        })
    }

    pub(crate) fn tenant(
        &self,
        settings: &Settings,
        credential: &Credential,
        tenant: &Tenant,
        clock: &Arc<dyn Clock>,
        stats: Arc<TenantStats>,
    ) -> ApiClient {
        stats.set_budget(settings.requests_per_minute);
        let tokens = TokenClient::new(
            self.login.clone(),
            TokenSettings {
                authority: &settings.authority,
                version: settings.token_version,
                tenant: tenant.id.clone(),
                application_id: settings.application_id.clone(),
                resource: settings.resource.as_str().trim_end_matches('/').to_owned(),
                credential: credential.clone(),
                timeout: self.timeouts.request,
                clock: Arc::clone(clock),
                stats: Arc::clone(&stats),
            },
            Jitter::random(),
        );
        let publisher = settings
            .publisher
            .clone()
            .unwrap_or_else(|| tenant.id.to_string());
        ApiClient::new(
            self.api.clone(),
            ApiBase::new(&settings.resource, tenant.id.clone(), publisher),
            tokens,
            Budget::new(settings.requests_per_minute, self.start, Jitter::random()),
            self.timeouts,
            Arc::clone(clock),
            stats,
        )
    }
}

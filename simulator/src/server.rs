//! Starting and stopping.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::SimulatorConfig;
use crate::error::SimulatorError;
use crate::fault::FaultState;
use crate::handle::SimulatorHandle;
use crate::http::{self, App, Connection, Tokens, TrackedListener};
use crate::report::Journal;
use crate::world::World;

/// How long answers in flight may take after a stop.
const GRACE: Duration = Duration::from_secs(2);

/// The simulator before it runs.
///
/// ```
/// use o365_simulator::{Simulator, SimulatorConfig};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let config = SimulatorConfig::demo(1, 2, 1_000);
/// let simulator = Simulator::start_local(config).await?;
/// // Point a client at `simulator.base_url()`, let it work, then compare what it delivered with what exists:
/// let expected = simulator.handle().all_event_ids()?;
/// assert_eq!(expected.len(), 1_000);
/// assert_eq!(simulator.handle().report().never_fetched().count(), simulator.handle().report().blobs.len());
/// simulator.stop().await;
/// # Ok::<(), o365_simulator::SimulatorError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Simulator;

impl Simulator {
    /// Lays out the world of `config` and serves it on `listener` until it is stopped or dropped. A listener on all
    /// addresses needs `public_url`, because answers contain URLs.
    ///
    /// # Errors
    ///
    /// [`SimulatorError::Config`] for contradictions, `ReadFile` and `ParseLine` for the given files, `Listen` for the
    /// socket.
    pub async fn start(
        config: SimulatorConfig,
        listener: TcpListener,
    ) -> Result<RunningSimulator, SimulatorError> {
        config.validate()?;
        // Reading files and laying out a million events takes a while.
        let laid_out =
            tokio::task::spawn_blocking(move || World::build(&config).map(|world| (config, world)));
        let (config, world) = match laid_out.await {
            Ok(laid_out) => laid_out?,
            Err(error) => {
                return Err(SimulatorError::Config(format!(
                    "laying out the world failed: {error}"
                )));
            }
        };
        let address = listener.local_addr().map_err(SimulatorError::Listen)?;
        let base_url = config.public_url.as_ref().map_or_else(
            || format!("http://{address}"),
            |url| url.trim_end_matches('/').to_owned(),
        );
        let app = Arc::new(App {
            base_url,
            clock: Mutex::new(config.clock),
            world: Mutex::new(world),
            faults: Mutex::new(FaultState::new(config.faults.clone())),
            journal: Mutex::new(Journal::default()),
            tokens: Mutex::new(Tokens::new(config.seed)),
            config,
        });
        let router = Router::new().fallback(http::handle).with_state(Arc::clone(&app));
        let shutdown = CancellationToken::new();
        let stopped = shutdown.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let service = router.into_make_service_with_connect_info::<Connection>();
            axum::serve(TrackedListener(listener), service)
                .with_graceful_shutdown(stopped.cancelled_owned())
                .await
        });
        tracing::debug!(base_url = app.base_url, "the simulator listens");
        Ok(RunningSimulator { app, shutdown, tasks })
    }

    /// Starts on a free port of `127.0.0.1`.
    ///
    /// # Errors
    ///
    /// As [`Simulator::start`].
    pub async fn start_local(config: SimulatorConfig) -> Result<RunningSimulator, SimulatorError> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(SimulatorError::Listen)?;
        Self::start(config, listener).await
    }
}

/// A simulator that serves. Dropping it stops it at once; [`stop`](Self::stop) lets answers in flight end.
#[derive(Debug)]
pub struct RunningSimulator {
    app: Arc<App>,
    shutdown: CancellationToken,
    tasks: JoinSet<std::io::Result<()>>,
}

impl RunningSimulator {
    /// Scheme, host and port: both the login authority and the base URL of the API, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.app.base_url
    }

    /// A handle to change and question the running simulator; cheap to clone.
    pub fn handle(&self) -> SimulatorHandle {
        SimulatorHandle::new(Arc::clone(&self.app))
    }

    /// Cancelling this stops the simulator.
    pub fn shutdown_token(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Stops: no new connections, two seconds for the answers in flight.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        let drained = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, drained).await.is_err() {
            tracing::warn!("the simulator stops with answers in flight");
        }
    }

    /// Waits until the simulator was stopped by its token.
    pub async fn stopped(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Drop for RunningSimulator {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

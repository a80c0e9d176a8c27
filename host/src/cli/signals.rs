//! SIGINT and SIGTERM: the first drains the pipeline, the second ends the process at once. SIGHUP: the
//! configuration is read again.

use std::convert::Infallible;

use o365_core::ShutdownTrigger;
use tracing::warn;

/// Exit code of a process that was told twice: 128 + SIGTERM, what a shell shows for a killed process.
const EXIT_KILLED: i32 = 143;

/// Runs `work` to its end. The first signal pulls `trigger`, which `work` must heed; at the second the process exits.
pub(super) async fn under<T>(trigger: &ShutdownTrigger, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        never = listen(trigger.clone()) => match never {},
    }
}

async fn listen(trigger: ShutdownTrigger) -> Infallible {
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            warn!(%error, "signals cannot be heard, only killing the process will end it");
            return std::future::pending().await;
        }
    };
    signals.next().await;
    trigger.shutdown();
    signals.next().await;
    super::report::line(
        "second signal: exiting at once; what was not delivered will be sent again at the next start",
    );
    #[expect(clippy::exit, reason = "the second signal asks for exactly that")]
    std::process::exit(EXIT_KILLED);
}

/// SIGHUP, where there is such a thing.
pub(super) struct Hangups {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    #[cfg(unix)]
    pub(super) fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let signal = signal(SignalKind::hangup());
        let signal = signal.inspect_err(|error| warn!(%error, "SIGHUP cannot be heard"));
        Self { signal: signal.ok() }
    }

    #[cfg(not(unix))]
    pub(super) fn new() -> Self {
        Self {}
    }

    /// Waits for the next one.
    #[cfg(unix)]
    pub(super) async fn next(&mut self) {
        let heard = match &mut self.signal {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if heard.is_none() {
            std::future::pending::<()>().await;
        }
    }

    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) {
        std::future::pending().await
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

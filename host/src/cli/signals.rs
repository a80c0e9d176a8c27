//! SIGINT and SIGTERM: the first drains the pipeline, the second ends the process at once. SIGHUP: components are read again.

use std::{convert::Infallible, sync::Arc};

use o365_core::ShutdownTrigger;
use tracing::{info, warn};

use crate::wasm::{self, Slot};

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

/// At SIGHUP, reads the files of all components again.
#[cfg(unix)]
pub(super) async fn reload_at_hangup(slots: &[Arc<Slot>]) -> Infallible {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            warn!(%error, "SIGHUP cannot be heard");
            return std::future::pending().await;
        }
    };
    while hangups.recv().await.is_some() {
        info!("SIGHUP: reading the files of components again");
        for slot in slots {
            wasm::reload(slot).await;
        }
    }
    std::future::pending().await
}

#[cfg(not(unix))]
pub(super) async fn reload_at_hangup(_slots: &[Arc<Slot>]) -> Infallible {
    std::future::pending().await
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

//! A pipeline that runs.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use o365_core::{ComponentError, ShutdownTrigger};
use tokio::task::{Id, JoinSet};
use tracing::{Instrument, debug, error, error_span, info, warn};

use super::meter::Meter;
use crate::dead_letter::{DeadLetters, Usage};

/// Target of the spans that give lines of a log the name of a component. The log decides whether it shows them.
pub(crate) const COMPONENT_TARGET: &str = "o365_component";

/// A component's future and its name.
pub(super) struct Task {
    name: String,
    future: BoxFuture<'static, Result<(), ComponentError>>,
}

impl Task {
    pub(super) fn new(
        name: impl fmt::Display,
        future: impl Future<Output = Result<(), ComponentError>> + Send + 'static,
    ) -> Self {
        Self {
            name: name.to_string(),
            future: Box::pin(future),
        }
    }
}

/// Why a pipeline did not end well.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A component failed; the others were shut down.
    #[error("component `{name}` failed")]
    Component {
        /// Its name.
        name: String,
        /// What it said.
        source: ComponentError,
    },
    /// The grace period was over.
    #[error("after {} of grace these components were still running and were ended: {}; what they held will be sent again at the next start", o365_core::duration::format(*grace), names.join(", "))]
    Grace {
        /// The grace period.
        grace: Duration,
        /// What was still running.
        names: Vec<String>,
    },
}

/// Components, connected and ready.
pub struct Topology {
    tasks: Vec<Task>,
    dead_letters: DeadLetters,
    meters: Vec<Meter>,
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topology")
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

impl Topology {
    pub(super) fn new(tasks: Vec<Task>, dead_letters: DeadLetters, meters: Vec<Meter>) -> Self {
        Self {
            tasks,
            dead_letters,
            meters,
        }
    }

    /// The counters of every component.
    pub fn meters(&self) -> Vec<Meter> {
        self.meters.clone()
    }

    /// Counts the dead letters that are on disk.
    pub fn letters_written(&self) -> impl Fn() -> u64 + Send + Sync + use<> {
        self.dead_letters.counter()
    }

    /// How full the folder of the dead letters is.
    pub fn letters_usage(&self) -> impl Fn() -> Option<Usage> + Send + Sync + use<> {
        self.dead_letters.usage()
    }

    /// Runs until the sources have ended and everything has flowed out. Returns the number of dead letters.
    ///
    /// When `shutdown` is pulled, by somebody else or because a component failed, the rest has `grace` to drain.
    pub async fn run(self, shutdown: &ShutdownTrigger, grace: Duration) -> Result<u64, RunError> {
        // The writer of the dead letters ends when the last component has dropped its handle.
        let letters_written = self.dead_letters.counter();
        drop(self.dead_letters);
        let mut running = Running::default();
        self.tasks.into_iter().for_each(|task| running.spawn(task));
        let signal = shutdown.signal();
        let mut failed = None;
        let mut deadline = None;
        while !running.is_empty() {
            let grace_over = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = running.next() => {
                    if let Err(error) = ended {
                        failed.get_or_insert(error);
                        shutdown.shutdown();
                    }
                }
                () = signal.cancelled(), if deadline.is_none() => {
                    info!(grace = ?grace, "shutting down, draining the pipeline");
                    deadline = Some(tokio::time::Instant::now() + grace);
                }
                () = grace_over => {
                    let names = running.names();
                    error!(components = %names.join(", "), "grace period is over, ending what still runs");
                    return Err(failed.unwrap_or(RunError::Grace { grace, names }));
                }
            }
        }
        failed.map_or(Ok(letters_written()), Err)
    }
}

/// Tasks by name.
#[derive(Default)]
struct Running {
    set: JoinSet<Result<(), ComponentError>>,
    names: Vec<(Id, String)>,
}

impl Running {
    fn spawn(&mut self, task: Task) {
        // Whatever it logs has its name.
        let name = error_span!(target: COMPONENT_TARGET, "component", component_id = task.name);
        let id = self.set.spawn(task.future.instrument(name)).id();
        self.names.push((id, task.name));
    }

    fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    fn names(&self) -> Vec<String> {
        self.names.iter().map(|(_, name)| name.clone()).collect()
    }

    /// The end of the next component that ends, well or badly.
    async fn next(&mut self) -> Result<(), RunError> {
        let Some(ended) = self.set.join_next_with_id().await else {
            return Ok(());
        };
        let (id, result) = match ended {
            Ok((id, result)) => (id, result),
            Err(error) => (error.id(), Err(format!("it panicked: {error}").into())),
        };
        let position = self.names.iter().position(|(known, _)| *known == id);
        let name = position.map_or_else(String::new, |position| self.names.swap_remove(position).1);
        match result {
            Ok(()) => {
                debug!(component = %name, "component ended");
                Ok(())
            }
            // A neighbour that died first is the cause, and is reported by its own task.
            Err(source) if source.is::<o365_core::Closed>() => {
                warn!(component = %name, "component ended because the one it sends to has ended");
                Ok(())
            }
            Err(source) => {
                error!(component = %name, error = %source, "component failed");
                Err(RunError::Component { name, source })
            }
        }
    }
}

//! A pipeline that runs.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use o365_core::{ComponentError, ComponentKey, ShutdownTrigger, config::Services};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, Id, JoinSet},
    time::{Instant, sleep_until},
};
use tracing::{Instrument, debug, error, error_span, info, warn};

use super::{
    Meters,
    change::{Change, Transition},
    wiring::Wiring,
};
use crate::dead_letter::{DeadLetters, Usage};

/// Target of the spans that give lines of a log the name of a component. The log decides whether it shows them.
pub(crate) const COMPONENT_TARGET: &str = "o365_component";

/// A component's future and its name.
pub(super) struct Task {
    component: Option<ComponentKey>,
    name: String,
    future: BoxFuture<'static, Result<(), ComponentError>>,
}

impl Task {
    /// A task of no component.
    pub(super) fn new(
        name: impl fmt::Display,
        future: impl Future<Output = Result<(), ComponentError>> + Send + 'static,
    ) -> Self {
        Self {
            component: None,
            name: name.to_string(),
            future: Box::pin(future),
        }
    }

    /// A task of a component, which may have several.
    pub(super) fn of(
        component: &ComponentKey,
        name: String,
        future: impl Future<Output = Result<(), ComponentError>> + Send + 'static,
    ) -> Self {
        Self {
            component: Some(component.clone()),
            ..Self::new(name, future)
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
    pub(super) tasks: Vec<Task>,
    /// Writes the dead letters; ends when no component can have any more.
    pub(super) writer: Task,
    pub(super) dead_letters: DeadLetters,
    pub(super) meters: Meters,
    pub(super) wiring: Wiring,
    /// What the programs in it use.
    pub(super) services: Services,
    /// Where changes come from, if somebody wants to make some.
    pub(super) changes: Option<mpsc::Receiver<Change>>,
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topology")
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

impl Topology {
    /// The counters of every component, of those to come, too.
    pub fn meters(&self) -> Meters {
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
    pub async fn run(self, shutdown: &ShutdownTrigger, mut grace: Duration) -> Result<u64, RunError> {
        let letters_written = self.dead_letters.counter();
        let mut running = Running::default();
        self.tasks.into_iter().for_each(|task| running.spawn(task));
        let mut letters = Some(self.dead_letters);
        let mut writer = Running::default();
        writer.spawn(self.writer);
        let mut changes = self.changes;
        let mut transition: Option<Transition> = None;
        let signal = shutdown.signal();
        let mut failed = None;
        let mut deadline = None;
        loop {
            if let (Some(going_on), Some(letters)) = (&mut transition, &letters)
                && going_on.advance(&mut running, letters)
            {
                transition = None;
            }
            if running.is_empty() && transition.is_none() {
                // The writer ends when nobody has a handle any more, and nothing can change from now on.
                letters = None;
                changes = None;
                if writer.is_empty() {
                    break;
                }
            }
            let late = transition.as_ref().and_then(Transition::deadline);
            tokio::select! {
                ended = running.next(), if !running.is_empty() => {
                    if let Err(error) = ended {
                        failed.get_or_insert(error);
                        shutdown.shutdown();
                    }
                }
                ended = writer.next(), if !writer.is_empty() => {
                    if let Err(error) = ended {
                        failed.get_or_insert(error);
                        shutdown.shutdown();
                    }
                }
                Some(change) = next(&mut changes), if transition.is_none() => {
                    grace = change.grace;
                    transition = Some(Transition::new(change));
                }
                () = at(late) => {
                    if let Some(late) = &mut transition {
                        late.hurry(&mut running);
                    }
                }
                () = signal.cancelled(), if deadline.is_none() => {
                    info!(grace = ?grace, "shutting down, draining the pipeline");
                    deadline = Some(Instant::now() + grace);
                }
                () = at(deadline) => {
                    let names: Vec<_> = running.names().chain(writer.names()).collect();
                    error!(components = %names.join(", "), "grace period is over, ending what still runs");
                    return Err(failed.unwrap_or(RunError::Grace { grace, names }));
                }
            }
        }
        failed.map_or(Ok(letters_written()), Err)
    }
}

/// Waits for a moment, or for ever.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The next change, or none if there will be none.
async fn next(changes: &mut Option<mpsc::Receiver<Change>>) -> Option<Change> {
    match changes {
        Some(changes) => changes.recv().await,
        None => None,
    }
}

/// Tasks by name.
#[derive(Default)]
pub(super) struct Running {
    set: JoinSet<Result<(), ComponentError>>,
    tasks: Vec<(Id, Known)>,
}

struct Known {
    component: Option<ComponentKey>,
    name: String,
    abort: AbortHandle,
    aborted: bool,
}

impl Running {
    pub(super) fn spawn(&mut self, task: Task) {
        // Whatever it logs has its name.
        let span = error_span!(target: COMPONENT_TARGET, "component", component_id = task.name);
        let abort = self.set.spawn(task.future.instrument(span));
        let known = Known {
            component: task.component,
            name: task.name,
            aborted: false,
            abort,
        };
        self.tasks.push((known.abort.id(), known));
    }

    fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Whether a component has not ended yet.
    pub(super) fn has(&self, component: &ComponentKey) -> bool {
        self.tasks
            .iter()
            .any(|(_, task)| task.component.as_ref() == Some(component))
    }

    /// Ends a component as if it had been killed.
    pub(super) fn abort(&mut self, component: &ComponentKey) {
        for (_, task) in &mut self.tasks {
            if task.component.as_ref() == Some(component) {
                task.aborted = true;
                task.abort.abort();
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = String> {
        self.tasks.iter().map(|(_, task)| task.name.clone())
    }

    /// The end of the next component that ends, well or badly.
    async fn next(&mut self) -> Result<(), RunError> {
        let Some(ended) = self.set.join_next_with_id().await else {
            return Ok(());
        };
        let (id, result) = match ended {
            Ok((id, result)) => (id, result),
            Err(error) if error.is_cancelled() => (error.id(), Err(Box::new(Aborted) as ComponentError)),
            Err(error) => (error.id(), Err(format!("it panicked: {error}").into())),
        };
        let position = self.tasks.iter().position(|(known, _)| *known == id);
        let (name, aborted) = position.map_or_else(Default::default, |position| {
            let (_, task) = self.tasks.swap_remove(position);
            (task.name, task.aborted)
        });
        match result {
            Ok(()) => {
                debug!(component = %name, "component ended");
                Ok(())
            }
            // Whatever it says on its way out: it was to be replaced, and had its time.
            Err(_) if aborted => Ok(()),
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

#[derive(Debug, thiserror::Error)]
#[error("it was ended before it was done")]
struct Aborted;

//! Another configuration takes over while events flow.
//!
//! ```text
//! before    source ──► old ──► sink            1. `new` is built; if that fails, nothing has happened
//! then      source ─┐  old ──► sink            2. the output is redirected between two batches: `old` drains and ends,
//!                   └► (new waits)                `new` only collects, in a channel with a limit
//! after     source ──► new ──► sink            3. when `old` has ended, `new` begins
//! ```
//!
//! So each event goes one way, the old or the new one, and what came first arrives first. Nothing is paused that does not
//! change, and no batch waits for more than the old component's rest. Old components end from upstream to downstream, each
//! when everything above it has ended, so none waits for something that does not run yet. Which components change is
//! [`Difference`]'s business.
//!
//! What does not drain in time, because its destination is down, is ended: the events that it held count as not delivered,
//! and their sources send them again.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use o365_core::{BatchSender, ComponentKey, ShutdownTrigger, config::Services};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tracing::{debug, warn};

use super::{
    BuildFailure, Difference, Environment, Meters, Pipeline, Plan, Topology,
    build::{Scope, Start},
    difference::{difference, in_order},
    fanout::Outlet,
    run::Running,
    wiring::Wiring,
};
use crate::dead_letter::DeadLetters;

/// Changes a topology that runs.
#[derive(Debug)]
pub struct Control {
    plan: Plan,
    wiring: Wiring,
    meters: Meters,
    services: Services,
    changes: mpsc::Sender<Change>,
}

/// Why a pipeline was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Something cannot be built: nothing has happened.
    #[error("the new pipeline cannot be built")]
    Build(BuildFailure),
    /// There is nothing left to change.
    #[error("the pipeline has ended")]
    Ended,
}

impl Topology {
    /// What changes this topology, which was built from `plan`, while it runs.
    pub fn control(&mut self, plan: Plan) -> Control {
        // One change at a time.
        let (changes, receiver) = mpsc::channel(1);
        self.changes = Some(receiver);
        Control {
            plan,
            wiring: std::mem::take(&mut self.wiring),
            meters: self.meters.clone(),
            services: self.services.clone(),
            changes,
        }
    }
}

impl Control {
    /// Changes what runs from `current` to `next`, and returns when everything old has ended: what was kept is still what
    /// `current` describes. Components that do not drain within `grace` are ended.
    ///
    /// # Errors
    /// Nothing has happened after [`ChangeError::Build`].
    ///
    /// # Cancel safety
    /// Not safe: what comes after would not know what runs.
    pub async fn change(
        &mut self,
        current: &Pipeline,
        next: (&Pipeline, Plan),
        environment: &Environment,
        grace: Duration,
    ) -> Result<Difference, ChangeError> {
        let (next, plan) = next;
        // Until the end, so that nothing ends that only waits for its new upstream.
        let mut running = self.wiring.senders();
        let ended = current.readers().filter(|key| !running.contains_key(*key));
        let ended = ended.cloned().collect();
        let difference = difference((current, &self.plan), (next, &plan), &ended);
        running.retain(|key, _| difference.kept.contains(key));

        let tables_stay = current.program_fingerprint == next.program_fingerprint;
        let (services, problems) = if tables_stay {
            (self.services.clone(), Vec::new())
        } else {
            next.program_services(&environment.clock).await
        };
        let wanted = difference.added.union(&difference.changed).cloned().collect();
        let scope = Scope {
            pipeline: next,
            plan: &plan,
            environment,
            services: &services,
            meters: &self.meters,
            wanted: &wanted,
        };
        let mut built = scope
            .build(running.clone(), problems)
            .await
            .map_err(ChangeError::Build)?;

        let mut senders = running;
        senders.extend(std::mem::take(&mut built.senders));
        let steps = self.steps(&difference, &plan, &senders, &mut built.tasks);
        let (done, outcome) = oneshot::channel();
        let change = Change {
            steps,
            held: senders,
            grace,
            done,
        };
        self.changes.send(change).await.map_err(|_| ChangeError::Ended)?;
        outcome.await.map_err(|_| ChangeError::Ended)?;

        for key in difference.removed.union(&difference.changed) {
            self.wiring.remove(key);
        }
        self.wiring.extend(built.wiring);
        self.meters
            .replace(|key| !difference.kept.contains(key), built.meters);
        self.plan = plan;
        self.services = services;
        Ok(difference)
    }

    /// What happens, in turn: at first what needs nothing to end, then one step for each component that ends.
    fn steps(
        &self,
        difference: &Difference,
        plan: &Plan,
        senders: &BTreeMap<ComponentKey, BatchSender>,
        tasks: &mut BTreeMap<ComponentKey, Vec<Start>>,
    ) -> VecDeque<Step> {
        // Outputs of what goes on, whose readers are not all what they were.
        let outlets = self.wiring.outlets.iter();
        let mut redirected: BTreeMap<_, _> = outlets
            .filter(|(output, _)| difference.kept.contains(&output.component))
            .filter(|(output, _)| {
                let (before, after) = (self.plan.readers.get(output), plan.readers.get(output));
                let changes = |reader| difference.changed.contains(reader);
                before != after || after.into_iter().flatten().any(changes)
            })
            .collect();
        let redirect = |(output, outlet): (_, &Outlet)| (outlet.clone(), plan.senders(output, senders));
        let ending = difference.removed.union(&difference.changed).cloned();
        let mut steps = VecDeque::new();
        for key in in_order(&self.plan, ending) {
            let reads = |output: &&_| {
                let readers = self.plan.readers.get(*output);
                readers.is_some_and(|readers| readers.contains(&key))
            };
            let redirects = redirected.extract_if(.., |output, _| reads(output));
            steps.push_back(Step {
                redirects: redirects.map(redirect).collect(),
                stop: self.wiring.triggers.get(&key).cloned(),
                start: tasks.remove(&key).unwrap_or_default(),
                end: Some(key),
            });
        }
        steps.push_front(Step {
            redirects: redirected.into_iter().map(redirect).collect(),
            stop: None,
            start: std::mem::take(tasks).into_values().flatten().collect(),
            end: None,
        });
        steps
    }
}

/// A change that is to be made.
pub(super) struct Change {
    steps: VecDeque<Step>,
    /// The ways into everything that goes on or begins.
    held: BTreeMap<ComponentKey, BatchSender>,
    /// How long draining may take, now and when the pipeline stops.
    pub(super) grace: Duration,
    done: oneshot::Sender<()>,
}

/// One component ends, another one begins.
struct Step {
    /// Outputs, and who reads from them from now on.
    redirects: Vec<(Outlet, Vec<BatchSender>)>,
    /// Stops the component that ends, if it is a source.
    stop: Option<ShutdownTrigger>,
    /// What ends.
    end: Option<ComponentKey>,
    /// What begins when it has ended.
    start: Vec<Start>,
}

/// A change that is being made.
pub(super) struct Transition {
    change: Change,
    deadline: Instant,
    /// Whether the first of the steps has begun.
    begun: bool,
    late: bool,
}

impl Transition {
    pub(super) fn new(change: Change) -> Self {
        Self {
            deadline: Instant::now() + change.grace,
            change,
            begun: false,
            late: false,
        }
    }

    /// When [`Transition::hurry`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.late).then_some(self.deadline)
    }

    /// Does what can be done now. Whether everything is done.
    pub(super) fn advance(&mut self, running: &mut Running, dead_letters: &DeadLetters) -> bool {
        while let Some(step) = self.change.steps.front_mut() {
            if !self.begun {
                self.begun = true;
                for (outlet, readers) in step.redirects.drain(..) {
                    outlet.redirect(readers);
                }
                step.stop.iter().for_each(ShutdownTrigger::shutdown);
                if self.late {
                    step.end.iter().for_each(|key| end(running, key));
                }
            }
            if step.end.as_ref().is_some_and(|key| running.has(key)) {
                return false;
            }
            for start in step.start.drain(..) {
                running.spawn(start(dead_letters));
            }
            self.change.steps.pop_front();
            self.begun = false;
        }
        self.change.held.clear();
        let (unused, _) = oneshot::channel();
        // Whoever asked may have gone.
        let _ = std::mem::replace(&mut self.change.done, unused).send(());
        true
    }

    /// The time is over: ends what still drains, now and in the steps to come.
    pub(super) fn hurry(&mut self, running: &mut Running) {
        self.late = true;
        if let Some(Step { end: Some(key), .. }) = self.change.steps.front() {
            end(running, key);
        }
    }
}

fn end(running: &mut Running, key: &ComponentKey) {
    if running.has(key) {
        warn!(component = %key, "it did not drain in time and is ended: what it held will be sent again");
        running.abort(key);
    } else {
        debug!(component = %key, "it had drained in time");
    }
}

//! Reads the configuration of a running pipeline again: when a file changes, at SIGHUP, when the API is asked to.

use std::{
    convert::Infallible,
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::{
    Failed,
    pipeline::{self, Loaded},
    signals::Hangups,
};
use crate::{
    reloads::{Outcome, Questions, Reloads},
    roster::Roster,
    stamp::{Stamp, Watched},
    topology::{ChangeError, Control, Difference, Environment},
    wasm,
};

/// How often the files of the configuration are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Changes the pipeline that runs.
pub(super) struct Reloader {
    pub(super) path: PathBuf,
    pub(super) workers: pipeline::Workers,
    /// What runs.
    pub(super) current: Loaded,
    pub(super) control: Control,
    pub(super) environment: Environment,
    pub(super) roster: Roster,
    pub(super) reloads: Reloads,
    /// Looks at the files, if it is to.
    pub(super) watch: Option<Watch>,
}

impl Reloader {
    /// Reloads whenever there is a reason, until dropped.
    pub(super) async fn serve(mut self, mut questions: Questions) -> Infallible {
        let mut hangups = Hangups::new();
        loop {
            tokio::select! {
                () = hangups.next() => {
                    info!("SIGHUP: reading the configuration and the files of components again");
                    self.reload().await;
                    for slot in self.roster.slots() {
                        wasm::follow_file(&slot).await;
                    }
                }
                asked = questions.recv() => {
                    let outcome = self.reload().await;
                    if let Some(asked) = asked {
                        // Whoever asked may have gone.
                        let _ = asked.send(outcome);
                    }
                }
                () = changed(&mut self.watch) => {
                    info!("a file of the configuration has changed: reading it again");
                    self.reload().await;
                }
            }
        }
    }

    async fn reload(&mut self) -> Outcome {
        let began = Instant::now();
        let outcome = match self.take_over().await {
            Ok(components) if components.is_empty() => {
                info!("the configuration was read again and says what it said before");
                Outcome::Unchanged
            }
            Ok(components) => {
                let seconds = began.elapsed().as_secs_f64();
                info!(
                    added = ?components.added,
                    removed = ?components.removed,
                    changed = ?components.changed,
                    kept = components.kept.len(),
                    seconds,
                    "the new configuration runs"
                );
                Outcome::Applied { components, seconds }
            }
            Err(Refused::Bad(problem)) => {
                error!("the new configuration is refused, the one before goes on:\n{problem}");
                Outcome::Refused { error: problem }
            }
            Err(Refused::Ended) => Outcome::Ended,
        };
        self.reloads.count(&outcome, self.environment.clock.now());
        outcome
    }

    async fn take_over(&mut self) -> Result<Difference, Refused> {
        let mut next = pipeline::load(&self.path)?;
        // Before they are read, and whether it is refused or not: it may be repaired in a file that only this one names.
        if let Some(watch) = &mut self.watch {
            watch.follow(&[&self.current, &next]);
        }
        next.pipeline.workers = self.workers.number();
        next.only_changes_what_can_change(&self.current)?;
        let plan = next.plan()?;
        pipeline::warn_of_unread(&plan);
        let before = self.roster.slots();
        let difference = self
            .control
            .change(
                &self.current.pipeline,
                (&next.pipeline, plan),
                &self.environment,
                next.grace,
            )
            .await
            .map_err(|error| match error {
                ChangeError::Build(failure) => next.refuse(&failure).into(),
                ChangeError::Ended => Refused::Ended,
            })?;
        let running = std::mem::take(&mut self.current.pipeline);
        next.pipeline.keep(running, &difference);
        self.current = next;
        if let Some(watch) = &mut self.watch {
            watch.follow(&[&self.current]);
        }
        self.roster.show(&self.current.pipeline);
        let gone = before.into_iter().filter(|slot| {
            let slots = self.roster.slots();
            !slots.iter().any(|other| std::sync::Arc::ptr_eq(slot, other))
        });
        let gone: Vec<_> = gone.collect();
        let finished = tokio::task::spawn_blocking(move || gone.iter().for_each(|slot| slot.finish()));
        if let Err(error) = finished.await {
            warn!(%error, "a shadow run did not finish");
        }
        Ok(difference)
    }
}

/// Why the one before goes on.
enum Refused {
    /// What is wrong with the new one.
    Bad(String),
    Ended,
}

impl From<Failed> for Refused {
    fn from(failed: Failed) -> Self {
        Self::Bad(failed.text(false))
    }
}

/// The files that a pipeline is built from.
pub(super) struct Watch {
    /// The configuration's own.
    path: PathBuf,
    files: Vec<(PathBuf, Watched)>,
    tick: Interval,
}

impl Watch {
    pub(super) fn new(path: PathBuf, loaded: &Loaded) -> Self {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = Self {
            path,
            files: Vec::new(),
            tick,
        };
        watch.follow(&[loaded]);
        watch
    }

    /// Watches what these configurations name. What was watched before stays as it was last seen.
    fn follow(&mut self, named_by: &[&Loaded]) {
        let mut files = vec![self.path.clone()];
        files.extend(named_by.iter().flat_map(|loaded| loaded.files_to_watch()));
        self.files.retain(|(known, _)| files.contains(known));
        for file in files {
            if !self.files.iter().any(|(known, _)| *known == file) {
                let stamp = Stamp::of(&file);
                self.files.push((file, Watched::since(stamp)));
            }
        }
    }
}

/// Waits until a file has changed; for ever, if none is watched.
async fn changed(watch: &mut Option<Watch>) {
    let Some(watch) = watch else {
        return std::future::pending().await;
    };
    loop {
        watch.tick.tick().await;
        let mut changed = false;
        for (path, file) in &mut watch.files {
            changed |= file.has_changed(Stamp::of(path));
        }
        if changed {
            return;
        }
    }
}

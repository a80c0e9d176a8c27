//! A candidate that sees live events beside the running component, and whose answers are compared and thrown away.
//!
//! It runs on a thread of its own. Calls that come while it is busy are left out and counted, so it slows nothing down and
//! needs a bounded amount of memory; what it does to itself, traps and time-outs included, is its own affair.

mod report;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use o365_core::ComponentKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::info;

use self::report::Report;
use super::{
    answer, bindings::exports::o365::transform::mapper::Outcome, instance::Instance, module::Module,
    slot::lock,
};
use crate::fixtures::diff;

/// Calls that wait for the candidate: at most 256 kB of events each, and what became of them.
const WAITING: usize = 8;
/// How long the end of a run waits for the candidate.
const GRACE: Duration = Duration::from_secs(5);
/// Fields that are counted by name; what others differ in is counted together.
const FIELDS: usize = 500;
const OTHER_FIELDS: &str = "(other fields)";

/// The option `shadow`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowConfig {
    /// The candidate: `builtin:ecs`, or the path of a component.
    pub module: String,
    /// Its options. Default: those of the transform.
    #[serde(default)]
    pub options: Option<Value>,
    /// The part of calls that it sees, above 0, at most 1. Default 0.1.
    #[serde(default = "tenth")]
    pub sample: f64,
    /// Where every difference goes, one event a line, up to 100 MiB. Default: nowhere.
    #[serde(default)]
    pub report: Option<PathBuf>,
}

fn tenth() -> f64 {
    0.1
}

/// What the comparison has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ShadowStatus {
    /// Digest of the candidate.
    pub digest: String,
    /// Events that both have mapped.
    pub compared: u64,
    /// Of these, events that did not become the same.
    pub different: u64,
    /// Events that the candidate could not map although the running component could.
    pub failed: u64,
    /// Events that were to be compared while the candidate was busy.
    pub skipped: u64,
    /// How many events differ in each field. Lists count as one field.
    pub fields: BTreeMap<String, u64>,
}

/// A call of the running component, and its answer.
struct Sampled {
    context: String,
    inputs: Vec<Bytes>,
    outcomes: Vec<Outcome>,
}

/// See the module. Its thread ends with the last copy.
pub(super) struct Shadow {
    module: Arc<Module>,
    sample: f64,
    status: Arc<Mutex<ShadowStatus>>,
    active: AtomicBool,
    /// Nothing once the run is over.
    calls: Mutex<Option<SyncSender<Sampled>>>,
    /// Disconnected when the thread has ended.
    ended: Mutex<Receiver<Infallible>>,
}

impl Shadow {
    /// Starts the candidate's thread. `dir` is where a relative report starts.
    pub(super) fn start(
        key: &ComponentKey,
        module: Arc<Module>,
        config: &ShadowConfig,
        dir: &Path,
    ) -> Result<Self, String> {
        let report = match &config.report {
            Some(path) => Some(Report::at(dir.join(path))?),
            None => None,
        };
        let status = Arc::new(Mutex::new(ShadowStatus {
            digest: module.digest().to_owned(),
            ..ShadowStatus::default()
        }));
        let (calls, waiting) = sync_channel(WAITING);
        let (alive, ended) = sync_channel::<Infallible>(0);
        let comparison = Comparison {
            name: format!("{key} (shadow)"),
            module: Arc::clone(&module),
            instance: None,
            status: Arc::clone(&status),
            report,
        };
        thread::Builder::new()
            .name(format!("{key}-shadow"))
            .spawn(move || {
                comparison.run(&waiting);
                drop(alive);
            })
            .map_err(|error| format!("its thread cannot be started: {error}"))?;
        info!(transform = %key, candidate = %module.digest(), sample = config.sample, "a candidate sees live events");
        Ok(Self {
            module,
            sample: config.sample,
            status,
            active: AtomicBool::new(true),
            calls: Mutex::new(Some(calls)),
            ended: Mutex::new(ended),
        })
    }

    pub(super) fn module(&self) -> Arc<Module> {
        Arc::clone(&self.module)
    }

    pub(super) fn status(&self) -> ShadowStatus {
        lock(&self.status).clone()
    }

    /// There is nothing to compare any more: it has taken over.
    pub(super) fn end(&self) {
        self.active.store(false, Ordering::Relaxed);
    }

    /// Lets the candidate finish the calls that wait, within bounds, so that they are in the report.
    pub(super) fn finish(&self) {
        drop(lock(&self.calls).take());
        // Whether it has ended or takes too long, there is nothing more to wait for.
        let _ = lock(&self.ended).recv_timeout(GRACE);
    }

    /// Hands a call to the candidate if its turn has come. `turn` is the caller's, who has one for each worker.
    pub(super) fn offer(&self, turn: &mut f64, context: &str, inputs: &[Bytes], outcomes: &[Outcome]) {
        if !self.active.load(Ordering::Relaxed) {
            return;
        }
        *turn += self.sample;
        if *turn < 1.0 {
            return;
        }
        *turn -= 1.0;
        let call = Sampled {
            context: context.to_owned(),
            inputs: inputs.to_vec(),
            outcomes: outcomes.to_vec(),
        };
        let events = call.inputs.len() as u64;
        let calls = lock(&self.calls);
        if calls.as_ref().is_none_or(|calls| calls.try_send(call).is_err()) {
            lock(&self.status).skipped += events;
        }
    }
}

struct Comparison {
    name: String,
    module: Arc<Module>,
    instance: Option<Instance>,
    status: Arc<Mutex<ShadowStatus>>,
    report: Option<Report>,
}

impl Comparison {
    fn run(mut self, calls: &Receiver<Sampled>) {
        while let Ok(call) = calls.recv() {
            self.compare(&call);
        }
    }

    fn compare(&mut self, call: &Sampled) {
        let inputs: Vec<&[u8]> = call.inputs.iter().map(Bytes::as_ref).collect();
        let answers: Vec<Result<Outcome, String>> = match self.call(&call.context, &inputs) {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            // As for the running one: only the guilty event pays.
            Err(_) if inputs.len() > 1 => inputs
                .iter()
                .map(|input| {
                    self.call(&call.context, &[*input])
                        .map(|mut one| one.swap_remove(0))
                })
                .collect(),
            Err(reason) => vec![Err(reason)],
        };
        let findings: Vec<_> = call
            .outcomes
            .iter()
            .zip(answers)
            .map(|(running, candidate)| Finding::of(running, candidate))
            .collect();
        // Whoever has seen an event counted finds it in the report.
        self.report(&call.outcomes, &findings);
        let mut status = lock(&self.status);
        for finding in &findings {
            status.count(finding);
        }
    }

    fn report(&mut self, running: &[Outcome], findings: &[Finding]) {
        let Some(report) = &mut self.report else {
            return;
        };
        for (running, finding) in running.iter().zip(findings) {
            if !finding.differences.is_empty() {
                report.write(&self.name, running, &finding.differences);
            }
        }
        report.flush();
    }

    fn call(&mut self, context: &str, inputs: &[&[u8]]) -> Result<Vec<Outcome>, String> {
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self
                .module
                .instantiate(&self.name)
                .map_err(|error| error.to_string())?,
        };
        let outcomes = answer::of(&mut instance, context, inputs).map_err(|error| error.to_string())?;
        self.instance = Some(instance);
        Ok(outcomes)
    }
}

/// What became of one event.
struct Finding {
    /// The candidate could not map what the running component could.
    failed: bool,
    differences: Vec<diff::Difference>,
}

impl Finding {
    fn of(running: &Outcome, candidate: Result<Outcome, String>) -> Self {
        let same = match (running, &candidate) {
            (Outcome::Emit(running), Ok(Outcome::Emit(candidate))) => running == candidate,
            (Outcome::Drop, Ok(Outcome::Drop)) | (Outcome::Fail(_), Ok(Outcome::Fail(_))) => true,
            _ => false,
        };
        let failed =
            matches!(candidate, Err(_) | Ok(Outcome::Fail(_))) && !matches!(running, Outcome::Fail(_));
        let differences = if same {
            Vec::new()
        } else {
            differences(running, candidate)
        };
        Self { failed, differences }
    }
}

impl ShadowStatus {
    fn count(&mut self, finding: &Finding) {
        self.compared += 1;
        self.failed += u64::from(finding.failed);
        if finding.differences.is_empty() {
            return;
        }
        self.different += 1;
        let fields: BTreeSet<_> = finding
            .differences
            .iter()
            .map(|difference| field(&difference.path))
            .collect();
        for field in fields {
            let full = self.fields.len() >= FIELDS && !self.fields.contains_key(&field);
            let field = if full { OTHER_FIELDS.to_owned() } else { field };
            *self.fields.entry(field).or_default() += 1;
        }
    }
}

/// What differs between the running component's answer and the candidate's, which may have given none.
fn differences(running: &Outcome, candidate: Result<Outcome, String>) -> Vec<diff::Difference> {
    let of = |outcome: &Outcome| answer::documents(outcome).unwrap_or_else(|reason| failure(&reason));
    let candidate = match candidate {
        Ok(outcome) => of(&outcome),
        Err(reason) => failure(&reason),
    };
    diff::differences(&of(running), &candidate, &BTreeMap::new())
}

/// Stands for an event that became nothing.
fn failure(reason: &str) -> Value {
    serde_json::json!({ "(failed)": reason })
}

/// A path without the places in lists; the document itself has a name, too.
fn field(path: &str) -> String {
    let mut field = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => field.push(c),
            _ => {}
        }
    }
    if field.is_empty() {
        "(document)".to_owned()
    } else {
        field
    }
}

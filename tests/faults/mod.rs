//! The fault matrix: whatever goes wrong, what can be had is delivered once, and what cannot be had is named.
//!
//! A scenario is data: a world, its faults, and what is not to be had of it. Every scenario has three tenants with five
//! feeds each, runs the real program, and is judged by the same rules.

mod bodies;
mod clocks;
mod disabled;
mod foreign;
mod late;
mod listings;
mod refusals;
mod silence;
mod sinks;
mod sustained;
mod travel;

use std::collections::{BTreeMap, BTreeSet};

use o365_simulator::{BlobReport, ContentType, FaultPlan, FaultRule, SimulatorConfig};
use serde_json::Value;

use crate::support::{Lab, output, stderr};

const FILE: &str = "  out: { type: file, inputs: [ecs], path: out.ndjson }";
const EVENTS: u64 = 300;

/// What cannot be had while the faults last.
#[derive(Debug, Clone, Copy)]
enum Lost {
    Nothing,
    /// All feeds of the tenant at this place.
    Tenant(usize),
    /// One feed of the tenant at this place.
    Feed(usize, ContentType),
    /// The blob at this place of the simulator's report.
    Blob(usize),
}

/// A row of the matrix.
struct Scenario {
    name: &'static str,
    /// Changes of a world in which everything works.
    world: fn(&mut SimulatorConfig),
    /// What is done to it before the run.
    prepare: fn(&Lab),
    /// What is done to it before the run after the faults.
    afterwards: fn(&Lab),
    /// What goes wrong; the blobs are for the rules that name one.
    faults: fn(&[BlobReport]) -> Vec<FaultRule>,
    lost: Lost,
    /// Words that the log has in the line that names the loss, or in any line if nothing is lost.
    told: &'static str,
    /// The exit code of the run with the faults.
    code: i32,
    /// Whether a run after the faults has everything.
    heals: bool,
}

/// A scenario in which all events come although nothing works at first.
const PASSES: Scenario = Scenario {
    name: "",
    world: |_| {},
    prepare: |_| {},
    afterwards: |_| {},
    faults: |_| Vec::new(),
    lost: Lost::Nothing,
    told: "",
    code: 0,
    heals: true,
};

/// Runs scenarios one after the other.
async fn hold(scenarios: impl IntoIterator<Item = Scenario>) {
    for scenario in scenarios {
        scenario.hold().await;
    }
}

impl Scenario {
    async fn hold(&self) {
        let name = self.name;
        let lab = self.lab().await;
        let handle = lab.simulator.handle();
        (self.prepare)(&lab);
        let blobs = handle.report().blobs;
        handle.set_faults(FaultPlan {
            seed: self.seed(),
            rules: (self.faults)(&blobs),
        });
        let truth = lab.existing();
        let lost = self.lost_events(&lab, &blobs);
        assert!(
            matches!(self.lost, Lost::Nothing) || !lost.is_empty(),
            "{name}: nothing is lost, so nothing is proven"
        );

        let run = output(&mut lab.run(&["--once", "--metrics-file", "metrics"])).await;
        let log = stderr(&run);
        assert_eq!(run.status.code(), Some(self.code), "{name}: {log}");
        let no_rules = (self.faults)(&blobs).is_empty();
        assert!(
            no_rules || handle.report().faults > 0,
            "{name}: the fault never struck"
        );
        self.judge(&lab.delivered("out.ndjson"), &(&truth - &lost), &log);
        let ledger = ledger(&lab).await;
        let missing = ledger["missing"].to_string();
        match self.subject(&lab, &blobs) {
            None => {
                assert_eq!(ledger["complete"], true, "{name}: {missing}{log}");
                assert!(
                    metric_of_loss(&lab, &[]) < 1.0,
                    "{name}: a metric tells of a loss: {log}"
                );
                assert!(log.contains(self.told), "{name}: no {:?}: {log}", self.told);
            }
            Some(subject) => {
                let names = |line: &str| subject.iter().all(|part| line.contains(part.as_str()));
                assert!(
                    log.lines().any(|line| names(line) && line.contains(self.told)),
                    "{name}: the log does not name {subject:?} with {:?}: {log}",
                    self.told
                );
                assert!(
                    metric_of_loss(&lab, &self.labels(&lab, &blobs)) > 0.0,
                    "{name}: no metric tells"
                );
                // It calls tenants by their names.
                let subject: Vec<_> = subject.iter().map(|part| lab.tenant_name(part)).collect();
                let names = |line: &Value| subject.iter().all(|part| line.as_str().unwrap().contains(part));
                assert!(
                    ledger["missing"].as_array().unwrap().iter().any(names),
                    "{name}: the ledger does not name {subject:?}: {missing}"
                );
                assert_eq!(ledger["complete"], false, "{name}");
            }
        }

        // Either way, another run repeats nothing, and finds what has appeared since.
        handle.set_faults(FaultPlan::default());
        (self.afterwards)(&lab);
        let truth = lab.existing();
        let again = output(&mut lab.run(&["--once"])).await;
        let log = stderr(&again);
        let expected = if self.heals { truth } else { &truth - &lost };
        assert_eq!(again.status.code(), Some(0), "{name}, again: {log}");
        self.judge(&lab.delivered("out.ndjson"), &expected, &log);
        let report = handle.report();
        assert!(
            report.forbidden.is_empty() && report.stops.is_empty(),
            "{name}: {:?}",
            report.forbidden
        );
    }

    /// It is of the name, so that every scenario has a world of its own, always the same.
    fn seed(&self) -> u64 {
        self.name
            .bytes()
            .fold(7, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()))
    }

    async fn lab(&self) -> Lab {
        let mut config = SimulatorConfig::demo(self.seed(), 3, EVENTS);
        config.events_per_blob = 8;
        (self.world)(&mut config);
        let lab = Lab::new(config, FILE).await;
        let path = lab.path("pipeline.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        // A blob that makes no sense needs no 15 seconds of tries here.
        let text = text.replace("    tenants:", "    quarantine_attempts: 2\n    tenants:");
        std::fs::write(path, text).unwrap();
        lab
    }

    /// The ids that are in no other place than in what is lost.
    fn lost_events(&self, lab: &Lab, blobs: &[BlobReport]) -> BTreeSet<String> {
        let of = |lost: bool| {
            blobs
                .iter()
                .enumerate()
                .filter(move |(index, blob)| self.loses(lab, *index, blob) == lost)
                .flat_map(|(_, blob)| {
                    lab.simulator
                        .handle()
                        .events_of(&blob.tenant, blob.content_type, &blob.content_id)
                        .unwrap()
                })
                .map(|event| {
                    let event: Value = serde_json::from_str(&event).unwrap();
                    event["Id"].as_str().unwrap().to_owned()
                })
                .collect::<BTreeSet<_>>()
        };
        &of(true) - &of(false)
    }

    fn loses(&self, lab: &Lab, index: usize, blob: &BlobReport) -> bool {
        match self.lost {
            Lost::Nothing => false,
            Lost::Tenant(tenant) => blob.tenant == lab.tenant(tenant),
            Lost::Feed(tenant, content_type) => {
                blob.tenant == lab.tenant(tenant) && blob.content_type == content_type
            }
            Lost::Blob(lost) => index == lost,
        }
    }

    /// What a line has to say to name the loss.
    fn subject(&self, lab: &Lab, blobs: &[BlobReport]) -> Option<Vec<String>> {
        match self.lost {
            Lost::Nothing => None,
            Lost::Tenant(tenant) => Some(vec![lab.tenant(tenant).to_owned()]),
            Lost::Feed(tenant, content_type) => Some(vec![
                lab.tenant(tenant).to_owned(),
                content_type.as_str().to_owned(),
            ]),
            Lost::Blob(blob) => Some(vec![blobs[blob].content_id.clone()]),
        }
    }

    /// What the labels of a metric have to hold to tell of the loss.
    fn labels(&self, lab: &Lab, blobs: &[BlobReport]) -> Vec<String> {
        let of = |tenant: &str, content_type: ContentType| {
            vec![
                format!("tenant=\"{tenant}\""),
                format!("content_type=\"{}\"", content_type.as_str()),
            ]
        };
        match self.lost {
            Lost::Nothing => Vec::new(),
            Lost::Tenant(tenant) => vec![format!("tenant=\"{}\"", lab.tenant(tenant))],
            Lost::Feed(tenant, content_type) => of(lab.tenant(tenant), content_type),
            Lost::Blob(blob) => of(&blobs[blob].tenant, blobs[blob].content_type),
        }
    }

    /// All that is expected, nothing else, and nothing twice.
    fn judge(&self, delivered: &BTreeMap<String, usize>, expected: &BTreeSet<String>, log: &str) {
        let name = self.name;
        let ids: BTreeSet<String> = delivered.keys().cloned().collect();
        let (absent, invented) = (expected - &ids, &ids - expected);
        assert!(
            absent.is_empty() && invented.is_empty(),
            "{name}: of {} events {} are absent, and {invented:?} are too many: {log}",
            expected.len(),
            absent.len(),
        );
        let twice: Vec<_> = delivered.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "{name}: twice: {twice:?}: {log}");
    }
}

/// The sum of all metrics that tell of a loss, over the feeds with these labels.
fn metric_of_loss(lab: &Lab, labels: &[String]) -> f64 {
    const METRICS: [&str; 4] = [
        "o365_feed_blobs_expired_total{",
        "o365_feed_blobs_quarantined_total{",
        "o365_feed_gaps_total{",
        "o365_feed_failures_in_a_row{",
    ];
    let text = std::fs::read_to_string(lab.path("metrics")).unwrap();
    text.lines()
        .filter(|line| METRICS.iter().any(|metric| line.starts_with(metric)))
        .filter(|line| labels.iter().all(|label| line.contains(label)))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum()
}

/// The ledger's own answer to "is anything missing?".
async fn ledger(lab: &Lab) -> Value {
    let shown = output(&mut lab.command(&["state", "show", "--json"], &[])).await;
    serde_json::from_slice(&shown.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(&shown)))
}

//! What flows through the components of a topology. The names are Vector's, but for the prefix.

use std::{fmt, sync::atomic::Ordering};

use o365_core::{Account, EventStatus, Traffic};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::family::{Family, Read, write_all};
use crate::{
    dead_letter::Usage,
    sinks::delivery::SinkStats,
    topology::{Meter, Meters, Topology},
};

const COMPONENT: &[&str] = &["component_id", "component_kind", "component_type"];

const FLOW: &[Read<Meter>] = &[
    (
        Family::counter(
            "component_received_events",
            COMPONENT,
            "Events that a transform or a sink took in",
        ),
        |meter| Some(meter.input.as_ref()?.received.events() as f64),
    ),
    (
        Family::counter(
            "component_received_event_bytes",
            COMPONENT,
            "Bytes of these events as they are in memory",
        ),
        |meter| Some(meter.input.as_ref()?.received.bytes() as f64),
    ),
    (
        Family::counter(
            "component_received_batches",
            COMPONENT,
            "Batches that these events came in",
        ),
        |meter| Some(meter.input.as_ref()?.received.batches() as f64),
    ),
    (
        Family::counter(
            "component_sent_events",
            COMPONENT,
            "Events that a source or a transform gave to components that read from it, over all its outputs, or that the destination of a sink has taken",
        ),
        |meter| Some(sent(meter)?.events() as f64),
    ),
    (
        Family::counter(
            "component_sent_event_bytes",
            COMPONENT,
            "Bytes of these events as they are in memory; of a sink, as they are sent",
        ),
        |meter| Some(sent(meter)?.bytes() as f64),
    ),
    (
        Family::counter(
            "component_failed_events",
            COMPONENT,
            "Events that a transform gave up on, or that the destination of a sink refuses; they become dead letters",
        ),
        |meter| Some(failed(meter)? as f64),
    ),
    (
        Family::gauge(
            "buffer_events",
            COMPONENT,
            "Events that wait before a transform or a sink",
        ),
        |meter| Some(meter.input.as_ref()?.waiting().0 as f64),
    ),
    (
        Family::gauge("buffer_byte_size", COMPONENT, "Bytes of these events"),
        |meter| Some(meter.input.as_ref()?.waiting().1 as f64),
    ),
];

/// What a component has passed on.
fn sent(meter: &Meter) -> Option<&Traffic> {
    let of_sink = meter.delivery.as_ref().map(|delivery| &delivery.sent);
    meter.sent.as_ref().or(of_sink).map(AsRef::as_ref)
}

fn failed(meter: &Meter) -> Option<u64> {
    let of_sink = meter.delivery.as_ref().map(|delivery| delivery.refused_events());
    let of_transform = meter.failed.as_ref().map(|failed| failed.load(Ordering::Relaxed));
    of_transform.or(of_sink)
}

const SINK: &[&str] = &["component_id"];

/// Of sinks that make requests.
const REQUESTS: &[Read<SinkStats>] = &[
    (
        Family::counter(
            "sink_requests",
            SINK,
            "Requests that a sink has made, with those that were made again; writes of a `file` sink",
        ),
        |stats| requests(stats, stats.requests()),
    ),
    (
        Family::counter(
            "sink_retries",
            SINK,
            "Requests that were made again, because the destination did not answer or did not take everything, or had no room",
        ),
        |stats| requests(stats, stats.retries()),
    ),
    (
        Family::gauge(
            "sink_requests_in_flight",
            SINK,
            "Requests that wait for an answer",
        ),
        |stats| requests(stats, stats.in_flight()),
    ),
    (
        Family::gauge(
            "sink_request_limit",
            SINK,
            "Requests that may wait for an answer at a time (`request.concurrency`)",
        ),
        |stats| requests(stats, stats.limit()),
    ),
];

/// A sink that makes no requests has no such number.
fn requests(stats: &SinkStats, number: u64) -> Option<f64> {
    (stats.limit() > 0).then_some(number as f64)
}

const SOURCE: &[&str] = &["component_id"];

const ACCOUNT: &[Read<Account>] = &[
    (
        Family::counter(
            "source_events",
            SOURCE,
            "Events that a source has made. With the copies, it is the sum of those that have ended and those in flight",
        ),
        |account| Some(account.begun() as f64),
    ),
    (
        Family::counter(
            "source_event_copies",
            SOURCE,
            "Copies of these events, as they are made where several components read from one",
        ),
        |account| Some(account.copied() as f64),
    ),
    (
        Family::gauge(
            "source_events_in_flight",
            SOURCE,
            "Events and copies that are on their way",
        ),
        |account| Some(account.in_flight() as f64),
    ),
];
const ENDED: Family = Family::counter(
    "source_events_ended",
    &["component_id", "status"],
    "Events and copies whose journey has ended: `delivered`, `dropped` on purpose, `rejected` (a dead letter) or `errored` (they will be sent again)",
);
const STATUSES: [(EventStatus, &str); 4] = [
    (EventStatus::Delivered, "delivered"),
    (EventStatus::Dropped, "dropped"),
    (EventStatus::Rejected, "rejected"),
    (EventStatus::Errored, "errored"),
];
const DEAD_LETTERS: Family = Family::counter(
    "dead_letters",
    &[],
    "Events that could not be processed and are kept as dead letters",
);
const DEAD_LETTER_BYTES: Family = Family::gauge(
    "dead_letter_bytes",
    &[],
    "Bytes of the dead letters on disk that have not been replayed",
);
const DEAD_LETTER_MAX_BYTES: Family = Family::gauge(
    "dead_letter_max_bytes",
    &[],
    "Bytes that they may have (`dead_letter.max_bytes`): one more letter ends the pipeline",
);

pub(super) fn families() -> Vec<Family> {
    let mut families: Vec<_> = FLOW.iter().map(|(family, _)| *family).collect();
    families.extend([ENDED, DEAD_LETTERS, DEAD_LETTER_BYTES, DEAD_LETTER_MAX_BYTES]);
    families.extend(REQUESTS.iter().map(|(family, _)| *family));
    families.extend(ACCOUNT.iter().map(|(family, _)| *family));
    families
}

/// See the module.
pub(super) struct Components {
    meters: Meters,
    letters: Box<dyn Fn() -> u64 + Send + Sync>,
    usage: Box<dyn Fn() -> Option<Usage> + Send + Sync>,
}

impl fmt::Debug for Components {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Components")
            .field("meters", &self.meters)
            .finish_non_exhaustive()
    }
}

impl Components {
    pub(super) fn new(topology: &Topology) -> Self {
        Self {
            meters: topology.meters(),
            letters: Box::new(topology.letters_written()),
            usage: Box::new(topology.letters_usage()),
        }
    }
}

impl Collector for Components {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let meters = &self.meters.list();
        let flow: Vec<_> = meters
            .iter()
            .map(|meter| {
                let labels = vec![
                    ("component_id", meter.component.as_str()),
                    ("component_kind", meter.kind.as_str()),
                    ("component_type", meter.component_type),
                ];
                (labels, meter)
            })
            .collect();
        write_all(FLOW, encoder, &flow)?;
        let deliveries: Vec<_> = meters
            .iter()
            .filter_map(|meter| {
                let labels = vec![("component_id", meter.component.as_str())];
                Some((labels, meter.delivery.as_deref()?))
            })
            .collect();
        write_all(REQUESTS, encoder, &deliveries)?;
        let accounts: Vec<_> = meters
            .iter()
            .filter_map(|meter| Some((meter.component.as_str(), meter.account.as_ref()?)))
            .collect();
        let labelled: Vec<_> = accounts
            .iter()
            .map(|(id, account)| (vec![("component_id", *id)], account.as_ref()))
            .collect();
        write_all(ACCOUNT, encoder, &labelled)?;
        let ended = accounts.iter().flat_map(|(id, account)| {
            STATUSES.map(|(status, name)| {
                let labels = vec![("component_id", *id), ("status", name)];
                (labels, account.ended(status) as f64)
            })
        });
        ENDED.write(encoder, ended)?;
        DEAD_LETTERS.write(encoder, [(Vec::new(), (self.letters)() as f64)])?;
        let usage = (self.usage)();
        let sample = |bytes: u64| (Vec::new(), bytes as f64);
        DEAD_LETTER_BYTES.write(encoder, usage.map(|usage| sample(usage.used)))?;
        DEAD_LETTER_MAX_BYTES.write(encoder, usage.map(|usage| sample(usage.max)))
    }
}

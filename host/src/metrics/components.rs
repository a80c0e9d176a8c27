//! The components of the pipeline's `wasm` transforms, and what took over from what.

use std::fmt;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::family::{Family, Labels, Read, write_all};
use crate::{
    roster::Roster,
    wasm::{ShadowStatus, SlotStatus},
};

const COMPONENT: &[&str] = &["component_id"];

const INFO: Family = Family::gauge(
    "wasm_info",
    &["component_id", "digest"],
    "1; the SHA-256 of the component that maps events",
);
const NUMBERS: &[Read<SlotStatus>] = &[
    (
        Family::counter(
            "wasm_swaps",
            COMPONENT,
            "Times that another component has taken over",
        ),
        |status| Some(status.swapped as f64),
    ),
    (
        Family::counter(
            "wasm_refusals",
            COMPONENT,
            "Times that a component was refused, and the one before went on",
        ),
        |status| Some(status.refused as f64),
    ),
    (
        Family::gauge(
            "wasm_swap_seconds",
            COMPONENT,
            "Seconds from reading the file to the last take-over",
        ),
        |status| Some(status.took?.as_secs_f64()),
    ),
];

const SHADOW: &[Read<ShadowStatus>] = &[
    (
        Family::counter(
            "wasm_shadow_events",
            COMPONENT,
            "Events that the candidate of a shadow run has mapped, too",
        ),
        |status| Some(status.compared as f64),
    ),
    (
        Family::counter(
            "wasm_shadow_different",
            COMPONENT,
            "Of these, events that did not become the same",
        ),
        |status| Some(status.different as f64),
    ),
    (
        Family::counter(
            "wasm_shadow_failed",
            COMPONENT,
            "Of these, events that only the candidate could not map",
        ),
        |status| Some(status.failed as f64),
    ),
    (
        Family::counter(
            "wasm_shadow_skipped",
            COMPONENT,
            "Events that were left out because the candidate was busy",
        ),
        |status| Some(status.skipped as f64),
    ),
];

const SHADOW_FIELDS: Family = Family::counter(
    "wasm_shadow_fields",
    &["component_id", "field"],
    "Events that differ in this field; at most 500 fields have a name",
);

pub(super) fn families() -> Vec<Family> {
    std::iter::once(INFO)
        .chain(NUMBERS.iter().map(|(family, _)| *family))
        .chain(SHADOW.iter().map(|(family, _)| *family))
        .chain([SHADOW_FIELDS])
        .collect()
}

fn labels(component_id: &str) -> Labels<'_> {
    vec![("component_id", component_id)]
}

/// See the module.
#[derive(Debug)]
pub(super) struct Slots(pub(super) Roster);

impl Collector for Slots {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let roster = self.0.slots();
        let slots: Vec<_> = roster
            .iter()
            .map(|slot| (slot.key().as_str(), slot.status()))
            .collect();
        INFO.write(
            encoder,
            slots.iter().map(|(id, status)| {
                (
                    vec![("component_id", *id), ("digest", status.digest.as_str())],
                    1.0,
                )
            }),
        )?;
        let labelled: Vec<_> = slots.iter().map(|(id, status)| (labels(id), status)).collect();
        write_all(NUMBERS, encoder, &labelled)?;
        let shadows: Vec<_> = roster
            .iter()
            .filter_map(|slot| Some((slot.key().as_str(), slot.shadow_status()?)))
            .collect();
        let labelled: Vec<_> = shadows.iter().map(|(id, status)| (labels(id), status)).collect();
        write_all(SHADOW, encoder, &labelled)?;
        let fields = shadows.iter().flat_map(|(id, status)| {
            let of_field = |field| vec![("component_id", *id), ("field", field)];
            status
                .fields
                .iter()
                .map(move |(field, events)| (of_field(field.as_str()), *events as f64))
        });
        SHADOW_FIELDS.write(encoder, fields)
    }
}

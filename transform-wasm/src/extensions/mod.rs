//! What the reference mapping lacks (§8 of the specification), each rule under its id there. Fields without a
//! home in ECS go below `o365.ext`.
//!
//! Extensions that replace a value of the reference apply to the current profile only; the others add fields
//! and list members to either.

mod alerts;
mod dataset;
mod entra;
mod exchange;
mod names;
mod outcome;
mod records;
mod related;
mod sharepoint;
mod url;

use crate::document::{Document, Step};

/// Before the addresses are taken apart.
pub(crate) fn before_addresses(doc: &mut Document<'_>) -> Step {
    if !doc.options.extensions {
        return Ok(());
    }
    exchange::mailbox_fields(doc)
}

/// After the rules of the reference, before everything is put together in `related`.
pub(crate) fn after_rules(doc: &mut Document<'_>) -> Step {
    if !doc.options.extensions {
        return Ok(());
    }
    common(doc)?;
    of_services(doc)?;
    records::further(doc)?;
    url::parts(doc)?;
    sharepoint::files(doc)
}

/// What any event may have. Never inlined, nor its siblings: see [`crate::mapping::run`].
#[inline(never)]
fn common(doc: &mut Document<'_>) -> Step {
    dataset::fields(doc)?;
    outcome::outcome(doc)?;
    outcome::severity(doc)?;
    names::enumerations(doc)
}

#[inline(never)]
fn of_services(doc: &mut Document<'_>) -> Step {
    exchange::mailbox(doc)?;
    exchange::cmdlet(doc)?;
    sharepoint::operations(doc)?;
    entra::directory(doc)?;
    entra::sign_in(doc)?;
    alerts::alert(doc)
}

/// When the document is complete.
#[inline(never)]
pub(crate) fn at_the_end(doc: &mut Document<'_>) {
    if !doc.options.extensions {
        return;
    }
    related::members(doc);
    if doc.overrides() {
        related::clean(doc);
        related::cardinality(doc);
    }
}

//! What the tests cover of the mapping.

use o365_core::Document;
use terminal_size::{Width, terminal_size};

use crate::{
    coverage::Coverage,
    fixtures::{run::Became, suite::Fixture},
    unit_tests::run::Ran,
};

/// Where there is no terminal.
const WIDTH: u16 = 100;

/// Notes the events of a unit test, and what came of them where it looks.
pub(super) fn note_test(coverage: &mut Coverage, ran: &Ran) {
    for document in &ran.inserted {
        if let Some(event) = json(document.clone()) {
            coverage.event(&event);
        }
    }
    for event in ran.extracted.values().flatten() {
        if let Some(document) = json(event.document().clone()) {
            coverage.document(&document);
        }
    }
}

/// Notes the events of fixtures, and what they became.
pub(super) fn note_fixtures(coverage: &mut Coverage, fixtures: &[Fixture], became: &[Vec<Became>]) {
    for event in fixtures.iter().flat_map(|fixture| &fixture.events) {
        coverage.event(event);
    }
    for became in became.iter().flatten() {
        match became {
            Became::Document(document) => coverage.document(document),
            Became::Several(documents) => documents.iter().for_each(|document| coverage.document(document)),
            Became::Failed { .. } => {}
        }
    }
}

/// The report, as wide as the terminal.
pub(super) fn told(coverage: &Coverage) -> String {
    let width = terminal_size().map_or(WIDTH, |(Width(width), _)| width);
    coverage.report(width.into())
}

fn json(mut document: Document) -> Option<serde_json::Value> {
    serde_json::from_slice(&document.to_bytes()).ok()
}

//! Fixtures that a component must pass before it gets events.

use std::{fmt::Write, path::Path};

use serde_json::Value;

use super::{answer, bindings::exports::o365::transform::mapper::Outcome, module::Module};
use crate::fixtures::{diff, suite};

/// Differences that are told; one is enough to refuse.
const TOLD: usize = 5;
/// Events that go to the component together.
const CALL_EVENTS: usize = 64;

/// Maps every event of the fixtures at `place`, a file or a folder. Says what is not as expected.
pub(super) fn check(module: &Module, place: &Path) -> Result<(), String> {
    let fixtures = suite::find(place, None).map_err(|error| error.to_string())?;
    if fixtures.is_empty() {
        return Err(format!("{}: there is no fixture", place.display()));
    }
    let mut wrong = Vec::new();
    for fixture in &fixtures {
        let file = fixture.path.display();
        let Some(expected) = &fixture.expected else {
            return Err(format!(
                "{file}: it expects nothing; write {}",
                fixture.expected_path().display()
            ));
        };
        let events: Vec<_> = fixture
            .events
            .iter()
            .map(|event| event.to_string().into_bytes())
            .collect();
        let outcomes = map(module, &events)?;
        for (index, (outcome, expected)) in outcomes.into_iter().zip(expected).enumerate() {
            let place = format!("{file} event {}", index + 1);
            match answer::documents(&outcome) {
                Ok(got) => {
                    for difference in diff::differences(expected, &got, &fixture.dynamic) {
                        wrong.push(format!(
                            "{place}: {} is {}, expected {}",
                            difference.path,
                            shown(difference.got.as_ref()),
                            shown(difference.expected.as_ref())
                        ));
                    }
                }
                Err(reason) => wrong.push(format!("{place}: {reason}")),
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let mut told = wrong.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; ");
    if wrong.len() > TOLD {
        // Writing to a String cannot fail.
        let _ = write!(told, "; and {} more", wrong.len() - TOLD);
    }
    Err(told)
}

fn map(module: &Module, events: &[Vec<u8>]) -> Result<Vec<Outcome>, String> {
    let mut instance = module.instantiate("canary").map_err(|error| error.to_string())?;
    let mut outcomes = Vec::with_capacity(events.len());
    for events in events.chunks(CALL_EVENTS) {
        let events: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
        let answer = answer::of(&mut instance, "{}", &events).map_err(|error| error.to_string())?;
        outcomes.extend(answer);
    }
    Ok(outcomes)
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "absent".to_owned(), Value::to_string)
}

//! Whether what came out of the transforms is what a test expects.
//!
//! As in Vector, each condition has to hold for at least one of the events that were extracted, not all of them for the
//! same one.

use o365_core::LogEvent;

use super::{prepare::Prepared, run::FailedInput, run::Ran};
use crate::topology::OutputId;

/// What is to be said of a test that has run.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is not as expected: the test has passed if there is nothing.
    pub wrong: Vec<Wrong>,
    /// Events of outputs without conditions, for the author to look at.
    pub shown: Vec<Shown>,
    /// Inputs that did not get through, which may be why.
    pub failed: Vec<FailedInput>,
}

/// One thing that is not as expected.
#[derive(Debug)]
pub enum Wrong {
    /// An input's program failed: the test could not begin.
    Input(FailedInput),
    /// Nothing came out where something was expected.
    NoEvent {
        /// The place among `outputs`.
        output: usize,
        /// Where nothing came out.
        from: Vec<OutputId>,
    },
    /// Conditions that hold for none of the events.
    Unmet {
        /// The place among `outputs`.
        output: usize,
        /// The conditions.
        conditions: Vec<Unmet>,
        /// What was looked at.
        events: Vec<Seen>,
    },
    /// Something came out where nothing may.
    Unexpected {
        /// Where.
        from: OutputId,
        /// What.
        events: Vec<Seen>,
    },
}

/// A condition that holds for none of the events.
#[derive(Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The place among `conditions`.
    pub condition: usize,
    /// Its words.
    pub source: String,
    /// What is said of each event, in their order.
    pub answers: Vec<String>,
}

/// An event, and where it was extracted.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    /// The output.
    pub from: OutputId,
    /// JSON on several lines.
    pub document: String,
}

/// What came out of an output that has no conditions.
#[derive(Debug)]
pub struct Shown {
    /// The place among `outputs`.
    pub output: usize,
    /// The events.
    pub events: Vec<Seen>,
}

impl Verdict {
    /// Whether everything is as expected.
    pub fn passed(&self) -> bool {
        self.wrong.is_empty()
    }
}

/// Asks the conditions of a test.
pub fn judge(test: &mut Prepared, mut ran: Ran) -> Verdict {
    let mut verdict = Verdict::default();
    let unmade = ran.failed.iter().filter(|failed| failed.component.is_none());
    verdict.wrong.extend(unmade.cloned().map(Wrong::Input));
    if !verdict.wrong.is_empty() {
        return verdict;
    }
    verdict.failed = std::mem::take(&mut ran.failed);
    for (output, (from, asked)) in test.plan.outputs.iter().zip(&mut test.outputs).enumerate() {
        let mut events: Vec<(OutputId, LogEvent)> = Vec::new();
        for id in from {
            let extracted = ran.extracted.get(id).into_iter().flatten();
            events.extend(extracted.map(|event| (id.clone(), event.clone())));
        }
        if events.is_empty() {
            let from = from.clone();
            verdict.wrong.push(Wrong::NoEvent { output, from });
            continue;
        }
        if asked.is_empty() {
            let events = seen(events);
            verdict.shown.push(Shown { output, events });
            continue;
        }
        let mut conditions = Vec::new();
        for (condition, asked) in asked.iter_mut().enumerate() {
            let mut answers = Vec::new();
            let held = events
                .iter_mut()
                .any(|(_, event)| match asked.condition.holds(event) {
                    Ok(true) => true,
                    Ok(false) => {
                        answers.push("it is false".to_owned());
                        false
                    }
                    Err(reason) => {
                        answers.push(reason.to_string());
                        false
                    }
                });
            if !held {
                let source = asked.source.clone();
                conditions.push(Unmet {
                    condition,
                    source,
                    answers,
                });
            }
        }
        if !conditions.is_empty() {
            let events = seen(events);
            verdict.wrong.push(Wrong::Unmet {
                output,
                conditions,
                events,
            });
        }
    }
    for from in &test.plan.no_outputs_from {
        let events = ran.extracted.get(from).cloned().unwrap_or_default();
        if !events.is_empty() {
            let events = seen(events.into_iter().map(|event| (from.clone(), event)).collect());
            let from = from.clone();
            verdict.wrong.push(Wrong::Unexpected { from, events });
        }
    }
    verdict
}

fn seen(events: Vec<(OutputId, LogEvent)>) -> Vec<Seen> {
    let shown = events.into_iter().map(|(from, mut event)| Seen {
        document: pretty(&mut event),
        from,
    });
    shown.collect()
}

/// Indented, or as it is if it is no JSON.
fn pretty(event: &mut LogEvent) -> String {
    let indented = event
        .value()
        .ok()
        .and_then(|value| serde_json::to_string_pretty(value).ok());
    indented.unwrap_or_else(|| String::from_utf8_lossy(&event.to_bytes()).into_owned())
}

//! A component's answer, checked, and as documents.

use serde_json::Value;

use super::{bindings::exports::o365::transform::mapper::Outcome, instance::Instance};

/// Why a component has given no answer that counts.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// It trapped, or took too long.
    #[error("the component failed: {}", .0.root_cause())]
    Failed(wasmtime::Error),
    /// It is not one outcome for each event.
    #[error("the component gave {outcomes} outcomes for {events} events")]
    Count {
        /// What it gave.
        outcomes: usize,
        /// What it was given.
        events: usize,
    },
}

/// One outcome for each event, or why not. After an error the instance must not be used again.
pub(super) fn of(instance: &mut Instance, context: &str, events: &[&[u8]]) -> Result<Vec<Outcome>, NoAnswer> {
    let outcomes = instance
        .transform_batch(context, events)
        .map_err(NoAnswer::Failed)?;
    if outcomes.len() == events.len() {
        Ok(outcomes)
    } else {
        Err(NoAnswer::Count {
            outcomes: outcomes.len(),
            events: events.len(),
        })
    }
}

/// The document; `null` for an event that is dropped, a list for one that became several.
pub(super) fn documents(outcome: &Outcome) -> Result<Value, String> {
    let text = match outcome {
        Outcome::Drop => return Ok(Value::Null),
        Outcome::Fail(reason) => return Err(format!("the component cannot map it: {reason}")),
        Outcome::Emit(text) => text,
    };
    let mut documents = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .map(|line| {
            serde_json::from_slice(line).map_err(|error| format!("what came of it is no JSON: {error}"))
        })
        .collect::<Result<Vec<Value>, _>>()?;
    Ok(if documents.len() == 1 {
        documents.remove(0)
    } else {
        Value::Array(documents)
    })
}

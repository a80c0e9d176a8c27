//! A component's answer, checked, and as documents.

use serde_json::Value;

use super::{bindings::exports::o365::transform::mapper::Outcome, instance::Instance};

/// One outcome for each event, or why not. After an error the instance must not be used again.
pub(super) fn of(instance: &mut Instance, context: &str, events: &[&[u8]]) -> Result<Vec<Outcome>, String> {
    let outcomes = instance
        .transform_batch(context, events)
        .map_err(|error| format!("the component failed: {}", error.root_cause()))?;
    if outcomes.len() == events.len() {
        Ok(outcomes)
    } else {
        Err(format!(
            "the component gave {} outcomes for {} events",
            outcomes.len(),
            events.len()
        ))
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

//! How it ended, and how bad it is.

use crate::document::{Document, Step};
use crate::json::{Value, key, path};

/// Step 14: `event.outcome` from `ResultStatus`. Everything that is not a known failure counts as success.
pub(super) fn event_outcome(doc: &mut Document<'_>) -> Step {
    let outcome = match doc.src.present(key!("ResultStatus")) {
        None => "success",
        Some(Value::Text(status)) => {
            let failed = ["failed", "false"]
                .iter()
                .any(|word| status.is_ignoring_case(word));
            if failed { "failure" } else { "success" }
        }
        Some(_) => {
            // With the extensions, numbers have a meaning (X04).
            if !doc.overrides() {
                doc.fault("ResultStatus is not text")?;
            }
            "success"
        }
    };
    doc.set(path!("event.outcome"), outcome)
}

/// Step 20. Real records capitalise their severity, so the reference never sees it.
pub(super) fn event_severity(doc: &mut Document<'_>) -> Step {
    let Some(severity) = doc.src.text(key!("Severity")) else {
        return Ok(());
    };
    match SEVERITIES.iter().find(|(name, _)| severity.is(name)) {
        Some((_, level)) => doc.set(path!("event.severity"), Value::Number(level)),
        None => Ok(()),
    }
}

/// The names of severities, from harmless to grave, and their numbers.
pub(crate) const SEVERITIES: [(&str, &str); 4] = [
    ("informational", "1"),
    ("low", "2"),
    ("medium", "3"),
    ("high", "4"),
];

//! Outcome and severity as they were meant: X04, X05.

use crate::document::{Document, Step};
use crate::json::{Key, Text, Value, key, path};
use crate::mapping::SEVERITIES;
use crate::record_type;

const AAD_RISK_DETECTION: u32 = 294;

/// X04. Sign-ins report the HTTP call in `ResultStatus`, not how the sign-in ended.
pub(super) fn outcome(doc: &mut Document<'_>) -> Step {
    let signalled = |key: &Key<'_>| doc.src.get(key).filter(|error: &&Value<'_>| !error.is_void());
    let logon_error = signalled(key!("LogonError"));
    let has_logon_error = logon_error.is_some();
    let reason = logon_error.and_then(|error| error.to_text(doc.bump));
    let codes = [key!("ErrorNumber"), key!("ErrorCode")]
        .into_iter()
        .filter_map(signalled);
    let mut has_error_code = false;
    let mut error_code = None;
    for code in codes {
        match code.to_text(doc.bump) {
            Some(code) if code.is("0") => {}
            code => {
                has_error_code = true;
                error_code = error_code.or(code);
            }
        }
    }
    if let Some(reason) = reason {
        doc.set_if_unset(path!("event.reason"), reason)?;
    }
    if let Some(code) = error_code {
        doc.set_if_unset(path!("error.code"), code)?;
    }
    if !doc.overrides() {
        return Ok(());
    }
    let outcome = match doc.record_type {
        Some(
            record_type::AZURE_ACTIVE_DIRECTORY_STS_LOGON | record_type::AZURE_ACTIVE_DIRECTORY_ACCOUNT_LOGON,
        ) => {
            let failed = doc.action() == "UserLoginFailed" || has_logon_error || has_error_code;
            if failed { "failure" } else { "success" }
        }
        // The policy's answer stands (§3.7).
        Some(record_type::COMPLIANCE_DLP_SHAREPOINT | record_type::COMPLIANCE_DLP_EXCHANGE) => return Ok(()),
        _ => match doc.src.get(key!("ResultStatus")) {
            None => return Ok(()),
            Some(status) if status.is_void() => "success",
            Some(status) => status
                .to_text(doc.bump)
                .map_or("unknown", |status| of_status(status, doc)),
        },
    };
    doc.set(path!("event.outcome"), outcome)
}

fn of_status<'a>(status: Text<'a>, doc: &Document<'a>) -> &'static str {
    match status.to_lowercase(doc.bump).plain(doc.bump) {
        "succeeded" | "success" | "partiallysucceeded" | "true" | "ok" | "completed" | "1" => "success",
        "failed" | "failure" | "fail" | "false" | "error" | "denied" | "blocked" | "2" | "3" => "failure",
        _ => "unknown",
    }
}

/// X05.
pub(super) fn severity(doc: &mut Document<'_>) -> Step {
    let key = if doc.record_type == Some(AAD_RISK_DETECTION) {
        key!("RiskLevel")
    } else {
        key!("Severity")
    };
    let Some(severity) = doc.src.text(key) else {
        return Ok(());
    };
    match SEVERITIES
        .iter()
        .find(|(name, _)| severity.is_ignoring_case(name))
    {
        Some((_, level)) => doc.set_if_unset(path!("event.severity"), Value::Number(level)),
        None => Ok(()),
    }
}

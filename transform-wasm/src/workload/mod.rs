//! What only the records of one service have, one file a service. Steps 21 to 30.

pub(crate) mod alerts;
pub(crate) mod dlp;
mod entra;
pub(crate) mod exchange;
mod sharepoint;
mod teams;
mod yammer;

use crate::document::{Document, Step};
use crate::record_type;

/// Runs the rules of the record's service.
#[inline(never)]
pub(crate) fn run(doc: &mut Document<'_>) -> Step {
    match doc.record_type {
        Some(record_type::EXCHANGE_ADMIN) => exchange::admin(doc)?,
        Some(record_type::EXCHANGE_ITEM) => exchange::item(doc)?,
        Some(record_type::AZURE_ACTIVE_DIRECTORY) => entra::directory(doc)?,
        Some(record_type::AZURE_ACTIVE_DIRECTORY_STS_LOGON) => entra::sign_in(doc),
        Some(record_type::SHAREPOINT_FILE_OPERATION | record_type::SHAREPOINT_SHARING_OPERATION) => {
            sharepoint::fields(doc)?;
        }
        _ => {}
    }
    sharepoint::actions(doc);
    match doc.record_type {
        Some(record_type::SECURITY_COMPLIANCE_ALERTS) => alerts::alert(doc),
        Some(record_type::COMPLIANCE_DLP_SHAREPOINT | record_type::COMPLIANCE_DLP_EXCHANGE) => {
            dlp::policy_match(doc)
        }
        Some(record_type::YAMMER) => yammer::activity(doc),
        Some(record_type::MICROSOFT_TEAMS) => teams::activity(doc),
        _ => Ok(()),
    }
}

//! `RecordType` and the `event.code` that it stands for (§5).

use crate::document::{Document, Step};
use crate::json::{Text, Value, key, path};

pub(crate) const EXCHANGE_ADMIN: u32 = 1;
pub(crate) const EXCHANGE_ITEM: u32 = 2;
pub(crate) const SHAREPOINT_FILE_OPERATION: u32 = 6;
pub(crate) const AZURE_ACTIVE_DIRECTORY: u32 = 8;
pub(crate) const AZURE_ACTIVE_DIRECTORY_ACCOUNT_LOGON: u32 = 9;
pub(crate) const COMPLIANCE_DLP_SHAREPOINT: u32 = 11;
pub(crate) const COMPLIANCE_DLP_EXCHANGE: u32 = 13;
pub(crate) const SHAREPOINT_SHARING_OPERATION: u32 = 14;
pub(crate) const AZURE_ACTIVE_DIRECTORY_STS_LOGON: u32 = 15;
pub(crate) const YAMMER: u32 = 22;
pub(crate) const MICROSOFT_TEAMS: u32 = 25;
pub(crate) const SECURITY_COMPLIANCE_ALERTS: u32 = 40;
pub(crate) const EXCHANGE_ITEM_AGGREGATED: u32 = 50;

/// Step 13.
pub(crate) fn event_code(doc: &mut Document<'_>) -> Step {
    let record_type = match doc.src.get(key!("RecordType")) {
        Some(Value::Number(number)) => Some(*number),
        Some(Value::Text(text)) => Some(text.wire()),
        _ => None,
    };
    doc.record_type = record_type.and_then(canonical);
    match doc.record_type.and_then(code) {
        Some(code) => doc.set(path!("event.code"), code),
        None => Ok(()),
    }
}

/// A decimal number in its usual spelling; `8.0` and `08` are something else.
fn canonical(text: &str) -> Option<u32> {
    let usual = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if usual { text.parse().ok() } else { None }
}

/// The name of a record type that the reference knows.
fn code(record_type: u32) -> Option<&'static str> {
    find(&crate::record_type_table::REFERENCE, record_type)
}

/// The name of a record type that only Microsoft's table knows (X02); else its number.
pub(crate) fn additional_code<'a>(doc: &Document<'a>) -> Option<Text<'a>> {
    let named = doc
        .record_type
        .and_then(|number| find(&crate::record_type_table::ADDITIONAL, number));
    match named {
        Some(name) => Some(Text::literal(name)),
        None => doc
            .src
            .get(key!("RecordType"))?
            .to_text(doc.bump)
            .filter(|text| !text.is_empty()),
    }
}

fn find(table: &'static [(u32, &'static str)], record_type: u32) -> Option<&'static str> {
    let at = table
        .binary_search_by_key(&record_type, |(number, _)| *number)
        .ok()?;
    Some(table[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record_type_table::{ADDITIONAL, REFERENCE};

    #[test]
    fn tables_are_sorted_and_disjoint() {
        for table in [&REFERENCE[..], &ADDITIONAL[..]] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
        assert!(ADDITIONAL.iter().all(|(number, _)| code(*number).is_none()));
        assert_eq!(REFERENCE.len(), 103);
    }

    #[test]
    fn only_the_usual_spelling_is_looked_up() {
        for (text, expected) in [
            ("8", Some(8)),
            ("08", None),
            ("8.0", None),
            ("-1", None),
            ("", None),
            ("+8", None),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }
}

//! A user id that is an address names the user and the domain, too (§4.3).

use crate::document::{Document, Step};
use crate::json::{Path, Text, Value, path};

const USERS: [[&Path; 4]; 4] = [
    [
        path!("user.id"),
        path!("user.email"),
        path!("user.name"),
        path!("user.domain"),
    ],
    [
        path!("user.target.id"),
        path!("user.target.email"),
        path!("user.target.name"),
        path!("user.target.domain"),
    ],
    [
        path!("source.user.id"),
        path!("source.user.email"),
        path!("source.user.name"),
        path!("source.user.domain"),
    ],
    [
        path!("destination.user.id"),
        path!("destination.user.email"),
        path!("destination.user.name"),
        path!("destination.user.domain"),
    ],
];

/// Step 35.
pub(super) fn split_all(doc: &mut Document<'_>) -> Step {
    for [id, email, name, domain] in USERS {
        match doc.ecs.at(id) {
            Some(Value::Text(text)) => {
                let text = *text;
                if let Some((local, host)) = split_address(text.plain(doc.bump)) {
                    let (local, host) = (Text::new(local, doc.bump), Text::new(host, doc.bump));
                    doc.set(email, text)?;
                    doc.set(name, local)?;
                    doc.set(domain, host)?;
                }
            }
            None | Some(Value::Null) => {}
            // Newer references skip it (N16).
            Some(_) if doc.profile.maps_newer_fields => {}
            Some(_) => doc.fault(&format!("{id} is not text"))?,
        }
    }
    Ok(())
}

/// The parts of a text with exactly one `@`.
pub(crate) fn split_address(text: &str) -> Option<(&str, &str)> {
    text.split_once('@').filter(|(_, domain)| !domain.contains('@'))
}

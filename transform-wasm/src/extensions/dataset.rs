//! The fields that detection rules select by: X01, X02, X03, X23.

use crate::document::{Document, Step};
use crate::json::{Text, Value, key, path};
use crate::record_type;

pub(super) fn fields(doc: &mut Document<'_>) -> Step {
    // X01: five operations were renamed.
    if let Some(operation) = doc.operation {
        doc.src.set(key!("Operation"), operation);
    }
    // X02
    if !doc.has(path!("event.code"))
        && let Some(code) = record_type::additional_code(doc)
    {
        doc.set(path!("event.code"), code)?;
    }
    // X03
    doc.set_if_unset(path!("event.module"), "o365")?;
    doc.set_if_unset(path!("event.dataset"), "o365.audit")?;
    doc.set_if_unset(path!("data_stream.type"), "logs")?;
    doc.set_if_unset(path!("data_stream.dataset"), "o365.audit")?;
    let namespace = Text::new(&doc.options.namespace, doc.bump);
    doc.set_if_unset(path!("data_stream.namespace"), namespace)?;
    // X23
    for (from, to) in [
        (path!("organization.id"), path!("cloud.account.id")),
        (path!("event.provider"), path!("cloud.service.name")),
    ] {
        if let Some(value) = doc.ecs.at(from).filter(|value| !Value::is_void(value)).cloned() {
            doc.set_if_unset(to, value)?;
        }
    }
    Ok(())
}

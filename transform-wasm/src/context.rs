//! Where a batch of events came from.

use bumpalo::Bump;

use crate::json::{Value, key, parse};

/// What the host knows of a batch. Unknown keys are ignored: the host may learn more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The tenant that the events were fetched for.
    pub tenant_id: Option<String>,
    /// How the host's configuration names that tenant.
    pub tenant_name: Option<String>,
}

impl Context {
    /// Reads the batch context of the transform contract. Whatever cannot be read counts as unknown: a context
    /// is a hint, and no reason to lose an event.
    pub fn from_json(json: &str) -> Self {
        let bump = Bump::new();
        let value = parse(bump.alloc_str(json), &bump).unwrap_or(Value::Null);
        let text = |key| {
            let text = value.object()?.text(key)?;
            (!text.is_empty()).then(|| text.decoded().into_owned())
        };
        Self {
            tenant_id: text(key!("tenant_id")),
            tenant_name: text(key!("tenant_name")),
        }
    }
}

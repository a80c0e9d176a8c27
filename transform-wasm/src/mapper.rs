//! The mapping as a function from one event to one document.

use std::borrow::Cow;
use std::cell::Cell;

use bumpalo::Bump;

use crate::context::Context;
use crate::document::Document;
use crate::json::{Object, Value, key, parse_event};
use crate::mapping::{self, envelope};
use crate::options::{ConfigError, Options};

/// An arena that has grown beyond this, in bytes, for one event is not kept for the next ones.
const LARGE_ARENA: usize = 1 << 20;

/// Fields at the top of a document: hardly any has more.
const GROUPS: usize = 24;

thread_local! {
    /// The arena of the last event, for the next one: memory that is warm, and no request for more.
    static ARENA: Cell<Bump> = Cell::default();
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// One JSON object, on one line and without a line feed, was appended to the output.
    Emit,
    /// The event is not wanted; nothing was written. The mapping itself wants every event today.
    Drop,
    /// The event is not a JSON object, and why; nothing was written.
    Fail(String),
}

/// Maps audit events to ECS documents. Total and deterministic: whatever the bytes are, the answer depends on
/// them, on the context and on the options alone.
///
/// ```
/// use o365_ecs::{Context, Mapper, Outcome};
///
/// let mapper = Mapper::configure(r#"{ "tags": ["audit"] }"#)?;
/// let mut out = Vec::new();
/// let event = br#"{ "Id": "1", "RecordType": 6, "Operation": "FileAccessed" }"#;
/// assert_eq!(mapper.map(&Context::default(), event, &mut out), Outcome::Emit);
/// assert!(String::from_utf8(out)?.contains(r#""code":"SharePointFileOperation""#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Mapper {
    options: Options,
}

impl Mapper {
    /// Reads options, a JSON object; the README lists them. Unknown options are refused.
    pub fn configure(options_json: &str) -> Result<Self, ConfigError> {
        Options::from_json(options_json).map(|options| Self { options })
    }

    /// Maps one event and appends its document to the output.
    ///
    /// The event is an audit record as the API sends it, or an envelope with the record below `o365audit`.
    /// Bytes that are not UTF-8 are replaced, as in [`String::from_utf8_lossy`].
    pub fn map(&self, context: &Context, event: &[u8], out: &mut Vec<u8>) -> Outcome {
        let mut arena = ARENA.take();
        arena.reset();
        let outcome = self.map_in(&arena, context, event, out);
        if arena.allocated_bytes() <= LARGE_ARENA {
            ARENA.set(arena);
        }
        outcome
    }

    fn map_in(&self, bump: &Bump, context: &Context, event: &[u8], out: &mut Vec<u8>) -> Outcome {
        let text = match std::str::from_utf8(event) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(event),
        };
        let event = match parse_event(&text, envelope::RECORD, bump) {
            Ok(event) => event,
            Err(error) => return Outcome::Fail(error.to_string()),
        };
        let mut root = event.root;
        let (mut ecs, src, bare) = match root.get(envelope::RECORD) {
            Some(Value::Object(_)) => match root.remove(envelope::RECORD) {
                Some(Value::Object(record)) => (root, record, false),
                _ => (Object::with_capacity_in(GROUPS, bump), root, true),
            },
            _ => (Object::with_capacity_in(GROUPS, bump), root, true),
        };
        for group in [key!("event"), key!("error")] {
            // What went wrong has to be said somewhere, whatever the envelope holds.
            if ecs.get(group).is_some_and(|value| value.object().is_none()) {
                ecs.remove(group);
            }
        }
        let mut doc = Document {
            bump,
            options: &self.options,
            context,
            profile: self.options.profile,
            operation: src
                .get(key!("Operation"))
                .and_then(|operation| operation.to_text(bump)),
            mailbox_owner: src.get(key!("MailboxOwnerUPN")).cloned(),
            ecs,
            src,
            original: event.original,
            bare,
            record_type: None,
        };
        let aborted = mapping::run(&mut doc).is_err();
        mapping::finish(&mut doc, aborted);
        // The record twice, once of it with backslashes, and what was made of it.
        let size = 3 * text.len() + 1024;
        doc.ecs.write(out, doc.profile.prunes_empties, size);
        Outcome::Emit
    }
}

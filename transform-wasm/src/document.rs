//! One event on its way: the audit record, the ECS document that grows beside it, and the operations that the
//! rules are made of. They are those of the reference mapping (MOVE, COPY, STR, APPEND), with its ideas of when
//! one fails.

#![expect(
    clippy::inline_always,
    reason = "the path is constant where an operation is used, and whether there is anything at all is seen there"
)]

use std::collections::BTreeSet;

use bumpalo::Bump;
use bumpalo::collections::Vec;

use crate::context::Context;
use crate::json::{Key, Object, Original, Path, Text, Value, path};
use crate::options::Options;
use crate::profile::Profile;

/// Members of a list that are compared one by one with those that are there.
const SHORT_LIST: usize = 32;

/// `Err` ends the mapping of the event; only a profile that aborts on errors gives it.
pub(crate) type Step = Result<(), Abort>;

/// The event's mapping has ended early. The reason is in the document's `error.message`.
#[derive(Debug)]
pub(crate) struct Abort;

/// The state of one mapping.
pub(crate) struct Document<'a> {
    /// Everything made for this event lives here.
    pub(crate) bump: &'a Bump,
    pub(crate) options: &'a Options,
    pub(crate) context: &'a Context,
    pub(crate) profile: &'static Profile,
    /// The document to be written.
    pub(crate) ecs: Object<'a>,
    /// The audit record; what no rule takes away ends up below `o365.audit`.
    pub(crate) src: Object<'a>,
    /// The exact text of the record.
    pub(crate) original: Original<'a>,
    /// Whether the record came alone, without an envelope.
    pub(crate) bare: bool,
    /// `RecordType`, where it is a number that the table can hold.
    pub(crate) record_type: Option<u32>,
    /// `Operation` as received; rules rename `event.action`.
    pub(crate) operation: Option<Text<'a>>,
    /// `MailboxOwnerUPN` as received; the actor's address takes its place in the reference.
    pub(crate) mailbox_owner: Option<Value<'a>>,
}

impl<'a> Document<'a> {
    /// A rule could not do its work: notes it, and says whether the mapping goes on.
    pub(crate) fn fault(&mut self, reason: &str) -> Step {
        self.note(reason);
        if self.profile.aborts_on_error {
            Err(Abort)
        } else {
            Ok(())
        }
    }

    /// A failure that never ends the mapping.
    pub(crate) fn note(&mut self, reason: &str) {
        let reason = Text::new(self.bump.alloc_str(reason), self.bump);
        self.append(path!("error.message"), reason);
    }

    /// Extensions that replace a value of the reference, as opposed to adding one.
    pub(crate) fn overrides(&self) -> bool {
        self.options.extensions && self.profile.overrides_reference
    }

    /// A text that may need escapes.
    pub(crate) fn text(&self, plain: &str) -> Text<'a> {
        Text::new(self.bump.alloc_str(plain), self.bump)
    }

    pub(crate) fn number(&self, number: impl std::fmt::Display) -> Value<'a> {
        Value::Number(self.bump.alloc_str(&number.to_string()))
    }

    pub(crate) fn new_list(&self) -> Vec<'a, Value<'a>> {
        Vec::new_in(self.bump)
    }

    pub(crate) fn new_object(&self) -> Object<'a> {
        Object::new_in(self.bump)
    }

    /// `event.action` as it is now.
    pub(crate) fn action(&self) -> &'a str {
        self.ecs
            .at(path!("event.action"))
            .and_then(Value::text)
            .map_or("", |action| action.plain(self.bump))
    }

    /// Whether a field of the document exists and is not null.
    #[inline]
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.ecs.at(path).is_some_and(|value| !value.is_null())
    }

    #[inline]
    pub(crate) fn ecs_text(&self, path: &Path) -> Option<Text<'a>> {
        self.ecs.at(path).and_then(Value::text)
    }

    /// MOVE of a field of the record, named by its path, into the document.
    #[inline(always)]
    pub(crate) fn move_field(&mut self, from: &Path, to: &'static Path) -> Step {
        if self.src.may_hold(from) {
            self.move_what_may_be(from, to)
        } else {
            Ok(())
        }
    }

    fn move_what_may_be(&mut self, from: &Path, to: &'static Path) -> Step {
        let Some(value) = self.src.at(from) else {
            return Ok(());
        };
        if self.refuses(value) {
            return self.refuse(from, to);
        }
        match self.ecs.parent_of(to, self.bump) {
            Ok((parent, key)) => match parent.get(&key) {
                None => {
                    if let Some(value) = self.src.remove_at(from) {
                        parent.set(key, value);
                    }
                    Ok(())
                }
                Some(_) => self.move_over(from, to),
            },
            Err(parent) => self.fault(&format!("moving {from} to {to}: [{parent}] is not an object")),
        }
    }

    /// MOVE to where something is already.
    fn move_over(&mut self, from: &Path, to: &'static Path) -> Step {
        if self.profile.aborts_on_error {
            return self.fault(&format!("moving {from}: field [{to}] already exists"));
        }
        // An empty field is worth less than the value that is there.
        let Some(value) = self.src.remove_at(from).filter(|value| !value.is_void()) else {
            return Ok(());
        };
        let differs = self
            .ecs
            .at(to)
            .is_some_and(|existing| !existing.is_null() && *existing != value);
        if differs {
            self.keep_overwritten(to);
        }
        self.set(to, value)
    }

    /// Keeps what the next write to a field is about to replace.
    fn keep_overwritten(&mut self, path: &'static Path) {
        let Some(old) = self.ecs.remove_at(path) else {
            return;
        };
        let Ok((ext, key)) = self.ecs.parent_of(path!("o365.ext.overwritten"), self.bump) else {
            return;
        };
        if ext.get(&key).is_none() {
            ext.set(key, Value::Object(Object::new_in(self.bump)));
        }
        if let Some(overwritten) = ext.get_mut(&key).and_then(Value::object_mut)
            && let Ok((parent, key)) = overwritten.parent_of(path, self.bump)
        {
            parent.set(key, old);
        }
    }

    /// COPY of a field of the record into the document, replacing what was there.
    #[inline(always)]
    pub(crate) fn copy_field(&mut self, from: &Path, to: &'static Path) -> Step {
        if self.src.may_hold(from) {
            self.copy_what_may_be(from, to)
        } else {
            Ok(())
        }
    }

    fn copy_what_may_be(&mut self, from: &Path, to: &'static Path) -> Step {
        match self.src.at(from) {
            Some(value) if self.refuses(value) => self.refuse(from, to),
            Some(value) => self.set(to, value.clone()),
            None => Ok(()),
        }
    }

    /// Notes that a value was refused, and where it would have gone.
    fn refuse(&mut self, from: &Path, to: &Path) -> Step {
        let (from, to) = (from.text(), to.text());
        let to = to.strip_suffix("._temp").unwrap_or(to);
        self.fault(&format!("{from} is an object, not a value of {to}"))
    }

    /// Objects where fields of the document hold values: the index would refuse the whole document. A profile that aborts
    /// does as its reference does.
    pub(crate) fn refuses(&self, value: &Value<'_>) -> bool {
        !self.profile.aborts_on_error && value.holds_object()
    }

    /// Sets a field of the document, replacing what was there.
    pub(crate) fn set(&mut self, path: &'static Path, value: impl Into<Value<'a>>) -> Step {
        match self.ecs.parent_of(path, self.bump) {
            Ok((parent, key)) => {
                parent.set(key, value);
                Ok(())
            }
            Err(parent) => self.fault(&format!("setting {}: [{parent}] is not an object", path.text())),
        }
    }

    /// Sets a field of the document that is absent or null.
    pub(crate) fn set_if_unset(&mut self, path: &'static Path, value: impl Into<Value<'a>>) -> Step {
        match self.ecs.parent_of(path, self.bump) {
            Ok((parent, key)) => {
                let slot = parent.slot(key);
                if slot.is_null() {
                    *slot = value.into();
                }
                Ok(())
            }
            Err(parent) => self.fault(&format!("setting {}: [{parent}] is not an object", path.text())),
        }
    }

    /// STR from a field of the record into the document.
    pub(crate) fn copy_as_text(&mut self, from: &Path, to: &'static Path) -> Step {
        match self.src.at(from) {
            None | Some(Value::Null) => Ok(()),
            Some(value) => match as_text(value, self.bump) {
                Some(text) => self.set(to, text),
                None => self.fault(&format!("{} cannot become text", from.text())),
            },
        }
    }

    /// STR of a field of the record, in place.
    pub(crate) fn make_text(&mut self, key: &Key<'_>) -> Step {
        let bump = self.bump;
        match self.src.get_mut(key) {
            None | Some(Value::Null | Value::Text(_)) => Ok(()),
            Some(value) => match as_text(value, bump) {
                Some(text) => {
                    *value = text;
                    Ok(())
                }
                None => self.fault(&format!("{key} cannot become text")),
            },
        }
    }

    /// APPEND to a list of the document.
    pub(crate) fn append(&mut self, path: &'static Path, value: impl Into<Value<'a>>) {
        let value = value.into();
        if let Some(list) = self.list_at(path) {
            list.push(value);
        }
    }

    /// APPENDU: only what the list does not hold yet.
    pub(crate) fn append_unique(&mut self, path: &'static Path, value: impl Into<Value<'a>>) {
        let value = value.into();
        if let Some(list) = self.list_at(path)
            && !list.contains(&value)
        {
            list.push(value);
        }
    }

    /// APPENDU of the text form of a field of the record, or of each member of a list there. Void values are
    /// left out.
    #[inline(always)]
    pub(crate) fn collect_field(&mut self, from: &Path, list: &'static Path) {
        if self.src.may_hold(from) {
            self.collect_what_may_be(from, list);
        }
    }

    fn collect_what_may_be(&mut self, from: &Path, list: &'static Path) {
        if let Some(value) = self.src.at(from).cloned() {
            self.collect(&value, list);
        }
    }

    /// APPENDU of the text form of a field of the document, or of each member of a list there.
    pub(crate) fn collect_ecs(&mut self, from: &Path, list: &'static Path) {
        if let Some(value) = self.ecs.at(from).cloned() {
            self.collect(&value, list);
        }
    }

    /// APPENDU of the text form of a value, or of each member of a list.
    pub(crate) fn collect(&mut self, value: &Value<'a>, list: &'static Path) {
        if let Value::List(members) = value {
            if members.len() > SHORT_LIST {
                return self.collect_many(members, list);
            }
            for member in members.iter() {
                self.collect(member, list);
            }
        } else if let Some(text) = value.to_text(self.bump).filter(|text| !text.is_empty()) {
            self.append_unique(list, text);
        }
    }

    /// The same for so many members that comparing each with each would take too long.
    fn collect_many(&mut self, members: &[Value<'a>], list: &'static Path) {
        let bump = self.bump;
        let Some(list) = self.list_at(list) else { return };
        let mut seen: BTreeSet<_> = list
            .iter()
            .filter_map(Value::text)
            .map(|text| text.plain(bump))
            .collect();
        let mut rest: std::vec::Vec<_> = members.iter().rev().collect();
        while let Some(member) = rest.pop() {
            if let Value::List(members) = member {
                rest.extend(members.iter().rev());
            } else if let Some(text) = member.to_text(bump)
                && !text.is_empty()
                && seen.insert(text.plain(bump))
            {
                list.push(Value::Text(text));
            }
        }
    }

    /// COPY of a field that has something in it.
    #[inline(always)]
    pub(crate) fn copy_if_filled(&mut self, from: &Path, to: &'static Path) -> Step {
        match self.src.at(from) {
            Some(value) if !value.is_void() => self.copy_what_may_be(from, to),
            _ => Ok(()),
        }
    }

    /// The same, where the document has nothing yet.
    #[inline(always)]
    pub(crate) fn copy_if_unset(&mut self, from: &Path, to: &'static Path) -> Step {
        if self.src.may_hold(from) && !self.has(to) {
            self.copy_if_filled(from, to)
        } else {
            Ok(())
        }
    }

    /// Adds categories and types that the event does not have yet: extensions.
    pub(crate) fn classify_further(&mut self, categories: &[&'static str], types: &[&'static str]) {
        for category in categories {
            self.append_unique(path!("event.category"), *category);
        }
        for kind in types {
            self.append_unique(path!("event.type"), *kind);
        }
    }

    /// The list at a path: made if there is none, made of the scalar that is there.
    pub(crate) fn list_at(&mut self, path: &'static Path) -> Option<&mut Vec<'a, Value<'a>>> {
        let bump = self.bump;
        let (parent, key) = self.ecs.parent_of(path, bump).ok()?;
        match parent.get(&key) {
            Some(Value::List(_)) => {}
            Some(_) => {
                let scalar = parent.remove(&key).filter(|value| !value.is_null());
                parent.set(key, Value::from(Vec::from_iter_in(scalar, bump)));
            }
            None => parent.set(key, Value::from(Vec::with_capacity_in(4, bump))),
        }
        match parent.get_mut(&key) {
            Some(Value::List(list)) => Some(list),
            _ => None,
        }
    }

    /// Adds categories and types of the event, in this order.
    pub(crate) fn classify(&mut self, categories: &[&'static str], types: &[&'static str]) {
        for category in categories {
            self.append(path!("event.category"), *category);
        }
        for kind in types {
            self.append(path!("event.type"), *kind);
        }
    }
}

/// The string form of a scalar or, member by member, of a list.
fn as_text<'a>(value: &Value<'a>, bump: &'a Bump) -> Option<Value<'a>> {
    match value {
        Value::List(members) => {
            let mut list = Vec::with_capacity_in(members.len(), bump);
            for member in members.iter() {
                list.push(as_text(member, bump)?);
            }
            Some(Value::from(list))
        }
        scalar => scalar.to_text(bump).map(Value::Text),
    }
}

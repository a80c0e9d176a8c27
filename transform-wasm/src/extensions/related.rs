//! `related.*` and mail fields as ECS wants them: X21, X22.

use crate::document::{Document, Step};
use crate::json::{Path, Text, Value, key, path};
use crate::mapping::{is_ip, split_address};

/// X21, what is added.
pub(super) fn members(doc: &mut Document<'_>) {
    if let Some(Value::Text(owner)) = doc.mailbox_owner
        && !owner.is_empty()
    {
        doc.append_unique(path!("related.user"), owner);
    }
    let members = doc
        .src
        .get(key!("Members"))
        .and_then(Value::list)
        .unwrap_or_default();
    let addresses: Vec<_> = members
        .iter()
        .filter_map(|member| member.object()?.text(key!("UPN")))
        .filter(|upn| !upn.is_empty())
        .collect();
    let addresses = bumpalo::collections::Vec::from_iter_in(addresses.into_iter().map(Value::Text), doc.bump);
    doc.collect(&Value::from(addresses), path!("related.user"));
}

/// X21, what is taken away: no address, no user, no host.
pub(super) fn clean(doc: &mut Document<'_>) {
    keep(doc, path!("related.ip"), |text| {
        is_ip(text) && !text.contains('%')
    });
    keep(doc, path!("related.user"), is_user);
    keep(doc, path!("related.hosts"), is_host);
}

fn keep(doc: &mut Document<'_>, list: &Path, fits: fn(&str) -> bool) {
    if let Some(Value::List(members)) = doc.ecs.at_mut(list) {
        // Nothing that is looked for needs an escape.
        let keeps = |member: &Value<'_>| member.text().is_none_or(|text| fits(text.wire()));
        if !members.iter().all(keeps) {
            members.retain(keeps);
        }
    }
}

fn is_user(name: &str) -> bool {
    !matches!(
        name,
        "Not Available" | "Unknown" | "NOT-FOUND" | "Certificate" | "S-1-5-18" | "S-1-5-19" | "S-1-5-20"
    )
}

fn is_host(name: &str) -> bool {
    !name
        .bytes()
        .any(|byte| byte.is_ascii_whitespace() || byte == b'@')
}

/// X22: single values where ECS has single values, lists where it has lists.
pub(super) fn cardinality(doc: &mut Document<'_>) {
    for path in [
        path!("email.subject"),
        path!("email.local_id"),
        path!("email.message_id"),
        path!("email.sender.address"),
    ] {
        if let Some(value) = doc.ecs.at_mut(path)
            && let Value::List(members) = value
            && members.len() == 1
            && let Some(only) = members.pop()
        {
            *value = only;
        }
    }
    if doc.has(path!("email.from.address")) {
        doc.list_at(path!("email.from.address"));
    }
    if let Some(value) = doc.ecs.at_mut(path!("user.email"))
        && let Value::List(members) = value
        && let Some(first) = members.first().cloned()
    {
        *value = first;
    }
}

/// The target is a user: by address if it is one, else by id.
pub(super) fn set_target<'a>(doc: &mut Document<'a>, user: Text<'a>) -> Step {
    if set_target_address(doc, user) {
        Ok(())
    } else {
        doc.set_if_unset(path!("user.target.id"), user)
    }
}

/// Fields of a user that an address fills.
type User = [&'static Path; 3];
const TARGET: User = [
    path!("user.target.email"),
    path!("user.target.name"),
    path!("user.target.domain"),
];
const ACTOR: User = [path!("user.email"), path!("user.name"), path!("user.domain")];

/// Makes a user of an address: its email, name and domain. False if it is no address.
pub(super) fn set_target_address<'a>(doc: &mut Document<'a>, address: Text<'a>) -> bool {
    set_address(doc, address, TARGET)
}

/// The parts of the actor's id, if it is an address and the general rules came too early for it.
pub(super) fn set_actor_address(doc: &mut Document<'_>) {
    if let Some(id) = doc.ecs_text(path!("user.id")) {
        set_address(doc, id, ACTOR);
    }
}

fn set_address<'a>(doc: &mut Document<'a>, address: Text<'a>, user: User) -> bool {
    let Some((name, domain)) = split_address(address.plain(doc.bump)) else {
        return false;
    };
    let (name, domain) = (Text::new(name, doc.bump), Text::new(domain, doc.bump));
    for (path, part) in user.into_iter().zip([address, name, domain]) {
        let _ = doc.set_if_unset(path, part);
    }
    true
}

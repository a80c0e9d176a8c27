//! `related.*`: every address and user of the event in one place (§4.4).

use super::users::split_address;
use crate::document::Document;
use crate::json::{Value, path};

/// Step 37.
pub(super) fn addresses_and_users(doc: &mut Document<'_>) {
    for path in [path!("client.ip"), path!("server.ip")] {
        if let Some(address) = doc.ecs_text(path) {
            doc.append_unique(path!("related.ip"), address);
        }
    }
    for path in [path!("user.name"), path!("user.target.name"), path!("file.owner")] {
        if let Some(user) = doc.ecs.at(path).and_then(|user| user.to_text(doc.bump)) {
            doc.append_unique(path!("related.user"), user);
        }
    }
    if let Some(user) = doc
        .src
        .at(path!("Parameters.User"))
        .and_then(|user| user.to_text(doc.bump))
    {
        doc.append_unique(path!("related.user"), user);
    }
}

/// N29 to N31.
#[inline(never)]
pub(super) fn everything_else(doc: &mut Document<'_>) {
    for path in [
        path!("user.id"),
        path!("user.target.id"),
        path!("user.target.email"),
        path!("user.email"),
    ] {
        doc.collect_ecs(path, path!("related.user"));
    }
    for path in [
        path!("host.name"),
        path!("host.hostname"),
        path!("user.domain"),
        path!("user.target.domain"),
        path!("source.domain"),
        path!("destination.domain"),
        path!("url.domain"),
        path!("server.domain"),
        path!("client.domain"),
    ] {
        doc.collect_ecs(path, path!("related.hosts"));
    }
    for path in [
        path!("file.hash.md5"),
        path!("file.hash.sha1"),
        path!("file.hash.sha256"),
        path!("file.hash.sha512"),
    ] {
        doc.collect_ecs(path, path!("related.hash"));
    }
}

/// Step 45; newer references have N24 instead.
pub(super) fn users_in_data(doc: &mut Document<'_>) {
    for path in [
        path!("Data.f3u"),
        path!("Data.suid"),
        path!("Data.tsd"),
        path!("Data.trc"),
    ] {
        let Some(user) = doc.src.at(path).and_then(Value::text) else {
            continue;
        };
        let plain = user.plain(doc.bump);
        if split_address(plain).is_some() && plain.chars().nth(2).is_some() {
            doc.append_unique(path!("related.user"), user);
        }
    }
}

//! `related.*`: every address and user of the event in one place (§4.4).

use super::users::split_address;
use crate::document::Document;
use crate::json::Value;

/// Step 37.
pub(super) fn addresses_and_users(doc: &mut Document<'_>) {
    for path in ["client.ip", "server.ip"] {
        if let Some(address) = doc.ecs_text(path) {
            doc.append_unique("related.ip", address);
        }
    }
    for path in ["user.name", "user.target.name", "file.owner"] {
        if let Some(user) = doc.ecs.at(path).and_then(|user| user.to_text(doc.bump)) {
            doc.append_unique("related.user", user);
        }
    }
    if let Some(user) = doc
        .src
        .at("Parameters.User")
        .and_then(|user| user.to_text(doc.bump))
    {
        doc.append_unique("related.user", user);
    }
}

/// N29 to N31.
pub(super) fn everything_else(doc: &mut Document<'_>) {
    for path in ["user.id", "user.target.id", "user.target.email", "user.email"] {
        doc.collect_ecs(path, "related.user");
    }
    for path in [
        "host.name",
        "host.hostname",
        "user.domain",
        "user.target.domain",
        "source.domain",
        "destination.domain",
        "url.domain",
        "server.domain",
        "client.domain",
    ] {
        doc.collect_ecs(path, "related.hosts");
    }
    for path in [
        "file.hash.md5",
        "file.hash.sha1",
        "file.hash.sha256",
        "file.hash.sha512",
    ] {
        doc.collect_ecs(path, "related.hash");
    }
}

/// Step 45; newer references have N24 instead.
pub(super) fn users_in_data(doc: &mut Document<'_>) {
    for path in ["Data.f3u", "Data.suid", "Data.tsd", "Data.trc"] {
        let Some(user) = doc.src.at(path).and_then(Value::text) else {
            continue;
        };
        let plain = user.plain(doc.bump);
        if split_address(plain).is_some() && plain.chars().nth(2).is_some() {
            doc.append_unique("related.user", user);
        }
    }
}

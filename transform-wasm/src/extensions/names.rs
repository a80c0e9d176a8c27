//! Numbers that stand for something get its name, too: X18.

use crate::document::{Document, Step};
use crate::json::{Text, Value};

#[rustfmt::skip]
const USER_TYPES: [&str; 11] = [
    "Regular", "Reserved", "Admin", "DCAdmin", "System", "Application", "ServicePrincipal", "CustomPolicy",
    "SystemPolicy", "PartnerTechnician", "Guest",
];
const LOGON_TYPES: [&str; 7] = [
    "Owner",
    "Admin",
    "Delegated",
    "Transport",
    "SystemService",
    "BestAccess",
    "DelegatedAdmin",
];

pub(super) fn enumerations(doc: &mut Document<'_>) -> Step {
    for (key, path, names) in [
        ("UserType", "o365.ext.names.UserType", &USER_TYPES[..]),
        ("LogonType", "o365.ext.names.LogonType", &LOGON_TYPES[..]),
        (
            "InternalLogonType",
            "o365.ext.names.InternalLogonType",
            &LOGON_TYPES[..],
        ),
    ] {
        if let Some(name) = number_at(doc, key).and_then(|number| names.get(number)) {
            doc.set(path, *name)?;
        }
    }
    if let Some(2 | 3) = number_at(doc, "UserType") {
        doc.append_unique("user.roles", "admin");
    }
    os_type(doc)
}

fn number_at(doc: &Document<'_>, key: &str) -> Option<usize> {
    match doc.src.get(key)? {
        Value::Number(number) => number.parse().ok(),
        Value::Text(text) => text.wire().parse().ok(),
        _ => None,
    }
}

/// Platforms such as `WinDesktop`.
fn os_type(doc: &mut Document<'_>) -> Step {
    let Some(platform) = doc.src.text("Platform").map(Text::wire) else {
        return Ok(());
    };
    match os_of(platform) {
        Some(os) => doc.set_if_unset("host.os.type", os),
        None => Ok(()),
    }
}

/// The operating system that a platform's name starts with.
pub(super) fn os_of(platform: &str) -> Option<&'static str> {
    const PREFIXES: [(&str, &str); 5] = [
        ("win", "windows"),
        ("mac", "macos"),
        ("ios", "ios"),
        ("android", "android"),
        ("linux", "linux"),
    ];
    let starts = |prefix: &str| {
        platform
            .get(..prefix.len())
            .is_some_and(|it| it.eq_ignore_ascii_case(prefix))
    };
    PREFIXES
        .iter()
        .find(|(prefix, _)| starts(prefix))
        .map(|(_, os)| *os)
}

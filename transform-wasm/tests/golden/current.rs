//! How the current profile differs from the published documents: in nothing but what the specification lists, each
//! difference with the rule that makes it (§7.5 without extensions, §8.3 to §8.5 with them). A rule that explains nothing
//! any more fails the test too.

use std::collections::{BTreeMap, BTreeSet};

use o365_ecs::Mapper;
use serde_json::{Map, Value};

use crate::published::{fixtures, map};

/// A leaf that is not the same: what was published, what the current profile writes.
struct Difference<'a> {
    path: &'a str,
    published: Option<&'a Value>,
    current: Option<&'a Value>,
}

/// A rule of the specification, and the differences that it makes.
struct Rule {
    id: &'static str,
    /// Words in the names of the files that it changes; all of them if there is none.
    files: &'static [&'static str],
    explains: fn(&Difference<'_>) -> bool,
}

/// §7.5.
const NEWEST: &[Rule] = &[
    Rule {
        id: "N02",
        files: &["bad-ips", "modified-properites"],
        explains: |at| at.path == "event.original",
    },
    Rule {
        id: "N11",
        files: &["platform-attribute"],
        explains: |at| at.path.starts_with("host.os.") && at.published.is_none(),
    },
    Rule {
        id: "N12",
        files: &["exchange-item", "modified-properites"],
        explains: |at| at.path == "event.category" && adds(at, |member| member == "email"),
    },
    Rule {
        id: "N13",
        files: &["sec-comp-alerts"],
        explains: |at| at.path == "message" || (at.path == "o365.audit.Comments" && at.published.is_none()),
    },
    Rule {
        id: "N14",
        files: &["dlp-exchange"],
        explains: |at| {
            at.path == "message"
                || (at.path == "o365.audit.ExchangeMetaData.Subject" && at.published.is_none())
        },
    },
    Rule {
        id: "N20",
        files: &["dlp-exchange", "exchange-item", "modified-properites"],
        explains: |at| at.path.starts_with("email.") && at.published.is_none(),
    },
    Rule {
        id: "N27 details",
        files: &["azuread-events"],
        explains: |at| {
            at.path
                .starts_with("o365.audit.ExtendedProperties.additionalDetails")
        },
    },
    Rule {
        id: "N27 user agent",
        files: &["azuread-events"],
        explains: |at| at.path == "user_agent.original" && at.published.is_none(),
    },
    Rule {
        id: "N29",
        files: &[],
        explains: |at| at.path == "related.user" && adds(at, |_| true),
    },
    Rule {
        id: "N30",
        files: &[],
        explains: |at| at.path == "related.hosts" && adds(at, |_| true),
    },
    Rule {
        id: "N32",
        files: &[
            "azuread",
            "dlp-exchange",
            "dlp-sharepoint",
            "exchange-admin",
            "modified-properites",
            "ms-teams",
            "parameter-string",
            "sp-sharing-op",
            "stringly-json",
        ],
        explains: |at| at.published.and_then(without_empties).as_ref() == at.current,
    },
];

/// A rule that adds fields which the reference does not have.
macro_rules! added {
    ($id:literal, $path:ident => $fits:expr) => {
        Rule {
            id: $id,
            files: &[],
            explains: |at| {
                let $path = at.path;
                at.published.is_none() && $fits
            },
        }
    };
}

/// §8.5, and the overrides of §8.3 that the current profile has.
const EXTENSIONS: &[Rule] = &[
    added!("X01", path => path == "o365.audit.Operation"),
    added!("X02", path => path == "event.code"),
    added!("X03", path => {
        path == "event.module" || path == "event.dataset" || path.starts_with("data_stream.")
    }),
    Rule {
        id: "X04 outcome",
        files: &[],
        explains: |at| at.path == "event.outcome",
    },
    added!("X04 reason", path => path == "event.reason"),
    added!("X05", path => path == "event.severity"),
    added!("X06", path => path.starts_with("threat.software.")),
    added!("X07 to X10 targets", path => path.starts_with("user.target.")),
    added!("X07 owner", path => path == "o365.audit.MailboxOwnerUPN"),
    added!("X08 folder (§8.4 A)", path => path == "file.directory"),
    added!("X09, X10 groups", path => path == "group.id" || path == "group.name"),
    Rule {
        id: "§8.4 categories and types",
        files: &[],
        explains: |at| matches!(at.path, "event.category" | "event.type") && adds(at, |_| true),
    },
    added!("X13 url", path => path.starts_with("url.") && path != "url.original"),
    added!("X13 file", path => path == "file.path" || path == "file.extension"),
    added!("X18 roles", path => path == "user.roles"),
    added!("X23", path => path.starts_with("cloud.")),
    added!("o365.ext", path => path.starts_with("o365.ext.")),
];

/// Whether a list has all of its published members in their order, and others for which `fits` holds.
fn adds(at: &Difference<'_>, fits: fn(&str) -> bool) -> bool {
    let members = |list: Option<&Value>| match list {
        None => Some(Vec::new()),
        Some(Value::Array(members)) => Some(members.clone()),
        Some(_) => None,
    };
    let (Some(published), Some(current)) = (members(at.published), members(at.current)) else {
        return false;
    };
    let mut rest = published.iter().peekable();
    let added = current.iter().filter(|member| rest.next_if_eq(member).is_none());
    let fits = added.filter_map(Value::as_str).all(fits);
    fits && rest.peek().is_none()
}

/// A value without what is empty, at any depth; nothing if nothing is left.
fn without_empties(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::Array(members) => {
            let members: Vec<_> = members.iter().filter_map(without_empties).collect();
            (!members.is_empty()).then_some(Value::Array(members))
        }
        Value::Object(fields) => {
            let fields: Map<_, _> = fields
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), without_empties(value)?)))
                .collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        other => Some(other.clone()),
    }
}

/// Everything that is no object with fields, by its path.
fn leaves<'a>(path: String, value: &'a Value, found: &mut BTreeMap<String, &'a Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                leaves(path, value, found);
            }
        }
        _ => {
            found.insert(path, value);
        }
    }
}

/// Checks all events; every difference has to be explained, and every rule has to explain one.
fn judge(options: &str, rules: &[&Rule]) {
    let mapper = Mapper::configure(options).expect("good options");
    let (mut used, mut unexplained) = (BTreeSet::new(), Vec::new());
    let Some(fixtures) = fixtures() else {
        return;
    };
    for published in fixtures {
        let (name, current) = (&published.file, map(&mapper, &published.event));
        let (mut before, mut now) = (BTreeMap::new(), BTreeMap::new());
        leaves(String::new(), &published.document, &mut before);
        leaves(String::new(), &current, &mut now);
        let paths: BTreeSet<_> = before.keys().chain(now.keys()).collect();
        for path in paths {
            let at = Difference {
                path,
                published: before.get(path).copied(),
                current: now.get(path).copied(),
            };
            if at.published == at.current {
                continue;
            }
            let concerns =
                |rule: &&&Rule| rule.files.is_empty() || rule.files.iter().any(|word| name.contains(word));
            let explained = rules.iter().filter(concerns).find(|rule| (rule.explains)(&at));
            match explained {
                Some(rule) => {
                    used.insert(rule.id);
                }
                None => unexplained.push(format!("{name} {path}: {:?} -> {:?}", at.published, at.current)),
            }
        }
    }
    assert!(
        unexplained.is_empty(),
        "no rule explains\n{}",
        unexplained.join("\n")
    );
    let idle: Vec<_> = rules
        .iter()
        .map(|rule| rule.id)
        .filter(|id| !used.contains(id))
        .collect();
    assert!(idle.is_empty(), "rules that explain nothing: {idle:?}");
}

#[test]
fn the_current_profile_differs_as_the_specification_lists() {
    let rules: Vec<_> = NEWEST.iter().collect();
    judge(r#"{ "profile": "current", "extensions": false }"#, &rules);
}

#[test]
fn extensions_add_what_the_specification_lists() {
    let rules: Vec<_> = NEWEST.iter().chain(EXTENSIONS).collect();
    judge(r#"{ "profile": "current", "extensions": true }"#, &rules);
}

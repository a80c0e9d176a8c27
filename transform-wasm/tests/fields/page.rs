//! The page of the documentation that lists the fields. `UPDATE_EXPECT=1` writes it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::table::{Field, fields};

const INTRODUCTION: &str = "\
# Fields

Every field that the mapping (`builtin:ecs`, profile `current`, extensions on) can write. Generated from
`transform-wasm/fields.tsv`, which tests compare with what the mapping does.

* *Type* is the type in an Elasticsearch index. A list of values has the type of its members. `dynamic` leaves it to the index.
* *From* names fields of the audit record, the first that has a value before the others, or a field of the document.
  A dot leads into an object, or into each object of a list.
* *Rule* is a section (§) or an id of the mapping's specification: N, behaviour of newer references; X, an extension.
  `extensions: false` leaves out what only X rules write; `profile: elastic-2.5` also what only N rules write.
* `source.geo`, `source.as` and the parts of `user_agent` are written by the transforms [`geoip`](geoip.md) and
  [`user_agent`](user_agent.md); `source.geo` is also written from records that say where they are from.
";

const SECTIONS: [(&str, &str, &str); 4] = [
    (
        "ecs",
        "Elastic Common Schema",
        "ECS 8.11; where the type has a 9 behind it, ECS 9.",
    ),
    (
        "integration",
        "Fields of Elastic's integration",
        "Not in ECS, but Elastic's integration writes them and detection rules read them.",
    ),
    (
        "extension",
        "Extensions",
        "What has no home in ECS. `extensions: false` leaves these out.",
    ),
    (
        "record",
        "Fields of the record",
        "What no rule has taken away, as it was sent or in the form that the rules of the specification's §2 to §6 give it.",
    ),
];

fn page() -> String {
    let fields = fields();
    let mut page = INTRODUCTION.to_owned();
    for (schema, title, text) in SECTIONS {
        let of_section = |field: &&Field| field.schema.split('-').next() == Some(schema);
        let count = fields.iter().filter(of_section).count();
        writeln!(page, "\n## {title} ({count})\n\n{text}\n").expect("a string takes anything");
        page.push_str("| Field | Type | From | Rule |\n|---|---|---|---|\n");
        for field in fields.iter().filter(of_section) {
            let newer = if field.schema == "ecs-9" { " (9)" } else { "" };
            writeln!(
                page,
                "| `{}` | {}{newer} | {} | {} |",
                field.path,
                field.index,
                in_code(field.from),
                field.rule
            )
            .expect("a string takes anything");
        }
    }
    page
}

/// Names of fields in code, words as words.
fn in_code(from: &str) -> String {
    let is_field = |part: &str| !part.contains([' ', '`']) && part != "constant";
    from.split(", ")
        .map(|part| {
            if is_field(part) {
                format!("`{part}`")
            } else {
                part.to_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn the_page_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/fields.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, page()).expect("a writable page");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page(),
        "docs/reference/fields.md is out of date: UPDATE_EXPECT=1 cargo test -p o365-ecs --test fields"
    );
}

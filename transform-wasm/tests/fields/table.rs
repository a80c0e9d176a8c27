//! Reads `fields.tsv`.

use std::collections::BTreeMap;

static TABLE: &str = include_str!("../../fields.tsv");

/// One field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// Its path. `*` stands for any name; a path that ends in it, for whatever is below.
    pub(crate) path: &'static str,
    /// The type in the index.
    pub(crate) index: &'static str,
    /// Who has defined it.
    pub(crate) schema: &'static str,
    /// Fields of the record that it is made of.
    pub(crate) from: &'static str,
    /// The rules of the specification that write it.
    pub(crate) rule: &'static str,
}

/// The table in its order.
pub(crate) fn fields() -> Vec<Field> {
    let mut lines = TABLE.lines();
    assert_eq!(lines.next(), Some("field\ttype\tschema\tfrom\trule"));
    lines
        .map(|line| {
            let columns: Vec<_> = line.split('\t').collect();
            let [path, index, schema, from, rule] = columns[..] else {
                unreachable!("five columns: {line}");
            };
            Field {
                path,
                index,
                schema,
                from,
                rule,
            }
        })
        .collect()
}

/// The path of a key below a path; the document itself has none.
pub(crate) fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The table by paths.
pub(crate) struct Fields(BTreeMap<&'static str, Field>);

impl Fields {
    pub(crate) fn read() -> Self {
        Self(fields().into_iter().map(|field| (field.path, field)).collect())
    }

    /// The field at a path of a document: itself, or the flattened one or the place that it is below.
    pub(crate) fn at(&self, path: &str) -> Option<Field> {
        let mut whole = Some(path);
        while let Some(path) = whole {
            if let Some(field) = self.0.get(path) {
                return Some(*field);
            }
            whole = path.rsplit_once('.').map(|(parent, _)| parent);
        }
        path.starts_with("o365.audit.").then(|| self.0["o365.audit.*"])
    }
}

#[test]
fn the_table_is_in_order() {
    const TYPES: [&str; 10] = [
        "boolean",
        "constant_keyword",
        "date",
        "dynamic",
        "flattened",
        "geo_point",
        "ip",
        "keyword",
        "long",
        "match_only_text",
    ];
    let fields = fields();
    let rank = |field: &Field| {
        let rank = ["ecs", "ecs-9", "integration", "extension", "record"]
            .iter()
            .position(|schema| *schema == field.schema);
        rank.expect("a known schema").max(2)
    };
    assert!(fields.is_sorted_by_key(|field| (rank(field), field.path == "o365.audit.*", field.path)));
    for field in &fields {
        assert!(
            TYPES.contains(&field.index) || field.index == "wildcard",
            "{field:?}"
        );
        assert!(!field.from.is_empty(), "{field:?}");
        assert!(field.rule.starts_with(['§', 'N', 'X']), "{field:?}");
        assert_eq!(
            field.path.starts_with("o365.ext."),
            field.schema == "extension",
            "{field:?}"
        );
        assert_eq!(
            field.path.starts_with("o365.audit."),
            field.schema == "record",
            "{field:?}"
        );
    }
    let paths: std::collections::BTreeSet<_> = fields.iter().map(|field| field.path).collect();
    assert_eq!(paths.len(), fields.len(), "a field stands there twice");
}

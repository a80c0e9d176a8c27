//! The fields that the mapping can write.

use std::collections::BTreeSet;

/// One field a line, the path first. `*` stands for any name; a path that ends in it, for whatever is below.
const TABLE: &str = include_str!("../../../transform-wasm/fields.tsv");

/// The fields, each as its names.
#[derive(Debug)]
pub(super) struct Fields(Vec<Vec<&'static str>>);

/// Fields by whether they were seen.
#[derive(Debug)]
pub(super) struct Sorted {
    pub(super) seen: usize,
    pub(super) never_seen: Vec<String>,
    /// Paths that are none of the fields.
    pub(super) others: Vec<String>,
}

impl Fields {
    pub(super) fn of_the_mapping() -> Self {
        let rows = TABLE.lines().skip(1);
        let paths = rows.filter_map(|row| row.split('\t').next());
        Self(paths.map(|path| path.split('.').collect()).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Each path belongs to the field that fits it best, as itself or as something below it.
    pub(super) fn sort(&self, paths: &BTreeSet<String>) -> Sorted {
        let mut seen = BTreeSet::new();
        let mut others = Vec::new();
        for path in paths {
            let names: Vec<_> = path.split('.').collect();
            let fitting = self.0.iter().filter(|field| fits(field, &names));
            match fitting.max_by_key(|field| (field.iter().filter(|name| **name != "*").count(), field.len()))
            {
                Some(field) => {
                    seen.insert(field.join("."));
                }
                None => others.push(path.clone()),
            }
        }
        let mut never_seen: Vec<_> = self.0.iter().map(|field| field.join(".")).collect();
        never_seen.retain(|field| !seen.contains(field));
        never_seen.sort();
        Sorted {
            seen: seen.len(),
            never_seen,
            others,
        }
    }
}

fn fits(field: &[&str], names: &[&str]) -> bool {
    field.len() <= names.len()
        && field
            .iter()
            .zip(names)
            .all(|(field, name)| *field == "*" || field == name)
}

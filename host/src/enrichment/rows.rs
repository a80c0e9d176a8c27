//! Rows with named columns, searched by what columns hold.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use vrl::value::{KeyString, ObjectMap, Value};

type Row = Box<[Value]>;

/// The content of a CSV file. Clones share everything.
#[derive(Debug, Clone)]
pub struct Rows {
    columns: Arc<[KeyString]>,
    values: Arc<[Row]>,
    indexes: Vec<Arc<Index>>,
}

/// Whether upper and lower case are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Sensitive,
    Insensitive,
}

/// What an index is made for: columns that are compared, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexKey {
    pub(super) case: Case,
    pub(super) columns: Vec<KeyString>,
}

/// What one column has to hold.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// This value, or the wildcard.
    Equal(Value),
    /// A time in this range; both ends belong to it.
    Between {
        from: Option<DateTime<Utc>>,
        to: Option<DateTime<Utc>>,
    },
}

/// A question to a table.
#[derive(Debug)]
pub(super) struct Search<'a> {
    pub(super) case: Case,
    /// Sorted by the name of the column.
    pub(super) terms: &'a [(KeyString, Wanted)],
    /// The index over all columns of `terms` that are compared, if the terms have the form that it was made for.
    pub(super) index: Option<usize>,
    pub(super) wildcard: Option<&'a Value>,
    /// Columns to return; all of them without.
    pub(super) select: Option<&'a [String]>,
    /// No more rows than this are returned.
    pub(super) limit: usize,
}

/// Numbers of rows by a hash of some of their columns: two words for each row, searched by halving.
#[derive(Debug)]
struct Index(Vec<(u64, u32)>);

impl Rows {
    /// `rows` have as many values as there are columns. `None` if there are more rows than can be numbered.
    pub(super) fn new(columns: Vec<KeyString>, rows: Vec<Row>) -> Option<Self> {
        u32::try_from(rows.len()).ok()?;
        Some(Self {
            columns: columns.into(),
            values: rows.into(),
            indexes: Vec::new(),
        })
    }

    pub(super) fn columns(&self) -> &[KeyString] {
        &self.columns
    }

    /// The first column of a name.
    fn position(&self, column: &str) -> Result<usize, String> {
        let position = self.columns.iter().position(|known| known.as_str() == column);
        position.ok_or_else(|| no_column(column, &self.columns))
    }

    pub(super) fn with_indexes(&self, keys: &[IndexKey]) -> Result<Self, String> {
        let mut new = self.clone();
        for key in keys {
            let columns: Result<Vec<_>, _> = key.columns.iter().map(|column| self.position(column)).collect();
            let columns = columns?;
            let hash = |row: &[Value]| hash(key.case, columns.iter().filter_map(|at| row.get(*at)));
            let mut rows: Vec<_> = self.values.iter().map(|row| hash(row)).zip(0..).collect();
            rows.sort_unstable();
            new.indexes.push(Arc::new(Index(rows)));
        }
        Ok(new)
    }

    pub(super) fn search(&self, search: &Search<'_>) -> Result<Vec<ObjectMap>, String> {
        let terms: Result<Vec<_>, String> = search
            .terms
            .iter()
            .map(|(column, wanted)| Ok((self.position(column)?, wanted)))
            .collect();
        let terms = terms?;
        let matches = |row: &[Value]| {
            terms.iter().all(|(at, wanted)| {
                row.get(*at)
                    .is_some_and(|value| wanted.holds(value, search.case, search.wildcard))
            })
        };
        let take = |rows: &mut dyn Iterator<Item = &Row>| -> Vec<ObjectMap> {
            rows.filter(|row| matches(row))
                .take(search.limit)
                .map(|row| self.object(row, search.select))
                .collect()
        };
        let Some(index) = search.index.and_then(|place| self.indexes.get(place)) else {
            return Ok(take(&mut self.values.iter()));
        };
        let values = || {
            search.terms.iter().filter_map(|(_, wanted)| match wanted {
                Wanted::Equal(value) => Some(value),
                Wanted::Between { .. } => None,
            })
        };
        let rows = |hash: u64| index.rows(hash).filter_map(|row| self.values.get(row as usize));
        let found = take(&mut rows(hash(search.case, values())));
        match search.wildcard {
            // As in Vector: rows that are meant for everything else count only if there is none for this.
            Some(wildcard) if found.is_empty() => {
                let wildcards = values().map(|_| wildcard);
                Ok(take(&mut rows(hash(search.case, wildcards))))
            }
            _ => Ok(found),
        }
    }

    fn object(&self, row: &[Value], select: Option<&[String]>) -> ObjectMap {
        self.columns
            .iter()
            .zip(row)
            .filter(|(column, _)| {
                select.is_none_or(|select| select.iter().any(|name| name == column.as_str()))
            })
            .map(|(column, value)| (column.clone(), value.clone()))
            .collect()
    }
}

/// There is no such column, but others.
pub(super) fn no_column(column: &str, columns: &[KeyString]) -> String {
    let names: Vec<_> = columns.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "there is no column `{column}`, the columns are {}",
        names.join(", ")
    )
}

impl Index {
    /// In the order of the file.
    fn rows(&self, hash: u64) -> impl Iterator<Item = u32> {
        let start = self.0.partition_point(|(known, _)| *known < hash);
        self.0[start..]
            .iter()
            .take_while(move |(known, _)| *known == hash)
            .map(|(_, row)| *row)
    }
}

impl Wanted {
    fn holds(&self, value: &Value, case: Case, wildcard: Option<&Value>) -> bool {
        match self {
            Self::Equal(wanted) => {
                same(case, value, wanted) || wildcard.is_some_and(|wildcard| same(case, value, wildcard))
            }
            Self::Between { from, to } => match value {
                Value::Timestamp(time) => {
                    from.is_none_or(|from| from <= *time) && to.is_none_or(|to| *time <= to)
                }
                _ => false,
            },
        }
    }
}

fn lowercase(value: &Value) -> Option<String> {
    value
        .as_bytes()
        .map(|bytes| String::from_utf8_lossy(bytes).to_lowercase())
}

fn same(case: Case, one: &Value, other: &Value) -> bool {
    match case {
        Case::Sensitive => one == other,
        Case::Insensitive => match (lowercase(one), lowercase(other)) {
            (Some(one), Some(other)) => one == other,
            _ => one == other,
        },
    }
}

/// Equal for values that are the [`same`].
fn hash<'v>(case: Case, values: impl Iterator<Item = &'v Value>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for value in values {
        let text = match case {
            Case::Insensitive => lowercase(value),
            Case::Sensitive => None,
        };
        match text {
            Some(text) => text.hash(&mut hasher),
            None => value.hash(&mut hasher),
        }
    }
    hasher.finish()
}

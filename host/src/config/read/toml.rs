//! TOML.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

use super::{
    super::node::{Entry, Kind, Node},
    ReadError,
};

pub(super) fn read(text: &str) -> Result<Node, ReadError> {
    let (table, errors) = DeTable::parse_recoverable(text);
    // Later ones are often consequences of the first.
    let first = errors
        .iter()
        .min_by_key(|error| error.span().map_or(0, |span| span.start));
    if let Some(error) = first {
        return Err(explain(text, error, table.get_ref()));
    }
    let span = table.span();
    convert_table(table.into_inner(), span)
}

fn explain(text: &str, error: &toml::de::Error, table: &DeTable<'_>) -> ReadError {
    let span = error.span().unwrap_or(text.len()..text.len());
    if error.message() != "duplicate key" {
        let message = error.message().replace('\n', ", ");
        return ReadError::new(span, format!("not TOML: {message}"));
    }
    let key = text
        .get(span.clone())
        .unwrap_or_default()
        .trim_matches(['"', '\'']);
    let mut before = Vec::new();
    keys_before(table, key, span.start, &mut before);
    // The parser does not say where the first is. With several candidates we would be guessing.
    let first = match before.as_slice() {
        [first] => Some(first.clone()),
        _ => None,
    };
    ReadError::duplicate(key, span, first)
}

fn keys_before(table: &DeTable<'_>, key: &str, end: usize, found: &mut Vec<Range<usize>>) {
    for (name, value) in table {
        if name.get_ref() == key && name.span().start < end {
            found.push(name.span());
        }
        match value.get_ref() {
            DeValue::Table(table) => keys_before(table, key, end, found),
            DeValue::Array(items) => {
                for table in items.iter().filter_map(|item| item.get_ref().as_table()) {
                    keys_before(table, key, end, found);
                }
            }
            _ => {}
        }
    }
}

fn convert_table(table: DeTable<'_>, span: Range<usize>) -> Result<Node, ReadError> {
    let mut entries = Vec::new();
    for (key, value) in table {
        entries.push(Entry {
            key_span: key.span(),
            key: key.into_inner().into_owned(),
            value: convert(value)?,
        });
    }
    // toml keeps the keys of a table sorted; people expect the order of the file.
    entries.sort_by_key(|entry| entry.key_span.start);
    Ok(Node::new(Kind::Map(entries), span))
}

fn convert(value: Spanned<DeValue<'_>>) -> Result<Node, ReadError> {
    let span = value.span();
    let kind = match value.into_inner() {
        DeValue::String(text) => Kind::String(text.into_owned().into()),
        DeValue::Integer(number) => integer(&number)
            .map(Kind::Int)
            .ok_or_else(|| ReadError::new(span.clone(), "the number is too large"))?,
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map(Kind::Float)
            .map_err(|_| ReadError::new(span.clone(), "not a number"))?,
        DeValue::Boolean(value) => Kind::Bool(value),
        // JSON and YAML have no dates either: what wants one reads a text.
        DeValue::Datetime(date) => Kind::String(date.to_string().into()),
        DeValue::Array(items) => Kind::List(items.into_iter().map(convert).collect::<Result<_, _>>()?),
        DeValue::Table(table) => return convert_table(table, span),
    };
    Ok(Node::new(kind, span))
}

fn integer(number: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

//! `type: file`: a CSV file.

use std::path::{Path, PathBuf};

use chrono::{NaiveDate, NaiveTime};
use indexmap::IndexMap;
use o365_core::config::Problem;
use serde::Deserialize;
use vrl::{
    compiler::conversion::Conversion,
    value::{KeyString, Value},
};

use super::{
    Content, TableConfig,
    rows::{Rows, no_column},
};
use crate::time_zone::DefaultTimeZone;

const TYPES: &str = "the types are `string`, `integer`, `float`, `boolean`, `timestamp`, `timestamp|FORMAT`, `date` \
                     and `date|FORMAT`";

/// Options of a table of type `file`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileTableConfig {
    /// The file.
    pub file: FileSettings,
    /// Types of columns that are no text: `integer`, `float`, `boolean`, `timestamp`, `timestamp|%FT%T`, `date`,
    /// `date|%m/%d/%Y`.
    #[serde(default)]
    pub schema: IndexMap<String, String>,
}

/// Which file, and how it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    /// A relative path starts at the configuration file.
    pub path: PathBuf,
    /// How the file is written.
    #[serde(default)]
    pub encoding: Encoding,
}

/// How a file is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoding {
    /// Only `csv`.
    #[serde(rename = "type", default)]
    pub format: Format,
    /// What stands between two columns: one ASCII character. Default `,`.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// Whether the first line names the columns. Otherwise they are called `0`, `1`, … Default `true`.
    #[serde(default = "yes")]
    pub include_headers: bool,
}

/// Kinds of files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Comma-separated values, RFC 4180.
    #[default]
    Csv,
}

fn comma() -> char {
    ','
}

fn yes() -> bool {
    true
}

impl Default for Encoding {
    fn default() -> Self {
        Self {
            format: Format::Csv,
            delimiter: comma(),
            include_headers: yes(),
        }
    }
}

/// What the text of a column becomes.
enum Type {
    Date(String),
    Other(Conversion),
}

impl Type {
    fn parse(text: &str, zone: DefaultTimeZone) -> Option<Self> {
        let (name, format) = match text.split_once('|') {
            Some((name, format)) => (name.trim(), Some(format.trim())),
            None => (text.trim(), None),
        };
        if name == "date" {
            return Some(Self::Date(format.unwrap_or("%Y-%m-%d").to_owned()));
        }
        Conversion::parse(text.trim(), zone.0).ok().map(Self::Other)
    }

    fn convert(&self, text: &str) -> Option<Value> {
        match self {
            Self::Date(format) => {
                let date = NaiveDate::parse_from_str(text, format).ok()?;
                Some(Value::Timestamp(date.and_time(NaiveTime::MIN).and_utc()))
            }
            Self::Other(conversion) => conversion.convert(text.to_owned().into()).ok(),
        }
    }
}

impl FileTableConfig {
    fn delimiter(&self) -> Result<u8, Problem> {
        let delimiter = self.file.encoding.delimiter;
        match u8::try_from(delimiter) {
            Ok(byte) if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(byte),
            _ => {
                let message = format!("{delimiter:?} cannot stand between columns");
                Err(Problem::new("file.encoding.delimiter", message)
                    .hint("use one ASCII character that is neither a quote nor a line feed, such as `;`"))
            }
        }
    }

    fn types(&self, zone: DefaultTimeZone) -> Result<Vec<(&str, Type)>, Vec<Problem>> {
        let (mut types, mut problems) = (Vec::new(), Vec::new());
        for (column, text) in &self.schema {
            match Type::parse(text, zone) {
                Some(found) => types.push((column.as_str(), found)),
                None => problems.push(
                    Problem::new(
                        format!("schema.{column}"),
                        format!("`{text}` is not a type of a column"),
                    )
                    .hint(TYPES),
                ),
            }
        }
        if problems.is_empty() {
            Ok(types)
        } else {
            Err(problems)
        }
    }

    /// The type of each column; `None` is text.
    fn types_of<'t>(
        columns: &[KeyString],
        types: &'t [(&str, Type)],
    ) -> Result<Vec<Option<&'t Type>>, Vec<Problem>> {
        let unknown = |name: &str| columns.iter().all(|column| column.as_str() != name);
        let problems: Vec<_> = types
            .iter()
            .filter(|(name, _)| unknown(name))
            .map(|(name, _)| Problem::new(format!("schema.{name}"), no_column(name, columns)))
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let of = |column: &KeyString| types.iter().find(|(name, _)| *name == column.as_str());
        Ok(columns
            .iter()
            .map(|column| of(column).map(|(_, found)| found))
            .collect())
    }

    fn value(&self, column: &KeyString, of: Option<&Type>, text: &str) -> Result<Value, String> {
        let Some(of) = of else {
            return Ok(text.into());
        };
        of.convert(text).ok_or_else(|| {
            let wanted = self.schema.get(column.as_str()).map_or("", String::as_str);
            format!("`{text}` in column `{column}` is not of the type `{wanted}`")
        })
    }
}

impl TableConfig for FileTableConfig {
    fn path(&self) -> &Path {
        &self.file.path
    }

    fn read(&self, path: &Path, zone: DefaultTimeZone) -> Result<Content, Vec<Problem>> {
        let (delimiter, types) = match (self.delimiter(), self.types(zone)) {
            (Ok(delimiter), Ok(types)) => (delimiter, types),
            (delimiter, types) => {
                let problems = types.err().into_iter().flatten();
                return Err(delimiter.err().into_iter().chain(problems).collect());
            }
        };
        let shown = path.display();
        let wrong = |what: String| {
            vec![
                Problem::new("file.path", format!("`{shown}`: {what}"))
                    .hint("correct the file, or the option that describes it"),
            ]
        };
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(self.file.encoding.include_headers)
            .delimiter(delimiter)
            .from_path(path)
            .map_err(|error| {
                vec![
                    Problem::new("file.path", format!("cannot read `{shown}`: {}", cause(&error)))
                        .hint("a relative path starts at the configuration file"),
                ]
            })?;
        let headers = reader.headers().map_err(|error| wrong(cause(&error)))?;
        let columns: Vec<KeyString> = if self.file.encoding.include_headers {
            headers.iter().map(Into::into).collect()
        } else {
            (0..headers.len())
                .map(|number| number.to_string().into())
                .collect()
        };
        if columns.is_empty() {
            return Err(wrong("the file is empty".to_owned()));
        }
        let types = Self::types_of(&columns, &types)?;
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| wrong(cause(&error)))?;
            let line = record.position().map_or(0, csv::Position::line);
            let values: Result<Box<[Value]>, String> = record
                .iter()
                .zip(columns.iter().zip(&types))
                .map(|(text, (column, of))| self.value(column, *of, text))
                .collect();
            rows.push(values.map_err(|what| wrong(format!("line {line}: {what}")))?);
        }
        match Rows::new(columns, rows) {
            Some(rows) => Ok(Content::Rows(rows)),
            None => Err(wrong("the file has more than 4294967295 rows".to_owned())),
        }
    }
}

/// What is wrong, with its line.
fn cause(error: &csv::Error) -> String {
    let at = error
        .position()
        .map(|position| format!("line {}: ", position.line()));
    let at = at.unwrap_or_default();
    match error.kind() {
        csv::ErrorKind::Io(error) => error.to_string(),
        csv::ErrorKind::Utf8 { .. } => format!("{at}this is not UTF-8"),
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            format!("{at}there are {len} columns, but {expected_len} in the first line")
        }
        _ => error.to_string(),
    }
}

//! What is in a file of letters, before anything is sent.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use o365_core::ComponentKey;

use super::lines::Lines;
use crate::dead_letter::Letter;

/// More different reasons than anybody reads; the others are counted together.
const GROUPS: usize = 1_000;

/// Some lines of a file: those that a survey has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The file.
    pub path: PathBuf,
    /// The first byte.
    pub from: u64,
    /// The byte after the last one.
    pub to: u64,
    /// Lines before the first byte.
    pub lines_before: u64,
    /// Lines before the byte after the last one.
    pub lines: u64,
}

/// Letters that have the same to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The component that gave up.
    pub component: ComponentKey,
    /// The kind of the failure.
    pub kind: String,
    /// Why; nothing for many reasons together.
    pub reason: Option<String>,
}

/// What is in a part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// What was looked at, without a last line that is torn.
    pub part: Part,
    /// How many letters there are of each kind.
    pub groups: BTreeMap<Group, u64>,
    /// For each component the number of the first line that is of it.
    pub first: BTreeMap<ComponentKey, u64>,
    /// The number of the last line, if it is torn.
    pub torn: Option<u64>,
}

impl Survey {
    /// The number of letters.
    pub fn letters(&self) -> u64 {
        self.groups.values().sum()
    }

    /// Counts letters, with those of other files.
    pub fn add_to(&self, groups: &mut BTreeMap<Group, u64>) {
        for (group, count) in &self.groups {
            count_in(groups, group.clone(), *count);
        }
    }
}

fn count_in(groups: &mut BTreeMap<Group, u64>, group: Group, count: u64) {
    let group = if groups.len() < GROUPS || groups.contains_key(&group) {
        group
    } else {
        Group {
            reason: None,
            ..group
        }
    };
    *groups.entry(group).or_default() += count;
}

/// Why a file cannot be sent.
#[derive(Debug)]
pub enum Bad {
    /// It cannot be read.
    File(PathBuf, std::io::Error),
    /// A line is no letter.
    Line(PathBuf, u64, String),
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "`{}` cannot be read: {error}", path.display()),
            Self::Line(path, line, reason) => write!(f, "{}:{line}: the line {reason}", path.display()),
        }
    }
}

/// Reads a file from a byte on, after so many lines.
///
/// A last line without a line feed is torn (its writer was killed, and its event has come again since) unless it is whole all the
/// same.
///
/// # Errors
/// The file cannot be read, or another line is no letter.
pub fn survey(path: &Path, from: u64, lines_before: u64) -> Result<Survey, Bad> {
    let failed = |error| Bad::File(path.to_owned(), error);
    let mut lines = Lines::open(path, from, lines_before).map_err(failed)?;
    let mut survey = Survey {
        part: Part {
            path: path.to_owned(),
            from,
            to: from,
            lines_before,
            lines: lines_before,
        },
        groups: BTreeMap::new(),
        first: BTreeMap::new(),
        torn: None,
    };
    while let Some(line) = lines.next().map_err(failed)? {
        match Letter::read(&line.text) {
            Ok(letter) => {
                survey
                    .first
                    .entry(letter.component.clone())
                    .or_insert(line.number);
                let group = Group {
                    component: letter.component,
                    kind: letter.kind,
                    reason: Some(letter.reason),
                };
                count_in(&mut survey.groups, group, 1);
            }
            Err(_) if !line.whole => {
                survey.torn = Some(line.number);
                (survey.part.to, survey.part.lines) = (line.start, line.number - 1);
                return Ok(survey);
            }
            Err(reason) => return Err(Bad::Line(path.to_owned(), line.number, reason)),
        }
    }
    (survey.part.to, survey.part.lines) = lines.place();
    Ok(survey)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(component: &str, reason: &str) -> String {
        format!(r#"{{"component":"{component}","kind":"vrl","reason":"{reason}","original":"{{}}"}}"#)
    }

    fn surveyed(text: &str) -> Result<Survey, Bad> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("letters.ndjson");
        std::fs::write(&path, text).unwrap();
        survey(&path, 0, 0)
    }

    #[test]
    fn letters_are_counted_and_a_torn_last_line_is_left_out() {
        let (a, b) = (letter("ecs", "x"), letter("tidy", "y"));
        let text = format!("{a}\n\n{b}\n{b}\n{{\"compo");
        let survey = surveyed(&text).unwrap();
        assert_eq!((survey.letters(), survey.torn), (3, Some(5)));
        assert_eq!((survey.part.to, survey.part.lines), (text.len() as u64 - 7, 4));
        assert_eq!(
            survey.first,
            BTreeMap::from([("ecs".into(), 1), ("tidy".into(), 3)])
        );
        // A line that only lacks its line feed is whole.
        let text = format!("{a}\n{b}");
        let survey = surveyed(&text).unwrap();
        assert_eq!((survey.letters(), survey.torn), (2, None));
        assert_eq!(survey.part.to, text.len() as u64);
        // Blank lines at the end have been seen.
        assert_eq!(surveyed("\n\n").unwrap().part.to, 2);
        assert_eq!(surveyed("").unwrap().letters(), 0);
    }

    #[test]
    fn any_other_line_that_is_no_letter_is_named() {
        let text = format!("{}\n{{\"compo\n{}\n", letter("ecs", "x"), letter("ecs", "x"));
        let bad = surveyed(&text).unwrap_err().to_string();
        assert!(bad.contains("letters.ndjson:2: the line is not JSON"), "{bad}");
    }

    #[test]
    fn very_many_reasons_are_counted_together() {
        let text: String = (0..3_000)
            .map(|number| letter("ecs", &format!("reason {number}")) + "\n")
            .collect();
        let survey = surveyed(&text).unwrap();
        assert_eq!((survey.letters(), survey.groups.len()), (3_000, GROUPS + 1));
    }
}

//! `fixtures/detections.toml`, whose head says what the keys mean.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Detections {
    pub(crate) elastic: Vec<Rule>,
    pub(crate) sigma: Vec<Rule>,
    pub(crate) gap: Vec<Gap>,
    pub(crate) translation: Vec<Translation>,
}

/// A field that rules read, and what they compare it with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) name: String,
    field: Option<String>,
    #[serde(default)]
    equals: Vec<String>,
    #[serde(default)]
    like: Vec<String>,
    #[serde(default)]
    contains: Vec<String>,
    #[serde(default)]
    is: Vec<bool>,
    at_least: Option<f64>,
    at_most: Option<f64>,
    #[serde(default)]
    present: bool,
    /// What the same document must hold besides.
    #[serde(default)]
    pub(crate) beside: BTreeMap<String, String>,
    pub(crate) made_by: Option<String>,
    pub(crate) from: Option<String>,
    #[serde(default)]
    pub(crate) proof: Vec<String>,
    pub(crate) note: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gap {
    pub(crate) lacks: String,
    pub(crate) closed_by: String,
    pub(crate) checks: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Translation {
    pub(crate) rule: String,
    pub(crate) here: String,
}

/// One comparison of a rule.
#[derive(Debug)]
pub(crate) enum Condition<'a> {
    Equals(&'a str),
    Like(&'a str),
    Contains(&'a str),
    Is(bool),
    AtLeast(f64),
    AtMost(f64),
    Present,
}

impl Rule {
    /// Where the mapping puts the field.
    pub(crate) fn field(&self) -> &str {
        self.field.as_deref().unwrap_or(&self.name)
    }

    pub(crate) fn conditions(&self) -> Vec<Condition<'_>> {
        let mut all = Vec::new();
        if self.present {
            all.push(Condition::Present);
        }
        all.extend(self.equals.iter().map(|value| Condition::Equals(value)));
        all.extend(self.like.iter().map(|value| Condition::Like(value)));
        all.extend(self.contains.iter().map(|value| Condition::Contains(value)));
        all.extend(self.is.iter().map(|value| Condition::Is(*value)));
        all.extend(self.at_least.map(Condition::AtLeast));
        all.extend(self.at_most.map(Condition::AtMost));
        all
    }
}

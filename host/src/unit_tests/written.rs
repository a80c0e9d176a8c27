//! A unit test as it is written, with Vector's keys.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess},
};
use serde_json::{Map, Value};

use crate::transforms::ConditionConfig;

/// One of `tests`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitTest {
    /// What it is called in reports; any text.
    pub name: String,
    /// Events, and where they go in.
    #[serde(default)]
    pub inputs: Vec<TestInput>,
    /// A single event. Vector's older form of `inputs`; both together are as good as one list.
    #[serde(default)]
    pub input: Option<TestInput>,
    /// What has to come out.
    #[serde(default)]
    pub outputs: Vec<TestOutput>,
    /// Outputs of transforms from which nothing may come.
    #[serde(default)]
    pub no_outputs_from: Names,
}

/// An event, and the transform that gets it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestInput {
    /// The transform.
    pub insert_at: String,
    /// Which of the other keys holds the event. Default: the one that is there.
    #[serde(default, rename = "type")]
    pub kind: Option<InputKind>,
    /// `type: raw`: the event as text. A JSON object is an event as a source sends it, byte for byte; any other text becomes
    /// the field `message` of one, as in Vector.
    #[serde(default)]
    pub value: Option<String>,
    /// `type: log`: the event's fields. A key is a path, such as `user.id`; one with dots in its name is put in quotes
    /// (`'"odata.type"'`).
    #[serde(default)]
    pub log_fields: Option<Map<String, Value>>,
    /// `type: vrl`: a VRL program that makes the event out of an empty one.
    #[serde(default)]
    pub source: Option<String>,
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// As text.
    Raw,
    /// As fields.
    Log,
    /// As a program.
    Vrl,
}

impl InputKind {
    /// The name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Log => "log",
            Self::Vrl => "vrl",
        }
    }

    /// The key that holds the event.
    pub fn key(self) -> &'static str {
        match self {
            Self::Raw => "value",
            Self::Log => "log_fields",
            Self::Vrl => "source",
        }
    }
}

/// What has to come out of a transform.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestOutput {
    /// A transform, or one of its named outputs (`tidy.dropped`), or several of them.
    pub extract_from: Names,
    /// Each has to hold for at least one of the events. Without any, the events are shown.
    #[serde(default)]
    pub conditions: Option<Vec<ConditionConfig>>,
}

/// One name or a list of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMany)
    }
}

struct OneOrMany;

impl<'de> de::Visitor<'de> for OneOrMany {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a transform's output, or a list of such names")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Names, E> {
        Ok(Names(vec![name.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Names, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = list.next_element()? {
            names.push(name);
        }
        Ok(Names(names))
    }
}

impl UnitTest {
    /// All inputs, each with the path of its key.
    pub fn all_inputs(&self) -> impl Iterator<Item = (String, &TestInput)> {
        let listed = self.inputs.iter().enumerate();
        listed
            .map(|(index, input)| (format!("inputs[{index}]"), input))
            .chain(self.input.iter().map(|input| ("input".to_owned(), input)))
    }
}

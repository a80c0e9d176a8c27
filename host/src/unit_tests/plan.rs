//! What a test needs of the topology. Pure; every problem is found, not only the first.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use o365_core::{ComponentKey, config::Problem};

use super::{
    TestProblem,
    written::{InputKind, Names, TestInput, UnitTest},
};
use crate::{
    config::nearest,
    topology::{self, OutputId, Pipeline},
};

/// A test whose names have been resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where each input goes in, and in which form it is written.
    pub inputs: Vec<(ComponentKey, InputKind)>,
    /// Where each output is extracted.
    pub outputs: Vec<Vec<OutputId>>,
    /// Where nothing may come out.
    pub no_outputs_from: Vec<OutputId>,
    /// The transforms that lie between.
    pub transforms: BTreeSet<ComponentKey>,
}

impl Plan {
    /// Every output that is looked at, once.
    pub fn extracted(&self) -> BTreeSet<&OutputId> {
        self.outputs
            .iter()
            .flatten()
            .chain(&self.no_outputs_from)
            .collect()
    }
}

/// Resolves the names of all tests.
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn plan(tests: &[UnitTest], pipeline: &Pipeline) -> Result<Vec<Plan>, Vec<TestProblem>> {
    let graph = Graph::of(pipeline);
    let mut problems = Vec::new();
    let mut plans = Vec::new();
    for (index, test) in tests.iter().enumerate() {
        match graph.plan(test) {
            Ok(plan) => plans.push(plan),
            Err(found) => problems.extend(
                found
                    .into_iter()
                    .map(|problem| TestProblem { test: index, problem }),
            ),
        }
    }
    if problems.is_empty() {
        Ok(plans)
    } else {
        Err(problems)
    }
}

/// The transforms and who reads from whom.
struct Graph<'a> {
    pipeline: &'a Pipeline,
    /// Every output of a transform, in the order of the configuration.
    outputs: IndexMap<String, OutputId>,
    /// For each transform those that read from any of its outputs.
    readers: BTreeMap<ComponentKey, Vec<ComponentKey>>,
    /// For each transform those that it reads from.
    read: BTreeMap<ComponentKey, Vec<ComponentKey>>,
}

impl<'a> Graph<'a> {
    fn of(pipeline: &'a Pipeline) -> Self {
        let all = topology::inputs::outputs(pipeline);
        let outputs: IndexMap<_, _> = all
            .iter()
            .filter(|output| pipeline.transforms.contains_key(&output.component))
            .map(|output| (output.to_string(), output.clone()))
            .collect();
        let mut readers: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut read: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, (inputs, _)) in &pipeline.transforms {
            let found = inputs
                .iter()
                .flat_map(|input| topology::inputs::matching(input, key, &all));
            for output in found.filter(|output| pipeline.transforms.contains_key(&output.component)) {
                let component = &output.component;
                readers.entry(component.clone()).or_default().push(key.clone());
                read.entry(key.clone()).or_default().push(component.clone());
            }
        }
        Self {
            pipeline,
            outputs,
            readers,
            read,
        }
    }

    fn plan(&self, test: &UnitTest) -> Result<Plan, Vec<Problem>> {
        let mut problems = Vec::new();
        if test.name.trim().is_empty() {
            let problem = Problem::new("name", "a test needs a name");
            problems.push(problem.hint("say what the transforms have to do"));
        }
        let inputs: Vec<_> = test
            .all_inputs()
            .map(|(path, input)| (self.input(&path, input, &mut problems), path))
            .collect();
        if inputs.is_empty() {
            problems.push(Problem::new("", "the test has no inputs").hint(
                "add an event: `inputs: [{ insert_at: NAME, type: raw, value: '…' }]` with the name of a transform",
            ));
        }
        let mut outputs = Vec::new();
        for (index, output) in test.outputs.iter().enumerate() {
            let path = format!("outputs[{index}].extract_from");
            if output.extract_from.0.is_empty() {
                let problem = Problem::new(&path, "there is no name in the list");
                problems.push(problem.hint(self.the_outputs()));
            }
            outputs.push(self.resolve_all(&path, &output.extract_from, &mut problems));
        }
        let no_outputs_from = self.resolve_all("no_outputs_from", &test.no_outputs_from, &mut problems);
        if test.outputs.is_empty() && test.no_outputs_from.0.is_empty() {
            problems.push(Problem::new("", "the test expects nothing: it has neither `outputs` nor `no_outputs_from`").hint(
                "say what has to come out: `outputs: [{ extract_from: NAME, conditions: ['.field == \"value\"'] }]`",
            ));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        self.between(&inputs, outputs, no_outputs_from)
    }

    /// The transforms on the way; events that cannot arrive are a mistake in the test.
    fn between(
        &self,
        inputs: &[(Option<(ComponentKey, InputKind)>, String)],
        outputs: Vec<Vec<(OutputId, String)>>,
        no_outputs_from: Vec<(OutputId, String)>,
    ) -> Result<Plan, Vec<Problem>> {
        let mut problems = Vec::new();
        let inputs: Vec<_> = inputs
            .iter()
            .filter_map(|(input, path)| Some((input.clone()?, path)))
            .collect();
        let reached: BTreeSet<_> = inputs.iter().flat_map(|((key, _), _)| self.after(key)).collect();
        let wanted = outputs.iter().flatten().chain(&no_outputs_from);
        for (output, path) in wanted.clone() {
            if !reached.contains(&output.component) {
                let message = format!("no event of this test can reach `{}`", output.component);
                problems.push(Problem::new(path, message).hint(format!(
                    "insert one at it, or at a transform before it: {}",
                    names(self.before(&output.component).iter())
                )));
            }
        }
        let leading: BTreeSet<_> = wanted
            .flat_map(|(output, _)| self.before(&output.component))
            .collect();
        // Where an output cannot be reached, its inputs cannot be blamed.
        let judged = if problems.is_empty() {
            inputs.as_slice()
        } else {
            &[]
        };
        for ((key, _), path) in judged {
            if !leading.contains(key) {
                let message = format!("what is inserted at `{key}` reaches none of the outputs of this test");
                problems.push(Problem::new(format!("{path}.insert_at"), message).hint(format!(
                    "extract from it, or from a transform behind it: {}",
                    names(self.after(key).iter())
                )));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let bare = |outputs: Vec<(OutputId, String)>| outputs.into_iter().map(|(output, _)| output).collect();
        Ok(Plan {
            inputs: inputs.into_iter().map(|(input, _)| input).collect(),
            outputs: outputs.into_iter().map(bare).collect(),
            no_outputs_from: bare(no_outputs_from),
            transforms: reached.intersection(&leading).cloned().collect(),
        })
    }

    fn input(
        &self,
        path: &str,
        input: &TestInput,
        problems: &mut Vec<Problem>,
    ) -> Option<(ComponentKey, InputKind)> {
        let kind = kind(path, input).map_err(|problem| problems.push(problem)).ok();
        let key = ComponentKey::from(input.insert_at.as_str());
        if self.pipeline.transforms.contains_key(&key) {
            return kind.map(|kind| (key, kind));
        }
        let known = self.pipeline.transforms.keys();
        let (message, hint) = self.not_a_transform(
            &input.insert_at,
            known.map(ComponentKey::as_str),
            "the transforms are",
        );
        problems.push(Problem::new(format!("{path}.insert_at"), message).hint(hint));
        None
    }

    fn resolve_all(&self, path: &str, names: &Names, problems: &mut Vec<Problem>) -> Vec<(OutputId, String)> {
        let mut resolved = Vec::new();
        for (index, name) in names.0.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if let Some(output) = self.outputs.get(name) {
                resolved.push((output.clone(), path));
            } else {
                let known = self.outputs.keys().map(String::as_str);
                let (message, hint) = self.not_a_transform(name, known, "the outputs are");
                problems.push(Problem::new(path, message).hint(hint));
            }
        }
        resolved
    }

    /// What to say of a name that does not fit.
    fn not_a_transform<'n>(
        &self,
        name: &str,
        known: impl Iterator<Item = &'n str> + Clone,
        intro: &str,
    ) -> (String, String) {
        let key = ComponentKey::from(name);
        let section = if self.pipeline.sources.contains_key(&key) {
            Some("source")
        } else if self.pipeline.sinks.contains_key(&key) {
            Some("sink")
        } else {
            None
        };
        let list = format!("{intro} {}", quoted(known.clone()));
        match (section, name.split_once('.')) {
            (Some(section), _) => (
                format!("`{name}` is a {section}: only transforms are tested"),
                list,
            ),
            (None, Some((component, port)))
                if self
                    .pipeline
                    .transforms
                    .contains_key(&ComponentKey::from(component)) =>
            {
                (format!("`{component}` has no output `{port}`"), list)
            }
            (None, _) => {
                let hint = match nearest(name, known) {
                    Some(near) => format!("did you mean `{near}`? {list}"),
                    None => list,
                };
                (format!("there is no transform `{name}`"), hint)
            }
        }
    }

    fn the_outputs(&self) -> String {
        format!(
            "the outputs are {}",
            quoted(self.outputs.keys().map(String::as_str))
        )
    }

    /// A transform and all that its events come to.
    fn after(&self, start: &ComponentKey) -> BTreeSet<ComponentKey> {
        walk(start, |key| self.readers.get(key).cloned().unwrap_or_default())
    }

    /// A transform and all that its events come from.
    fn before(&self, start: &ComponentKey) -> BTreeSet<ComponentKey> {
        walk(start, |key| self.read.get(key).cloned().unwrap_or_default())
    }
}

/// Everything that steps lead to, the start included.
fn walk(start: &ComponentKey, next: impl Fn(&ComponentKey) -> Vec<ComponentKey>) -> BTreeSet<ComponentKey> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![start.clone()];
    while let Some(key) = waiting.pop() {
        if seen.insert(key.clone()) {
            waiting.extend(next(&key));
        }
    }
    seen
}

/// In which form an event is written.
fn kind(path: &str, input: &TestInput) -> Result<InputKind, Problem> {
    let given: Vec<_> = [
        (InputKind::Raw, input.value.is_some()),
        (InputKind::Log, input.log_fields.is_some()),
        (InputKind::Vrl, input.source.is_some()),
    ]
    .into_iter()
    .filter_map(|(kind, given)| given.then_some(kind))
    .collect();
    match (input.kind, given.as_slice()) {
        (None, [only]) => Ok(*only),
        (Some(kind), [only]) if kind == *only => Ok(kind),
        (Some(kind), given) if !given.contains(&kind) => {
            let message = format!("an input of `type: {}` needs `{}`", kind.name(), kind.key());
            Err(Problem::new(path, message).hint(format!("add the key `{}`", kind.key())))
        }
        (Some(kind), given) => {
            let other = given.iter().find(|given| **given != kind).unwrap_or(&kind);
            let message = format!("an input of `type: {}` has no `{}`", kind.name(), other.key());
            Err(Problem::new(format!("{path}.{}", other.key()), message)
                .hint(format!("write `type: {}`, or leave the key out", other.name())))
        }
        (None, _) => Err(Problem::new(
            path,
            "exactly one of `value`, `log_fields` and `source` must be given",
        )
        .hint(
            "write the event as text in `value`, as fields in `log_fields`, or as a VRL program in `source`",
        )),
    }
}

fn names<'k>(keys: impl Iterator<Item = &'k ComponentKey>) -> String {
    quoted(keys.map(ComponentKey::as_str))
}

fn quoted<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

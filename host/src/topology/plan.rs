//! Who reads from whom. Pure; every problem is found, not only the first.

use std::collections::{BTreeMap, BTreeSet};

use o365_core::ComponentKey;

use super::{
    OutputId, Pipeline,
    inputs::{is_wildcard, matching, outputs},
};
use crate::config::nearest;

/// A pipeline whose names have been resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// For each output, the components that read from it, in the order of the configuration.
    pub readers: BTreeMap<OutputId, Vec<ComponentKey>>,
    /// Outputs of transforms that nobody reads: their events are dropped on purpose.
    pub unread: Vec<OutputId>,
}

/// One thing that is wrong with a pipeline as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanProblem {
    /// The component, or none for the pipeline itself.
    pub component: Option<ComponentKey>,
    /// Where in the component.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Where a problem of a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is the component as a whole.
    Component,
    /// Its `inputs`.
    Inputs,
    /// One of them.
    Input(usize),
}

/// Resolves the inputs of every component.
pub fn plan(pipeline: &Pipeline) -> Result<Plan, Vec<PlanProblem>> {
    let outputs = outputs(pipeline);
    let mut problems = missing_ends(pipeline);
    let mut plan = Plan::default();
    let readers = pipeline.transforms.iter().map(|(key, (inputs, _))| (key, inputs));
    let readers = readers.chain(pipeline.sinks.iter().map(|(key, (inputs, _))| (key, inputs)));
    for (key, inputs) in readers {
        if inputs.is_empty() {
            problems.push(PlanProblem {
                component: Some(key.clone()),
                place: Place::Inputs,
                message: "has no inputs".to_owned(),
                hint: Some("name the component that it reads from: `inputs: [name]`".to_owned()),
            });
        }
        let (mut named, mut read) = (BTreeSet::new(), BTreeSet::new());
        for (index, input) in inputs.iter().enumerate() {
            let mut found = matching(input, key, &outputs).peekable();
            if found.peek().is_none() {
                problems.push(unknown_input(pipeline, key, index, input, &outputs));
            } else if !is_wildcard(input) && !named.insert(input) {
                problems.push(PlanProblem {
                    component: Some(key.clone()),
                    place: Place::Input(index),
                    message: format!("reads from `{input}` twice"),
                    hint: Some("name each input once".to_owned()),
                });
            }
            // What several wildcards fit is read once.
            for output in found.filter(|output| read.insert(*output)) {
                plan.readers.entry(output.clone()).or_default().push(key.clone());
            }
        }
    }
    if problems.is_empty() {
        problems.extend(cycle(&plan));
        problems.extend(unread_sources(pipeline, &plan));
    }
    plan.unread = outputs
        .into_iter()
        .filter(|output| !plan.readers.contains_key(output))
        .collect();
    if problems.is_empty() {
        Ok(plan)
    } else {
        Err(problems)
    }
}

fn missing_ends(pipeline: &Pipeline) -> Vec<PlanProblem> {
    let whole = |message: &str, hint: &str| PlanProblem {
        component: None,
        place: Place::Component,
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
    };
    let mut problems = Vec::new();
    if pipeline.sources.is_empty() {
        problems.push(whole(
            "no source is configured",
            "add one below `sources:`, for example `type: o365_audit`",
        ));
    }
    if pipeline.sinks.is_empty() {
        problems.push(whole(
            "no sink is configured",
            "add one below `sinks:`, for example `type: console`",
        ));
    }
    problems
}

fn unknown_input(
    pipeline: &Pipeline,
    key: &ComponentKey,
    index: usize,
    input: &str,
    outputs: &[OutputId],
) -> PlanProblem {
    let names: Vec<_> = outputs.iter().map(ToString::to_string).collect();
    let known = || {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        format!("the outputs are {}", names.join(", "))
    };
    let of = |port: &str, output: &str| {
        let is_remap = pipeline
            .transforms
            .get(&ComponentKey::from(output))
            .is_some_and(|(_, config)| config.describe().component_type == "remap");
        (port == "dropped" && is_remap).then(|| {
            format!(
                "`{output}` has this output with `reroute_dropped: true`; {}",
                known()
            )
        })
    };
    let (message, hint) = if is_wildcard(input) {
        (format!("no output fits `{input}`"), known())
    } else if pipeline.sinks.contains_key(&ComponentKey::from(input)) {
        (
            format!("`{input}` is a sink, and nothing comes out of a sink"),
            known(),
        )
    } else {
        let hint = input
            .rsplit_once('.')
            .and_then(|(output, port)| of(port, output))
            .or_else(|| {
                let meant = nearest(input, names.iter().map(String::as_str))?;
                Some(format!("did you mean `{meant}`? {}", known()))
            });
        (
            format!("there is no output `{input}`"),
            hint.unwrap_or_else(known),
        )
    };
    PlanProblem {
        component: Some(key.clone()),
        place: Place::Input(index),
        message,
        hint: Some(hint),
    }
}

/// A source whose events go nowhere would fetch and acknowledge them for nothing.
fn unread_sources(pipeline: &Pipeline, plan: &Plan) -> Vec<PlanProblem> {
    let read = |key: &ComponentKey| plan.readers.keys().any(|output| output.component == *key);
    let unread = pipeline.sources.keys().filter(|key| !read(key));
    unread
        .map(|key| PlanProblem {
            component: Some(key.clone()),
            place: Place::Component,
            message: "nothing reads from this source: its events would be lost".to_owned(),
            hint: Some(format!(
                "add `{key}` to the `inputs` of a transform or sink, or remove the source"
            )),
        })
        .collect()
}

/// Walks upstream to downstream; a component that is reached while it is being left is part of a cycle.
fn cycle(plan: &Plan) -> Option<PlanProblem> {
    let mut next: BTreeMap<&ComponentKey, BTreeSet<&ComponentKey>> = BTreeMap::new();
    for (output, readers) in &plan.readers {
        next.entry(&output.component).or_default().extend(readers);
    }
    let mut done = BTreeSet::new();
    let starts: Vec<_> = next.keys().copied().collect();
    starts.into_iter().find_map(|start| {
        let path = find_cycle(start, &next, &mut Vec::new(), &mut done)?;
        let names: Vec<_> = path.iter().map(|key| format!("`{key}`")).collect();
        Some(PlanProblem {
            component: path.first().map(|key| (*key).clone()),
            place: Place::Inputs,
            message: format!("the inputs form a cycle: {}", names.join(" -> ")),
            hint: Some("events must flow in one direction: remove one of these inputs".to_owned()),
        })
    })
}

fn find_cycle<'a>(
    at: &'a ComponentKey,
    next: &BTreeMap<&'a ComponentKey, BTreeSet<&'a ComponentKey>>,
    path: &mut Vec<&'a ComponentKey>,
    done: &mut BTreeSet<&'a ComponentKey>,
) -> Option<Vec<&'a ComponentKey>> {
    if let Some(start) = path.iter().position(|key| *key == at) {
        return Some(path.iter().skip(start).copied().chain([at]).collect());
    }
    if done.contains(at) {
        return None;
    }
    path.push(at);
    let found = next
        .get(at)
        .into_iter()
        .flatten()
        .find_map(|reader| find_cycle(reader, next, path, done));
    path.pop();
    done.insert(at);
    found
}

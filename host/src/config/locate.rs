//! Gives problems that are found later their place in the file.

use std::ops::Range;

use o365_core::{ComponentKey, config::Problem};

use super::{
    Config, ConfigProblem,
    node::{Node, Segment, format_path, parse_path},
};

impl Config {
    /// The place of what a component says of its own options. An option that is not in the file is reported at the
    /// nearest thing around it that is, at last at the component's name.
    pub fn locate(&self, key: &ComponentKey, problem: &Problem) -> ConfigProblem {
        self.below(self.component_path(key), problem)
    }

    /// The place of a component's name.
    pub fn locate_component(&self, key: &ComponentKey, message: &str, hint: Option<&str>) -> ConfigProblem {
        self.problem(&self.component_path(key), None, message, hint)
    }

    /// The place of an input of a component, or of all of its inputs. Without any it is the component's name.
    pub fn locate_input(
        &self,
        key: &ComponentKey,
        input: Option<usize>,
        message: &str,
        hint: Option<&str>,
    ) -> ConfigProblem {
        let mut path = self.component_path(key);
        path.push("inputs".into());
        path.extend(input.map(Segment::Index));
        self.problem(&path, None, message, hint)
    }

    /// The place of a path such as `tests[0].inputs`; empty for the file as a whole.
    pub fn locate_path(&self, path: &str, message: &str, hint: Option<&str>) -> ConfigProblem {
        self.problem(&parse_path(path), None, message, hint)
    }

    /// The place of what is wrong below a path such as `tests[0]`.
    pub fn locate_below(&self, path: &str, problem: &Problem) -> ConfigProblem {
        self.below(parse_path(path), problem)
    }

    fn below(&self, mut path: Vec<Segment>, problem: &Problem) -> ConfigProblem {
        path.extend(parse_path(&problem.field));
        self.problem(
            &path,
            problem.within.as_ref(),
            &problem.message,
            problem.hint.as_deref(),
        )
    }

    /// Looks into the file: whoever runs the components may have taken them out of the configuration.
    fn component_path(&self, key: &ComponentKey) -> Vec<Segment> {
        let path = |section: &str| vec![section.into(), key.as_str().into()];
        ["sources", "transforms", "sinks", "enrichment_tables"]
            .into_iter()
            .map(path)
            .find(|path| self.root.find(path).is_some())
            .unwrap_or_default()
    }

    fn problem(
        &self,
        path: &[Segment],
        within: Option<&Range<usize>>,
        message: &str,
        hint: Option<&str>,
    ) -> ConfigProblem {
        // `inputs: name` stands for a list, and has no index.
        let path = match path.split_last() {
            Some((Segment::Index(_), list)) if self.is_text(list) => list,
            _ => path,
        };
        let span = self.span(path, within);
        ConfigProblem::at(&self.document, span, format_path(path), message, hint)
    }

    fn is_text(&self, path: &[Segment]) -> bool {
        self.root
            .find(path)
            .is_some_and(|found| found.node.as_str().is_some())
    }

    fn span(&self, path: &[Segment], within: Option<&Range<usize>>) -> Range<usize> {
        if let Some(found) = self.root.find(path) {
            let exact = within.and_then(|range| self.document.within(found.node, range));
            return exact.unwrap_or_else(|| place(found.node, found.key_span));
        }
        // Not in the file: what is around it, by its key, since it is not the value that is wrong. Items have no key.
        let start = self.root.span.start;
        (1..path.len())
            .rev()
            .find_map(|length| self.root.find(&path[..length]))
            .map_or(start..start, |found| {
                found.key_span.unwrap_or_else(|| found.node.span.clone())
            })
    }
}

/// A scalar's value, or the key of a list or a map.
fn place(node: &Node, key_span: Option<Range<usize>>) -> Range<usize> {
    let collection = matches!(node.kind, super::node::Kind::Map(_) | super::node::Kind::List(_));
    match key_span {
        Some(key_span) if collection || node.span.is_empty() => key_span,
        _ => node.span.clone(),
    }
}

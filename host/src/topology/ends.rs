//! A pipeline with other ends: its transforms between one source and one sink, with an end where it has none, or with events
//! that enter in the middle.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use o365_core::{
    ComponentKey,
    config::{SinkConfig, SourceConfig},
};

use super::{
    Pipeline,
    inputs::{matching, outputs},
};

/// The name of a source whose events enter at a component. No configuration can have it.
pub(crate) fn entry(at: &ComponentKey) -> ComponentKey {
    ComponentKey::new(format!("(inserted at {at})"))
}

/// The inputs of `reader` when only `kept` is left of a pipeline, and events enter at some components.
pub(crate) fn inputs_within(
    reader: &ComponentKey,
    inputs: &[String],
    kept: &BTreeSet<ComponentKey>,
    enters: bool,
) -> Vec<String> {
    let within = inputs.iter().filter(|input| kept.contains(&component(input)));
    let entry = enters.then(|| entry(reader).to_string());
    within.cloned().chain(entry).collect()
}

/// The component of an input, which may name an output of it.
fn component(input: &str) -> ComponentKey {
    ComponentKey::from(input.split_once('.').map_or(input, |(key, _)| key))
}

impl Pipeline {
    /// Leaves out the sources, and everything that no event reaches that enters at one of `entries`, transforms or sinks. Each of
    /// them then reads from a source with the name `entry`, which the caller adds.
    pub fn enter_at(&mut self, entries: &BTreeSet<ComponentKey>) {
        // Their names are still those that wildcards mean.
        self.expand_wildcards();
        self.sources.clear();
        let mut kept = entries.clone();
        loop {
            let transforms = self.transforms.iter().map(|(key, (inputs, _))| (key, inputs));
            let readers = transforms.chain(self.sinks.iter().map(|(key, (inputs, _))| (key, inputs)));
            let reached: Vec<_> = readers
                .filter(|(key, _)| !kept.contains(*key))
                .filter(|(_, inputs)| inputs.iter().any(|input| kept.contains(&component(input))))
                .map(|(key, _)| key.clone())
                .collect();
            if reached.is_empty() {
                break;
            }
            kept.extend(reached);
        }
        self.transforms.retain(|key, _| kept.contains(key));
        self.sinks.retain(|key, _| kept.contains(key));
        for (key, (inputs, _)) in &mut self.transforms {
            *inputs = inputs_within(key, inputs, &kept, entries.contains(key));
        }
        for (key, (inputs, _)) in &mut self.sinks {
            *inputs = inputs_within(key, inputs, &kept, entries.contains(key));
        }
    }

    /// Replaces every source by one and all sinks by one. No configuration can have components with names in
    /// parentheses.
    #[must_use]
    pub fn with_ends(
        mut self,
        source: (&str, Box<dyn SourceConfig>),
        sink: (&str, Box<dyn SinkConfig>),
    ) -> Self {
        // Their names are still those that wildcards mean.
        self.expand_wildcards();
        let sources: Vec<String> = self.sources.keys().map(ToString::to_string).collect();
        let rename = |inputs: &[String]| {
            let mut renamed: Vec<String> = Vec::new();
            for input in inputs {
                let input = if sources.contains(input) { source.0 } else { input };
                if !renamed.iter().any(|known| known == input) {
                    renamed.push(input.to_owned());
                }
            }
            renamed
        };
        let all: Vec<String> = self
            .sinks
            .values()
            .flat_map(|(inputs, _)| inputs.clone())
            .collect();
        for (inputs, _) in self.transforms.values_mut() {
            *inputs = rename(inputs);
        }
        self.sinks = IndexMap::from([(sink.0.into(), (rename(&all), sink.1))]);
        self.sources = IndexMap::from([(source.0.into(), source.1)]);
        self
    }

    /// Adds what is missing before a source and after the last transforms, for a configuration that is only tested: as in
    /// Vector, `inputs: []` is enough there. A pipeline that has ends stays as it is.
    pub fn add_missing_ends(
        &mut self,
        source: (&str, Box<dyn SourceConfig>),
        sink: (&str, Box<dyn SinkConfig>),
    ) {
        let starts = self.transforms.values_mut().map(|(inputs, _)| inputs);
        let starts: Vec<_> = starts.filter(|inputs| inputs.is_empty()).collect();
        if !starts.is_empty() {
            for inputs in starts {
                inputs.push(source.0.to_owned());
            }
            self.sources.insert(source.0.into(), source.1);
        }
        if self.sinks.is_empty() {
            let outputs = outputs(self);
            let read: BTreeSet<_> = self
                .transforms
                .iter()
                .flat_map(|(key, (inputs, _))| inputs.iter().map(move |input| (key, input)))
                .flat_map(|(key, input)| matching(input, key, &outputs))
                .map(|output| &output.component)
                .collect();
            let last: Vec<_> = outputs
                .iter()
                .filter(|output| {
                    self.transforms.contains_key(&output.component) && !read.contains(&output.component)
                })
                // One of a transform is enough, and its default output if it has one.
                .collect::<Vec<_>>()
                .chunk_by(|one, next| one.component == next.component)
                .filter_map(|outputs| outputs.first().map(ToString::to_string))
                .collect();
            if !last.is_empty() {
                self.sinks.insert(sink.0.into(), (last, sink.1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        sinks::BlackholeConfig,
        sources::StdinConfig,
        topology::plan,
        transforms::{RemapConfig, RouteConfig},
    };

    #[test]
    fn what_no_event_reaches_from_the_entries_is_left_out() {
        let remap = |inputs: &[&str]| {
            let inputs = inputs.iter().map(ToString::to_string).collect::<Vec<_>>();
            let config: Box<dyn o365_core::config::TransformConfig> =
                Box::new(RemapConfig::from_file("none"));
            (inputs, config)
        };
        let sink = |inputs: &[&str]| {
            let inputs = inputs.iter().map(ToString::to_string).collect::<Vec<_>>();
            let config: Box<dyn SinkConfig> = Box::new(BlackholeConfig::default());
            (inputs, config)
        };
        let route: RouteConfig = serde_json::from_str(r#"{"route": {"a": "true"}}"#).unwrap();
        let stdin = || -> Box<dyn SourceConfig> { Box::new(StdinConfig::default()) };
        let mut pipeline = Pipeline {
            sources: IndexMap::from([("in".into(), stdin())]),
            transforms: IndexMap::from([
                ("ecs".into(), remap(&["in"])),
                ("other".into(), remap(&["in"])),
                ("route".into(), (vec!["ecs".to_owned()], Box::new(route) as _)),
                ("tidy".into(), remap(&["route.*", "other"])),
            ]),
            sinks: IndexMap::from([
                ("out".into(), sink(&["in", "tidy"])),
                ("all".into(), sink(&["*"])),
                ("raw".into(), sink(&["in", "other"])),
            ]),
            ..Pipeline::default()
        };
        let entries = BTreeSet::from(["route".into(), "all".into()]);
        pipeline.enter_at(&entries);
        for at in &entries {
            pipeline.sources.insert(entry(at), stdin());
        }
        let inputs = |key: &str| {
            let key = &ComponentKey::from(key);
            let transform = pipeline.transforms.get(key).map(|(inputs, _)| inputs);
            let inputs = transform.or_else(|| pipeline.sinks.get(key).map(|(inputs, _)| inputs));
            inputs.map(|inputs| inputs.join(" "))
        };
        assert_eq!(inputs("ecs"), None);
        assert_eq!(inputs("other"), None);
        assert_eq!(inputs("raw"), None);
        assert_eq!(inputs("route").unwrap(), "(inserted at route)");
        assert_eq!(inputs("tidy").unwrap(), "route.a route._unmatched");
        assert_eq!(inputs("out").unwrap(), "tidy");
        assert_eq!(
            inputs("all").unwrap(),
            "route.a route._unmatched tidy (inserted at all)"
        );
        assert!(plan(&pipeline).is_ok());
    }
}

//! A pipeline with other ends: its transforms between one source and one sink, or with an end where it has none.

use indexmap::IndexMap;
use o365_core::config::{SinkConfig, SourceConfig};

use super::Pipeline;

impl Pipeline {
    /// Replaces every source by one and all sinks by one. No configuration can have components with names in
    /// parentheses.
    #[must_use]
    pub fn with_ends(
        mut self,
        source: (&str, Box<dyn SourceConfig>),
        sink: (&str, Box<dyn SinkConfig>),
    ) -> Self {
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
            let read: Vec<_> = self.transforms.values().flat_map(|(inputs, _)| inputs).collect();
            let keys = self.transforms.keys().map(ToString::to_string);
            let last: Vec<_> = keys.filter(|key| !read.contains(&key)).collect();
            if !last.is_empty() {
                self.sinks.insert(sink.0.into(), (last, sink.1));
            }
        }
    }
}

//! A pipeline with other ends: its transforms between one source and one sink.

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
}

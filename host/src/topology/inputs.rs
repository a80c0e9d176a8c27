//! Names in `inputs`, and the outputs that they stand for: one, or with `*` every one whose name fits.

use std::collections::BTreeSet;

use o365_core::ComponentKey;

use super::{OutputId, Pipeline};

/// Every output that can be read from, sources and transforms in the order of the configuration.
pub(crate) fn outputs(pipeline: &Pipeline) -> Vec<OutputId> {
    let sources = pipeline
        .sources
        .iter()
        .map(|(key, config)| (key, true, config.describe().outputs));
    let transforms = pipeline
        .transforms
        .iter()
        .map(|(key, (_, config))| (key, config.has_default_output(), config.describe().outputs));
    sources
        .chain(transforms)
        .flat_map(|(key, has_default, ports)| outputs_of(key, has_default, ports))
        .collect()
}

/// The default output of a component, if it has one, and the named ones.
fn outputs_of(key: &ComponentKey, has_default: bool, ports: Vec<String>) -> impl Iterator<Item = OutputId> {
    let ports = ports.into_iter().map(|port| Some(port.into()));
    let default = has_default.then_some(None);
    default.into_iter().chain(ports).map(|port| OutputId {
        component: key.clone(),
        port,
    })
}

/// Whether a name stands for any number of outputs.
pub(crate) fn is_wildcard(input: &str) -> bool {
    input.contains('*')
}

/// The outputs that an input of `reader` stands for. A wildcard never means the reader itself.
pub(crate) fn matching<'o>(
    input: &str,
    reader: &ComponentKey,
    outputs: &'o [OutputId],
) -> impl Iterator<Item = &'o OutputId> {
    outputs.iter().filter(move |output| {
        if is_wildcard(input) {
            output.component != *reader && fits(input, &output.to_string())
        } else {
            output.to_string() == input
        }
    })
}

/// Whether a name has the parts between the asterisks, in their order.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl Pipeline {
    /// Replaces wildcards by the names that they stand for; one that stands for nothing is left.
    pub(crate) fn expand_wildcards(&mut self) {
        let outputs = outputs(self);
        let expand = |reader: &ComponentKey, inputs: &mut Vec<String>| {
            if !inputs.iter().any(|input| is_wildcard(input)) {
                return;
            }
            let mut seen = BTreeSet::new();
            let mut expanded = Vec::new();
            for input in inputs.drain(..) {
                let mut found: Vec<_> = matching(&input, reader, &outputs)
                    .map(ToString::to_string)
                    .collect();
                if found.is_empty() {
                    found.push(input);
                }
                expanded.extend(found.into_iter().filter(|name| seen.insert(name.clone())));
            }
            *inputs = expanded;
        };
        for (key, (inputs, _)) in &mut self.transforms {
            expand(key, inputs);
        }
        for (key, (inputs, _)) in &mut self.sinks {
            expand(key, inputs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asterisk_stands_for_anything() {
        for (pattern, fitting, others) in [
            ("*", vec!["", "a", "a.b"], vec![]),
            ("a*", vec!["a", "ab", "a.b"], vec!["ba", ""]),
            ("*a", vec!["a", "ba", "aa"], vec!["ab"]),
            (
                "route.*",
                vec!["route.a", "route._unmatched"],
                vec!["route", "router.a"],
            ),
            ("a*b*c", vec!["abc", "axbxc", "abbc"], vec!["ac", "acb", "abcd"]),
            ("a*a", vec!["aa", "aba"], vec!["a"]),
            ("a**b", vec!["ab", "axb"], vec!["a"]),
            ("ä*", vec!["äö"], vec!["a"]),
        ] {
            for name in fitting {
                assert!(fits(pattern, name), "{pattern} {name}");
            }
            for name in others {
                assert!(!fits(pattern, name), "{pattern} {name}");
            }
        }
    }
}

//! Tells whether two versions of a configuration say the same of a component.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    path::Path,
};

use o365_core::ComponentKey;

use super::{
    Config,
    node::{Kind, Node},
};

/// What a part of the configuration says, in short: values after interpolation, wherever they stand. It holds no value, and
/// is only good within one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Of a value.
    pub(crate) fn of(value: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// What can change while a pipeline runs. What else is at the top of the file needs a new start.
const CHANGEABLE: [&str; 7] = [
    "sources",
    "transforms",
    "sinks",
    "enrichment_tables",
    "timezone",
    "shutdown_grace",
    "tests",
];

impl Config {
    /// Of each component: its type and options, what programs use if it runs some, and the files that it is built from. What
    /// it reads from is not part of it.
    pub fn fingerprints(&self) -> BTreeMap<ComponentKey, Fingerprint> {
        let programs = self.program_fingerprint();
        let none = Fingerprint::default();
        let sources = self
            .sources
            .iter()
            .map(|(key, entry)| (key, "sources", entry.config.files_to_watch(), none));
        let transforms = self.transforms.iter().map(|(key, entry)| {
            let config = &entry.config;
            let uses = if config.runs_programs() { programs } else { none };
            (key, "transforms", config.files_to_watch(), uses)
        });
        let sinks = self
            .sinks
            .iter()
            .map(|(key, entry)| (key, "sinks", entry.config.files_to_watch(), none));
        sources
            .chain(transforms)
            .chain(sinks)
            .map(|(key, section, files, uses)| {
                let options = self.options(section, key.as_str());
                let contents: Vec<_> = files
                    .iter()
                    .map(|file| content(&self.config_dir.join(file)))
                    .collect();
                (key.clone(), Fingerprint::of((section, options, contents, uses)))
            })
            .collect()
    }

    /// Of what programs use besides their own options: tables and the time zone.
    pub fn program_fingerprint(&self) -> Fingerprint {
        let part = |name| self.root.get(name).map(|entry| Said(&entry.value));
        Fingerprint::of((part("enrichment_tables"), part("timezone")))
    }

    /// Names of options that differ from those of another configuration, and that cannot change while a pipeline runs.
    pub fn fixed_differences(&self, other: &Self) -> Vec<String> {
        let names = |config: &Self| -> Vec<String> {
            let entries = config.root.entries().unwrap_or_default();
            entries.iter().map(|entry| entry.key.clone()).collect()
        };
        let mut names = [names(self), names(other)].concat();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| {
            let said = |config: &Self| {
                config
                    .root
                    .get(name)
                    .map(|entry| Fingerprint::of(Said(&entry.value)))
            };
            !CHANGEABLE.contains(&name.as_str()) && said(self) != said(other)
        });
        names
    }

    /// What a component's options say, without its inputs.
    fn options(&self, section: &str, name: &str) -> Vec<(&str, Fingerprint)> {
        let component = self.root.get(section).and_then(|entry| entry.value.get(name));
        let options = component
            .and_then(|entry| entry.value.entries())
            .unwrap_or_default();
        let mut options: Vec<_> = options
            .iter()
            .filter(|option| option.key != "inputs")
            .map(|option| (option.key.as_str(), Fingerprint::of(Said(&option.value))))
            .collect();
        // In whatever order they are written.
        options.sort_unstable_by_key(|(name, _)| *name);
        options
    }
}

/// What is in a file, or that it cannot be read.
fn content(path: &Path) -> Option<Fingerprint> {
    std::fs::read(path).ok().map(Fingerprint::of)
}

/// A value, wherever it stands.
struct Said<'n>(&'n Node);

impl Hash for Said<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(&self.0.kind).hash(state);
        match &self.0.kind {
            Kind::Null => {}
            Kind::Bool(value) => value.hash(state),
            Kind::Int(value) => value.hash(state),
            Kind::Float(value) => value.to_bits().hash(state),
            Kind::String(text) => text.value.hash(state),
            Kind::List(items) => items.iter().map(Said).collect::<Vec<_>>().hash(state),
            Kind::Map(entries) => {
                let entries = entries.iter().map(|entry| (&entry.key, Said(&entry.value)));
                entries.collect::<Vec<_>>().hash(state);
            }
            Kind::Placeholder(forms) => forms.hash(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, parse};
    use crate::registry::registry;

    use super::*;

    fn config(text: &str) -> Config {
        parse(
            "c.yaml",
            text,
            Format::Yaml,
            &|name| Some(name.to_lowercase()),
            &registry(),
        )
        .unwrap()
    }

    const BASE: &str = "
sources: { in: { type: stdin } }
transforms:
  a: { type: remap, inputs: [in], source: '.a = 1', drop_on_error: true }
  b: { type: user_agent, inputs: [a] }
sinks: { out: { type: console, inputs: [b], encoding: { codec: \"${JSON}\" } } }
";

    #[test]
    fn only_what_says_something_else_has_another_fingerprint() {
        let base = config(BASE);
        let changed = |text: &str| -> Vec<String> {
            let (before, after) = (base.fingerprints(), config(text).fingerprints());
            let differs = after
                .iter()
                .filter(|(key, print)| before.get(*key) != Some(print));
            differs.map(|(key, _)| key.to_string()).collect()
        };
        assert!(changed(BASE).is_empty());
        assert!(changed(&BASE.replace("${JSON}", "json")).is_empty());
        assert!(changed(&format!("# longer\n{BASE}")).is_empty());
        assert!(changed(&BASE.replace("inputs: [a]", "inputs: [in]")).is_empty());
        let reordered = BASE.replace(
            "type: remap, inputs: [in], ",
            "drop_on_error: true, inputs: [in], type: remap, ",
        );
        assert!(changed(&reordered.replace(", drop_on_error: true }", " }")).is_empty());
        assert_eq!(changed(&BASE.replace(".a = 1", ".a = 2")), ["a"]);
        assert_eq!(changed(&BASE.replace("${JSON}", "pretty")), ["out"]);
        assert_eq!(
            changed(&BASE.replace("drop_on_error: true", "drop_on_error: false")),
            ["a"]
        );
        // Programs know the time zone, the user agent's rules do not.
        assert_eq!(changed(&format!("timezone: Europe/Berlin{BASE}")), ["a"]);
    }

    #[test]
    fn what_needs_a_new_start_is_named() {
        let base = config(BASE);
        let fixed = |more: &str| config(&format!("{more}{BASE}")).fixed_differences(&base);
        assert!(fixed("timezone: Europe/Berlin\nshutdown_grace: 5s").is_empty());
        assert_eq!(
            fixed("data_dir: ./other\napi: { enabled: true }"),
            ["api", "data_dir"]
        );
    }

    #[test]
    fn a_file_that_a_component_is_built_from_is_part_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("a.vrl");
        std::fs::write(&program, ".a = 1").unwrap();
        let text = BASE.replace("source: '.a = 1'", &format!("file: {}", program.display()));
        let before = config(&text).fingerprints();
        assert_eq!(config(&text).fingerprints(), before);
        std::fs::write(&program, ".a = 2").unwrap();
        assert_ne!(config(&text).fingerprints()[&"a".into()], before[&"a".into()]);
    }
}

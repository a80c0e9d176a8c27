//! From the tree to a [`Config`].

use std::{collections::HashMap, ops::Range, path::PathBuf, sync::Arc, time::Duration};

use indexmap::IndexMap;
use o365_core::ComponentKey;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    ApiConfig, Config, ConfigErrors, ConfigProblem, Environment, Format, Input, Registry, SinkEntry,
    SourceEntry, TransformEntry,
    collect::{self, Finding, hint},
    document::Document,
    interpolate::interpolate,
    node::{Entry, Kind, Node, Segment, format_path},
    read,
    registry::Types,
    suggest::nearest,
};
use crate::{
    dead_letter::DeadLetterConfig, enrichment::TableConfig, telemetry::TelemetryConfig,
    time_zone::DefaultTimeZone, unit_tests::UnitTest,
};

/// What is not a component.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Top {
    data_dir: PathBuf,
    api: ApiConfig,
    dead_letter: DeadLetterConfig,
    telemetry: TelemetryConfig,
    timezone: DefaultTimeZone,
    #[serde(with = "o365_core::duration")]
    shutdown_grace: Duration,
    // Read by hand; named here so that they are known and suggested.
    sources: IgnoredAny,
    transforms: IgnoredAny,
    sinks: IgnoredAny,
    enrichment_tables: IgnoredAny,
    tests: IgnoredAny,
}

impl Default for Top {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./data"),
            api: ApiConfig::default(),
            dead_letter: DeadLetterConfig::default(),
            telemetry: TelemetryConfig::default(),
            timezone: DefaultTimeZone::default(),
            shutdown_grace: Duration::from_mins(1),
            sources: IgnoredAny,
            transforms: IgnoredAny,
            sinks: IgnoredAny,
            enrichment_tables: IgnoredAny,
            tests: IgnoredAny,
        }
    }
}

pub(super) fn load(
    name: &str,
    text: &str,
    format: Format,
    env: Environment<'_>,
    registry: &Registry,
) -> Result<Config, ConfigErrors> {
    let mut root = read::read(text, format).map_err(|errors| {
        let document = Arc::new(Document::unread(name, text));
        let problem = |error: read::ReadError| {
            ConfigProblem::at(
                &document,
                error.span,
                String::new(),
                &error.message,
                error.hint.as_deref(),
            )
            .and_at(error.other)
        };
        ConfigErrors::from_problems(errors.into_iter().map(problem).collect())
    })?;
    let missing = interpolate(&mut root, text, env);
    let document = Document::read(name, text, &root);
    let mut loader = Loader {
        findings: Vec::new(),
        names: HashMap::new(),
    };
    loader.findings.extend(missing.into_iter().map(|missing| Finding {
        path: missing.path,
        span: missing.span,
        message: missing.message,
        hint: Some(missing.hint),
        hide: None,
    }));
    let parts = loader.config(&root, registry);
    loader.finish(document, root, parts)
}

/// Everything of a [`Config`] that comes out of the tree.
#[derive(Debug, Default)]
struct Parts {
    top: Top,
    sources: IndexMap<ComponentKey, SourceEntry>,
    transforms: IndexMap<ComponentKey, TransformEntry>,
    sinks: IndexMap<ComponentKey, SinkEntry>,
    enrichment_tables: IndexMap<ComponentKey, Arc<dyn TableConfig>>,
    tests: Vec<UnitTest>,
}

struct Loader {
    findings: Vec<Finding>,
    /// The section of each component so far.
    names: HashMap<String, &'static str>,
}

/// A component before its options are known.
struct Component<C: ?Sized> {
    key: ComponentKey,
    type_name: String,
    inputs: Vec<Input>,
    config: Box<C>,
}

impl Loader {
    fn finish(self, mut document: Document, root: Node, parts: Parts) -> Result<Config, ConfigErrors> {
        document.hide(self.findings.iter().filter_map(|finding| finding.hide.clone()));
        let document = Arc::new(document);
        let problems: Vec<_> = self
            .findings
            .into_iter()
            .map(|finding| {
                let path = format_path(&finding.path);
                ConfigProblem::at(
                    &document,
                    finding.span,
                    path,
                    &finding.message,
                    finding.hint.as_deref(),
                )
            })
            .collect();
        if !problems.is_empty() {
            return Err(ConfigErrors::from_problems(problems));
        }
        Ok(Config {
            data_dir: parts.top.data_dir,
            config_dir: PathBuf::from("."),
            api: parts.top.api,
            dead_letter: parts.top.dead_letter,
            telemetry: parts.top.telemetry,
            timezone: parts.top.timezone,
            shutdown_grace: parts.top.shutdown_grace,
            sources: parts.sources,
            transforms: parts.transforms,
            sinks: parts.sinks,
            enrichment_tables: parts.enrichment_tables,
            tests: parts.tests,
            document,
            root,
        })
    }

    fn config(&mut self, root: &Node, registry: &Registry) -> Parts {
        let mut parts = Parts::default();
        match root.kind {
            Kind::Map(_) => {}
            Kind::Null => {
                self.report(
                    Vec::new(),
                    root.span.clone(),
                    "the configuration is empty",
                    Some(STARTING_POINT),
                );
                return parts;
            }
            _ => {
                let message = format!("expected a map, found {}", root.describe());
                self.report(Vec::new(), root.span.clone(), &message, Some(STARTING_POINT));
                return parts;
            }
        }
        match collect::read::<Top>(root, &root.span, &[], &[]) {
            Ok(top) => parts.top = top,
            Err(findings) => self.findings.extend(findings),
        }
        for component in self.section(root, "sources", false, &registry.sources) {
            let entry = SourceEntry {
                component_type: component.type_name,
                config: component.config,
            };
            parts.sources.insert(component.key, entry);
        }
        for component in self.section(root, "transforms", true, &registry.transforms) {
            let entry = TransformEntry {
                component_type: component.type_name,
                inputs: component.inputs,
                config: component.config,
            };
            parts.transforms.insert(component.key, entry);
        }
        for component in self.section(root, "sinks", true, &registry.sinks) {
            let entry = SinkEntry {
                component_type: component.type_name,
                inputs: component.inputs,
                config: component.config,
            };
            parts.sinks.insert(component.key, entry);
        }
        for table in self.section(root, "enrichment_tables", false, &registry.enrichment_tables) {
            parts.enrichment_tables.insert(table.key, table.config.into());
        }
        parts.tests = self.tests(root);
        parts
    }

    fn section<C: ?Sized>(
        &mut self,
        root: &Node,
        section: &'static str,
        has_inputs: bool,
        types: &Types<C>,
    ) -> Vec<Component<C>> {
        let Some(entry) = root.get(section) else {
            return Vec::new();
        };
        match &entry.value.kind {
            Kind::Null | Kind::Placeholder(_) => Vec::new(),
            Kind::Map(entries) => entries
                .iter()
                .filter_map(|entry| {
                    let path = vec![section.into(), entry.key.as_str().into()];
                    self.name(entry, section, &path);
                    self.component(entry, path, has_inputs, types)
                })
                .collect(),
            _ => {
                let message = format!("expected a map of components, found {}", entry.value.describe());
                self.report(
                    vec![section.into()],
                    entry.value.span.clone(),
                    &message,
                    Some("give each component a name: `name: { type: … }`"),
                );
                Vec::new()
            }
        }
    }

    fn name(&mut self, entry: &Entry, section: &'static str, path: &[Segment]) {
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if entry.key.is_empty() || !entry.key.chars().all(fine) {
            let message = format!("`{}` is not a name for a component", entry.key);
            self.report(
                path.to_vec(),
                entry.key_span.clone(),
                &message,
                Some("use letters, digits, `_` and `-`"),
            );
        }
        if let Some(other) = self.names.insert(entry.key.clone(), section) {
            let message = format!("the name `{}` is already used in `{other}`", entry.key);
            self.report(
                path.to_vec(),
                entry.key_span.clone(),
                &message,
                Some("names are unique among sources, transforms, sinks and enrichment tables"),
            );
        }
    }

    fn component<C: ?Sized>(
        &mut self,
        entry: &Entry,
        path: Vec<Segment>,
        has_inputs: bool,
        types: &Types<C>,
    ) -> Option<Component<C>> {
        let Some(entries) = entry.value.entries() else {
            if !matches!(entry.value.kind, Kind::Placeholder(_)) {
                let message = format!("expected a map, found {}", entry.value.describe());
                let names = hint(None, "the types are", types.names());
                let hint = format!("write at least `{}: {{ type: … }}`; {names}", entry.key);
                self.report(path, entry.key_span.clone(), &message, Some(&hint));
            }
            return None;
        };
        let inputs = if has_inputs {
            self.inputs(entry, &path)
        } else {
            Some(Vec::new())
        };
        let type_name = self.type_name(entry, &path, types)?;
        let by_hand: &[&str] = if has_inputs {
            &["type", "inputs"]
        } else {
            &["type"]
        };
        let mut options = entry.value.clone();
        options.kind = Kind::Map(
            entries
                .iter()
                .filter(|entry| !by_hand.contains(&entry.key.as_str()))
                .cloned()
                .collect(),
        );
        let read = types.get(&type_name)?;
        match read(&options, &entry.key_span, by_hand, &path) {
            Ok(config) => Some(Component {
                key: entry.key.as_str().into(),
                type_name,
                inputs: inputs?,
                config,
            }),
            Err(findings) => {
                for mut finding in findings {
                    finding.path.splice(0..0, path.iter().cloned());
                    self.findings.push(finding);
                }
                None
            }
        }
    }

    /// The `type`, if there is one and it is known.
    fn type_name<C: ?Sized>(&mut self, entry: &Entry, path: &[Segment], types: &Types<C>) -> Option<String> {
        let Some(found) = entry.value.get("type") else {
            let names = hint(None, "the types are", types.names());
            self.report(
                path.to_vec(),
                entry.key_span.clone(),
                "`type` is missing",
                Some(&names),
            );
            return None;
        };
        let mut path = path.to_vec();
        path.push("type".into());
        let Some(name) = found.value.as_str() else {
            if !matches!(found.value.kind, Kind::Placeholder(_)) {
                let message = format!("expected a text, found {}", found.value.describe());
                let names = hint(None, "the types are", types.names());
                self.report(path, place(found), &message, Some(&names));
            }
            return None;
        };
        if let Some(remedy) = types.left_out(name) {
            let message = format!("this program was built without `{name}`");
            self.report(path, place(found), &message, Some(remedy));
            return None;
        }
        if types.get(name).is_none() {
            let section = match path.first() {
                Some(Segment::Key(section)) if section == "enrichment_tables" => "an enrichment table",
                Some(Segment::Key(section)) => &format!("a {}", section.trim_end_matches('s')),
                _ => "a component",
            };
            let message = format!("unknown type `{name}` of {section}");
            let names = hint(nearest(name, types.names()), "the types are", types.names());
            self.report(path, place(found), &message, Some(&names));
            return None;
        }
        Some(name.to_owned())
    }

    fn inputs(&mut self, entry: &Entry, path: &[Segment]) -> Option<Vec<Input>> {
        const HINT: &str = "name the components that it reads from: `inputs: [name]`";
        let Some(found) = entry.value.get("inputs") else {
            self.report(
                path.to_vec(),
                entry.key_span.clone(),
                "`inputs` is missing",
                Some(HINT),
            );
            return None;
        };
        let mut path = path.to_vec();
        path.push("inputs".into());
        let one = std::slice::from_ref(&found.value);
        let (items, listed) = match &found.value.kind {
            Kind::List(items) => (items.as_slice(), true),
            _ => (one, false),
        };
        let mut inputs = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let mut path = path.clone();
            if listed {
                path.push(Segment::Index(index));
            }
            let span = if listed { item.span.clone() } else { place(found) };
            match item.as_str() {
                Some(name) => inputs.push(Input {
                    name: name.to_owned(),
                    span,
                }),
                None if matches!(item.kind, Kind::Placeholder(_)) => {}
                None => {
                    let message = format!("expected the name of a component, found {}", item.describe());
                    self.report(path, span, &message, Some(HINT));
                }
            }
        }
        Some(inputs)
    }

    fn tests(&mut self, root: &Node) -> Vec<UnitTest> {
        let Some(entry) = root.get("tests") else {
            return Vec::new();
        };
        let items = match &entry.value.kind {
            Kind::Null => return Vec::new(),
            Kind::List(items) => items,
            _ => {
                let message = format!("expected a list, found {}", entry.value.describe());
                self.report(
                    vec!["tests".into()],
                    place(entry),
                    &message,
                    Some("begin each test with `- name: …`"),
                );
                return Vec::new();
            }
        };
        let mut tests = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = vec!["tests".into(), Segment::Index(index)];
            match collect::read(item, &item.span, &[], &path) {
                Ok(test) => tests.push(test),
                Err(findings) => {
                    for mut finding in findings {
                        finding.path.splice(0..0, path.iter().cloned());
                        self.findings.push(finding);
                    }
                }
            }
        }
        tests
    }

    fn report(&mut self, path: Vec<Segment>, span: Range<usize>, message: &str, hint: Option<&str>) {
        self.findings.push(Finding {
            path,
            span,
            message: message.to_owned(),
            hint: hint.map(ToOwned::to_owned),
            hide: None,
        });
    }
}

const STARTING_POINT: &str = "start from examples/newcomer.yaml";

/// The value, or the key if there is nothing to see of the value.
fn place(entry: &Entry) -> Range<usize> {
    if entry.value.span.is_empty() {
        entry.key_span.clone()
    } else {
        entry.value.span.clone()
    }
}

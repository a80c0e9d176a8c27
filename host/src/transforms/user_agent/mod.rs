//! `type: user_agent`: the parts of a user agent, as Elasticsearch's processor of that name writes them.

mod rules;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use o365_core::{
    Failure, FunctionTransform, LogEvent, OutputBuffer, Transform, Value,
    config::{BuildError, ComponentContext, Description, Problem, TransformConfig},
};
use quick_cache::sync::Cache;
use serde::Deserialize;
use vrl::path::OwnedValuePath;

use self::rules::{Agent, Named, Rules};
use super::field;

/// uap-core's rules: see `regexes.README.md` for version and licence.
const BUILTIN: &str = include_str!("regexes.yaml");
/// User agents that are remembered. A tenant has some thousands.
const CACHE_ENTRIES: usize = 4096;
/// Longer ones are not remembered, so that the cache stays below some megabytes.
const CACHED_LENGTH: usize = 2048;
/// What Elasticsearch calls a user agent or a device that no rule knows.
const OTHER: &str = "Other";

/// Options of a `user_agent` transform.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserAgentConfig {
    /// What to parse and where to write it. Default: `user_agent.original` into `user_agent`.
    #[serde(default = "default_fields")]
    pub fields: Vec<UserAgentField>,
    /// File of rules in the form of uap-core's `regexes.yaml`, instead of those that are built in. A relative path
    /// starts at the configuration file.
    #[serde(default)]
    pub regexes: Option<String>,
}

/// One user agent of an event.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserAgentField {
    /// Field with the text.
    pub from: String,
    /// Object that is written; what stood there is replaced.
    pub to: String,
}

impl Default for UserAgentConfig {
    fn default() -> Self {
        Self {
            fields: default_fields(),
            regexes: None,
        }
    }
}

fn default_fields() -> Vec<UserAgentField> {
    vec![UserAgentField {
        from: "user_agent.original".to_owned(),
        to: "user_agent".to_owned(),
    }]
}

impl UserAgentConfig {
    fn paths(&self) -> Result<Vec<(OwnedValuePath, OwnedValuePath)>, Vec<Problem>> {
        let (mut paths, mut problems) = (Vec::new(), Vec::new());
        if self.fields.is_empty() {
            problems
                .push(Problem::new("fields", "no field is named").hint("leave `fields` out for the default"));
        }
        for (at, entry) in self.fields.iter().enumerate() {
            let from = field::parse(&entry.from, &format!("fields[{at}].from"));
            let to = field::parse(&entry.to, &format!("fields[{at}].to"));
            match (from, to) {
                (Ok(from), Ok(to)) => paths.push((from, to)),
                (from, to) => problems.extend([from.err(), to.err()].into_iter().flatten()),
            }
        }
        if problems.is_empty() {
            Ok(paths)
        } else {
            Err(problems)
        }
    }
}

/// Reads and compiles the rules of a file.
fn rules_of(file: Option<&Path>) -> Result<Rules, Problem> {
    let Some(file) = file else {
        return Rules::compile(BUILTIN)
            .map_err(|error| Problem::new("", format!("the built-in rules: {error}")));
    };
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| {
        Problem::new("regexes", format!("cannot read `{shown}`: {error}"))
            .hint("a relative path starts at the configuration file")
    })?;
    Rules::compile(&text).map_err(|error| {
        Problem::new(
            "regexes",
            format!("`{shown}` is not a file of user agent rules: {error}"),
        )
        .hint("it must have the form of uap-core's regexes.yaml")
    })
}

#[async_trait]
impl TransformConfig for UserAgentConfig {
    fn describe(&self) -> Description {
        Description {
            component_type: "user_agent",
            summary: "adds the parts of user agents".to_owned(),
            outputs: Vec::new(),
        }
    }

    fn files_to_watch(&self) -> Vec<PathBuf> {
        self.regexes.iter().map(PathBuf::from).collect()
    }

    async fn build(&self, cx: &ComponentContext) -> Result<Transform, BuildError> {
        let fields = self.paths()?;
        let file = self.regexes.as_ref().map(|file| cx.config_dir.join(file));
        // More than a thousand expressions: a moment of work.
        let rules = tokio::task::spawn_blocking(move || rules_of(file.as_deref())).await;
        let rules =
            rules.map_err(|error| Problem::new("regexes", format!("compiling them failed: {error}")))??;
        Ok(Transform::Function(Box::new(UserAgent {
            fields: fields.into(),
            parser: Arc::new(Parser {
                rules,
                cache: Cache::new(CACHE_ENTRIES),
            }),
        })))
    }
}

struct Parser {
    rules: Rules,
    cache: Cache<String, Arc<Agent>>,
}

impl fmt::Debug for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parser").finish_non_exhaustive()
    }
}

impl Parser {
    fn parse(&self, text: &str) -> Arc<Agent> {
        if let Some(known) = self.cache.get(text) {
            return known;
        }
        let agent = Arc::new(self.rules.parse(text));
        if text.len() <= CACHED_LENGTH {
            self.cache.insert(text.to_owned(), Arc::clone(&agent));
        }
        agent
    }
}

#[derive(Debug, Clone)]
struct UserAgent {
    fields: Arc<[(OwnedValuePath, OwnedValuePath)]>,
    parser: Arc<Parser>,
}

impl FunctionTransform for UserAgent {
    fn transform(&mut self, output: &mut OutputBuffer, mut event: LogEvent) {
        let mut found = Vec::new();
        match event.value() {
            Ok(value) => {
                for (from, to) in self.fields.iter() {
                    // What is no text is no user agent, and stays.
                    if let Some(text) = value.get(from).and_then(field::text) {
                        found.push((to, document(&text, &self.parser.parse(&text))));
                    }
                }
            }
            Err(error) => return output.fail(event, Failure::new("invalid_document", error.to_string())),
        }
        // An event without a user agent keeps its bytes.
        if !found.is_empty()
            && let Ok(value) = event.document_mut().value_mut()
        {
            for (to, object) in found {
                field::write(value, to, object);
            }
        }
        output.push(event);
    }

    fn clone_box(&self) -> Box<dyn FunctionTransform> {
        Box::new(self.clone())
    }
}

fn document(original: &str, parsed: &Agent) -> Value {
    let program = parsed.program.as_ref();
    field::object([
        ("original", Some(original.into())),
        (
            "name",
            Some(program.map_or(OTHER, |program| &program.name).into()),
        ),
        (
            "version",
            program
                .and_then(|program| program.version.as_deref())
                .map(Value::from),
        ),
        ("os", parsed.os.as_ref().map(os)),
        (
            "device",
            Some(field::object([(
                "name",
                Some(parsed.device.as_deref().unwrap_or(OTHER).into()),
            )])),
        ),
    ])
}

fn os(os: &Named) -> Value {
    let version = os.version.as_deref();
    field::object([
        ("name", Some(os.name.as_str().into())),
        ("version", version.map(Value::from)),
        (
            "full",
            version.map(|version| format!("{} {version}", os.name).into()),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use o365_core::{config::Services, testing::transform_contract};
    use serde_json::json;

    use super::*;

    fn context(dir: &Path) -> ComponentContext {
        ComponentContext {
            key: "agents".into(),
            data_dir: dir.to_owned(),
            config_dir: dir.to_owned(),
            clock: Arc::new(o365_core::SystemClock),
            services: Services::default(),
        }
    }

    async fn run(config: &str, dir: &Path, documents: &[&'static str]) -> (Vec<Bytes>, usize) {
        let config: UserAgentConfig = serde_json::from_str(config).unwrap();
        let transform = config.build(&context(dir)).await.unwrap();
        let documents = documents
            .iter()
            .map(|text| Bytes::from_static(text.as_bytes()))
            .collect();
        let (passed, mut outputs) = transform_contract(transform, [], documents).await;
        (passed, outputs.take_failed().len())
    }

    #[tokio::test]
    async fn the_built_in_rules_know_a_browser() {
        let text = "Mozilla/5.0 (iPhone; CPU iPhone OS 13_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
            Version/13.0.4 Mobile/15E148 Safari/604.1";
        let document = json!({"user_agent": {"original": text, "old": 1}}).to_string();
        let document: &'static str = Box::leak(document.into_boxed_str());
        let untouched = r#"{"user_agent": {"original": 7}}"#;
        let documents = [document, r#"{"user_agent":{"original":""}}"#, untouched, "oops"];
        let (passed, failed) = run("{}", Path::new("."), &documents).await;
        assert_eq!((passed.len(), failed), (3, 1));
        let read = |at: usize| serde_json::from_slice::<serde_json::Value>(&passed[at]).unwrap();
        assert_eq!(
            read(0),
            json!({"user_agent": {
                "original": text,
                "name": "Mobile Safari",
                "version": "13.0.4",
                "os": {"name": "iOS", "version": "13.3", "full": "iOS 13.3"},
                "device": {"name": "iPhone"},
            }})
        );
        assert_eq!(
            read(1),
            json!({"user_agent": {"original": "", "name": "Other", "device": {"name": "Other"}}})
        );
        assert_eq!(passed[2], untouched);
    }

    #[tokio::test]
    async fn own_rules_and_fields_and_what_is_in_the_way_stays() {
        let dir = tempfile::tempdir().unwrap();
        let rules = "user_agent_parsers: [{regex: '(Fox)/(\\d+)'}]\nos_parsers: []\ndevice_parsers: []\n";
        std::fs::write(dir.path().join("own.yaml"), rules).unwrap();
        let config = r#"{"regexes": "own.yaml", "fields": [{"from": "a", "to": "b.c"}]}"#;
        let (passed, _) = run(
            config,
            dir.path(),
            &[r#"{"a":"Fox/7"}"#, r#"{"a":"Fox/7","b":"mine"}"#],
        )
        .await;
        let expected = r#"{"a":"Fox/7","b":{"c":{"device":{"name":"Other"},"name":"Fox","original":"Fox/7","version":"7"}}}"#;
        assert_eq!(passed, [expected, r#"{"a":"Fox/7","b":"mine"}"#]);
    }

    #[tokio::test]
    async fn mistakes_are_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("bad.yaml"), "[]").unwrap();
        for (config, field, says) in [
            (r#"{"regexes": "none.yaml"}"#, "regexes", "none.yaml"),
            (
                r#"{"regexes": "bad.yaml"}"#,
                "regexes",
                "bad.yaml` is not a file of user agent rules",
            ),
            (r#"{"fields": []}"#, "fields", "no field"),
            (
                r#"{"fields": [{"from": "a..b", "to": "c"}]}"#,
                "fields[0].from",
                "a..b",
            ),
        ] {
            let config: UserAgentConfig = serde_json::from_str(config).unwrap();
            let problem = config
                .build(&context(dir.path()))
                .await
                .unwrap_err()
                .problems
                .remove(0);
            assert_eq!(problem.field, field);
            assert!(problem.message.contains(says), "{problem:?}");
        }
    }

    #[tokio::test]
    async fn the_cache_is_bounded() {
        let rules = Rules::compile("user_agent_parsers: []\nos_parsers: []\ndevice_parsers: []\n").unwrap();
        let parser = Parser {
            rules,
            cache: Cache::new(16),
        };
        for number in 0..1000 {
            parser.parse(&format!("agent {number}"));
        }
        parser.parse(&"x".repeat(CACHED_LENGTH + 1));
        assert!(parser.cache.len() <= 16 && parser.cache.get(&"x".repeat(CACHED_LENGTH + 1)).is_none());
    }
}

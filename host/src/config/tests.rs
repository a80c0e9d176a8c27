//! The configuration as a whole, with components that have the shape of the real ones.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use o365_core::{
    SensitiveString, Sink, Source, SourceContext, Transform,
    config::{BuildError, ComponentContext, Description, Problem, SinkConfig, SourceConfig, TransformConfig},
};
use serde::Deserialize;

use super::{Config, ConfigErrors, Format, Registry, load, parse};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for the errors")]
struct O365Audit {
    application_id: String,
    tenants: Vec<Tenant>,
    #[serde(default)]
    client_secret: Option<SensitiveString>,
    #[serde(default)]
    certificate: Option<PathBuf>,
    #[serde(default)]
    key: Option<PathBuf>,
    #[serde(default)]
    key_passphrase: Option<SensitiveString>,
    #[serde(default)]
    content_type: Option<OneOrMany>,
    #[serde(default)]
    api: Api,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for the errors")]
struct Tenant {
    id: String,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "read for the errors")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Api {
    authentication_endpoint: String,
    resource: String,
    #[serde(with = "o365_core::duration")]
    max_retention: Duration,
    #[serde(with = "o365_core::duration")]
    poll_interval: Duration,
    max_requests_per_minute: u32,
    #[serde(with = "o365_core::duration")]
    max_query_size: Duration,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            authentication_endpoint: "https://login.microsoftonline.com/".to_owned(),
            resource: "https://manage.office.com".to_owned(),
            max_retention: Duration::from_hours(168),
            poll_interval: Duration::from_mins(3),
            max_requests_per_minute: 2000,
            max_query_size: Duration::from_hours(24),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stdin {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for the errors")]
struct FileSource {
    path: OneOrMany,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for the errors")]
struct Wasm {
    module: String,
    #[serde(default)]
    options: serde_json::Value,
    #[serde(default)]
    watch: bool,
    #[serde(default)]
    memory_limit: Option<String>,
    #[serde(default)]
    deadline: Option<Timeout>,
    #[serde(default)]
    workers: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "read for the errors")]
struct Timeout(#[serde(with = "o365_core::duration")] Duration);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for the errors")]
struct Remap {
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    file: Option<PathBuf>,
    #[serde(default)]
    files: Vec<PathBuf>,
    #[serde(default)]
    timezone: Option<String>,
    #[serde(default)]
    drop_on_error: bool,
    #[serde(default)]
    drop_on_abort: bool,
    #[serde(default)]
    reroute_dropped: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for the errors")]
struct Console {
    #[serde(default)]
    target: Target,
    #[serde(default)]
    encoding: Encoding,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Target {
    #[default]
    Stdout,
    Stderr,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Encoding {
    codec: Codec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Codec {
    #[default]
    Json,
    Pretty,
    Original,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for the errors")]
struct FileSink {
    path: String,
    #[serde(default)]
    encoding: Encoding,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for the errors")]
struct Blackhole {
    #[serde(default)]
    print_interval: Option<Timeout>,
}

fn description() -> Description {
    Description {
        component_type: "test",
        summary: String::new(),
        outputs: Vec::new(),
    }
}

fn not_built() -> BuildError {
    Problem::new("", "is only read").into()
}

macro_rules! components {
    ($trait:ident, $context:ty, $built:ty, $($type:ty),+) => {
        $(#[async_trait]
        impl $trait for $type {
            fn describe(&self) -> Description {
                description()
            }

            components!(validate $trait);

            async fn build(&self, _: $context) -> Result<$built, BuildError> {
                Err(not_built())
            }
        })+
    };
    (validate TransformConfig) => {};
    (validate $trait:ident) => {
        fn validate(&self, _: &ComponentContext) -> Vec<Problem> {
            Vec::new()
        }
    };
}

components!(SourceConfig, SourceContext, Source, O365Audit, Stdin, FileSource);
components!(TransformConfig, &ComponentContext, Transform, Wasm, Remap);
components!(SinkConfig, &ComponentContext, Sink, Console, FileSink, Blackhole);

fn registry() -> Registry {
    Registry::new()
        .source::<O365Audit>("o365_audit")
        .source::<Stdin>("stdin")
        .source::<FileSource>("file")
        .transform::<Wasm>("wasm")
        .transform::<Remap>("remap")
        .sink::<Console>("console")
        .sink::<FileSink>("file")
        .sink::<Blackhole>("blackhole")
}

const SECRET: &str = "s3cr3t-of-the-environment";

fn env(name: &str) -> Option<String> {
    let value = match name {
        "O365_APPLICATION_ID" => "11111111-2222-3333-4444-555555555555",
        "O365_CLIENT_SECRET" | "O365_KEY_PASSPHRASE" => SECRET,
        "PORT" => "8687",
        "REQUESTS" => "500",
        "YES" => "true",
        "LINES" => "one\ntype: two\n",
        _ => return None,
    };
    Some(value.to_owned())
}

#[track_caller]
fn config(text: &str) -> Config {
    parse("test.yaml", text, Format::Yaml, &env, &registry()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors(text: &str) -> ConfigErrors {
    parse("test.yaml", text, Format::Yaml, &env, &registry()).expect_err("should be refused")
}

/// Files of a directory of the repository, in order; some.
fn files(directory: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(directory);
    let mut files: Vec<_> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let extension = path.extension().and_then(|extension| extension.to_str());
            extension.is_some_and(|extension| extensions.contains(&extension))
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {}", directory.display());
    files
}

#[test]
fn good_fixtures_and_examples_load() {
    let mut found = files("fixtures/config/ok", &["yaml", "json", "toml"]);
    found.extend(files("examples", &["yaml"]));
    for path in found {
        // Examples say themselves which variables they want: any value will do.
        let env =
            |name: &str| env(name).or_else(|| path.to_str()?.contains("examples").then(|| "x".to_owned()));
        if let Err(errors) = load(&path, &env, &registry()) {
            panic!("{errors}");
        }
    }
}

#[test]
fn bad_fixtures_fail_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for path in files("fixtures/config/err", &["yaml", "json", "toml"]) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let errors = parse(name, &text, Format::of_path(&path).unwrap(), &env, &registry()).expect_err(name);
        let found = format!("{errors}\n\n{}", errors.render(false));
        assert!(
            !found.contains(SECRET) && !found.contains("hunter2"),
            "{name} shows a secret:\n{found}"
        );
        let expectation = path.with_extension("err");
        if update {
            fs::write(&expectation, &found).unwrap();
        } else if fs::read_to_string(&expectation).unwrap_or_default() != found {
            wrong.push(format!("{name}:\n{found}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "not as expected (UPDATE_EXPECT=1 rewrites):\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_expectation_has_one_fixture() {
    for path in files("fixtures/config/err", &["err"]) {
        let languages = ["yaml", "json", "toml"];
        let fixtures = languages
            .iter()
            .filter(|extension| path.with_extension(extension).exists());
        assert_eq!(fixtures.count(), 1, "fixtures of {}", path.display());
    }
}

#[test]
fn the_newcomer_reads_twelve_lines() {
    let text = include_str!("../../../examples/newcomer.yaml");
    assert_eq!(text.lines().filter(|line| !line.trim().is_empty()).count(), 12);
    let config = parse("newcomer.yaml", text, Format::Yaml, &|_| None, &registry());
    assert!(config.is_ok(), "needs no variables");
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = config("sources: {}\n");
    assert_eq!(config.data_dir, Path::new("./data"));
    assert_eq!(config.shutdown_grace, Duration::from_mins(1));
    assert!(!config.api.enabled);
    assert_eq!(config.api.address.to_string(), "127.0.0.1:8686");
}

#[test]
fn keeps_the_order_of_the_file_and_the_places_of_inputs() {
    let text = "sources: {b: {type: stdin}, a: {type: stdin}}\n\
                sinks: {z: {type: console, inputs: b}, y: {type: blackhole, inputs: [a, b]}}\n";
    let config = config(text);
    let sources: Vec<_> = config.sources.keys().map(ToString::to_string).collect();
    assert_eq!(sources, ["b", "a"]);
    let inputs: Vec<Vec<_>> = config
        .sinks
        .values()
        .map(|sink| {
            sink.inputs
                .iter()
                .map(|input| (input.name.as_str(), &text[input.span.clone()]))
                .collect()
        })
        .collect();
    assert_eq!(inputs, [vec![("b", "b")], vec![("a", "a"), ("b", "b")]]);
}

#[test]
fn variables_become_what_the_field_wants() {
    let config = config(
        "api: {enabled: \"${YES}\", address: \"127.0.0.1:${PORT}\"}\n\
         sources:\n  a:\n    type: o365_audit\n    application_id: ${PORT}\n    tenants: []\n    \
         api: {max_requests_per_minute: $REQUESTS, poll_interval: \"${NONE:-5m}\"}\n",
    );
    assert!(config.api.enabled);
    assert_eq!(config.api.address.port(), 8687);
    let source = format!("{:?}", config.sources[0].config);
    assert!(source.contains("application_id: \"8687\""), "{source}");
    assert!(source.contains("max_requests_per_minute: 500"), "{source}");
    assert!(source.contains("poll_interval: 300s"), "{source}");
}

#[test]
fn a_variable_cannot_add_keys() {
    let config = config("sources: {a: {type: file, path: $LINES}}\n");
    assert!(format!("{:?}", config.sources[0].config).contains(r#"One("one\ntype: two\n")"#));
}

#[test]
fn programs_and_tests_keep_their_dollar_signs() {
    let config = config(
        "transforms: {a: {type: remap, inputs: [x], source: \".a = match(.b, r'^x$NONE${')\"}}\n\
         tests: [{name: $NONE}]\n",
    );
    assert!(format!("{:?}", config.transforms[0].config).contains("^x$NONE${"));
    assert_eq!(config.tests[0]["name"], "$NONE");
}

#[test]
fn secrets_are_not_shown_anywhere() {
    let text = "sources:\n  a: {type: o365_audit, application_id: 1, tenants: [], client_secret: [hunter2]}\n  \
                b: {type: o365_audit, application_id: x, tenants: hunter2, client_secret: hunter2, ap: 1}\n  \
                c: {type: o365_audit, application_id: x, tenants: [], client_sceret: hunter3}\n  \
                d: {type: stdin, key: $O365_CLIENT_SECRET}\n  \
                e: {type: o365_audit, application_id: x, tenants: $O365_CLIENT_SECRET, key_passphrase: 123456}\n";
    let errors = errors(text);
    assert_eq!(errors.problems().len(), 8, "{errors}");
    for shown in [
        errors.to_string(),
        errors.render(false),
        errors.render(true),
        format!("{errors:?}"),
    ] {
        for secret in ["hunter2", "hunter3", SECRET, "123456"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    assert!(errors.render(false).contains("**REDACTED**"));
    let config =
        config("sources: {a: {type: o365_audit, application_id: x, tenants: [], client_secret: hunter2}}\n");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    let errors = errors("sources: {a: {type: stdn}}\n");
    let coloured = errors.render(true);
    assert!(coloured.contains('\u{1b}'));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    assert_eq!(plain, errors.render(false));
}

#[test]
fn problems_of_components_get_their_place() {
    let mut config = config(
        "sources:\n  o365:\n    type: o365_audit\n    application_id: x\n    tenants:\n      - {id: a}\n      - id: b\n\
         transforms:\n  tidy:\n    type: remap\n    inputs: [o365]\n    source: |\n      .a = 1\n      .b = upcase(\n\
         sinks:\n  out: {type: console, inputs: tidy}\n",
    );
    // As if they were running.
    (config.sources, config.transforms, config.sinks) = Default::default();
    let check = |key: &str, problem: Problem, expected: &str| {
        assert_eq!(config.locate(&key.into(), &problem).to_string(), expected);
    };
    check(
        "o365",
        Problem::new("tenants[1].id", "not a GUID").hint("see the portal"),
        "test.yaml:7:13: sources.o365.tenants[1].id: not a GUID (see the portal)",
    );
    check(
        "o365",
        Problem::new("api.resource", "no TLS"),
        "test.yaml:2:3: sources.o365.api.resource: no TLS",
    );
    check(
        "o365",
        Problem::new("tenants", "too many"),
        "test.yaml:5:5: sources.o365.tenants: too many",
    );
    check(
        "tidy",
        Problem::new("", "is slow"),
        "test.yaml:9:3: transforms.tidy: is slow",
    );
    check(
        "tidy",
        Problem::new("source", "syntax error").within(12..18),
        "test.yaml:14:12: transforms.tidy.source: syntax error",
    );
    let problem = config.locate_input(&"tidy".into(), Some(0), "there is no `x`", None);
    assert_eq!(
        problem.to_string(),
        "test.yaml:11:14: transforms.tidy.inputs[0]: there is no `x`"
    );
    let problem = config.locate_input(&"out".into(), Some(0), "there is no `x`", None);
    assert_eq!(
        problem.to_string(),
        "test.yaml:16:32: sinks.out.inputs: there is no `x`"
    );
    let problem = config.locate_path("", "has no sinks", None);
    assert_eq!(problem.to_string(), "test.yaml:1:1: has no sinks");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let check = |name: &str, content: Option<&[u8]>, expected: &str| {
        let path = directory.path().join(name);
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let errors = load(&path, &env, &registry()).expect_err(name);
        let found = errors.to_string();
        assert!(found.contains(expected) && found.contains(name), "{found}");
        assert!(errors.render(false).contains(name));
    };
    check("a.ini", None, "the language of the file is unknown");
    check("a.yaml", None, "cannot be read: No such file");
    check("b.yaml", Some(b"a: \xff"), "is not UTF-8");
    let path = directory.path().join("c.yaml");
    fs::write(&path, "sources: {}").unwrap();
    assert_eq!(
        load(&path, &env, &registry()).unwrap().config_dir,
        directory.path()
    );
}

#[test]
fn any_text_is_read_or_refused_without_a_panic() {
    let text = include_str!("../../../examples/newcomer.yaml");
    for format in [Format::Yaml, Format::Toml, Format::Json] {
        for end in (0..text.len())
            .filter(|end| text.is_char_boundary(*end))
            .step_by(5)
        {
            for tail in ["", ": [ä", "}", "\n\t- \"", "${", "\u{feff}"] {
                if let Err(errors) = parse("x", &format!("{}{tail}", &text[..end]), format, &env, &registry())
                {
                    assert!(!errors.problems().is_empty());
                    errors.render(false);
                }
            }
        }
    }
}

//! The configuration as a whole, with the components of this program.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use o365_core::config::Problem;

use super::{Config, ConfigErrors, Format, load, parse};
use crate::registry::registry;

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
        match load(&path, &env, &registry()) {
            Err(errors) if path.ends_with("kafka.yaml") && cfg!(not(feature = "sink-kafka")) => {
                let said = errors.to_string();
                let expected =
                    "this program was built without `kafka` (build it with `--features sink-kafka`)";
                assert!(said.contains(expected), "{said}");
            }
            Err(errors) => panic!("{errors}"),
            Ok(_) => {}
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
    assert_eq!(config.tests[0].name, "$NONE");
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
        Problem::new("tenants[0].name", "is missing"),
        "test.yaml:6:9: sources.o365.tenants[0].name: is missing",
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

#[test]
fn every_option_of_the_source_is_documented() {
    let reference = include_str!("../../../docs/reference/o365_audit.md");
    for (option, prefix) in [("", ""), ("api", "api."), ("tls", "tls."), ("proxy", "proxy.")] {
        let unknown = match option {
            "" => "no_such_option: 1".to_owned(),
            option => format!("{option}: {{no_such_option: 1}}"),
        };
        let message = errors(&format!("sources: {{a: {{type: o365_audit, {unknown}}}}}\n")).to_string();
        let (_, keys) = message.split_once("the keys are ").expect("they are told");
        let mut count = 0;
        for key in keys.split('`').skip(1).step_by(2) {
            count += 1;
            let has_own = ["type", "api", "tls", "proxy"].contains(&key) && prefix.is_empty();
            assert!(
                has_own || reference.contains(&format!("| `{prefix}{key}` |")),
                "{prefix}{key}"
            );
        }
        assert!(count > 0, "{message}");
    }
}

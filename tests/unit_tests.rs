//! `test` with the `tests` of a configuration, as in Vector.

use std::path::Path;

use crate::{
    support::{host, lines, output, output_with_input, stderr},
    test::{lab, test},
};

/// A mapping, and a program that drops some events and refuses others. No sources, no sinks: as in Vector, they are not
/// needed to test.
const TRANSFORMS: &str = r#"
transforms:
  ecs: { type: wasm, inputs: [], module: builtin:ecs }
  tidy:
    type: remap
    inputs: [ecs]
    drop_on_error: true
    reroute_dropped: true
    source: |
      if .event.code == "Yammer" { abort }
      .labels.env = "prod"
      .n = to_int!(.n || 1)
  after: { type: remap, inputs: [tidy], source: '.after = true' }
"#;

const RECORD: &str =
    r#"{"Id":"1","RecordType":6,"Operation":"FileAccessed","CreationTime":"2026-03-03T11:17:23"}"#;

fn config(tests: &str) -> String {
    format!("{TRANSFORMS}tests:\n{tests}")
}

#[track_caller]
fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_as_expected_passes() {
    let dir = lab(&config(&format!(
        r#"
  - name: a record is mapped and marked
    inputs:
      - {{ insert_at: ecs, type: raw, value: '{RECORD}' }}
    outputs:
      - extract_from: after
        conditions:
          - type: vrl
            source: |
              assert_eq!(.event.code, "SharePointFileOperation")
              assert_eq!(.event.original, s'{RECORD}', "the record is kept byte for byte")
              assert!(.after)
          - .labels.env == "prod"
      - {{ extract_from: ecs, conditions: ['!exists(.labels)'] }}
    no_outputs_from: [tidy.dropped]
  - name: any text is a message
    input: {{ insert_at: tidy, value: hello }}
    outputs: [{{ extract_from: tidy, conditions: ['.message == "hello"', {{ type: is_log }}] }}]
  - name: an unwanted event goes where dropped ones go
    inputs:
      - {{ insert_at: tidy, type: log, log_fields: {{ event.code: Yammer }} }}
      - {{ insert_at: tidy, type: vrl, source: '.n = "seven"' }}
    outputs:
      - extract_from: tidy.dropped
        conditions: ['.metadata.dropped.reason == "abort"', '.metadata.dropped.reason == "error"']
    no_outputs_from: [tidy, after]
  - name: the mapping learns where an event is from
    inputs:
      - insert_at: ecs
        type: vrl
        source: |
          . = object!(parse_json!(s'{RECORD}'))
          .OrganizationId = "624230e8-b6a1-4f54-948d-fdcbcb5b49be"
          %tenant_id = "624230e8-b6a1-4f54-948d-fdcbcb5b49be"
          %tenant_name = "contoso.example"
    outputs: [{{ extract_from: ecs, conditions: ['.organization.name == "contoso.example"', exists(%tenant_id)] }}]
"#
    )));
    let (code, told, log) = test(dir.path(), &[]).await;
    assert_eq!(code, Some(0), "{told}{log}");
    assert_eq!(
        told,
        "ok      test `a record is mapped and marked`\n\
         ok      test `any text is a message`\n\
         ok      test `an unwanted event goes where dropped ones go`\n\
         ok      test `the mapping learns where an event is from`\n\
         4 test(s): 4 passed, 0 failed\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_shows_the_condition_what_vrl_says_and_the_event() {
    let dir = lab(&config(
        r#"
  - name: two conditions fail
    inputs:
      - { insert_at: tidy, log_fields: { n: 2 } }
      - { insert_at: tidy, log_fields: { n: nine } }
    outputs:
      - extract_from: [tidy, tidy.dropped]
        conditions:
          - .n == 2
          - |
            assert_eq!(.n, 3,
              message: "n has to be three")
          - .labels.env == "test"
  - name: nothing comes out
    input: { insert_at: tidy, value: '{"event":{"code":"Yammer"}}' }
    outputs: [{ extract_from: after, conditions: ['true'] }]
    no_outputs_from: [tidy.dropped]
"#,
    ));
    let (code, told, log) = test(dir.path(), &["--junit", "junit.xml"]).await;
    assert_eq!(code, Some(1), "{told}{log}");
    let expected = r#"FAILED  test `two conditions fail`
  outputs[0].conditions[1] holds for none of 2 event(s)
      | assert_eq!(.n, 3,
      |   message: "n has to be three")
      event 1: function call error for "assert_eq" at (0:49): n has to be three
      event 2: function call error for "assert_eq" at (0:49): n has to be three
  outputs[0].conditions[2] holds for none of 2 event(s)
      | .labels.env == "test"
      event 1: it is false
      event 2: it is false
    event 1, extracted from `tidy`
      {
        "labels": {
          "env": "prod"
        },
        "n": 2
      }
    event 2, extracted from `tidy.dropped`
"#;
    assert!(told.starts_with(expected), "{told}");
    contains(
        &told,
        &[
            "\nFAILED  test `nothing comes out`\n  outputs[0]: no event came out of `after`\n  \
             no_outputs_from: 1 event(s) came out of `tidy.dropped`\n    event 1, extracted from `tidy.dropped`\n",
            "\n2 test(s): 0 passed, 2 failed\n",
        ],
    );
    let junit = std::fs::read_to_string(dir.path().join("junit.xml")).unwrap();
    contains(
        &junit,
        &[
            r#"tests="2""#,
            r#"failures="2""#,
            r#"<testcase name="two conditions fail" classname="pipeline.yaml">"#,
            "n has to be three",
        ],
    );
}

/// What a transform gives up on is a dead letter in production; here it is the reason why nothing came out.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_fails_on_the_way_is_named_with_its_reason() {
    let dir = lab(r#"
transforms:
  strict: { type: remap, inputs: [], drop_on_error: true, source: '.n = to_int!(.n)' }
tests:
  - name: fails on the way
    inputs: [{ insert_at: strict, log_fields: { n: 1 } }, { insert_at: strict, log_fields: { n: x } }]
    outputs: [{ extract_from: strict, conditions: [.n == 2] }]
  - name: cannot begin
    inputs: [{ insert_at: strict, source: '. = parse_json!("{")' }]
    outputs: [{ extract_from: strict }]
"#);
    let (code, told, _) = test(dir.path(), &[]).await;
    assert_eq!(code, Some(1), "{told}");
    contains(
        &told,
        &[
            "  inputs[1] failed in `strict`: function call error for \"to_int\"",
            "  inputs[0]: the event cannot be made: function call error for \"parse_json\"",
        ],
    );
    assert!(!dir.path().join("data").exists(), "a test leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_shown_where_there_is_no_condition() {
    let dir = lab(&config(
        "\n  - name: look\n    input: { insert_at: tidy, value: '{}' }\n    outputs: [{ extract_from: after }]\n",
    ));
    let (code, told, log) = test(dir.path(), &[]).await;
    assert_eq!(code, Some(0), "{told}{log}");
    contains(
        &told,
        &[
            "ok      test `look`\n  outputs[0] has no conditions; its events:\n    event 1, extracted from `after`\n      {\n",
            "\"after\": true",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_and_fixtures_run_together_and_are_chosen_by_name() {
    let dir = lab(&config(
        r"
  - name: first
    input: { insert_at: tidy, value: '{}' }
    outputs: [{ extract_from: after, conditions: ['.n == 1'] }]
  - name: second
    input: { insert_at: tidy, value: '{}' }
    outputs: [{ extract_from: after, conditions: ['.n == 2'] }]
",
    ));
    let fixture = dir.path().join("one.json");
    std::fs::write(&fixture, format!(r#"{{"events":[{RECORD}]}}"#)).unwrap();
    let (code, _, log) = test(dir.path(), &["--fixtures", ".", "--update"]).await;
    assert_eq!(code, Some(0), "the failing test is not run: {log}");

    let (code, told, _) = test(dir.path(), &["--fixtures", ".", "--junit", "junit.xml"]).await;
    assert_eq!(code, Some(1), "{told}");
    contains(
        &told,
        &[
            "ok      test `first`\n",
            "FAILED  test `second`\n",
            "2 test(s): 1 passed, 1 failed\nok      ./one.json  1 event(s)\n1 event(s) in 1 file(s): 1 as expected, 0 not\n",
        ],
    );
    let junit = std::fs::read_to_string(dir.path().join("junit.xml")).unwrap();
    contains(
        &junit,
        &[
            r#"tests="3""#,
            r#"failures="1""#,
            r#"<testsuite name="./one.json""#,
        ],
    );

    for (filter, expected) in [
        ("first", "ok      test `first`\n1 test(s): 1 passed, 0 failed\n"),
        (
            "one",
            "ok      ./one.json  1 event(s)\n1 event(s) in 1 file(s): 1 as expected, 0 not\n",
        ),
    ] {
        let (code, told, _) = test(dir.path(), &["--fixtures", ".", "--filter", filter]).await;
        assert_eq!((code, told.as_str()), (Some(0), expected));
    }
    let (code, _, log) = test(dir.path(), &["--filter", "third"]).await;
    assert_eq!(code, Some(2));
    contains(
        &log,
        &["none of the 2 test(s) of `pipeline.yaml` has `third` in its name"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn coverage_says_what_no_test_has_seen() {
    let dir = lab(&config(
        r#"
  - name: a sign-in
    input: { insert_at: ecs, value: '{"Id":"2","RecordType":15,"Operation":"UserLoggedIn","UserId":"ada@contoso.example"}' }
    outputs: [{ extract_from: tidy, conditions: ['exists(.user.id)'] }]
"#,
    ));
    std::fs::write(dir.path().join("one.json"), format!(r#"{{"events":[{RECORD}]}}"#)).unwrap();
    let (code, _, log) = test(dir.path(), &["--fixtures", ".", "--update"]).await;
    assert_eq!(code, Some(0), "{log}");
    let (code, told, log) = test(dir.path(), &["--fixtures", ".", "--coverage"]).await;
    assert_eq!(code, Some(0), "{told}{log}");
    let (results, report) = told.split_at(told.find("record types: ").unwrap());
    assert!(
        results.ends_with("1 event(s) in 1 file(s): 1 as expected, 0 not\n"),
        "{told}"
    );
    assert!(report.starts_with("record types: 2 of "), "{report}");
    let never: Vec<_> = report
        .split([',', '\n'])
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    for seen in [
        "6 SharePointFileOperation",
        "15 AzureActiveDirectoryStsLogon",
        "user.id",
        "event.action",
    ] {
        assert!(!never.contains(&seen), "{seen} was seen: {report}");
    }
    for unseen in [
        "1 ExchangeAdmin",
        "22 Yammer",
        "source.ip",
        "o365.audit.Parameters.*",
    ] {
        assert!(never.contains(&unseen), "{unseen} was not seen: {report}");
    }
    assert!(report.contains("\nfields: "), "{report}");
    assert!(
        report.ends_with("  seen, but not of the mapping:\n    after, labels.env, n\n"),
        "{report}"
    );
    assert!(report.lines().all(|line| line.len() <= 100), "{report}");

    let (_, told, _) = test(dir.path(), &["--fixtures", "."]).await;
    assert!(!told.contains("record types"), "only on request: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_to_test_it_says_what_could_be() {
    let dir = lab(TRANSFORMS);
    let (code, _, log) = test(dir.path(), &[]).await;
    assert_eq!(code, Some(2));
    contains(
        &log,
        &["`pipeline.yaml` has no `tests`, and no --fixtures are given"],
    );
    let (code, _, log) = test(dir.path(), &["--update"]).await;
    assert_eq!(code, Some(2), "{log}");
}

const ENDS: &str = "sources: { in: { type: stdin } }\nsinks: { out: { type: console, inputs: [after] } }\n";

/// The whole pipeline of [`TRANSFORMS`], which reads from standard input.
fn whole(tests: &str) -> String {
    format!("{ENDS}{}", config(tests)).replace("inputs: []", "inputs: [in]")
}

/// What the loader, the plan and the compiler find: each at its line, in `validate` and in `test`.
#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_tests_are_reported_at_their_lines() {
    // Line 18 is the first of the test.
    let name = "\n  - name: x\n";
    for (tests, reports) in [
        (
            "    inputs: [{ insert_at: tidi, value: x }, { insert_at: in, value: x }]\n    outputs: [{ extract_from: tidy.droped }]\n",
            &[
                "there is no transform `tidi`",
                "pipeline.yaml:19:27",
                "did you mean `tidy`?",
                "`in` is a source: only transforms are tested",
                "pipeline.yaml:19:58",
                "`tidy` has no output `droped`",
                "pipeline.yaml:20:31",
                "the outputs are `ecs`, `tidy`, `tidy.dropped`, `after`",
            ][..],
        ),
        (
            "    no_outputs_from: [out]\n",
            &[
                "the test has no inputs",
                "pipeline.yaml:18:5",
                "`out` is a sink: only transforms are tested",
                "pipeline.yaml:19:23",
            ],
        ),
        (
            "    inputs: [{ insert_at: after, value: x }]\n    outputs: [{ extract_from: [after, tidy] }]\n",
            &["no event of this test can reach `tidy`", "pipeline.yaml:20:39"],
        ),
        (
            "    inputs: [{ insert_at: tidy, type: raw, source: . }]\n    outputs: []\n",
            &[
                "an input of `type: raw` needs `value`",
                "pipeline.yaml:19:14",
                "the test expects nothing",
            ],
        ),
        (
            "    inputs: [{ insert_at: tidy, source: '.a = upcase(1)' }]\n    outputs:\n      - extract_from: tidy\n        \
             conditions:\n          - .a\n          - type: vrl\n            source: |\n              assert!(true)\n              \
             .b = 1\n              true\n",
            &[
                "the VRL program does not compile",
                "pipeline.yaml:19:54",
                "the result of the VRL condition is not a boolean, but: any",
                "pipeline.yaml:23:13",
                "the VRL condition does not compile",
                "error[E315]",
                "pipeline.yaml:27:15",
            ],
        ),
        (
            "    outputs: [{ extract_from: tidy, where: x }]\n",
            &["unknown key `where`", "pipeline.yaml:19:37"],
        ),
    ] {
        let dir = lab(&whole(&format!("{name}{tests}")));
        for command in ["validate", "test"] {
            let mut host = host(dir.path());
            host.args([command, "--config", "pipeline.yaml"]);
            let ended = output(&mut host).await;
            let log = stderr(&ended);
            assert_eq!(ended.status.code(), Some(78), "{command}: {log}");
            contains(&log, reports);
        }
    }
}

/// A pipeline does not run its tests, and reads them no further than their names.
#[tokio::test(flavor = "multi_thread")]
async fn running_a_pipeline_leaves_its_tests_alone() {
    let dir = lab(&whole(
        "\n  - name: fails\n    input: { insert_at: tidy, value: x }\n    \
         outputs: [{ extract_from: tidy, conditions: ['false', 'no VRL at all'] }]\n",
    ));
    let mut host = host(dir.path());
    host.args(["run", "--once", "--config", "pipeline.yaml"]);
    let ended = output_with_input(&mut host, b"{\"Id\":\"1\"}\n".to_vec()).await;
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    assert_eq!(lines(&ended.stdout)[0]["after"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_passes_its_own_tests() {
    let home = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/tested.yaml");
    let mut host = host(home.path());
    host.args(["test", "--config"]).arg(example);
    let ended = output(&mut host).await;
    let told = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.code(), Some(0), "{told}{}", stderr(&ended));
    assert!(told.ends_with("3 test(s): 3 passed, 0 failed\n"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_routes_and_wildcards_are_those_of_the_configuration() {
    let dir = lab(r#"
timezone: Europe/Berlin
enrichment_tables:
  offices: { type: file, file: { path: offices.csv } }
transforms:
  split: { type: route, inputs: [], route: { known: 'length(find_enrichment_table_records!("offices", {"id": .id})) > 0' } }
  name: { type: remap, inputs: ["split.k*"], source: '.office = get_enrichment_table_record!("offices", {"id": .id}).name' }
  last: { type: filter, inputs: ["n*"], condition: 'parse_timestamp!(.t, "%F %T") == t''2024-07-01T10:00:00Z''' }
tests:
  - name: known offices get their name
    inputs:
      - { insert_at: split, type: log, log_fields: { id: "1", t: "2024-07-01 12:00:00" } }
      - { insert_at: split, type: log, log_fields: { id: "2" } }
    outputs:
      - extract_from: last
        conditions:
          - '.office == get_enrichment_table_record!("offices", {"id": "1"}).name'
          - 'parse_timestamp!(.t, "%F %T") == t''2024-07-01T10:00:00Z'''
      - { extract_from: split._unmatched, conditions: ['.id == "2"'] }
"#);
    std::fs::write(dir.path().join("offices.csv"), "id,name\n1,Bern\n").unwrap();
    let (code, told, error) = test(dir.path(), &[]).await;
    assert_eq!(code, Some(0), "{told}{error}");
    contains(&told, &["1 test(s): 1 passed, 0 failed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_has_no_default_output_to_extract_from() {
    let dir = lab(r#"
transforms:
  split: { type: route, inputs: [], route: { all: "true" } }
tests:
  - name: x
    inputs: [{ insert_at: split, value: x }]
    outputs: [{ extract_from: split, conditions: ["true"] }]
"#);
    let (code, told, error) = test(dir.path(), &[]).await;
    assert_eq!(code, Some(78), "{told}{error}");
    contains(
        &error,
        &["`split`", "the outputs are `split.all`, `split._unmatched`"],
    );
}

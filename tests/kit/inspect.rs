//! What a component is and why it does not run is said in words, with what to do.

use serde_json::Value;

use super::{CONFIG, inspected, wasm};
use crate::{
    guests::{never_started, of_package, tagging, wasi_guest},
    support::{host, output, output_with_input, stderr},
};

/// A component whose `mapper` has only these functions, none of which takes or gives anything.
fn functions(names: &[&str]) -> Vec<u8> {
    let exports: String = names
        .iter()
        .map(|name| format!("(export \"{name}\" (func $f))"))
        .collect();
    let text = format!(
        "(component
          (core module $m (func (export \"f\")))
          (core instance $i (instantiate $m))
          (func $f (canon lift (core func $i \"f\")))
          (instance $mapper {exports})
          (export \"o365:transform/mapper@1.0.0\" (instance $mapper)))"
    );
    wat::parse_str(text).unwrap()
}

/// A component that exports nothing and imports empty instances of these names.
fn importing(names: &[&str]) -> Vec<u8> {
    let imports: String = names
        .iter()
        .map(|name| format!("(import \"{name}\" (instance))"))
        .collect();
    wat::parse_str(format!("(component {imports})")).unwrap()
}

/// What it is, the component, the version that it implements, why it does not run, what to do.
type Case = (
    &'static str,
    Vec<u8>,
    Value,
    &'static [&'static str],
    &'static str,
);

/// Everything between is one space: `validate` breaks its lines.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_and_validate_say_the_same_about_what_does_not_run() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pipeline.yaml"), CONFIG).unwrap();
    let wasi = ["wasi:cli/environment@0.2.3", "wasi:io/streams@0.2.3"];
    let cases: [Case; 15] = [
        (
            "a newer minor version",
            of_package("o365:transform@1.1.0"),
            "1.1.0".into(),
            &["it implements o365:transform 1.1.0, which is newer than the 1.0 of this host"],
            "update o365-host, or build",
        ),
        (
            "a newer major version",
            of_package("o365:transform@2.0.0"),
            "2.0.0".into(),
            &["it implements o365:transform 2.0.0, which is newer than the 1.0 of this host"],
            "update o365-host, or build",
        ),
        (
            "an older one",
            of_package("o365:transform@0.9.0"),
            "0.9.0".into(),
            &["it implements o365:transform 0.9.0, which is older than all that this host runs (1.0 to 1.0)"],
            "against wit/transform.wit",
        ),
        (
            "a draft",
            of_package("o365:transform@1.0.0-rc.1"),
            "1.0.0-rc.1".into(),
            &["it implements o365:transform 1.0.0-rc.1, a draft; this host runs final versions"],
            "against wit/transform.wit",
        ),
        (
            "no version",
            of_package("o365:transform"),
            Value::Null,
            &["it exports `o365:transform/mapper` without a version; this host calls 1.0 of it"],
            "against wit/transform.wit",
        ),
        (
            "another package",
            of_package("acme:transform@1.0.0"),
            Value::Null,
            &[
                "does not export `o365:transform/mapper@1.0.0` but `acme:transform/mapper@1.0.0`, which belongs to another \
               package",
            ],
            "against wit/transform.wit",
        ),
        (
            "nothing at all",
            importing(&[]),
            Value::Null,
            &["it does not export `o365:transform/mapper@1.0.0`"],
            "against wit/transform.wit",
        ),
        (
            "functions are missing",
            functions(&[]),
            "1.0.0".into(),
            &["`o365:transform/mapper@1.0.0` lacks `describe`, `configure`, `transform-batch`"],
            "implement all of its `mapper`",
        ),
        (
            "functions are missing and of another type",
            functions(&["describe", "configure"]),
            "1.0.0".into(),
            &[
                "`o365:transform/mapper@1.0.0` lacks `transform-batch`",
                "`describe` of `o365:transform/mapper@1.0.0` has other parameters or another result than it must have",
                "`configure` of `o365:transform/mapper@1.0.0` has other parameters or another result than it must have",
            ],
            "implement all of its `mapper`",
        ),
        (
            "WASI",
            importing(&wasi),
            Value::Null,
            &[
                "it imports `wasi:cli/environment@0.2.3`, `wasi:io/streams@0.2.3`, parts of WASI that are not granted to it",
            ],
            "give the transform `wasi: {}`, or the command `--wasi`. Or build it without WASI",
        ),
        (
            "something else is imported",
            importing(&["acme:clock/now@1.0.0"]),
            Value::Null,
            &["it imports `acme:clock/now@1.0.0`, which the host does not offer"],
            "a component gets the log",
        ),
        (
            "a core module",
            wat::parse_str("(module)").unwrap(),
            Value::Null,
            &["`x.wasm` is a core WebAssembly module, not a component"],
            "wasm-tools component new",
        ),
        (
            "no WebAssembly",
            b"#!/bin/sh".to_vec(),
            Value::Null,
            &["`x.wasm` is not a WebAssembly component: it does not begin with the bytes"],
            "the file must be a compiled component",
        ),
        (
            "a memory like those that stop code",
            wat::parse_str("(component (core module (memory 0 54321)))").unwrap(),
            Value::Null,
            &[
                "`x.wasm` cannot be stopped at its deadline: it has a memory with a maximum of exactly 54321 pages",
            ],
            "build the component in another way: docs/reference/wasm.md",
        ),
        (
            "it never starts",
            never_started(),
            "1.0.0".into(),
            &["`x.wasm` cannot be started: "],
            "raise `memory_limit` or `deadline`",
        ),
    ];
    for (what, component, implements, problems, to_do) in cases {
        let (code, found) = inspected(dir.path(), &component).await;
        assert_eq!(
            (code, &found["runs"]),
            (Some(1), &Value::Bool(false)),
            "{what}: {found}"
        );
        assert_eq!(found["implements"], implements, "{what}: {found}");
        let mut validate = host(dir.path());
        let ended = output(validate.args(["validate", "--config", "pipeline.yaml"])).await;
        let validate = words(&stderr(&ended));
        assert_eq!(ended.status.code(), Some(78), "{what}: {validate}");
        let findings = serde_json::to_string(&found["problems"]).unwrap();
        for text in problems.iter().chain([&to_do]) {
            assert!(findings.contains(text), "{what}: no {text:?} in {findings}");
            assert!(
                validate.contains(&words(text)),
                "{what}: no {text:?} in {validate}"
            );
        }
        let (code, told, _) = wasm(dir.path(), &["inspect", "x.wasm"]).await;
        assert_eq!(code, Some(1), "{what}");
        assert!(
            told.contains("this host does not run it") && told.contains(to_do),
            "{what}: {told}"
        );
        // What was not compiled was not asked.
        assert_eq!(
            told.contains("implements"),
            !found["compile_seconds"].is_null(),
            "{what}: {told}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_described() {
    let dir = tempfile::tempdir().unwrap();
    let component = tagging('a');
    let (code, found) = inspected(dir.path(), &component).await;
    assert_eq!(code, Some(0), "{found}");
    assert_eq!(found["kind"], "component");
    assert_eq!(found["bytes"], component.len());
    assert_eq!(found["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(found["implements"], "1.0.0");
    assert_eq!(found["problems"], serde_json::json!([]));
    assert_eq!(
        found["imports"],
        serde_json::json!([{"name": "o365:transform/host@1.0.0", "offered": true}])
    );
    assert_eq!(
        found["exports"],
        serde_json::json!([{"name": "o365:transform/mapper@1.0.0", "called": true}])
    );
    assert_eq!(
        found["describes"],
        serde_json::json!({"name": "test", "version": "1.0.0", "description": "test", "output_schema": "test"})
    );
    assert_eq!(found["instance_memory_bytes"], 65_536, "one page");
    assert!(
        found["compile_seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.0)
    );

    let (code, told, log) = wasm(dir.path(), &["inspect", "builtin:ecs"]).await;
    assert_eq!(code, Some(0), "{told}{log}");
    for part in [
        "file           builtin:ecs",
        "implements     o365:transform 1.0.0",
        "imports        o365:transform/host@1.0.0 (offered)",
        "exports        o365:transform/mapper@1.0.0 (called)",
        "output schema  ecs-8.11",
        "verdict        this host runs it",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}

/// Built when 1.0 was frozen; see the README beside it.
const FROZEN: &[u8] = include_bytes!("../components/transform-1.0.0.wasm");
const FROZEN_SHA256: &str = "5b16f59758414f86d42fa6d7743b262daea999adc23d4a6f2e511bddf62fc52d";

#[tokio::test(flavor = "multi_thread")]
async fn a_component_built_for_the_first_version_runs_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pipeline.yaml"), CONFIG).unwrap();
    let (code, found) = inspected(dir.path(), FROZEN).await;
    assert_eq!(code, Some(0), "{found}");
    assert_eq!(found["implements"], "1.0.0");
    assert_eq!(found["describes"]["output_schema"], "test");
    assert_eq!(
        found["sha256"], FROZEN_SHA256,
        "it must be the one of then: restore it"
    );

    let events: String = (0..1_000).map(|number| format!("{{\"n\":{number}}}\n")).collect();
    let mut run = host(dir.path());
    let run = run.args(["run", "--config", "pipeline.yaml", "--once"]);
    let ended = output_with_input(run, events.into_bytes()).await;
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    let expected: String = (0..1_000)
        .map(|number| format!("{{\"tag\":\"x\",\"n\":{number}}}\n"))
        .collect();
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), expected);
}

/// Words may change in a patch version, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_later_patch_version_runs() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pipeline.yaml"), CONFIG).unwrap();
    let (code, found) = inspected(dir.path(), &of_package("o365:transform@1.0.7")).await;
    assert_eq!(
        (code, &found["implements"]),
        (Some(0), &"1.0.7".into()),
        "{found}"
    );
    let mut run = host(dir.path());
    let run = run.args(["run", "--config", "pipeline.yaml", "--once"]);
    let ended = output_with_input(run, b"{\"a\":1}\n".to_vec()).await;
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    assert_eq!(ended.stdout, b"{\"a\":1}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_is_wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    let (code, told, log) = wasm(dir.path(), &["inspect", "none.wasm"]).await;
    assert_eq!((code, told.as_str()), (Some(2), ""), "{log}");
    assert!(log.contains("cannot read `none.wasm`"), "{log}");
    let (code, _, log) = wasm(dir.path(), &["inspect", "builtin:esc"]).await;
    assert_eq!(code, Some(2));
    assert!(log.contains("the built-in component is `builtin:ecs`"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_wasi_says_which_grants_make_it_run() {
    let dir = tempfile::tempdir().unwrap();
    let imports = [
        ("clocks/wall-clock", "now", "(param i32)"),
        ("sockets/tcp", "connect", "(result i32)"),
    ];
    let (code, found) = inspected(dir.path(), &wasi_guest(&imports, "nop")).await;
    assert_eq!((code, &found["runs"]), (Some(1), &Value::Bool(false)), "{found}");
    assert_eq!(
        found["wasi"],
        serde_json::json!({"grants": {"clocks": true, "random": false, "stderr": false}, "never": true})
    );
    let config = |wasi: &str| CONFIG.replace("module: x.wasm", &format!("module: x.wasm{wasi}"));
    for (flag, wasi, clock) in [
        ("--wasi", ", wasi: {}", "offered, stands still"),
        ("--wasi=clocks", ", wasi: { clocks: true }", "offered"),
    ] {
        let (code, told, log) = wasm(dir.path(), &["inspect", "x.wasm", flag]).await;
        assert_eq!(code, Some(0), "{told}{log}");
        for part in [
            &*format!("wasi:clocks/wall-clock@0.2.3 ({clock})"),
            "wasi:sockets/tcp@0.2.3 (offered, fails when used)",
            "runs with `wasi: {}`, can be granted clocks; never files or network",
        ] {
            assert!(told.contains(part), "no {part:?} in {told}");
        }
        std::fs::write(dir.path().join("pipeline.yaml"), config(wasi)).unwrap();
        let mut run = host(dir.path());
        let run = run.args(["run", "--config", "pipeline.yaml", "--once"]);
        let ended = output_with_input(run, b"{\"a\":1}\n".to_vec()).await;
        assert_eq!(ended.stdout, b"{\"a\":1}\n", "{}", stderr(&ended));
        std::fs::write(dir.path().join("corpus.ndjson"), "{\"a\":1}\n").unwrap();
        let bench = [
            "bench",
            "x.wasm",
            "--corpus",
            "corpus.ndjson",
            "--seconds",
            "1",
            flag,
        ];
        let (code, told, log) = wasm(dir.path(), &bench).await;
        assert_eq!(code, Some(0), "{told}{log}");
    }
    let (code, _, log) = wasm(dir.path(), &["inspect", "x.wasm", "--wasi=files"]).await;
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("there is no `files` to grant"), "{log}");
}

//! The author's kit: what a component is and why it does not run is said in words, with what to do.

use std::path::Path;

use serde_json::Value;

use crate::{
    guests::{guest, never_started, of_package, tagging},
    support::{host, output, output_with_input, output_within, stderr},
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

/// Exit code, standard output, standard error.
async fn wasm(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let ended = output(host(dir).arg("wasm").args(arguments)).await;
    let told = String::from_utf8(ended.stdout.clone()).unwrap();
    (ended.status.code(), told, stderr(&ended))
}

async fn inspected(dir: &Path, component: &[u8]) -> (Option<i32>, Value) {
    std::fs::write(dir.join("x.wasm"), component).unwrap();
    let (code, told, log) = wasm(dir, &["inspect", "x.wasm", "--json"]).await;
    let found = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}{log}"));
    (code, found)
}

const CONFIG: &str = "sources: { in: { type: stdin } }
transforms: { mine: { type: wasm, inputs: [in], module: x.wasm } }
sinks: { out: { type: console, inputs: [mine] } }
";

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
    let cases: [Case; 14] = [
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
const FROZEN: &[u8] = include_bytes!("components/transform-1.0.0.wasm");
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
async fn a_component_is_measured_beside_the_one_that_is_built_in() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.wasm"), tagging('a')).unwrap();
    let event = |number: usize| {
        format!(
            "{{\"Id\":\"{number}\",\"CreationTime\":\"2026-01-15T10:00:00\",\"RecordType\":1,\"Operation\":\"Set-Mailbox\"}}\n"
        )
    };
    let events: String = (0..300).map(event).collect();
    std::fs::write(dir.path().join("corpus.ndjson"), &events).unwrap();
    let arguments = ["bench", "x.wasm", "--corpus", "corpus.ndjson", "--seconds", "1"];
    let (code, told, log) = wasm(
        dir.path(),
        &[&arguments[..], &["--json", "--batch", "32"]].concat(),
    )
    .await;
    assert_eq!(code, Some(0), "{log}");
    // Progress is for terminals.
    assert_eq!(log, "");
    let found: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        found["corpus"],
        serde_json::json!({"file": "corpus.ndjson", "events": 300, "bytes": events.len() - 300})
    );
    assert_eq!(found["batch_events"], 32);
    assert!(found["rounds"].as_u64() > Some(0), "{found}");
    let number = |side: &str, field: &str| found[side][field].as_f64().unwrap();
    for side in ["component", "baseline"] {
        assert!(number(side, "events_per_second") > 0.0, "{found}");
        assert!(number(side, "megabytes_per_second") > 0.0, "{found}");
        assert!(
            number(side, "batch_p50_seconds") <= number(side, "batch_p99_seconds"),
            "{found}"
        );
        assert_eq!(
            (&found[side]["dropped"], &found[side]["failed"]),
            (&0.into(), &0.into()),
            "{found}"
        );
        // Both saw the same.
        assert_eq!(found[side]["events"], found["component"]["events"]);
    }
    assert_eq!(
        (&found["component"]["file"], &found["baseline"]["file"]),
        (&"x.wasm".into(), &"builtin:ecs".into())
    );
    assert!(found["ratio"].as_f64() > Some(0.0), "{found}");
    assert!(
        number("component", "instance_memory_bytes") < number("baseline", "instance_memory_bytes"),
        "{found}"
    );

    let (code, told, log) = wasm(dir.path(), &arguments).await;
    assert_eq!(code, Some(0), "{log}");
    for part in [
        "corpus.ndjson: 300 events",
        "events/s",
        "p99 per batch",
        "times as many events a second as builtin:ecs",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_measured_is_refused_as_by_inspect() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("corpus.ndjson"), "{\"a\":1}\n!bad\n").unwrap();
    std::fs::write(dir.path().join("empty.ndjson"), "\n").unwrap();
    std::fs::write(dir.path().join("newer.wasm"), of_package("o365:transform@1.1.0")).unwrap();
    std::fs::write(dir.path().join("good.wasm"), tagging('a')).unwrap();
    std::fs::write(
        dir.path().join("traps.wasm"),
        guest("unreachable", "(local.get $count)"),
    )
    .unwrap();
    let cases: [(&str, i32, &[&str]); 8] = [
        (
            "none.wasm --corpus corpus.ndjson",
            2,
            &["cannot read `none.wasm`"],
        ),
        (
            "good.wasm --corpus none.ndjson",
            2,
            &["cannot read `none.ndjson`"],
        ),
        (
            "good.wasm --corpus empty.ndjson",
            2,
            &["`empty.ndjson` has no event"],
        ),
        (
            "good.wasm --corpus corpus.ndjson --options []",
            2,
            &["--options is no JSON object"],
        ),
        ("good.wasm --corpus corpus.ndjson --batch 0", 2, &["--batch"]),
        (
            "newer.wasm --corpus corpus.ndjson",
            1,
            &["newer than the 1.0 of this host", "help: update o365-host"],
        ),
        (
            "good.wasm --corpus corpus.ndjson --options {\"colour\":\"red\"}",
            1,
            &["refuses its options: no such option"],
        ),
        (
            "traps.wasm --corpus corpus.ndjson",
            1,
            &["`traps.wasm` fails on a batch of 128 event(s)", "unreachable"],
        ),
    ];
    for (arguments, expected, parts) in cases {
        let arguments: Vec<_> = std::iter::once("bench").chain(arguments.split(' ')).collect();
        let (code, told, log) = wasm(dir.path(), &arguments).await;
        assert_eq!(
            (code, told.as_str()),
            (Some(expected), ""),
            "{arguments:?}: {log}"
        );
        for part in parts {
            assert!(log.contains(part), "{arguments:?}: no {part:?} in {log}");
        }
    }
}

/// Where cargo puts nothing that outlives the test, and asks nobody on the network: the versions of this workspace are here.
fn cargo(project: &Path, arguments: &[&str]) -> tokio::process::Command {
    let mut command =
        tokio::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for name in ["RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER"] {
        command.env_remove(name);
    }
    command
        .current_dir(project)
        .args(arguments)
        .arg("--offline")
        .env("CARGO_TARGET_DIR", project.join("target"))
        .env("CARGO_INCREMENTAL", "0")
        .kill_on_drop(true);
    command
}

/// Whether cargo failed because it may not download.
fn cannot_be_had(log: &str) -> bool {
    ["--offline", "offline mode", "no matching package"]
        .iter()
        .any(|sign| log.contains(sign))
}

/// A cargo command that builds for wasm32-unknown-unknown, if this machine can: with the active compiler, or with the one
/// that `cargo xtask wasm` has set up.
async fn wasm_build(project: &Path) -> Option<tokio::process::Command> {
    let target = "wasm32-unknown-unknown";
    let arguments = ["build", "--release", "--target", target];
    let mut rustc = tokio::process::Command::new("rustc");
    let sysroot = output(rustc.args(["--print", "sysroot"])).await.stdout;
    let sysroot = Path::new(std::str::from_utf8(&sysroot).unwrap().trim()).to_owned();
    if sysroot.join("lib/rustlib").join(target).join("lib").is_dir() {
        return Some(cargo(project, &arguments));
    }
    let debian = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/wasm-toolchain/debian/usr");
    let debian = debian.canonicalize().ok()?;
    let entry = |folder: &str, part: &str| {
        let entries = std::fs::read_dir(debian.join(folder)).ok()?;
        let mut paths = entries.map(|entry| entry.unwrap().path());
        paths.find(|path| path.file_name().unwrap().to_string_lossy().contains(part))
    };
    let linker = entry("bin", "wasm-ld")?;
    let libraries = entry("lib", "-linux-gnu")?;
    let mut command = cargo(project, &arguments);
    command
        .arg("-Zbuild-std=std,panic_abort")
        .env("RUSTC", debian.join("bin/rustc"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
        .env("LD_LIBRARY_PATH", libraries);
    Some(command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_project_is_complete() {
    let patience = std::time::Duration::from_mins(15);
    let dir = tempfile::tempdir().unwrap();
    let (code, _, log) = wasm(dir.path(), &["new", "--lang", "rust", "my-mapping"]).await;
    assert_eq!(code, Some(0), "{log}");
    let project = dir.path().join("my-mapping");
    let readme = std::fs::read_to_string(project.join("README.md")).unwrap();
    assert!(
        readme.contains("release/my_mapping.wasm -o my-mapping.wasm"),
        "{readme}"
    );
    // The versions of this workspace: they have been downloaded.
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    std::fs::copy(lock, project.join("Cargo.lock")).unwrap();
    let tested = output_within(patience, &mut cargo(&project, &["test"])).await;
    let log = stderr(&tested);
    if !tested.status.success() && cannot_be_had(&log) {
        eprintln!("\n!!! SKIPPED: the libraries of a new project cannot be had offline:\n{log}\n");
        return;
    }
    let told = String::from_utf8_lossy(&tested.stdout);
    assert!(tested.status.success(), "{told}{log}");
    assert!(!log.contains("warning"), "{log}");
    assert!(
        told.contains("every_fixture_becomes_what_is_expected ... ok"),
        "{told}"
    );

    let Some(mut build) = wasm_build(&project).await else {
        eprintln!("\n!!! SKIPPED: no compiler for WebAssembly here; `cargo xtask wasm` sets one up\n");
        return;
    };
    let built = output_within(patience, &mut build).await;
    let log = stderr(&built);
    if !built.status.success() && cannot_be_had(&log) {
        eprintln!("\n!!! SKIPPED: what a component is built of cannot be had offline:\n{log}\n");
        return;
    }
    assert!(built.status.success() && !log.contains("warning"), "{log}");
    let core = std::fs::read(project.join("target/wasm32-unknown-unknown/release/my_mapping.wasm")).unwrap();
    // What `wasm-tools component new` does.
    let component = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&core)
        .unwrap()
        .encode()
        .unwrap();
    std::fs::write(project.join("my-mapping.wasm"), component).unwrap();
    let (code, told, log) = wasm(&project, &["inspect", "my-mapping.wasm"]).await;
    assert_eq!(code, Some(0), "{told}{log}");
    assert!(told.contains("name           my-mapping"), "{told}");
    let mut test = host(&project);
    let test = test.args(["test", "--config", "pipeline.yaml", "--fixtures", "fixtures"]);
    let tested = output(test).await;
    let told = String::from_utf8_lossy(&tested.stdout);
    assert_eq!(tested.status.code(), Some(0), "{told}{}", stderr(&tested));
    assert!(
        told.contains("3 event(s) in 1 file(s): 3 as expected, 0 not"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_written_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("taken")).unwrap();
    std::fs::write(dir.path().join("taken/mine"), "mine").unwrap();
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    for (arguments, part) in [
        ("new --lang rust taken", "the folder `taken` is not empty"),
        (
            "new --lang rust good --dir taken",
            "the folder `taken` is not empty",
        ),
        (
            "new --lang rust good --dir taken/mine",
            "cannot be the project's folder",
        ),
        ("new --lang rust ../good", "cannot be the name of a component"),
        ("new --lang rust fn", "has another meaning"),
        ("new --lang cobol good", "possible values: rust"),
        ("new good", "--lang"),
    ] {
        let arguments: Vec<_> = arguments.split(' ').collect();
        let (code, _, log) = wasm(dir.path(), &arguments).await;
        assert_eq!(code, Some(2), "{arguments:?}: {log}");
        assert!(log.contains(part), "{arguments:?}: {log}");
    }
    let entries = |path: &str| std::fs::read_dir(dir.path().join(path)).unwrap().count();
    assert_eq!((entries("."), entries("taken")), (2, 1), "nothing was written");
    let (code, _, log) = wasm(dir.path(), &["new", "--lang", "rust", "good", "--dir", "empty"]).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(dir.path().join("empty/src/lib.rs").is_file());
}

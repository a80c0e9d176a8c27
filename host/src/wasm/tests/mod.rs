//! Components that misbehave, written by hand: each shows that a limit holds and that only the guilty event pays.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use o365_core::{
    Transform, TransformOutputs,
    config::{ComponentContext, Services, TransformConfig},
    testing::transform_contract,
};
use serde_json::json;

mod shadow;
mod swap;
mod wasi;

use super::{ByteSize, Module, WasmConfig, WasmEngine, guests::guest};

struct Lab {
    dir: tempfile::TempDir,
    engine: Arc<WasmEngine>,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let engine = Arc::new(WasmEngine::new(Some(dir.path().join("cache"))).unwrap());
        Self { dir, engine }
    }

    fn context(&self) -> ComponentContext {
        ComponentContext {
            key: "ecs".into(),
            data_dir: self.dir.path().to_owned(),
            config_dir: self.dir.path().to_owned(),
            clock: Arc::new(o365_core::SystemClock),
            services: Services::default().with(Arc::clone(&self.engine)),
        }
    }

    fn config(&self, bytes: &[u8]) -> WasmConfig {
        std::fs::write(self.dir.path().join("guest.wasm"), bytes).unwrap();
        WasmConfig {
            memory_limit: Some(ByteSize(4 << 20)),
            deadline: Some(Duration::from_millis(200)),
            output_limit: Some(ByteSize(1 << 20)),
            ..WasmConfig::new("guest.wasm", json!({}))
        }
    }

    async fn transform(&self, bytes: &[u8]) -> Transform {
        self.config(bytes).build(&self.context()).await.unwrap()
    }

    /// The first problem that building the module reports.
    async fn problem(&self, config: &WasmConfig) -> String {
        let error = config.build(&self.context()).await.unwrap_err();
        error
            .problems
            .iter()
            .map(|p| {
                format!(
                    "{}: {} | {}",
                    p.field,
                    p.message,
                    p.hint.clone().unwrap_or_default()
                )
            })
            .collect()
    }

    /// Two good events around a guilty one: the good ones come out, in order, and the guilty one fails.
    async fn only_the_guilty_event_pays(&self, guilty: &str, count: &str, kind: &str) -> String {
        let events = ["{\"a\":1}", "!bad", "{\"a\":2}"]
            .map(Bytes::from_static_str)
            .to_vec();
        let transform = self.transform(&guest(guilty, count)).await;
        let (documents, mut outputs) = transform_contract(transform, [], events).await;
        assert_eq!(documents, ["{\"a\":1}", "{\"a\":2}"]);
        let mut failed = take_failed(&mut outputs);
        let (original, failed_kind, reason) = failed.pop().unwrap();
        assert_eq!(
            (original.as_str(), failed_kind, failed.len()),
            ("!bad", kind, 0),
            "{reason}"
        );
        reason
    }
}

trait FromStaticStr {
    fn from_static_str(text: &'static str) -> Self;
}

impl FromStaticStr for Bytes {
    fn from_static_str(text: &'static str) -> Self {
        Self::from_static(text.as_bytes())
    }
}

fn take_failed(outputs: &mut TransformOutputs) -> Vec<(String, &'static str, String)> {
    let failed = outputs.take_failed().into_iter();
    failed
        .map(|mut failed| {
            let original = String::from_utf8_lossy(&failed.event.to_bytes()).into_owned();
            (original, failed.failure.kind, failed.failure.reason)
        })
        .collect()
}

/// It is a component, only none that can be stopped.
#[cfg(unix)]
#[tokio::test]
async fn a_component_that_cannot_be_stopped_is_refused_for_that() {
    let lab = Lab::new();
    let reserved = wat::parse_str("(component (core module (memory 0 54321)))").unwrap();
    assert_eq!(
        lab.problem(&lab.config(&reserved)).await,
        "module: `guest.wasm` cannot be stopped at its deadline: it has a memory with a maximum of exactly 54321 pages, which the \
         host keeps for itself: declare another one | build the component in another way: docs/reference/wasm.md has the limits"
    );
}

#[tokio::test]
async fn a_trap_costs_only_the_guilty_event() {
    let reason = Lab::new()
        .only_the_guilty_event_pays("unreachable", "(local.get $count)", "trap")
        .await;
    assert!(reason.contains("unreachable"), "{reason}");
}

#[tokio::test]
async fn an_endless_loop_costs_only_the_guilty_event() {
    let reason = Lab::new()
        .only_the_guilty_event_pays("(loop $l (br $l))", "(local.get $count)", "deadline")
        .await;
    assert!(reason.contains("deadline"), "{reason}");
}

#[tokio::test]
async fn a_memory_bomb_costs_only_the_guilty_event() {
    let bomb = "(loop $l (drop (memory.grow (i32.const 16))) (br $l))";
    Lab::new()
        .only_the_guilty_event_pays(bomb, "(local.get $count)", "trap")
        .await;
}

#[tokio::test]
async fn an_answer_that_is_no_json_costs_only_the_guilty_event() {
    let reason = Lab::new()
        .only_the_guilty_event_pays("nop", "(local.get $count)", "bad_answer")
        .await;
    assert!(reason.contains("no JSON object"), "{reason}");
}

#[tokio::test]
async fn a_pointer_out_of_memory_costs_only_the_guilty_event() {
    let wild = "(i32.store offset=4 (local.get $outcome) (i32.const 0x7ffffff0))";
    Lab::new()
        .only_the_guilty_event_pays(wild, "(local.get $count)", "trap")
        .await;
}

#[tokio::test]
async fn an_endless_answer_costs_only_the_guilty_event() {
    // Two megabytes, within its memory of four.
    let long = "(drop (memory.grow (i32.const 40))) (i32.store offset=4 (local.get $outcome) (i32.const 0))
        (i32.store offset=8 (local.get $outcome) (i32.const 0x200000))";
    let reason = Lab::new()
        .only_the_guilty_event_pays(long, "(local.get $count)", "trap")
        .await;
    assert!(reason.contains("fuel"), "{reason}");
}

#[tokio::test]
async fn an_endless_recursion_costs_only_the_guilty_event() {
    let reason = Lab::new()
        .only_the_guilty_event_pays(
            "(call $guilty (local.get $outcome))",
            "(local.get $count)",
            "trap",
        )
        .await;
    assert!(reason.contains("stack"), "{reason}");
}

#[tokio::test]
async fn a_refused_event_keeps_the_reason_of_the_component() {
    let refuse = "(i32.store8 (local.get $outcome) (i32.const 2))
        (i32.store offset=4 (local.get $outcome) (i32.const 48)) (i32.store offset=8 (local.get $outcome) (i32.const 14))";
    let reason = Lab::new()
        .only_the_guilty_event_pays(refuse, "(local.get $count)", "mapping")
        .await;
    assert_eq!(reason, "no such option");
}

#[tokio::test]
async fn an_unwanted_event_is_gone_on_purpose() {
    let lab = Lab::new();
    let drop = "(i32.store8 (local.get $outcome) (i32.const 1))";
    let transform = lab.transform(&guest(drop, "(local.get $count)")).await;
    let events = ["!x", "{\"a\":1}"].map(Bytes::from_static_str).to_vec();
    let (documents, mut outputs) = transform_contract(transform, [], events).await;
    assert_eq!((documents.len(), outputs.take_failed().len()), (1, 0));
}

#[tokio::test]
async fn a_wrong_number_of_outcomes_fails_every_event_of_the_batch_and_loses_none() {
    let lab = Lab::new();
    let transform = lab.transform(&guest("nop", "(i32.const 0)")).await;
    let events = ["{\"a\":1}", "{\"a\":2}"].map(Bytes::from_static_str).to_vec();
    let (documents, mut outputs) = transform_contract(transform, [], events).await;
    let failed = take_failed(&mut outputs);
    assert!(documents.is_empty());
    assert_eq!(failed.len(), 2);
    assert!(
        failed
            .iter()
            .all(|(_, kind, reason)| *kind == "bad_answer" && reason.contains("0 outcomes for 1 events"))
    );
}

#[tokio::test]
async fn an_instance_is_reused_and_many_batches_fit_its_memory() {
    let lab = Lab::new();
    let transform = lab.transform(&guest("unreachable", "(local.get $count)")).await;
    let events: Vec<Bytes> = (0..1_000)
        .map(|number| format!("{{\"n\":{number}}}").into())
        .collect();
    let (documents, _) = transform_contract(transform, [], events.clone()).await;
    assert_eq!(documents, events);
}

#[tokio::test]
async fn says_what_is_wrong_with_a_module() {
    let lab = Lab::new();
    let missing = WasmConfig::new("nowhere.wasm", json!({}));
    assert!(
        lab.problem(&missing).await.starts_with("module: cannot read `"),
        "{}",
        lab.problem(&missing).await
    );
    let builtin = WasmConfig::new("builtin:esc", json!({}));
    assert_eq!(
        lab.problem(&builtin).await,
        "module: there is no built-in component `builtin:esc` | the built-in component is `builtin:ecs`"
    );

    let core = lab.config(&wat::parse_str("(module)").unwrap());
    assert!(
        lab.problem(&core)
            .await
            .contains("is a core WebAssembly module, not a component")
    );
    let text = lab.config(b"#!/bin/sh");
    assert!(lab.problem(&text).await.contains("does not begin with the bytes"));
    let other = lab.config(&wat::parse_str("(component)").unwrap());
    assert!(
        lab.problem(&other)
            .await
            .contains("does not export `o365:transform/mapper@1.0.0`")
    );
    let importing = "(component (import \"wasi:clocks/wall-clock@0.2.0\" (instance)))";
    let importing = lab.config(&wat::parse_str(importing).unwrap());
    assert!(
        lab.problem(&importing)
            .await
            .contains("it imports `wasi:clocks/wall-clock@0.2.0`, parts of WASI that are not granted to it")
    );
}

#[tokio::test]
async fn says_what_is_wrong_with_options_and_limits() {
    let lab = Lab::new();
    let mut config = lab.config(&guest("nop", "(local.get $count)"));
    config.options = json!({"colour": "red"});
    assert!(
        lab.problem(&config)
            .await
            .starts_with("options: the component refuses its options: no such option")
    );
    config.options = json!([]);
    config.memory_limit = Some(ByteSize(1));
    config.output_limit = Some(ByteSize(1));
    config.deadline = Some(Duration::from_hours(1));
    let problems = lab.problem(&config).await;
    for field in ["options: ", "memory_limit: ", "deadline: ", "output_limit: "] {
        assert!(problems.contains(field), "{problems}");
    }
}

#[test]
fn compiled_code_is_cached_and_damage_is_noticed() {
    let lab = Lab::new();
    std::fs::write(
        lab.dir.path().join("guest.wasm"),
        guest("nop", "(local.get $count)"),
    )
    .unwrap();
    let load = || {
        let limits = super::Limits::default();
        Module::load(&lab.engine, "guest.wasm", lab.dir.path(), limits, "{}".to_owned()).unwrap()
    };
    let digest = load().digest().to_owned();
    let files = || {
        std::fs::read_dir(lab.dir.path().join("cache"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect::<Vec<_>>()
    };
    let [cached] = files().try_into().unwrap();
    assert!(cached.file_name().unwrap().to_str().unwrap().starts_with(&digest));

    let whole = std::fs::read(&cached).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&cached, &damaged).unwrap();
    load();
    assert_eq!(
        std::fs::read(&cached).unwrap(),
        whole,
        "the damaged file must have been replaced"
    );
}

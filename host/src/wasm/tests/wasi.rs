//! Components that import WASI: what they get, what they do not get, and that no limit of the others is theirs to break.

use std::{
    io::Write,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use super::{
    swap::{mapped, put, swappable},
    *,
};
use crate::wasm::{Limits, ShadowConfig, Swap, WasiGrants, guests::wasi_guest};

const NONE: WasiGrants = WasiGrants {
    clocks: false,
    random: false,
    stderr: false,
};
const CLOCKS: WasiGrants = WasiGrants { clocks: true, ..NONE };

const SLEEP: [(&str, &str, &str); 2] = [
    (
        "clocks/monotonic-clock",
        "subscribe-duration",
        "(param i64) (result i32)",
    ),
    ("io/poll", "[method]pollable.block", "(param i32)"),
];

fn sleeping(nanoseconds: u64) -> Vec<u8> {
    let code = format!("(call $block (call $subscribe-duration (i64.const {nanoseconds})))");
    // What becomes of the event is a document, too.
    wasi_guest(&SLEEP, &(code + DOCUMENT))
}

/// Makes `{}` of the guilty event.
const DOCUMENT: &str = "(i32.store16 (i32.const 256) (i32.const 0x7d7b))
    (i32.store offset=4 (local.get $outcome) (i32.const 256)) (i32.store offset=8 (local.get $outcome) (i32.const 2))";

/// Documents, and kind and reason of what failed, of two good events around a guilty one.
async fn ran(lab: &Lab, component: &[u8], grants: WasiGrants) -> (Vec<String>, Vec<(&'static str, String)>) {
    let mut config = lab.config(component);
    config.wasi = Some(grants);
    let transform = config.build(&lab.context()).await.unwrap();
    let events = ["{\"a\":1}", "!bad", "{\"a\":2}"]
        .map(Bytes::from_static_str)
        .to_vec();
    let (documents, mut outputs) = transform_contract(transform, [], events).await;
    let documents = documents
        .into_iter()
        .map(|document| String::from_utf8_lossy(&document).into_owned())
        .collect();
    let failed = take_failed(&mut outputs).into_iter();
    (
        documents,
        failed.map(|(_, kind, reason)| (kind, reason)).collect(),
    )
}

/// The guilty event fails, alone, with this kind and these words.
#[track_caller]
fn only_the_guilty(
    (documents, failed): (Vec<String>, Vec<(&'static str, String)>),
    expected: &str,
    words: &str,
) {
    assert_eq!(documents, ["{\"a\":1}", "{\"a\":2}"]);
    let [(kind, reason)] = &failed[..] else {
        panic!("{failed:?}")
    };
    assert!(*kind == expected && reason.contains(words), "{kind}: {reason}");
}

#[tokio::test]
async fn a_component_that_sleeps_too_long_is_stopped_without_waiting_for_it() {
    let lab = Lab::new();
    let began = Instant::now();
    // An hour, with a deadline of 200 ms.
    let ran = ran(&lab, &sleeping(3_600_000_000_000), CLOCKS).await;
    only_the_guilty(ran, "deadline", "longer than its deadline");
    assert!(began.elapsed() < Duration::from_mins(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn naps_count_against_the_deadline() {
    let mut imports = SLEEP.to_vec();
    imports.push(("io/poll", "[resource-drop]pollable", "(param i32)"));
    // Each nap has its handle, which is given back.
    let code = "(local $nap i32) (loop $l
        (local.set $nap (call $subscribe-duration (i64.const 1000000)))
        (call $block (local.get $nap)) (call $pollable (local.get $nap)) (br $l))";
    let ran = ran(&Lab::new(), &wasi_guest(&imports, code), CLOCKS).await;
    only_the_guilty(ran, "deadline", "longer than its deadline");
}

#[tokio::test]
async fn a_nap_within_the_deadline_is_had() {
    let began = Instant::now();
    let (documents, failed) = ran(&Lab::new(), &sleeping(20_000_000), CLOCKS).await;
    assert_eq!((documents.len(), failed.len()), (3, 0), "{failed:?}");
    assert!(began.elapsed() >= Duration::from_millis(20));
}

#[tokio::test]
async fn who_has_no_clock_cannot_wait() {
    only_the_guilty(
        ran(&Lab::new(), &sleeping(1), NONE).await,
        "trap",
        "its clock stands still: grant it with `wasi: { clocks: true }`",
    );
}

#[tokio::test]
async fn clocks_stand_still_unless_granted() {
    let imports = [
        ("clocks/monotonic-clock", "now", "(result i64)"),
        ("clocks/wall-clock", "now", "(param i32)"),
    ];
    let monotonic = wasi_guest(
        &imports[..1],
        &format!("(if (i64.ne (call $now) (i64.const 0)) (then unreachable)) {DOCUMENT}"),
    );
    let wall = wasi_guest(
        &imports[1..],
        &format!(
            "(call $now (i32.const 512)) (if (i64.ne (i64.load (i32.const 512)) (i64.const 0)) (then unreachable)) {DOCUMENT}"
        ),
    );
    let lab = Lab::new();
    for component in [&monotonic, &wall] {
        assert_eq!(ran(&lab, component, NONE).await.1, []);
        only_the_guilty(ran(&lab, component, CLOCKS).await, "trap", "unreachable");
    }
}

#[tokio::test]
async fn random_numbers_are_the_same_at_every_start_unless_granted() {
    // The first number of SplitMix64 with the seed 0, as published with it.
    let number = 0xe220_a839_7b1d_cdaf_u64.cast_signed();
    let code =
        format!("(if (i64.ne (call $get-random-u64) (i64.const {number})) (then unreachable)) {DOCUMENT}");
    let component = wasi_guest(&[("random/random", "get-random-u64", "(result i64)")], &code);
    let lab = Lab::new();
    let granted = WasiGrants { random: true, ..NONE };
    assert_eq!(ran(&lab, &component, NONE).await.1, []);
    only_the_guilty(ran(&lab, &component, granted).await, "trap", "unreachable");
}

#[tokio::test]
async fn the_network_is_there_to_start_with_and_fails_when_it_is_used() {
    let imports = [
        ("sockets/tcp", "connect", "(result i32)"),
        ("sockets/tcp", "receive", "(param i32) (result i32)"),
        (
            "io/streams",
            "[method]input-stream.subscribe",
            "(param i32) (result i32)",
        ),
    ];
    let component = wasi_guest(&imports, "(drop (call $connect))");
    let all = WasiGrants {
        clocks: true,
        random: true,
        stderr: true,
    };
    let lab = Lab::new();
    only_the_guilty(
        ran(&lab, &component, all).await,
        "trap",
        "called `wasi:sockets/tcp#connect`, which the host never grants",
    );
}

#[tokio::test]
async fn nobody_holds_a_million_handles() {
    let component = wasi_guest(
        &SLEEP,
        "(loop $l (drop (call $subscribe-duration (i64.const 0))) (br $l))",
    );
    only_the_guilty(ran(&Lab::new(), &component, CLOCKS).await, "trap", "table");
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is in the log after a batch with one guilty event.
fn logged(lab: &Lab, component: &[u8], grants: WasiGrants) -> String {
    let limits = Limits {
        wasi: Some(grants),
        deadline: Duration::from_millis(200),
        ..Limits::default()
    };
    std::fs::write(lab.dir.path().join("guest.wasm"), component).unwrap();
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let module =
            Module::load(&lab.engine, "guest.wasm", lab.dir.path(), limits, "{}".to_owned()).unwrap();
        let mut instance = module.instantiate("mine").unwrap();
        // Whether it traps or not.
        let _ = instance.transform_batch("{}", &[b"!bad"]);
    });
    let bytes = written.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    String::from_utf8(bytes).unwrap()
}

/// Writes the four bytes of `word` and an end of line if there is one.
fn printing(stream: &str, ended: bool, after: &str) -> Vec<u8> {
    let get = format!("get-{stream}");
    let imports = [
        (&*format!("cli/{stream}"), &*get, "(result i32)"),
        (
            "io/streams",
            "[method]output-stream.blocking-write-and-flush",
            "(param i32 i32 i32 i32)",
        ),
    ];
    let length = if ended { 5 } else { 4 };
    wasi_guest(
        &imports,
        &format!(
            "(local $stream i32) (local.set $stream (call ${get}))
             (i32.store (i32.const 512) (i32.const 0x64726f77)) (i32.store8 (i32.const 516) (i32.const 10))
             (loop $again (call $blocking-write-and-flush (local.get $stream) (i32.const 512) (i32.const {length}) (i32.const 520))
             {after})"
        ),
    )
}

#[test]
fn output_goes_to_the_log_if_granted() {
    let lab = Lab::new();
    let granted = WasiGrants { stderr: true, ..NONE };
    for (stream, level) in [("stderr", "WARN"), ("stdout", "INFO")] {
        let component = printing(stream, true, "");
        let log = logged(&lab, &component, granted);
        assert!(
            log.contains(level) && log.contains("component: word transform=mine"),
            "{log}"
        );
        assert_eq!(logged(&lab, &component, NONE), "");
    }
    // The last word before a trap.
    let log = logged(&lab, &printing("stderr", false, "unreachable"), granted);
    assert!(log.contains("component: word transform=mine"), "{log}");
}

#[test]
fn output_is_limited_as_the_log_is() {
    let granted = WasiGrants { stderr: true, ..NONE };
    let log = logged(&Lab::new(), &printing("stderr", true, "(br $again)"), granted);
    let lines = log
        .lines()
        .filter(|line| line.contains("component: word"))
        .count();
    // A second may end while it writes.
    assert!((100..=200).contains(&lines), "{lines} lines");
}

#[tokio::test]
async fn the_next_component_and_the_candidate_have_the_same_grants() {
    let lab = Lab::new();
    let now = ("clocks/monotonic-clock", "now", "(result i64)");
    std::fs::write(lab.dir.path().join("candidate.wasm"), wasi_guest(&[now], "nop")).unwrap();
    let shadow = ShadowConfig {
        module: "candidate.wasm".to_owned(),
        options: None,
        sample: 1.0,
        report: None,
    };
    let (transform, slot) = swappable(&lab, &guest("nop", "(local.get $count)"), |config| {
        config.wasi = Some(NONE);
        config.shadow = Some(shadow);
    })
    .await;
    put(&lab, &sleeping(1));
    assert!(matches!(slot.reload().unwrap(), Swap::Done { .. }));
    let Transform::Synchronous(mut worker) = transform else {
        unreachable!("it is synchronous")
    };
    assert_eq!(mapped(&mut *worker), "{\"n\":1}");
    assert!(matches!(slot.promote().unwrap(), Swap::Done { .. }));
    assert_eq!(mapped(&mut *worker), "{\"n\":1}");
}

#[tokio::test]
async fn without_grants_a_component_is_refused_with_what_would_make_it_run() {
    let lab = Lab::new();
    let config = lab.config(&sleeping(1));
    let problem = lab.problem(&config).await;
    for words in [
        "module: `guest.wasm` does not implement the world",
        "`wasi:clocks/monotonic-clock@0.2.3`",
        "parts of WASI that are not granted to it",
        "give the transform `wasi: {}`",
        "`wasi: { clocks: true }` grants what there is",
    ] {
        assert!(problem.contains(words), "no {words:?} in {problem}");
    }
    let newer = "(component (import \"wasi:clocks/wall-clock@0.3.0\" (instance)))";
    let mut config = lab.config(&wat::parse_str(newer).unwrap());
    config.wasi = Some(NONE);
    let problem = lab.problem(&config).await;
    assert!(problem.contains("build it for WASI 0.2"), "{problem}");
}

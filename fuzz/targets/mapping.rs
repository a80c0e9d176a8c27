//! Whatever an event is, the mapping makes one line of JSON of it, or says why it cannot, and never does one and the other.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use o365_ecs::{Context, Mapper, Outcome};

static MAPPERS: LazyLock<Vec<Mapper>> = LazyLock::new(|| {
    [
        "{}",
        r#"{ "extensions": false }"#,
        r#"{ "profile": "elastic-2.5", "extensions": false }"#,
        r#"{ "profile": "elastic-2.5" }"#,
    ]
    .map(|options| Mapper::configure(options).expect("good options"))
    .into()
});

fuzz_target!(|event: &[u8]| {
    for mapper in &*MAPPERS {
        let mut out = Vec::new();
        match mapper.map(&Context::default(), event, &mut out) {
            Outcome::Emit => {
                assert!(!out.contains(&b'\n'), "one line");
                assert!(out.len() < event.len() * 16 + 10_000, "{} bytes of {}", out.len(), event.len());
                serde_json::from_slice::<&serde_json::value::RawValue>(&out).expect("the document is JSON");
            }
            Outcome::Drop => assert!(out.is_empty()),
            Outcome::Fail(reason) => assert!(out.is_empty() && !reason.is_empty()),
        }
    }
});

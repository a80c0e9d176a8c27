//! The VRL program and the mapping over `serde_json::Value` do the same job: the fields that they cover are those of the mapping, on
//! every event of every workload.

use std::collections::BTreeMap;

use anyhow::Result;
use o365_bench::{corpus, value, vrl::Vrl};
use o365_ecs::{Context, Mapper, Outcome};
use serde_json::Value;

/// What they cover. The mapping writes some ten times as many.
#[rustfmt::skip]
const COVERED: [&str; 35] = [
    "/@timestamp", "/ecs/version", "/event/original", "/event/kind", "/event/id", "/event/provider", "/event/action",
    "/event/code", "/event/outcome", "/event/category", "/event/type", "/organization/id", "/organization/name", "/host/id",
    "/host/name", "/user/id", "/user/email", "/user/name", "/user/domain", "/user_agent/original", "/client/address",
    "/client/ip", "/client/port", "/source/ip", "/source/port", "/network/type", "/server/domain", "/server/address",
    "/url/original", "/file/name", "/file/directory", "/file/extension", "/related/hosts",
    "/o365/audit/Parameters", "/o365/audit/RecordType",
];

#[test]
fn the_vrl_program_writes_what_the_mapping_writes() {
    let mut vrl = Vrl::compile().expect("the program compiles");
    compare(|event, out| vrl.map(event, out));
}

#[test]
fn the_mapping_over_values_writes_what_the_mapping_writes() {
    compare(value::map);
}

fn compare(mut map: impl FnMut(&[u8], &mut Vec<u8>) -> Result<()>) {
    let mapper = Mapper::configure(r#"{ "extensions": false }"#).expect("good options");
    let mut workloads = corpus::simulated(300).expect("the simulator runs");
    workloads.extend(corpus::real().expect("a readable corpus"));
    let mut filled = vec![0; COVERED.len()];
    // The first one of each field.
    let mut problems = BTreeMap::new();
    for workload in &workloads {
        for event in workload.corpus.batches(1).concat() {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            assert_eq!(mapper.map(&Context::default(), event, &mut ours), Outcome::Emit);
            map(event, &mut theirs).expect("it maps");
            let [ours, theirs] =
                [ours, theirs].map(|text| serde_json::from_slice::<Value>(&text).expect("a document"));
            for (path, filled) in COVERED.into_iter().zip(&mut filled) {
                let [ours, theirs] = [ours.pointer(path), theirs.pointer(path)].map(sorted);
                *filled += usize::from(!ours.is_null());
                if ours != theirs {
                    problems.entry((workload.name, path)).or_insert_with(|| {
                        let event = String::from_utf8_lossy(event);
                        format!(
                            "\n{} {path}: the mapping writes {ours}, this job {theirs} of {event}",
                            workload.name
                        )
                    });
                }
            }
        }
    }
    let shown: String = problems.into_values().collect();
    assert!(shown.is_empty(), "{shown}");
    for (path, filled) in COVERED.iter().zip(filled) {
        assert!(filled > 0, "no event has {path}");
    }
}

/// The order of a list says nothing here.
fn sorted(value: Option<&Value>) -> Value {
    match value {
        Some(Value::Array(members)) => {
            let mut members = members.clone();
            members.sort_by_key(Value::to_string);
            Value::Array(members)
        }
        other => other.cloned().unwrap_or_default(),
    }
}

//! The others do the same job as the mapping without extensions, on every event of every workload: VRL all of it, the mapping over
//! `serde_json::Value` the fields that it covers.

use std::collections::BTreeMap;

use anyhow::Result;
use o365_bench::{contestants::WITHOUT_EXTENSIONS, corpus, value, vrl::Vrl};
use o365_ecs::{Context, Mapper, Outcome};
use serde_json::Value;

/// What the mapping over values covers. The mapping writes some ten times as many.
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
fn the_vrl_program_writes_the_documents_of_the_mapping() {
    let mut vrl = Vrl::compile().expect("the program compiles");
    let mut documents = 0;
    let differences = differences(
        |event, out| vrl.map(event, out),
        |ours, theirs| {
            documents += 1;
            let fields = ours.as_object().into_iter().chain(theirs.as_object());
            let paths = fields.flat_map(|fields| fields.keys().map(|name| format!("/{name}")));
            paths.collect()
        },
    );
    assert!(differences.is_empty(), "{differences}");
    assert!(documents > 1000, "{documents}");
}

#[test]
fn the_mapping_over_values_writes_what_the_mapping_writes() {
    let mut filled = [0; COVERED.len()];
    let differences = differences(value::map, |ours, _| {
        for (path, filled) in COVERED.iter().zip(&mut filled) {
            *filled += usize::from(ours.pointer(path).is_some());
        }
        COVERED.map(str::to_owned).to_vec()
    });
    assert!(differences.is_empty(), "{differences}");
    for (path, filled) in COVERED.iter().zip(filled) {
        assert!(filled > 0, "no event has {path}");
    }
}

/// What differs at these paths of the documents of the mapping and of another one: of each path the first event of a workload.
fn differences(
    mut map: impl FnMut(&[u8], &mut Vec<u8>) -> Result<()>,
    mut paths: impl FnMut(&Value, &Value) -> Vec<String>,
) -> String {
    let mapper = Mapper::configure(WITHOUT_EXTENSIONS).expect("good options");
    let mut workloads = corpus::simulated(300).expect("the simulator runs");
    workloads.extend(corpus::real().expect("a readable corpus"));
    let mut problems = BTreeMap::new();
    for workload in &workloads {
        for event in workload.corpus.batches(1).concat() {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            assert_eq!(mapper.map(&Context::default(), event, &mut ours), Outcome::Emit);
            map(event, &mut theirs).expect("it maps");
            let [ours, theirs] =
                [ours, theirs].map(|text| serde_json::from_slice::<Value>(&text).expect("a document"));
            for path in paths(&ours, &theirs) {
                let [ours, theirs] = [&ours, &theirs].map(|document| sorted(document.pointer(&path)));
                if ours != theirs {
                    problems.entry((workload.name, path.clone())).or_insert_with(|| {
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
    problems.into_values().collect()
}

/// The order of a list says nothing here.
fn sorted(value: Option<&Value>) -> Value {
    match value {
        Some(Value::Array(members)) => {
            let mut members: Vec<_> = members.iter().map(|member| sorted(Some(member))).collect();
            members.sort_by_key(Value::to_string);
            Value::Array(members)
        }
        Some(Value::Object(fields)) => {
            let fields = fields.iter();
            Value::Object(
                fields
                    .map(|(name, value)| (name.clone(), sorted(Some(value))))
                    .collect(),
            )
        }
        other => other.cloned().unwrap_or_default(),
    }
}

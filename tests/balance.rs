//! The counters balance: what a source has made is delivered, dropped, refused or on its way, and each number is what others
//! have counted elsewhere.

#![expect(clippy::float_cmp, reason = "what is compared are counts, whole numbers")]

use std::fmt::Write;

use crate::{
    api::{samples, sum},
    guests::guest,
    support::{host, output_with_input, stderr},
};

const CONFIG: &str = "
data_dir: data
sources: { in: { type: stdin } }
transforms:
  map: { type: wasm, inputs: [in], module: guest.wasm }
  keep: { type: filter, inputs: [map], condition: .keep == true }
sinks:
  file: { type: file, inputs: [keep], path: out.ndjson }
  hole: { type: blackhole, inputs: [keep] }
";

#[tokio::test]
async fn every_event_is_accounted_for() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pipeline.yaml"), CONFIG).unwrap();
    std::fs::write(
        dir.path().join("guest.wasm"),
        guest("unreachable", "(local.get $count)"),
    )
    .unwrap();
    let (mut input, mut refused, mut dropped, mut kept) = (String::new(), 0.0, 0.0, 0.0);
    for number in 0..1_000 {
        if number % 10 == 0 {
            refused += 1.0;
            input.push_str("!\n");
        } else {
            let keep = number % 3 == 0;
            *(if keep { &mut kept } else { &mut dropped }) += 1.0;
            writeln!(input, "{{\"n\":{number},\"keep\":{keep}}}").unwrap();
        }
    }
    let mut command = host(dir.path());
    command.args([
        "run",
        "--config",
        "pipeline.yaml",
        "--metrics-file",
        "metrics.prom",
    ]);
    let run = output_with_input(&mut command, input.into_bytes()).await;
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));

    let text = std::fs::read_to_string(dir.path().join("metrics.prom")).unwrap();
    let samples = samples(&text);
    let ended = |status: &str| {
        samples[format!("o365_source_events_ended_total{{component_id=\"in\",status=\"{status}\"}}").as_str()]
    };
    let begun = samples["o365_source_events_total{component_id=\"in\"}"];
    let copied = samples["o365_source_event_copies_total{component_id=\"in\"}"];
    let in_flight = samples["o365_source_events_in_flight{component_id=\"in\"}"];
    let all = ended("delivered") + ended("dropped") + ended("rejected") + ended("errored");
    assert_eq!(begun + copied, all + in_flight);
    // What is kept goes to two sinks.
    assert_eq!((begun, copied, in_flight), (1_000.0, kept, 0.0));
    assert_eq!(
        (
            ended("delivered"),
            ended("dropped"),
            ended("rejected"),
            ended("errored")
        ),
        (2.0 * kept, dropped, refused, 0.0)
    );
    // What others have counted.
    let component = |name: &str, id: &str| -> f64 {
        let prefix = format!("o365_component_{name}_total{{component_id=\"{id}\",");
        let mut found = samples.iter().filter(|(sample, _)| sample.starts_with(&prefix));
        *found.next().unwrap_or_else(|| panic!("{prefix} in {text}")).1
    };
    assert_eq!(component("sent_events", "in"), begun);
    assert_eq!(component("received_events", "map"), begun);
    assert_eq!(component("received_events", "keep"), begun - refused);
    assert_eq!(
        component("received_events", "file") + component("received_events", "hole"),
        ended("delivered")
    );
    assert_eq!(sum(&samples, "o365_dead_letters_total"), ended("rejected"));
    let lines = std::fs::read_to_string(dir.path().join("out.ndjson"))
        .unwrap()
        .lines()
        .count();
    assert_eq!(lines as f64, kept);
}

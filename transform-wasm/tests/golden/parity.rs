//! The old profile reproduces every published document.

use std::collections::BTreeMap;

use o365_ecs::Mapper;

use crate::common::differences;
use crate::published::{fixtures, map};

/// Events of the reference's fixtures.
const GOLDEN_EVENTS: usize = 236;

#[test]
fn the_old_profile_reproduces_the_reference() {
    let Some(fixtures) = fixtures() else {
        return;
    };
    let mapper =
        Mapper::configure(r#"{ "profile": "elastic-2.5", "extensions": false }"#).expect("good options");
    let mut report = Vec::new();
    let mut files: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for published in &fixtures {
        let differences = differences(&published.document, &map(&mapper, &published.event));
        let (same, total) = files.entry(&published.file).or_default();
        *total += 1;
        if differences.is_empty() {
            *same += 1;
        } else {
            report.push(format!(
                "{} event {total}:\n  {}",
                published.file,
                differences.join("\n  ")
            ));
        }
    }
    for (file, (same, total)) in &files {
        println!("{file}: {same} of {total}");
    }
    let identical: usize = files.values().map(|(same, _)| same).sum();
    assert_eq!(
        (identical, fixtures.len()),
        (GOLDEN_EVENTS, GOLDEN_EVENTS),
        "differences:\n{}",
        report.join("\n")
    );
}

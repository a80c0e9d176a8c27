//! The reference page says what there is.

use std::path::Path;

use super::*;

const BEGIN: &str = "<!-- generated: UPDATE_EXPECT=1 cargo test -p o365-host metrics -->\n";
const END: &str = "<!-- end -->";

fn table() -> String {
    let mut table = "| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for family in Metrics::families() {
        let labels: Vec<_> = family.labels().iter().map(|label| format!("`{label}`")).collect();
        let cells = [
            format!("`{}`", family.sample_name()),
            family.kind().to_owned(),
            labels.join(", "),
            family.help().to_owned(),
        ];
        table += &["| ", &cells.join(" | "), " |\n"].concat();
    }
    table
}

#[test]
fn the_reference_lists_every_metric() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/metrics.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
    } else {
        assert_eq!(listed, table(), "run with UPDATE_EXPECT=1");
    }
}

#[test]
fn no_family_is_there_twice() {
    let mut names: Vec<_> = Metrics::families().iter().map(Family::sample_name).collect();
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

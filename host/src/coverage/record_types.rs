//! The record types that the mapping has a name for.

/// A number and a name on each line, sorted by number. The test below asks the mapping for them, and
/// `UPDATE_EXPECT=1 cargo test -p o365-host record_types` writes them.
const TABLE: &str = include_str!("record-types.tsv");

/// Numbers and names, sorted by number.
pub(super) fn record_types() -> Vec<(u32, &'static str)> {
    let columns = TABLE.lines().filter_map(|line| line.split_once('\t'));
    columns
        .filter_map(|(number, name)| Some((number.parse().ok()?, name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use o365_ecs::{Context, Mapper};

    use super::{TABLE, record_types};

    /// No record type has a number near this.
    const MOST: u32 = 3_000;

    /// What the mapping calls each number, as lines.
    fn named() -> String {
        let mapper = Mapper::default();
        let lines = (0..MOST).filter_map(|number| {
            let mut document = Vec::new();
            let event = format!(r#"{{"Id":"x","RecordType":{number}}}"#);
            mapper.map(&Context::default(), event.as_bytes(), &mut document);
            let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
            let code = document["event"]["code"].as_str()?;
            // Without a name the number itself is the code.
            (code != number.to_string()).then(|| format!("{number}\t{code}\n"))
        });
        lines.collect()
    }

    #[test]
    fn record_types_are_those_of_the_mapping() {
        let expected = named();
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/coverage/record-types.tsv");
            std::fs::write(path, expected).unwrap();
        } else {
            assert_eq!(TABLE, expected, "UPDATE_EXPECT=1 rewrites the list");
            assert_eq!(record_types().len(), TABLE.lines().count());
        }
    }
}

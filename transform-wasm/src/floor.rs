//! The floor under the mapping: what reading an event and writing it again costs, with no rule between. For benchmarks.

use bumpalo::Bump;

use crate::json;

/// Reads an event into the borrowed tree. False if it is no JSON.
pub fn parse(event: &[u8]) -> bool {
    read(event, |_| ())
}

/// Reads an event and appends it to the output. False if it is no JSON; then nothing was written.
pub fn parse_and_write(event: &[u8], out: &mut Vec<u8>) -> bool {
    read(event, |tree| tree.write(out, event.len() + 64))
}

fn read(event: &[u8], with: impl FnOnce(&json::Value<'_>)) -> bool {
    // As the mapping does it.
    let bump = Bump::with_capacity(event.len() * 4 + 4096);
    let Ok(text) = std::str::from_utf8(event) else {
        return false;
    };
    let Ok(tree) = json::parse(text, &bump) else {
        return false;
    };
    with(&tree);
    true
}

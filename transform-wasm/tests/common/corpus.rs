//! The events of a real tenant, which stand beside the checkout or not at all.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

/// One event a line. Where there are none, it says so.
#[expect(clippy::print_stderr, reason = "a test that checks nothing says so")]
pub(crate) fn text() -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/audit-real.ndjson.gz");
    let Ok(file) = File::open(&path) else {
        eprintln!("\n*** SKIPPED: no corpus at {} ***\n", path.display());
        return None;
    };
    let mut text = String::new();
    GzDecoder::new(file)
        .read_to_string(&mut text)
        .expect("the corpus is compressed text");
    Some(text)
}

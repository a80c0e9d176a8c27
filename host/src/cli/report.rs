//! What a command tells the person who called it: on standard error, since standard output is for data.

use std::io::Write;

/// Prints one line, or a block that is ready to print.
pub(super) fn line(text: &str) {
    // A standard error that is gone leaves nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

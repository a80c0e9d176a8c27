//! Letters sent through a pipeline again, each from the component that gave up on it.
//!
//! ```text
//! survey: every line is a letter of a component that there is? ──► nothing is sent otherwise
//!    │ Part: the lines of a file that were there
//!    ▼
//! Replayed: a source for each component where events enter ──► transforms, sinks ──► delivered, or a new letter
//!    │
//!    ▼
//! put_aside: FILE.replayed; unless a running pipeline has appended to it, then the rest comes first
//! ```
//!
//! Files are streamed twice, so memory does not depend on their size.

mod aside;
mod lines;
mod source;
mod survey;

pub use aside::put_aside;
pub use source::Replayed;
pub use survey::{Bad, Group, Part, Survey, survey};

use super::folder;

/// The files of a folder that can be sent again, oldest first.
///
/// # Errors
/// The folder cannot be read.
pub fn files(folder: &std::path::Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    folder::waiting(folder)
}

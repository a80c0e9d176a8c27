//! What can go wrong when a simulator is started or changed.

use std::io;
use std::path::PathBuf;

use crate::content_type::ContentType;

/// Why the simulator could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The configuration contradicts itself.
    #[error("invalid simulator configuration: {0}")]
    Config(String),
    /// The listening socket is unusable.
    #[error("listening on the simulator's socket failed")]
    Listen(#[source] io::Error),
    /// A file of events could not be read.
    #[error("reading the events of {path} failed")]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line of a file of events is no JSON object.
    #[error("line {line} of {path} is not a JSON object")]
    ParseLine {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: u64,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// The simulator does not have this tenant.
    #[error("the simulator has no tenant {0}")]
    UnknownTenant(String),
    /// A content id was used twice in one feed.
    #[error("{content_type} already has a blob {content_id}")]
    DuplicateContentId {
        /// The feed.
        content_type: ContentType,
        /// The id used twice.
        content_id: String,
    },
}

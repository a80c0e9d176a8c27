//! Sources for replays and tools: lines of JSON from standard input or from files.

mod chunks;
mod file;
mod lines;
mod stdin;

pub use file::FileConfig;
pub use stdin::StdinConfig;

//! Where events go.

mod blackhole;
pub mod collect;
mod console;
mod file;

pub use blackhole::BlackholeConfig;
pub use console::{ConsoleConfig, ConsoleTarget};
pub use file::FileConfig;

//! The `o365-host` program. See the library.

use std::process::ExitCode;

use clap::Parser;
use o365_host::{
    allocator,
    cli::{self, Cli},
};

fn main() -> ExitCode {
    allocator::keep_within_bounds();
    // Before any TLS connection; a second installation would be somebody else's choice, which is fine.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    cli::main(Cli::parse())
}

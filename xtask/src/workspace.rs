//! Where we are, and how to run another program with an error that says which.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;

/// The root of the workspace that this binary was compiled from.
pub(crate) fn root() -> Result<PathBuf> {
    // The variable is set by `cargo run`; the other is for a binary that is called directly.
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = manifest_dir.parent().context("xtask is not inside a workspace")?;
    root.canonicalize()
        .with_context(|| format!("{} cannot be opened", root.display()))
}

/// The cargo that started us, else the one on the path.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Reads a text file; the error carries its path.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Reads a file; the error carries its path.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// What `cargo metadata` says with these arguments.
pub(crate) fn metadata<T: DeserializeOwned>(root: &Path, arguments: &[&str]) -> Result<T> {
    let metadata = stdout_of(
        cargo()
            .args(["metadata", "--format-version", "1"])
            .args(arguments)
            .current_dir(root),
    )?;
    serde_json::from_str(&metadata).context("`cargo metadata` is not understood")
}

/// Runs a program that shows its own progress.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line_of(command);
    let status = command
        .status()
        .with_context(|| format!("`{line}` cannot be started"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs a program for what it prints. What it says on stderr becomes part of the error.
pub(crate) fn stdout_of(command: &mut Command) -> Result<String> {
    let line = line_of(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{line}` cannot be started"))?;
    text_of(output).with_context(|| format!("`{line}` failed"))
}

fn text_of(output: Output) -> Result<String> {
    if !output.status.success() {
        bail!(
            "{}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).context("its output is not UTF-8")
}

fn line_of(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

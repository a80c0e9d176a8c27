//! A project in Rust.

use std::path::Path;

use super::project::{Made, PATIENCE, Project, skip};
use crate::support::{output, output_within, stderr};

/// Where cargo puts nothing that outlives the test, and asks nobody on the network: the versions of this workspace are here.
fn cargo(project: &Path, arguments: &[&str]) -> tokio::process::Command {
    let mut command =
        tokio::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for name in ["RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER"] {
        command.env_remove(name);
    }
    command
        .current_dir(project)
        .args(arguments)
        .arg("--offline")
        .env("CARGO_TARGET_DIR", project.join("target"))
        .env("CARGO_INCREMENTAL", "0")
        .kill_on_drop(true);
    command
}

/// Whether cargo failed because it may not download.
fn cannot_be_had(log: &str) -> bool {
    ["--offline", "offline mode", "no matching package"]
        .iter()
        .any(|sign| log.contains(sign))
}

/// A cargo command that builds for wasm32-unknown-unknown, if this machine can: with the active compiler, or with the one
/// that `cargo xtask wasm` has set up.
async fn wasm_build(project: &Path) -> Option<tokio::process::Command> {
    let target = "wasm32-unknown-unknown";
    let arguments = ["build", "--release", "--target", target];
    let mut rustc = tokio::process::Command::new("rustc");
    let sysroot = output(rustc.args(["--print", "sysroot"])).await.stdout;
    let sysroot = Path::new(std::str::from_utf8(&sysroot).unwrap().trim()).to_owned();
    if sysroot.join("lib/rustlib").join(target).join("lib").is_dir() {
        return Some(cargo(project, &arguments));
    }
    let debian = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/wasm-toolchain/debian/usr");
    let debian = debian.canonicalize().ok()?;
    let entry = |folder: &str, part: &str| {
        let entries = std::fs::read_dir(debian.join(folder)).ok()?;
        let mut paths = entries.map(|entry| entry.unwrap().path());
        paths.find(|path| path.file_name().unwrap().to_string_lossy().contains(part))
    };
    let linker = entry("bin", "wasm-ld")?;
    let libraries = entry("lib", "-linux-gnu")?;
    let mut command = cargo(project, &arguments);
    command
        .arg("-Zbuild-std=std,panic_abort")
        .env("RUSTC", debian.join("bin/rustc"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
        .env("LD_LIBRARY_PATH", libraries);
    Some(command)
}

pub(super) async fn make() -> Made {
    let project = Project::new("rust").await;
    let dir = &project.dir;
    let readme = std::fs::read_to_string(dir.join("README.md")).unwrap();
    assert!(
        readme.contains("release/my_mapping.wasm -o my-mapping.wasm"),
        "{readme}"
    );
    // The versions of this workspace: they have been downloaded.
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    std::fs::copy(lock, dir.join("Cargo.lock")).unwrap();
    let tested = output_within(PATIENCE, &mut cargo(dir, &["test"])).await;
    let log = stderr(&tested);
    if !tested.status.success() && cannot_be_had(&log) {
        return Err(format!(
            "the libraries of a new project cannot be had offline:\n{log}"
        ));
    }
    let told = String::from_utf8_lossy(&tested.stdout);
    assert!(tested.status.success(), "{told}{log}");
    assert!(!log.contains("warning"), "{log}");
    assert!(
        told.contains("every_fixture_becomes_what_is_expected ... ok"),
        "{told}"
    );

    let Some(mut build) = wasm_build(dir).await else {
        return Err("no compiler for WebAssembly here; `cargo xtask wasm` sets one up".to_owned());
    };
    let built = output_within(PATIENCE, &mut build).await;
    let log = stderr(&built);
    if !built.status.success() && cannot_be_had(&log) {
        return Err(format!(
            "what a component is built of cannot be had offline:\n{log}"
        ));
    }
    assert!(built.status.success() && !log.contains("warning"), "{log}");
    let core = std::fs::read(dir.join("target/wasm32-unknown-unknown/release/my_mapping.wasm")).unwrap();
    // What `wasm-tools component new` does.
    let component = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&core)
        .unwrap()
        .encode()
        .unwrap();
    std::fs::write(project.component(), component).unwrap();
    Ok(project)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_project_is_complete() {
    match make().await {
        Ok(project) => project.does_what_it_should().await,
        Err(reason) => skip(&reason),
    }
}

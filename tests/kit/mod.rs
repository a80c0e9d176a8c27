//! The author's kit.

mod bench;
mod inspect;
mod javascript;
mod new;
mod project;
mod python;
mod rust;
#[cfg(unix)]
mod together;

use std::path::Path;

use serde_json::Value;

use crate::support::{host, output, stderr};

/// Exit code, standard output, standard error.
async fn wasm(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let ended = output(host(dir).arg("wasm").args(arguments)).await;
    let told = String::from_utf8(ended.stdout.clone()).unwrap();
    (ended.status.code(), told, stderr(&ended))
}

async fn inspected(dir: &Path, component: &[u8]) -> (Option<i32>, Value) {
    std::fs::write(dir.join("x.wasm"), component).unwrap();
    let (code, told, log) = wasm(dir, &["inspect", "x.wasm", "--json"]).await;
    let found = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}{log}"));
    (code, found)
}

const CONFIG: &str = "sources: { in: { type: stdin } }
transforms: { mine: { type: wasm, inputs: [in], module: x.wasm } }
sinks: { out: { type: console, inputs: [mine] } }
";

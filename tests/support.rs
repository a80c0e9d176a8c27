//! Runs the program, serves the simulator, waits for states.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use o365_simulator::{RunningSimulator, Simulator, SimulatorConfig};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    time::Instant,
};

/// No state of a test takes longer than this, on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// The program, with its log and its cache where the test wants them.
pub(crate) fn host(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_o365-host"));
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub(crate) async fn output(command: &mut Command) -> Output {
    output_within(PATIENCE, command).await
}

/// The same for a program that has to wait itself.
pub(crate) async fn output_within(patience: Duration, command: &mut Command) -> Output {
    tokio::time::timeout(patience, command.output())
        .await
        .expect("the program takes too long")
        .unwrap()
}

/// Runs the program with the given standard input.
pub(crate) async fn output_with_input(command: &mut Command, input: Vec<u8>) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feed = async move {
        // A program that refuses its input closes the pipe.
        let _ = stdin.write_all(&input).await;
    };
    let (output, ()) = futures_util::future::join(child.wait_with_output(), feed).await;
    output.unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn lines(text: &[u8]) -> Vec<serde_json::Value> {
    let text = std::str::from_utf8(text).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// A simulator and a directory with a configuration that reads from it.
pub(crate) struct Lab {
    pub(crate) simulator: RunningSimulator,
    pub(crate) dir: tempfile::TempDir,
    secret: String,
    /// Ids and names.
    tenants: Vec<(String, String)>,
}

impl Lab {
    /// `sinks` is YAML; its components read from `ecs`.
    pub(crate) async fn new(mut simulator: SimulatorConfig, sinks: &str) -> Self {
        // The program has the machine's clock, so the simulator must have it too.
        simulator.clock = o365_simulator::SimClock::running(now());
        let (application_id, secret) = (simulator.application_id.clone(), simulator.client_secret.clone());
        let tenants: String = simulator
            .tenants
            .iter()
            .map(|tenant| format!("\n      - {{ id: {}, name: {} }}", tenant.id, tenant.name))
            .collect();
        let ids = simulator
            .tenants
            .iter()
            .map(|tenant| (tenant.id.clone(), tenant.name.clone()))
            .collect();
        let simulator = Simulator::start_local(simulator).await.unwrap();
        let url = simulator.base_url();
        let config = format!(
            "sources:\n  o365:\n    type: o365_audit\n    application_id: {application_id}\n    \
             client_secret: ${{SECRET}}\n    tenants:{tenants}\n    \
             api: {{ authentication_endpoint: \"{url}\", resource: \"{url}\", poll_interval: 1s, \
             max_requests_per_minute: 60000 }}\n\
             transforms:\n  ecs: {{ type: wasm, inputs: [o365], module: builtin:ecs }}\nsinks:\n{sinks}\n"
        );
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("pipeline.yaml"), config).unwrap();
        Self {
            simulator,
            dir,
            secret,
            tenants: ids,
        }
    }

    /// `run` with the lab's configuration.
    pub(crate) fn run(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&["run"], &[]);
        command.args(arguments);
        command
    }

    /// A command, which comes first in `arguments`, with the lab's configuration.
    pub(crate) fn command(&self, arguments: &[&str], more: &[String]) -> Command {
        let mut command = host(self.dir.path());
        command
            .args(arguments)
            .args(["--config", "pipeline.yaml"])
            .args(more)
            .env("SECRET", &self.secret);
        command
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// How often each event stands in an output file.
    pub(crate) fn delivered(&self, name: &str) -> BTreeMap<String, usize> {
        let text = std::fs::read(self.path(name)).unwrap_or_default();
        // A killed program may have left half a line.
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let mut counts = BTreeMap::new();
        for document in lines(&text[..whole]) {
            let id = document["event"]["id"]
                .as_str()
                .unwrap_or_else(|| panic!("no event.id: {document}"));
            *counts.entry(id.to_owned()).or_default() += 1;
        }
        counts
    }

    /// Every event that the simulator has.
    pub(crate) fn existing(&self) -> BTreeSet<String> {
        self.simulator
            .handle()
            .all_event_ids()
            .unwrap()
            .into_iter()
            .collect()
    }

    /// The id of the tenant at this place.
    pub(crate) fn tenant(&self, place: usize) -> &str {
        &self.tenants[place].0
    }

    /// The name of a tenant, or `id` if that is none.
    pub(crate) fn tenant_name<'a>(&'a self, id: &'a str) -> &'a str {
        self.tenants
            .iter()
            .find(|(own, _)| own == id)
            .map_or(id, |(_, name)| name)
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }
}

pub(crate) fn now() -> chrono::DateTime<chrono::Utc> {
    o365_core::Clock::now(&o365_core::SystemClock)
}

/// Waits until `state` holds; `describe` tells what it was when patience ended.
pub(crate) async fn wait_for(mut state: impl FnMut() -> bool, describe: impl FnOnce() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !state() {
        assert!(Instant::now() < deadline, "waited too long: {}", describe());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn signal(child: &Child, name: &str) {
    let pid = child.id().expect("the program still runs").to_string();
    let status = Command::new("kill")
        .args(["-s", name, &pid])
        .status()
        .await
        .unwrap();
    assert!(status.success(), "kill -s {name} {pid}");
}

/// A folder of third-party data beside the project; tests without it say so loudly.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared")
        .join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "\n!!! SKIPPED: {} is not there, and this test needs it\n",
        path.display()
    );
    None
}

/// Tells a program to end in order, and waits until it has. Its exit code.
pub(crate) async fn terminate(child: &mut Child) -> Option<i32> {
    signal(child, "TERM").await;
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
    ended.expect("it does not end").unwrap().code()
}

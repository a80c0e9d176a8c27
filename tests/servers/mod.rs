//! The sinks against the real servers, which `.ci/servers/servers` installs and starts.
//!
//! Every test is skipped with a loud line unless `O365_REQUIRE_SERVERS` is set; then a server that is missing is a failure:
//! `O365_REQUIRE_SERVERS=1 cargo test -p o365-host --features sink-kafka --test end_to_end -- --nocapture servers::`.
//! `O365_SINK_EVENTS=1000000` is what the bars are measured with.

mod elasticsearch;
#[cfg(feature = "sink-kafka")]
mod kafka;
mod nats;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::process::{Child, Command};

use crate::{
    numbered::{self, Fed},
    proxy::Proxy,
    support::{PATIENCE, wait_for},
};

/// A server, killed when it is dropped.
pub(crate) struct Server {
    name: &'static str,
    dir: tempfile::TempDir,
}

impl Server {
    /// Starts one with more settings, one `name=value` a line, on these ports or on free ones. `None`: not asked for.
    pub(crate) async fn start(name: &'static str, settings: &str, ports: &[u16]) -> Option<Self> {
        if std::env::var_os("O365_REQUIRE_SERVERS").is_none() {
            eprintln!("\n!!! SKIPPED: set O365_REQUIRE_SERVERS=1 to start {name} and test against it\n");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let server = Self { name, dir };
        let mut command = script("start");
        command
            .args([name])
            .arg(server.dir())
            .args(ports.iter().map(u16::to_string));
        succeed(command.env("O365_SERVER_SETTINGS", settings)).await;
        Some(server)
    }

    /// Where its files are: what each is, tells the script's README.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its address at this place of the list, without a scheme.
    pub(crate) fn address(&self, place: usize) -> SocketAddr {
        let addresses = std::fs::read_to_string(self.dir().join("address")).unwrap();
        let address = addresses.lines().nth(place).unwrap();
        address.rsplit('/').next().unwrap().parse().unwrap()
    }

    /// As a crash, and a start with the same data afterwards.
    pub(crate) async fn crash(&self) {
        succeed(script("kill").arg(self.dir())).await;
        succeed(script("start").args([self.name]).arg(self.dir())).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whether it still runs or not.
        let _ = std::process::Command::new(path())
            .arg("kill")
            .arg(self.dir())
            .status();
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/servers/servers")
}

fn script(command: &str) -> Command {
    let mut script = Command::new(path());
    script.arg(command).kill_on_drop(true);
    script
}

async fn succeed(command: &mut Command) {
    // The first start installs.
    let status = tokio::time::timeout(PATIENCE * 5, command.status()).await;
    assert!(status.unwrap().unwrap().success(), "{command:?}");
}

/// Ports that nobody has now, and that no client is given: see the script.
#[cfg(feature = "sink-kafka")]
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let mut held = Vec::new();
    let mut port = 20_000 + u16::try_from(std::process::id() % 8_000).unwrap();
    while held.len() < N {
        held.extend(std::net::TcpListener::bind(("127.0.0.1", port)));
        port += 1;
    }
    std::array::from_fn(|place| held[place].local_addr().unwrap().port())
}

/// Feeds events while the server crashes 3 times and open connections are cut, at least 20. How long it took.
pub(crate) async fn survive(server: &Server, proxy: &Proxy, child: &mut Child, events: u64) -> Duration {
    const DISTURBANCES: u64 = 27;
    let fed = Fed::default();
    fed.allow(0);
    let disturb = async {
        for number in 1..=DISTURBANCES {
            let goal = events * number / (DISTURBANCES + 1);
            fed.allow(goal);
            wait_for(|| fed.get() >= goal, || format!("{} of {goal}", fed.get())).await;
            // They are on their way, or were taken.
            wait_for(|| proxy.is_used(), || "nobody connects".to_owned()).await;
            if number % 7 == 0 {
                server.crash().await;
            } else {
                proxy.cut();
            }
        }
        fed.allow(events);
        proxy.cut()
    };
    let began = std::time::Instant::now();
    let work = async { tokio::join!(numbered::feed(child, events, &fed), disturb) };
    let ((), cut) = tokio::time::timeout(PATIENCE * 10, work)
        .await
        .expect("the program does not come to its end");
    eprintln!(
        "{events} events to {}, 3 crashes, {cut} connections cut",
        server.name
    );
    assert!(cut >= 20, "only {cut} connections were cut");
    began.elapsed()
}

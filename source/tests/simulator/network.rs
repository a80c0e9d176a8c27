//! What lies between the source and the service.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in its helpers"
)]

use std::{path::PathBuf, time::Duration};

use o365_simulator::{FaultRule, Operation};
use o365_source::CheckStatus;
use tempfile::TempDir;

use crate::{
    gateway::{Asked, Authority, Front, Gateway, proxy},
    world::{PATIENCE, World},
};

/// The first of these requests is answered long after the test has ended.
fn stuck(on: Operation) -> FaultRule {
    FaultRule {
        on: Some(on),
        nth: Some(1),
        delay_ms: 10 * PATIENCE.as_secs() * 1_000,
        ..FaultRule::default()
    }
}

#[tokio::test]
async fn a_request_that_is_stuck_is_given_up_after_its_timeout_and_made_again() {
    let mut world = World::small(20, |_| {}).await;
    world.config.api.request_timeout = Duration::from_secs(1);
    world.faults(
        [
            Operation::Token,
            Operation::ListSubscriptions,
            Operation::ListContent,
        ]
        .map(stuck),
    );
    assert_eq!(world.collect().await, world.expected());
}

#[tokio::test]
async fn a_blob_has_a_timeout_of_its_own_and_silence_has_one_too() {
    for (blob, read) in [(1, 3_600), (3_600, 1)] {
        let mut world = World::small(20, |_| {}).await;
        world.config.api.blob_timeout = Duration::from_secs(blob);
        world.config.api.read_timeout = Duration::from_secs(read);
        world.faults([stuck(Operation::FetchBlob)]);
        assert_eq!(world.collect().await, world.expected());
    }
}

/// A service that is reached as `https://{name}` only, and its authority, in a file.
struct Guarded {
    world: World,
    front: Gateway,
    ca_file: PathBuf,
    _dir: TempDir,
}

impl Guarded {
    async fn start(name: &str, url: impl FnOnce(u16) -> String) -> Self {
        let front = Front::new().await;
        let url = url(front.port());
        let mut world = World::small(20, |simulated| simulated.public_url = Some(url)).await;
        world.config.once_give_up_after = Duration::from_secs(1);
        let authority = Authority::new();
        let dir = tempfile::tempdir().unwrap();
        let ca_file = dir.path().join("ca.pem");
        std::fs::write(&ca_file, authority.pem()).unwrap();
        Self {
            front: front.open(&authority, name, world.address),
            world,
            ca_file,
            _dir: dir,
        }
    }
}

/// What `check` finds wrong.
async fn advice(world: &World) -> String {
    let reports = world.check().await.unwrap();
    let failed = reports[0].findings.last().unwrap();
    assert_eq!(failed.status, CheckStatus::Fail, "{failed:?}");
    format!("{}: {}", failed.found, failed.advice.as_ref().unwrap())
}

#[tokio::test]
async fn an_authority_is_trusted_once_it_is_configured() {
    let mut guarded = Guarded::start("localhost", |port| format!("https://localhost:{port}")).await;
    let error = guarded.world.once().await.result.unwrap_err().to_string();
    assert!(
        error.contains("UnknownIssuer") && error.contains("`tls.ca_file`"),
        "{error}"
    );
    let advice = advice(&guarded.world).await;
    assert!(
        advice.contains("UnknownIssuer") && advice.contains("`tls.ca_file`"),
        "{advice}"
    );
    // Relative paths start at the configuration's directory.
    guarded.world.config_dir = guarded.ca_file.parent().unwrap().to_owned();
    guarded.world.config.tls.ca_file = Some("ca.pem".into());
    assert_eq!(guarded.world.collect().await, guarded.world.expected());
    guarded.world.assert_well_behaved();
}

#[tokio::test]
async fn an_authority_that_cannot_be_read_is_named_before_anything_runs() {
    let mut world = World::small(1, |_| {}).await;
    world.config.tls.ca_file = Some("there-is-none.pem".into());
    let error = world.build().await.unwrap_err().to_string();
    assert!(
        error.contains("tls.ca_file") && error.contains("there-is-none.pem cannot be read"),
        "{error}"
    );
    assert_eq!(world.handle().report().tokens_issued, 0);
}

/// A service that only the proxy finds: its name exists nowhere else.
async fn behind_proxy() -> (Guarded, Gateway, Asked) {
    let mut guarded = Guarded::start("service.invalid", |_| "https://service.invalid".to_owned()).await;
    guarded.world.config.tls.ca_file = Some(guarded.ca_file.clone());
    let (proxy, asked) = proxy("Basic dTpodW50ZXIy", guarded.front.address).await;
    let https = format!("http://u:hunter2@{}", proxy.address);
    guarded.world.config.proxy.https = Some(https.into());
    // Whatever stands in the environment of the tests.
    guarded.world.config.proxy.no_proxy = Some(Vec::new());
    (guarded, proxy, asked)
}

#[tokio::test]
async fn tokens_and_blobs_come_through_the_proxy() {
    let (guarded, _proxy, asked) = behind_proxy().await;
    assert_eq!(guarded.world.collect().await, guarded.world.expected());
    guarded.world.assert_well_behaved();
    let asked = asked.lock().unwrap();
    // The token endpoint has a client of its own.
    assert!(asked.len() >= 2, "{asked:?}");
    let expect = (
        "CONNECT service.invalid:443 HTTP/1.1".to_owned(),
        Some("Basic dTpodW50ZXIy".to_owned()),
    );
    assert!(asked.iter().all(|asked| *asked == expect), "{asked:?}");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_without_its_password() {
    let (mut guarded, proxy, asked) = behind_proxy().await;
    let https = format!("http://u:wrong-hunter2@{}", proxy.address);
    guarded.world.config.proxy.https = Some(https.into());
    let advice = advice(&guarded.world).await;
    let named = format!("the proxy http://{} (`proxy.https`)", proxy.address);
    assert!(advice.contains(&named), "{advice}");
    assert!(advice.contains("another user or password"), "{advice}");
    let error = guarded.world.once().await.result.unwrap_err().to_string();
    assert!(error.contains("another user or password"), "{error}");
    assert!(
        !format!("{advice}{error}").contains("hunter2"),
        "{advice} {error}"
    );
    assert!(!asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_proxy_is_not_asked_for_this_machine_nor_when_it_is_switched_off() {
    let (guarded, _proxy, asked) = behind_proxy().await;
    let mut local = World::small(20, |_| {}).await;
    local.config.proxy = guarded.world.config.proxy.clone();
    assert_eq!(local.collect().await, local.expected());
    let mut off = guarded.world;
    off.config.proxy.enabled = false;
    let advice = advice(&off).await;
    assert!(
        advice.contains("DNS") && !advice.contains("the proxy http"),
        "{advice}"
    );
    assert_eq!(*asked.lock().unwrap(), []);
}

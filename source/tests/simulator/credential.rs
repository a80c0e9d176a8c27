//! Where credentials come from.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in its helpers"
)]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use o365_core::SensitiveString;
use o365_simulator::{Action, FaultRule, Operation};
use o365_source::{ManagedIdentityConfig, SecretSource, TenantConfig};
use tempfile::TempDir;

use crate::world::World;

const ISSUER: &str = "https://cluster.example";

/// A world with a secret that now stands in a file.
async fn with_secret_file() -> (World, TempDir) {
    let mut secret = String::new();
    let mut world = World::small(20, |simulated| secret.clone_from(&simulated.client_secret)).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    std::fs::write(&path, format!("{secret}\n")).unwrap();
    world.config.client_secret = Some(SecretSource::File(path));
    (world, dir)
}

#[tokio::test]
async fn a_secret_comes_from_a_file() {
    let (world, _dir) = with_secret_file().await;
    assert_eq!(world.collect().await, world.expected());
    world.assert_well_behaved();
}

#[cfg(unix)]
#[tokio::test]
async fn a_secret_comes_from_a_command() {
    let (mut world, dir) = with_secret_file().await;
    world.config.client_secret = Some(SecretSource::Command {
        command: vec!["cat".to_owned(), dir.path().join("secret").display().to_string()],
        timeout: std::time::Duration::from_secs(30),
    });
    assert_eq!(world.collect().await, world.expected());
}

#[tokio::test]
async fn a_file_that_is_missing_or_empty_is_named_before_anything_runs() {
    let (world, dir) = with_secret_file().await;
    let path = dir.path().join("secret");
    std::fs::write(&path, "\n").unwrap();
    let error = world.build().await.unwrap_err().to_string();
    assert!(
        error.contains("client_secret") && error.contains("is empty"),
        "{error}"
    );
    std::fs::remove_file(&path).unwrap();
    let error = world.build().await.unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "{error}");
    assert_eq!(world.handle().report().tokens_issued, 0);
}

/// A world in which the application trusts `ISSUER`, and a token of `issuer`.
async fn federated(issuer: &str) -> (World, TempDir) {
    let mut world = World::small(20, |simulated| {
        simulated.federated_issuers = vec![ISSUER.to_owned()];
    })
    .await;
    let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
    let token = [
        encode(r#"{"alg":"RS256"}"#.to_owned()),
        encode(format!(
            r#"{{"iss":"{issuer}","sub":"the-collector","aud":"api://AzureADTokenExchange","exp":4102444800}}"#
        )),
        encode("hunter2".to_owned()),
    ]
    .join(".");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, SensitiveString::from(token).expose()).unwrap();
    world.config.client_secret = None;
    world.config.federated_token_file = Some(path);
    (world, dir)
}

#[tokio::test]
async fn a_token_of_a_trusted_issuer_is_a_credential() {
    let (world, _dir) = federated(ISSUER).await;
    assert_eq!(world.collect().await, world.expected());
    world.assert_well_behaved();
}

#[tokio::test]
async fn a_token_that_matches_no_federated_credential_says_where_it_is_from_and_is_not_shown() {
    let (world, dir) = federated("https://stranger.example").await;
    let error = world.once().await.result.unwrap_err().to_string();
    assert!(error.contains("AADSTS700213"), "{error}");
    assert!(error.contains("https://stranger.example"), "{error}");
    assert!(error.contains("the-collector"), "{error}");
    let token = std::fs::read_to_string(dir.path().join("token")).unwrap();
    assert!(!error.contains(token.rsplit('.').next().unwrap()), "{error}");
}

/// A world with a managed identity and nothing else; `endpoint` is below the simulator's address.
async fn identity(endpoint: &str, header: Option<&str>) -> World {
    let mut world = World::small(20, |simulated| {
        simulated.identity_header = Some("the-header".to_owned());
    })
    .await;
    world.config.client_secret = None;
    world.config.application_id = String::new();
    world.config.managed_identity = Some(ManagedIdentityConfig {
        client_id: None,
        endpoint: Some(format!("{}{endpoint}", world.handle().base_url())),
        header: header.map(SensitiveString::from),
    });
    world
}

#[tokio::test]
async fn a_virtual_machine_has_an_identity() {
    let world = identity("/metadata/identity/oauth2/token", None).await;
    // The platform is not ready at first.
    let starting = Action::Respond {
        status: 410,
        headers: std::collections::BTreeMap::new(),
        body: "{}".to_owned(),
    };
    world.faults([FaultRule {
        times: Some(1),
        ..FaultRule::new(Operation::Token, starting)
    }]);
    assert_eq!(world.collect().await, world.expected());
    world.assert_well_behaved();
}

#[tokio::test]
async fn an_app_has_an_identity_and_shows_its_header() {
    let world = identity("/msi/token", Some("the-header")).await;
    assert_eq!(world.collect().await, world.expected());
    world.assert_well_behaved();
}

#[tokio::test]
async fn an_identity_that_is_refused_comes_with_advice_and_without_its_header() {
    let world = identity("/msi/token", Some("hunter2")).await;
    let error = world.once().await.result.unwrap_err().to_string();
    assert!(error.contains("401"), "{error}");
    assert!(error.contains("is a managed identity assigned"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn an_identity_is_of_one_tenant_and_stays_on_the_platform() {
    let mut world = identity("/msi/token", None).await;
    let second = TenantConfig::new("11111111-1111-1111-1111-111111111111", "second");
    world.config.tenants.push(second);
    world.config.managed_identity.as_mut().unwrap().endpoint = Some("http://example.com/token".to_owned());
    let fields: Vec<_> = world
        .config
        .problems()
        .into_iter()
        .map(|problem| problem.field)
        .collect();
    assert_eq!(fields, ["managed_identity", "managed_identity.endpoint"]);
}

#[tokio::test]
async fn a_token_for_another_tenant_is_not_used() {
    let world = World::small(20, |_| {}).await;
    let other = "22222222-2222-2222-2222-222222222222";
    world.faults([FaultRule::new(
        Operation::Token,
        Action::TokenForTenant {
            tenant: other.to_owned(),
        },
    )]);
    let error = world.once().await.result.unwrap_err().to_string();
    assert!(
        error.contains("is for the tenant") && error.contains(other),
        "{error}"
    );
    assert!(error.contains("check the tenant's id"), "{error}");
    assert_eq!(
        world.handle().report().requests.keys().collect::<Vec<_>>(),
        [&Operation::Token]
    );
}

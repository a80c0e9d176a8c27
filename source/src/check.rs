//! A doctor for a configuration: asks the service what a collection would need, and changes nothing there or here.

use std::{fmt, path::Path, sync::Arc};

use chrono::TimeDelta;
use futures_util::{StreamExt, stream};
use o365_core::{
    Clock,
    config::{BuildError, Problem},
};
use serde::Serialize;

use crate::{
    auth::{AuthError, Claims, Credential},
    budget::Start,
    client::ApiClient,
    config::O365AuditConfig,
    error::{ApiError, Class, chain},
    network::{Route, on_the_way},
    plan::grid,
    run::Clients,
    settings::{Settings, Tenant},
    types::{ContentType, Window},
    wire::Subscription,
};

/// Tenants that are looked at together.
const TENANTS_AT_ONCE: usize = 4;
/// How far the clocks may be apart. Windows are cut with the service's clock, certificates and logs are not.
const MAX_SKEW: TimeDelta = TimeDelta::seconds(60);
/// What is listed.
const LISTED: TimeDelta = TimeDelta::hours(1);

/// How one check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// Nothing to do.
    Ok,
    /// A collection works, but not as it should, or it will repair this by itself.
    Warn,
    /// A collection does not work.
    Fail,
}

impl CheckStatus {
    /// `ok`, `warn` or `fail`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for CheckStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `login`, `tenant`, `roles`, `api`, `clock`, or a content type with `subscription` or
    /// `listing`.
    pub check: String,
    /// How it ended.
    pub status: CheckStatus,
    /// What was found. Never a secret or a token.
    pub found: String,
    /// What to do about it; always there if the status is not [`CheckStatus::Ok`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            status: CheckStatus::Ok,
            found: found.into(),
            advice: None,
        }
    }

    /// A collection works all the same.
    pub fn warn(check: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            status: CheckStatus::Warn,
            advice: Some(advice.into()),
            ..Self::ok(check, found)
        }
    }

    /// A collection does not work.
    pub fn fail(check: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            status: CheckStatus::Fail,
            ..Self::warn(check, found, advice)
        }
    }
}

/// What was found for a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TenantReport {
    /// Its directory id.
    pub tenant: String,
    /// Its name in the configuration.
    pub name: Option<String>,
    /// In the order in which they were looked at. What depends on something that failed is left out.
    pub findings: Vec<Finding>,
}

impl O365AuditConfig {
    /// Asks the token endpoint and the API of every tenant what a collection would need: one token, the list of
    /// subscriptions, and one listing for each subscription that is enabled. No subscription is started, no blob is
    /// fetched, no file is written. Paths are relative to `config_dir`. The reports are in the order of the tenants.
    ///
    /// # Errors
    /// What is wrong with the configuration itself.
    pub async fn check(
        &self,
        config_dir: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Vec<TenantReport>, BuildError> {
        let settings = Settings::new(self)?;
        let (credential, network) = {
            let (settings, config_dir, now) = (settings.clone(), config_dir.to_owned(), clock.now());
            // Decrypting a key takes longer than an async thread should be held.
            tokio::task::spawn_blocking(move || {
                let network = settings.read_files(&config_dir, now)?;
                Ok::<_, BuildError>((settings.credential.load(&config_dir), network))
            })
            .await
            .map_err(|_| Problem::new("", "reading the credential failed"))??
        };
        let clients = Clients::new(&settings, &credential, &network, Start::First).map_err(|error| {
            Problem::new("", format!("the HTTP client cannot be made: {}", chain(&error)))
        })?;
        let probe = Probe {
            settings: &settings,
            credential: &credential,
            clients: &clients,
            routes: Routes {
                login: network.route(credential.issuer(&settings.authority)),
                api: network.route(&settings.resource),
            },
            clock: &clock,
        };
        let reports = stream::iter(&settings.tenants)
            .map(|tenant| probe.tenant(tenant))
            .buffered(TENANTS_AT_ONCE);
        Ok(reports.collect().await)
    }
}

/// The ways to the token endpoint and to the API.
struct Routes {
    login: Route,
    api: Route,
}

struct Probe<'a> {
    settings: &'a Settings,
    credential: &'a Credential,
    clients: &'a Clients,
    routes: Routes,
    clock: &'a Arc<dyn Clock>,
}

impl Probe<'_> {
    async fn tenant(&self, tenant: &Tenant) -> TenantReport {
        let client = self
            .clients
            .tenant(self.settings, self.credential, tenant, self.clock, Arc::default());
        TenantReport {
            tenant: tenant.id.to_string(),
            name: tenant.name.clone(),
            findings: self.findings(&client).await,
        }
    }

    async fn findings(&self, client: &ApiClient) -> Vec<Finding> {
        let mut findings = Vec::new();
        match client.log_in().await {
            Ok(claims) => {
                findings.push(Finding::ok("login", "a token was obtained"));
                findings.extend(self.token(claims.as_ref()));
            }
            Err(error) => {
                findings.push(login_failed(&error, &self.routes));
                return findings;
            }
        }
        let subscriptions = match client.subscriptions().await {
            Ok(subscriptions) => subscriptions,
            Err(error) => {
                findings.push(api_failed("api", &error, &self.routes));
                findings.extend(answered(&error).then(|| clock(client.skew())));
                return findings;
            }
        };
        findings.push(Finding::ok("api", "the API answers"));
        findings.push(clock(client.skew()));
        let now = grid::round_down(self.clock.now() + client.skew());
        for content_type in self.settings.content_types.iter().copied() {
            let own = subscriptions.iter().find(|known| known.is_of(content_type));
            let (finding, listed) = subscription(content_type, own);
            findings.push(finding);
            if let (true, Some(window)) = (listed, Window::new(now - LISTED, now)) {
                let check = format!("{content_type} listing");
                findings.push(match client.list_content(content_type, window).await {
                    Ok(blobs) => Finding::ok(check, format!("{} blob(s) in the last hour", blobs.len())),
                    Err(error) => api_failed(check, &error, &self.routes),
                });
            }
        }
        findings
    }

    /// What the token says of itself.
    fn token(&self, claims: Option<&Claims>) -> Vec<Finding> {
        let Some(claims) = claims else {
            return vec![Finding::warn(
                "roles",
                "the token is not readable, so its tenant and roles are not known",
                "nothing, if the listings below are ok",
            )];
        };
        // A token for another tenant was refused before.
        let mut findings = vec![match claims.tid {
            Some(_) => Finding::ok("tenant", "the token is for the configured tenant"),
            None => Finding::warn(
                "tenant",
                "the token does not say which tenant it is for",
                "nothing, if the listings below are ok",
            ),
        }];
        let mut missing: Vec<(&str, Vec<&str>)> = Vec::new();
        for content_type in &self.settings.content_types {
            if let Some(role) = claims.missing_role(*content_type) {
                match missing.iter_mut().find(|(known, _)| *known == role) {
                    Some((_, feeds)) => feeds.push(content_type.as_str()),
                    None => missing.push((role, vec![content_type.as_str()])),
                }
            }
        }
        if missing.is_empty() {
            findings.push(Finding::ok("roles", "all roles that are needed are granted"));
        }
        findings.extend(missing.into_iter().map(|(role, feeds)| {
            Finding::fail(
                "roles",
                format!("the role {role} is missing, which is needed for {}", feeds.join(", ")),
                format!(
                    "grant the application {role} of the Office 365 Management APIs as an application permission, \
                     with admin consent"
                ),
            )
        }));
        findings
    }
}

/// And whether it makes sense to list.
fn subscription(content_type: ContentType, own: Option<&Subscription>) -> (Finding, bool) {
    let check = format!("{content_type} subscription");
    match own.map(Subscription::is_enabled) {
        Some(Some(true)) => (Finding::ok(check, "enabled"), true),
        Some(Some(false)) => (
            Finding::warn(
                check,
                "disabled",
                "an administrator stopped it; the collection starts it again, unless that fails",
            ),
            false,
        ),
        Some(None) => (
            Finding::warn(
                check,
                "there, but the service does not say whether it is enabled",
                "nothing, if the listing is ok",
            ),
            true,
        ),
        None => (
            Finding::warn(
                check,
                "not started yet",
                "nothing: the collection starts it; the first content comes up to 12 hours later",
            ),
            false,
        ),
    }
}

fn clock(skew: TimeDelta) -> Finding {
    let seconds = skew.num_seconds();
    let found = match seconds {
        0 => "as the service's".to_owned(),
        _ if seconds > 0 => format!("{seconds} s behind the service's"),
        _ => format!("{} s ahead of the service's", -seconds),
    };
    if skew.abs() > MAX_SKEW {
        Finding::warn(
            "clock",
            found,
            "set the clock of this machine, with NTP for example",
        )
    } else {
        Finding::ok("clock", found)
    }
}

/// Whether the service was there at all, so that its clock is known.
fn answered(error: &ApiError) -> bool {
    matches!(error, ApiError::Answer { .. } | ApiError::Body { .. })
}

fn login_failed(error: &AuthError, routes: &Routes) -> Finding {
    let advice = match error {
        AuthError::Transport { reason } => on_the_way(reason, "api.authentication_endpoint", &routes.login),
        AuthError::OtherTenant(_) => error.advice().unwrap_or_default().to_owned(),
        AuthError::Credential(_) | AuthError::Sign => {
            "repair the credential that the option names".to_owned()
        }
        AuthError::Answer { .. } => {
            let proxy = routes
                .login
                .via()
                .map_or_else(|| "a proxy".to_owned(), ToString::to_string);
            format!("check `api.authentication_endpoint`; {proxy} may have answered instead of the service")
        }
        AuthError::Refused { code, .. } => match (error.advice(), code, error.class()) {
            (Some(advice), ..) => advice.to_owned(),
            (None, _, Class::Transient { .. }) => "try again in a few minutes".to_owned(),
            (None, Some(code), _) => {
                format!("look AADSTS{code} up at https://login.microsoftonline.com/error")
            }
            (None, None, _) => "check `cloud`, `api.authentication_endpoint` and the tenant's id".to_owned(),
        },
    };
    Finding::fail("login", error.to_string(), advice)
}

fn api_failed(check: impl Into<String>, error: &ApiError, routes: &Routes) -> Finding {
    if let ApiError::Auth(error) = error {
        return Finding {
            check: check.into(),
            ..login_failed(error, routes)
        };
    }
    if let (ApiError::Answer { .. }, Class::Throttled { .. }) = (error, error.class()) {
        return Finding::warn(
            check,
            error.to_string(),
            "too many requests in this tenant: try again in a few minutes; lower `api.max_requests_per_minute` if \
             it stays so",
        );
    }
    let advice = match (error, error.hint()) {
        (ApiError::Transport { reason, .. }, _) => on_the_way(reason, "api.resource", &routes.api),
        (_, Some(hint)) => hint.to_owned(),
        (_, None) => match error.class() {
            Class::Transient { .. } => "try again in a few minutes".to_owned(),
            _ => "check `cloud`, `api.resource` and the tenant's id".to_owned(),
        },
    };
    Finding::fail(check, chain(error), advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_may_be_a_minute_off() {
        assert_eq!(clock(TimeDelta::seconds(60)).status, CheckStatus::Ok);
        let ahead = clock(TimeDelta::seconds(-61));
        assert_eq!(ahead.status, CheckStatus::Warn);
        assert_eq!(ahead.found, "61 s ahead of the service's");
    }
}

//! The options of the source, as the program needs them: checked, all problems at once.

mod credential;

use std::{collections::HashSet, path::Path, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use o365_core::{config::Problem, duration};
use url::Url;

pub(crate) use self::credential::CredentialSettings;
use crate::{
    auth::TokenEndpointVersion,
    config::O365AuditConfig,
    network::{Network, NetworkSettings, ProxySettings, Timeouts, check_proxy},
    plan::{PlanSettings, grid},
    types::{ContentType, TenantId, is_guid},
    url::is_confidential,
};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) application_id: String,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) credential: CredentialSettings,
    pub(crate) content_types: Vec<ContentType>,
    pub(crate) authority: Url,
    pub(crate) resource: Url,
    pub(crate) token_version: TokenEndpointVersion,
    pub(crate) publisher: Option<String>,
    pub(crate) plan: PlanSettings,
    pub(crate) network: NetworkSettings,
    pub(crate) poll_interval: Duration,
    pub(crate) requests_per_minute: u32,
    pub(crate) deduplicate: bool,
    pub(crate) deduplicate_retention: TimeDelta,
    pub(crate) fetch_concurrency: usize,
    pub(crate) max_blob_size: u64,
    pub(crate) quarantine_attempts: u32,
    pub(crate) quarantine_after: Duration,
    pub(crate) quarantine_max_size: u64,
    pub(crate) once_give_up_after: Duration,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) name: Option<String>,
}

impl Settings {
    /// Checks everything that needs neither the network nor a file.
    pub(crate) fn new(config: &O365AuditConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        // An identity of the platform is its own application.
        let needed = config.managed_identity.is_none() || !config.application_id.is_empty();
        if needed && !is_guid(&config.application_id) {
            let what = if config.application_id.is_empty() {
                "is missing"
            } else {
                "is not a GUID"
            };
            problems.add(
                Problem::new("application_id", what)
                    .hint("use the application (client) id of the app registration"),
            );
        }
        let tenants = problems.tenants(config);
        let content_types = problems.content_types(config);
        let credential = problems.credential(config);
        let authority = problems.endpoint(
            "api.authentication_endpoint",
            config.api.authentication_endpoint.as_deref(),
            config.cloud.authentication_endpoint(),
        );
        let resource = problems.endpoint(
            "api.resource",
            config.api.resource.as_deref(),
            config.cloud.resource(),
        );
        if let Some(publisher) = &config.api.publisher_identifier
            && !is_guid(publisher)
        {
            problems.add(Problem::new("api.publisher_identifier", "is not a GUID"));
        }
        let network = problems.network(config);
        problems.ranges(config);
        let (Some(credential), Some(authority), Some(resource), true) =
            (credential, authority, resource, problems.0.is_empty())
        else {
            return Err(problems.0);
        };
        Ok(Self {
            application_id: config.application_id.clone(),
            tenants,
            credential,
            content_types,
            authority,
            resource,
            token_version: config.api.token_endpoint_version,
            publisher: config.api.publisher_identifier.clone(),
            plan: PlanSettings {
                cell: grid::cell_size(delta(config.api.max_query_size)),
                retention: delta(config.api.max_retention),
                initial: delta(config.initial_interval),
                lookback: delta(config.lookback),
                sweep_interval: delta(config.sweep_interval),
                range: config.backfill.map(|range| (range.from(), range.to())),
            },
            network,
            poll_interval: config.api.poll_interval,
            requests_per_minute: config.api.max_requests_per_minute,
            deduplicate: config.deduplicate,
            deduplicate_retention: delta(config.deduplicate_retention),
            fetch_concurrency: config.fetch_concurrency as usize,
            max_blob_size: config.max_blob_size,
            quarantine_attempts: config.quarantine_attempts,
            quarantine_after: config.quarantine_after,
            quarantine_max_size: config.quarantine_max_size,
            once_give_up_after: config.once_give_up_after,
        })
    }
}

impl Settings {
    /// Reads the files that the configuration names, or says everything that is wrong with them. Commands are not run.
    pub(crate) fn read_files(&self, config_dir: &Path, now: DateTime<Utc>) -> Result<Network, Vec<Problem>> {
        match (
            self.credential.check(config_dir, now),
            self.network.load(config_dir),
        ) {
            (Ok(()), Ok(network)) => Ok(network),
            (credential, network) => Err(credential.err().into_iter().chain(network.err()).collect()),
        }
    }
}

/// Ranges are checked before: nothing is too long.
fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// Said of an empty option.
const EMPTY: &str = "is the environment variable set that it comes from?";

#[derive(Debug, Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    fn tenants(&mut self, config: &O365AuditConfig) -> Vec<Tenant> {
        let configured = config.all_tenants();
        if configured.is_empty() {
            self.add(Problem::new("tenants", "there is no tenant").hint("add `- { id: <directory id> }`"));
        }
        let mut seen = HashSet::new();
        let mut tenants = Vec::new();
        for (index, tenant) in configured.iter().enumerate() {
            let field = match index.checked_sub(config.tenants.len()) {
                None => format!("tenants[{index}].id"),
                Some(index) => format!("tenant_id[{index}]"),
            };
            match tenant.id.parse::<TenantId>() {
                Ok(id) if seen.insert(id.clone()) => tenants.push(Tenant {
                    id,
                    name: tenant.name.clone().filter(|name| !name.is_empty()),
                }),
                Ok(id) => self.add(Problem::new(field, format!("the tenant {id} is listed twice"))),
                Err(error) => self.add(
                    Problem::new(field, error.to_string())
                        .hint("use the directory (tenant) id; the domain name goes into `name`"),
                ),
            }
        }
        tenants
    }

    fn content_types(&mut self, config: &O365AuditConfig) -> Vec<ContentType> {
        if config.content_type.is_empty() {
            self.add(
                Problem::new("content_type", "there is no content type")
                    .hint("leave it out to collect all five"),
            );
        }
        let mut content_types = Vec::new();
        for (index, name) in config.content_type.iter().enumerate() {
            let field = format!("content_type[{index}]");
            match name.parse::<ContentType>() {
                Ok(known) if content_types.contains(&known) => {
                    self.add(Problem::new(field, format!("`{known}` is listed twice")));
                }
                Ok(known) => content_types.push(known),
                Err(error) => {
                    let all = ContentType::ALL.map(ContentType::as_str).join(", ");
                    self.add(Problem::new(field, error.to_string()).hint(format!("choose from {all}")));
                }
            }
        }
        content_types
    }

    fn endpoint(&mut self, field: &str, configured: Option<&str>, default: &str) -> Option<Url> {
        let text = configured.unwrap_or(default);
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => {
                self.add(
                    Problem::new(field, format!("`{text}` is not a URL: {error}"))
                        .hint(format!("for example {default}")),
                );
                return None;
            }
        };
        let problem = if !url.username().is_empty() || url.password().is_some() {
            "carries a user name or a password"
        } else if url.query().is_some() || url.fragment().is_some() {
            "has a query or a fragment"
        } else if !is_confidential(&url) {
            "would send secrets in the clear"
        } else {
            return Some(url);
        };
        self.add(Problem::new(field, problem).hint(format!(
            "use an https base URL, for example {default}; plain http is for this machine only"
        )));
        None
    }

    fn network(&mut self, config: &O365AuditConfig) -> NetworkSettings {
        let (api, proxy) = (&config.api, &config.proxy);
        for (field, url) in [("proxy.http", &proxy.http), ("proxy.https", &proxy.https)] {
            self.0
                .extend(url.as_ref().and_then(|url| check_proxy(field, url)));
        }
        if config
            .tls
            .ca_file
            .as_ref()
            .is_some_and(|path| path.as_os_str().is_empty())
        {
            self.add(Problem::new("tls.ca_file", "is empty").hint(EMPTY));
        }
        NetworkSettings {
            timeouts: Timeouts {
                connect: api.connect_timeout,
                request: api.request_timeout,
                blob: api.blob_timeout,
                read: api.read_timeout,
            },
            proxy: ProxySettings {
                disabled: !proxy.enabled,
                http: proxy.http.clone(),
                https: proxy.https.clone(),
                no_proxy: proxy.no_proxy.as_ref().map(|hosts| hosts.join(",")),
            },
            ca_file: config.tls.ca_file.clone(),
        }
    }

    fn ranges(&mut self, config: &O365AuditConfig) {
        const SECOND: Duration = Duration::from_secs(1);
        const MINUTE: Duration = Duration::from_mins(1);
        const HOUR: Duration = Duration::from_hours(1);
        const DAY: Duration = Duration::from_hours(24);
        const WEEK: Duration = Duration::from_hours(168);
        let api = &config.api;
        for (field, value, from, to) in [
            ("api.max_retention", api.max_retention, HOUR, WEEK),
            ("api.poll_interval", api.poll_interval, SECOND, DAY),
            ("api.max_query_size", api.max_query_size, MINUTE, DAY),
            ("api.connect_timeout", api.connect_timeout, SECOND, MINUTE * 5),
            ("api.request_timeout", api.request_timeout, SECOND, HOUR),
            ("api.blob_timeout", api.blob_timeout, SECOND, DAY),
            ("api.read_timeout", api.read_timeout, SECOND, HOUR),
            ("initial_interval", config.initial_interval, Duration::ZERO, WEEK),
            ("lookback", config.lookback, Duration::ZERO, WEEK),
            ("sweep_interval", config.sweep_interval, MINUTE * 10, WEEK),
            ("quarantine_after", config.quarantine_after, Duration::ZERO, WEEK),
            (
                "deduplicate_retention",
                config.deduplicate_retention,
                WEEK,
                DAY * 90,
            ),
            ("once_give_up_after", config.once_give_up_after, SECOND, DAY),
        ] {
            self.range(field, value, from, to, duration::format);
        }
        for (field, value, from, to) in [
            (
                "api.max_requests_per_minute",
                api.max_requests_per_minute.into(),
                1,
                60_000,
            ),
            ("fetch_concurrency", config.fetch_concurrency.into(), 1, 64),
            (
                "max_blob_size",
                config.max_blob_size,
                1_024,
                2 * 1_024 * 1_024 * 1_024,
            ),
            ("quarantine_attempts", config.quarantine_attempts.into(), 1, 100),
            ("quarantine_max_size", config.quarantine_max_size, 0, 1 << 40),
        ] {
            self.range(field, value, from, to, |value: u64| value.to_string());
        }
    }

    fn range<T: PartialOrd + Copy>(
        &mut self,
        field: &str,
        value: T,
        from: T,
        to: T,
        show: impl Fn(T) -> String,
    ) {
        if value < from || value > to {
            self.add(
                Problem::new(field, format!("{} is out of range", show(value))).hint(format!(
                    "choose from {} to {}",
                    show(from),
                    show(to)
                )),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
        "application_id": "11111111-1111-1111-1111-111111111111",
        "tenants": [{"id": "22222222-2222-2222-2222-222222222222", "name": "contoso.onmicrosoft.com"}]"#;

    fn config(rest: &str) -> O365AuditConfig {
        serde_json::from_str(&format!("{{{MINIMAL}, {rest}}}")).unwrap()
    }

    #[track_caller]
    fn check(rest: &str, expect: &[&str]) {
        let problems = config(rest).problems();
        let fields: Vec<_> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, expect, "{problems:?}");
    }

    #[test]
    fn the_example_of_the_design_is_valid() {
        let settings = Settings::new(&config(
            r#""client_secret": "s", "content_type": ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint",
            "Audit.General", "DLP.All"], "api": {"authentication_endpoint": "https://login.microsoftonline.com/",
            "resource": "https://manage.office.com", "max_retention": "168h", "poll_interval": "3m",
            "max_requests_per_minute": 2000, "max_query_size": "24h"}"#,
        ))
        .unwrap();
        assert_eq!(settings.content_types, ContentType::ALL);
        assert_eq!(settings.plan.cell, TimeDelta::hours(6));
        assert_eq!(settings.poll_interval, Duration::from_mins(3));
    }

    #[test]
    fn defaults_are_those_of_the_cloud() {
        let settings = Settings::new(&config(r#""client_secret": "s", "cloud": "gcc_high""#)).unwrap();
        assert_eq!(settings.authority.as_str(), "https://login.microsoftonline.us/");
        assert_eq!(settings.resource.as_str(), "https://manage.office365.us/");
        assert_eq!(settings.content_types.len(), 5);
    }

    #[test]
    fn a_certificate_is_a_credential() {
        check(
            r#""certificate": "c.pem", "key": "k.pem", "key_passphrase": "p""#,
            &[],
        );
        check(r#""certificate": "both.pem""#, &[]);
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let text = r#"{"application_id": "x", "tenants": [{"id": "22222222-2222-2222-2222-222222222222"}, {"id": "contoso"},
            {"id": "22222222-2222-2222-2222-222222222222"}], "content_type": ["Audit.Exchange", "Audit.Teams", "audit.exchange"],
            "api": {"resource": "http://manage.office.com", "authentication_endpoint": "login", "max_query_size": "25h",
            "max_retention": "30d", "connect_timeout": "6m", "request_timeout": "2h", "blob_timeout": "25h",
            "read_timeout": "999ms", "max_requests_per_minute": 0, "publisher_identifier": "x"}, "lookback": "200h"}"#;
        let config: O365AuditConfig = serde_json::from_str(text).unwrap();
        let problems = config.problems();
        let fields: Vec<_> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "application_id",
                "tenants[1].id",
                "tenants[2].id",
                "content_type[1]",
                "content_type[2]",
                "client_secret",
                "api.authentication_endpoint",
                "api.resource",
                "api.publisher_identifier",
                "api.max_retention",
                "api.max_query_size",
                "api.connect_timeout",
                "api.request_timeout",
                "api.blob_timeout",
                "api.read_timeout",
                "lookback",
                "api.max_requests_per_minute"
            ]
        );
    }

    #[test]
    fn tenants_are_also_known_by_their_id() {
        let by_id = |rest: &str| {
            let text = format!(
                r#"{{"application_id": "11111111-1111-1111-1111-111111111111", "client_secret": "s", {rest}}}"#
            );
            let config: O365AuditConfig = serde_json::from_str(&text).unwrap();
            Settings::new(&config)
        };
        let [a, b] = [
            "22222222-2222-2222-2222-222222222222",
            "33333333-3333-3333-3333-333333333333",
        ];
        let settings = by_id(&format!(r#""tenant_id": "{a}""#)).unwrap();
        assert_eq!(settings.tenants[0].id.as_str(), a);
        let both = by_id(&format!(
            r#""tenant_id": ["{b}"], "tenants": [{{"id": "{a}", "name": "A"}}]"#
        ));
        let tenants = both.unwrap().tenants;
        assert_eq!((tenants[0].id.as_str(), tenants[1].id.as_str()), (a, b));
        for (rest, field) in [
            (format!(r#""tenant_id": ["{a}", "{a}"]"#), "tenant_id[1]"),
            (
                format!(r#""tenants": [{{"id": "{a}"}}], "tenant_id": "x""#),
                "tenant_id[0]",
            ),
            (r#""tenant_id": []"#.to_owned(), "tenants"),
        ] {
            assert_eq!(by_id(&rest).unwrap_err()[0].field, field, "{rest}");
        }
    }

    #[test]
    fn credentials_that_make_no_sense_are_refused() {
        check(r#""client_secret": """#, &["client_secret"]);
        check(
            r#""client_secret": "s", "certificate": "c.pem""#,
            &["client_secret"],
        );
        check(r#""key": "k.pem""#, &["key"]);
        check(
            r#""client_secret": "s", "key_passphrase": "p""#,
            &["key_passphrase"],
        );
        check(r#""cloud": "dod""#, &["client_secret"]);
    }

    #[test]
    fn endpoints_keep_secrets_secret() {
        check(
            r#""client_secret": "s", "api": {"resource": "http://127.0.0.1:8080", "authentication_endpoint": "http://localhost"}"#,
            &[],
        );
        check(
            r#""client_secret": "s", "api": {"resource": "https://u:p@manage.office.com"}"#,
            &["api.resource"],
        );
        check(
            r#""client_secret": "s", "api": {"resource": "https://manage.office.com/?x=1"}"#,
            &["api.resource"],
        );
    }

    #[test]
    fn misspelt_options_are_refused_and_secrets_are_not_shown() {
        let text = format!("{{{MINIMAL}, \"client_secrets\": \"hunter2\"}}");
        assert!(serde_json::from_str::<O365AuditConfig>(&text).is_err());
        let shown = format!("{:?}", config(r#""client_secret": "hunter2""#));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

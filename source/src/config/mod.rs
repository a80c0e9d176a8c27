//! The options of the source, as a person writes them. The names are those of Filebeat's `o365` module.

mod identity;
mod list;
mod network;
mod secret;

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use o365_core::{
    SensitiveString, Source, SourceContext,
    config::{BuildError, ComponentContext, Description, Problem, SourceConfig},
};
use serde::{Deserialize, Serialize};

pub use self::{
    identity::ManagedIdentityConfig,
    network::{ProxyConfig, TlsConfig},
    secret::SecretSource,
};
pub use crate::auth::{CertificateAlgorithm, TokenEndpointVersion};
use crate::{backfill::Backfill, run::AuditSource, settings::Settings, stats::Stats, types::ContentType};

/// Collects the audit trail of Office 365 tenants. Type `o365_audit`.
///
/// Durations are written with a unit: `90s`, `3m`, `24h`, `7d`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct O365AuditConfig {
    /// Application (client) id of the [app registration](https://learn.microsoft.com/office/office-365-management-api/get-started-with-office-365-management-apis):
    /// a GUID. Required, except with a managed identity.
    #[serde(default)]
    pub application_id: String,
    /// The tenants to collect from; at least one, here or in `tenant_id`. Each must have consented to the application.
    #[serde(default)]
    pub tenants: Vec<TenantConfig>,
    /// Ids of tenants without a name, as Filebeat's input has them: one or a list.
    #[serde(default, deserialize_with = "list::texts")]
    pub tenant_id: Vec<String>,
    /// Value (not id) of a client secret of the application. One of `client_secret`, `certificate`,
    /// `federated_token_file` and `managed_identity` is required.
    #[serde(default)]
    pub client_secret: Option<SecretSource>,
    /// PEM file with a certificate that is registered with the application; the first one counts.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// PEM file with the certificate's RSA private key. Default: the key is in the file of the certificate.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Passphrase of the private key, if it is encrypted.
    #[serde(default)]
    pub key_passphrase: Option<SecretSource>,
    /// How the certificate's key signs: `PS256`, or `RS256` for authorities that do not know it. Default `PS256`, which is
    /// what Microsoft [recommends](https://learn.microsoft.com/entra/identity-platform/certificate-credentials).
    #[serde(default)]
    pub certificate_algorithm: CertificateAlgorithm,
    /// File with a token of another issuer that the application trusts (workload identity), such as
    /// `${AZURE_FEDERATED_TOKEN_FILE}`. Read for every token request.
    #[serde(default)]
    pub federated_token_file: Option<PathBuf>,
    /// The identity that Azure gives to the machine or app on which this runs. Write `{}` on a virtual machine.
    #[serde(default)]
    pub managed_identity: Option<ManagedIdentityConfig>,
    /// [Content types](https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference#working-with-the-office-365-management-activity-api)
    /// to collect; a single one needs no list. Default: all five. `DLP.All` needs the role `ActivityFeed.ReadDlp`.
    #[serde(default = "all_content_types", deserialize_with = "list::texts")]
    pub content_type: Vec<String>,
    /// The cloud that the tenants live in: sets the defaults of `api.authentication_endpoint` and `api.resource`.
    /// Default `commercial`.
    #[serde(default)]
    pub cloud: Cloud,
    /// How the API is used.
    #[serde(default)]
    pub api: ApiConfig,
    /// Which certificates of the token endpoint and the API are trusted. Default: those that the system trusts.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Through which proxy the token endpoint and the API are asked. Default: the one of the environment, if any.
    #[serde(default)]
    pub proxy: ProxyConfig,
    /// How far back the first run goes; later runs go on where the ledger says. `0s` to `168h`, default `168h`.
    #[serde(default = "week", with = "o365_core::duration")]
    pub initial_interval: Duration,
    /// How much of the recent past every poll lists again, since blobs become visible late. `0s` to `168h`,
    /// default `6h`.
    #[serde(default = "six_hours", with = "o365_core::duration")]
    pub lookback: Duration,
    /// How often the whole retention is listed again. `10m` to `168h`, default `6h`.
    #[serde(default = "six_hours", with = "o365_core::duration")]
    pub sweep_interval: Duration,
    /// Whether an event whose `Id` has been delivered within `deduplicate_retention` is dropped. The service repeats events
    /// [by design](https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference).
    /// Default `true`.
    #[serde(default = "yes")]
    pub deduplicate: bool,
    /// How long the ids of delivered events are remembered, on disk: about 60 bytes each. `7d` to `90d`, default `14d`.
    #[serde(default = "two_weeks", with = "o365_core::duration")]
    pub deduplicate_retention: Duration,
    /// Blobs of one tenant that are fetched at the same time, if the pipeline takes so many of all tenants. 1 to 64, default 4.
    #[serde(default = "four")]
    pub fetch_concurrency: u32,
    /// Longest blob, in bytes after decompression. A longer one is not cut but kept as unusable. 1 KiB to 2 GiB,
    /// default 268435456 (256 MiB).
    #[serde(default = "max_blob_size")]
    pub max_blob_size: u64,
    /// How often a blob that is missing or makes no sense is tried, before it is set aside (together with
    /// `quarantine_after`); then it is tried about once an hour until it expires. When running once: at most 5 times, and
    /// not for longer than two minutes. 1 to 100, default 5.
    #[serde(default = "five")]
    pub quarantine_attempts: u32,
    /// For how long at least a blob that is missing or makes no sense is tried, before it is set aside. `0s` to
    /// `168h`, default `1h`.
    #[serde(default = "hour", with = "o365_core::duration")]
    pub quarantine_after: Duration,
    /// Bytes that all blobs which were set aside may take on disk, under `<data_dir>/<component>/quarantine`. When the
    /// limit is reached, their bodies are not kept any more, loudly; they are tried again all the same. 0 to
    /// 1099511627776 (1 TiB), default 1073741824 (1 GiB).
    #[serde(default = "gibibyte")]
    pub quarantine_max_size: u64,
    /// When running once: how long a feed may make no progress before it is given up and named in the error that the
    /// run ends with. `1s` to `24h`, default `5m`.
    #[serde(default = "five_minutes", with = "o365_core::duration")]
    pub once_give_up_after: Duration,
    /// Only this range is collected, once, with a ledger of its own; what has been delivered before is delivered again.
    /// Subscriptions are not started. Needs [`o365_core::RunMode::Once`].
    #[serde(skip)]
    pub backfill: Option<Backfill>,
    /// Whoever holds a clone can watch the source that is built from this configuration.
    #[serde(skip)]
    pub stats: Stats,
}

/// One tenant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TenantConfig {
    /// Directory (tenant) id: a GUID. Required.
    pub id: String,
    /// A name for people, such as `contoso.onmicrosoft.com`; it goes with the events. Default: none.
    #[serde(default)]
    pub name: Option<String>,
}

/// How the API is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// Base URL of the login service. `https`, or `http` to this machine. Default: that of the cloud.
    pub authentication_endpoint: Option<String>,
    /// Base URL of the [Management Activity API](https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference#activity-api-operations),
    /// also the resource that tokens are for. `https`, or `http` to this machine. Default: that of the cloud.
    pub resource: Option<String>,
    /// Which token endpoint is used: `v1` or `v2`. Default `v2`.
    pub token_endpoint_version: TokenEndpointVersion,
    /// How far back is listed at most. `1h` to `168h`, which is the
    /// [limit of the API](https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference#list-available-content);
    /// default `168h`.
    #[serde(with = "o365_core::duration")]
    pub max_retention: Duration,
    /// How often each feed is listed. `1s` to `24h`, default `3m`.
    #[serde(with = "o365_core::duration")]
    pub poll_interval: Duration,
    /// Requests per minute and tenant; no 60 seconds ever hold more, and one in twenty may follow each other at once.
    /// 1 to 60000, default 2000, which is the
    /// [baseline of the service](https://learn.microsoft.com/office/office-365-management-api/troubleshooting-the-office-365-management-activity-api#quotas-and-throttling).
    pub max_requests_per_minute: u32,
    /// Longest span of one listing. `1m` to `24h`, which is the limit of the API; default `24h`. Spans are cut along a
    /// fixed grid whose cells divide a day and are not longer than this, nor than 6 hours.
    #[serde(with = "o365_core::duration")]
    pub max_query_size: Duration,
    /// GUID that the service accounts the requests to
    /// ([`PublisherIdentifier`](https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference#throttling)).
    /// Default: the tenant's own id.
    pub publisher_identifier: Option<String>,
    /// How long a connection may take to be made, TLS included. `1s` to `5m`, default `10s`.
    #[serde(with = "o365_core::duration")]
    pub connect_timeout: Duration,
    /// How long a request for a token, a listing or a subscription may take, body included. `1s` to `1h`, default `100s`.
    #[serde(with = "o365_core::duration")]
    pub request_timeout: Duration,
    /// How long a blob may take, body included. `1s` to `24h`, default `15m`.
    #[serde(with = "o365_core::duration")]
    pub blob_timeout: Duration,
    /// Longest silence of the service, before its answer and within it. `1s` to `1h`, default `1m`.
    #[serde(with = "o365_core::duration")]
    pub read_timeout: Duration,
}

/// A [national cloud](https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference#activity-api-operations).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cloud {
    /// Enterprise plans.
    #[default]
    Commercial,
    /// US government community cloud.
    Gcc,
    /// US government community cloud, high.
    GccHigh,
    /// US department of defense.
    Dod,
    /// China, operated by 21Vianet.
    China,
}

impl Cloud {
    /// Base URL of the login service.
    pub fn authentication_endpoint(self) -> &'static str {
        match self {
            Self::Commercial | Self::Gcc => "https://login.microsoftonline.com",
            Self::GccHigh | Self::Dod => "https://login.microsoftonline.us",
            Self::China => "https://login.partner.microsoftonline.cn",
        }
    }

    /// Base URL of the API.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Commercial => "https://manage.office.com",
            Self::Gcc => "https://manage-gcc.office.com",
            Self::GccHigh => "https://manage.office365.us",
            Self::Dod => "https://manage.protection.apps.mil",
            Self::China => "https://manage.office365.cn",
        }
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            authentication_endpoint: None,
            resource: None,
            token_endpoint_version: TokenEndpointVersion::default(),
            max_retention: week(),
            poll_interval: Duration::from_mins(3),
            max_requests_per_minute: 2_000,
            max_query_size: Duration::from_hours(24),
            publisher_identifier: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(100),
            blob_timeout: Duration::from_mins(15),
            read_timeout: Duration::from_mins(1),
        }
    }
}

fn all_content_types() -> Vec<String> {
    ContentType::ALL.map(|known| known.as_str().to_owned()).to_vec()
}

fn week() -> Duration {
    Duration::from_hours(168)
}

fn six_hours() -> Duration {
    Duration::from_hours(6)
}

fn hour() -> Duration {
    Duration::from_hours(1)
}

fn five_minutes() -> Duration {
    Duration::from_mins(5)
}

fn two_weeks() -> Duration {
    Duration::from_hours(14 * 24)
}

fn gibibyte() -> u64 {
    1024 * 1024 * 1024
}

fn yes() -> bool {
    true
}

fn four() -> u32 {
    4
}

fn five() -> u32 {
    5
}

fn max_blob_size() -> u64 {
    256 * 1024 * 1024
}

impl O365AuditConfig {
    /// A configuration with defaults for everything that has one.
    pub fn new(
        application_id: impl Into<String>,
        client_secret: impl Into<SensitiveString>,
        tenants: impl IntoIterator<Item = TenantConfig>,
    ) -> Self {
        Self {
            application_id: application_id.into(),
            tenants: tenants.into_iter().collect(),
            tenant_id: Vec::new(),
            client_secret: Some(SecretSource::Text(client_secret.into())),
            certificate: None,
            key: None,
            key_passphrase: None,
            certificate_algorithm: CertificateAlgorithm::default(),
            federated_token_file: None,
            managed_identity: None,
            content_type: all_content_types(),
            cloud: Cloud::default(),
            api: ApiConfig::default(),
            tls: TlsConfig::default(),
            proxy: ProxyConfig::default(),
            initial_interval: week(),
            lookback: six_hours(),
            sweep_interval: six_hours(),
            deduplicate: yes(),
            deduplicate_retention: two_weeks(),
            fetch_concurrency: four(),
            max_blob_size: max_blob_size(),
            quarantine_attempts: five(),
            quarantine_after: hour(),
            quarantine_max_size: gibibyte(),
            once_give_up_after: five_minutes(),
            backfill: None,
            stats: Stats::default(),
        }
    }

    /// All tenants, with a name or without.
    pub fn all_tenants(&self) -> Vec<TenantConfig> {
        let by_id = self.tenant_id.iter().map(|id| TenantConfig {
            id: id.clone(),
            name: None,
        });
        self.tenants.iter().cloned().chain(by_id).collect()
    }

    /// Everything that is wrong and can be seen without the network and without reading files.
    pub fn problems(&self) -> Vec<Problem> {
        Settings::new(self).err().unwrap_or_default()
    }
}

impl TenantConfig {
    /// A tenant with a name.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: Some(name.into()),
        }
    }
}

#[async_trait]
impl SourceConfig for O365AuditConfig {
    fn describe(&self) -> Description {
        Description {
            component_type: "o365_audit",
            summary: "collects the audit trail of Office 365 tenants".to_owned(),
            outputs: Vec::new(),
        }
    }

    fn files_to_watch(&self) -> Vec<PathBuf> {
        // Secrets are read again for every token.
        let files = [&self.certificate, &self.key, &self.tls.ca_file];
        files.into_iter().flatten().cloned().collect()
    }

    fn validate(&self, cx: &ComponentContext) -> Vec<Problem> {
        Settings::new(self)
            .and_then(|settings| settings.read_files(&cx.config_dir, cx.clock.now()))
            .err()
            .unwrap_or_default()
    }

    async fn build(&self, cx: SourceContext) -> Result<Source, BuildError> {
        let config = self.clone();
        // Decrypting a key takes longer than an async thread should be held.
        let source = tokio::task::spawn_blocking(move || AuditSource::new(&config, cx))
            .await
            .map_err(|_| Problem::new("", "reading the credential failed"))??;
        Ok(Box::pin(async move { Ok(source.run().await?) }))
    }
}

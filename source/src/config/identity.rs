//! Managed identities, in the configuration.

use o365_core::SensitiveString;
use serde::Deserialize;

/// A [managed identity](https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/overview). It works
/// for its own tenant only, and needs the role `ActivityFeed.Read` like any application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManagedIdentityConfig {
    /// Client id of a user-assigned identity: a GUID. Default: the system-assigned one.
    pub client_id: Option<String>,
    /// Who hands out the tokens: `https`, or `http` to this machine or a link-local address. Default: the metadata service
    /// of a virtual machine; App Service, Functions and Container Apps have it in `${IDENTITY_ENDPOINT}`.
    pub endpoint: Option<String>,
    /// What these show to that endpoint: `${IDENTITY_HEADER}`. Default: none, as on a virtual machine.
    pub header: Option<SensitiveString>,
}

//! Which credential is configured, and what is wrong with its files.

use std::{path::Path, time::Duration};

use chrono::{DateTime, Utc};
use o365_core::{SensitiveString, config::Problem};
use url::Url;

use super::{EMPTY, Problems};
use crate::{
    auth::{
        CertificateFiles, Credential, InvalidCertificate, METADATA_SERVICE, ManagedIdentity, Program, Secret,
        is_link_local, read_file,
    },
    config::{ManagedIdentityConfig, O365AuditConfig, SecretSource},
    telemetry,
    types::is_guid,
    url::is_confidential,
};

/// The credential as configured, with paths that start at the configuration's directory.
#[derive(Debug, Clone)]
pub(crate) struct CredentialSettings(Credential);

impl CredentialSettings {
    /// The credential with absolute paths. Its files are read when a token is requested.
    pub(crate) fn load(&self, config_dir: &Path) -> Credential {
        let secret = |secret: &Secret| match secret {
            Secret::Text(text) => Secret::Text(text.clone()),
            Secret::File(path) => Secret::File(config_dir.join(path)),
            Secret::Command(program) => Secret::Command(Program {
                dir: config_dir.to_owned(),
                ..program.clone()
            }),
        };
        match &self.0 {
            Credential::ClientSecret(source) => Credential::ClientSecret(secret(source)),
            Credential::FederatedToken(path) => Credential::FederatedToken(config_dir.join(path)),
            Credential::ManagedIdentity(identity) => Credential::ManagedIdentity(identity.clone()),
            Credential::Certificate(files) => Credential::Certificate(CertificateFiles {
                certificate: config_dir.join(&files.certificate),
                key: files.key.as_ref().map(|key| config_dir.join(key)),
                passphrase: files.passphrase.as_ref().map(secret),
                algorithm: files.algorithm,
            }),
        }
    }

    /// Reads the files, and warns of those that others may read. Commands are not run: what only they can tell
    /// is seen when a token is requested.
    pub(crate) fn check(&self, config_dir: &Path, now: DateTime<Utc>) -> Result<(), Problem> {
        match self.load(config_dir) {
            // Only the platform knows.
            Credential::ManagedIdentity(_) => Ok(()),
            Credential::ClientSecret(secret) => check_secret("client_secret", &secret).map(drop),
            Credential::FederatedToken(path) => {
                check_secret("federated_token_file", &Secret::File(path)).map(drop)
            }
            Credential::Certificate(files) => {
                let passphrase = match &files.passphrase {
                    Some(secret) => check_secret("key_passphrase", secret)?,
                    None => None,
                };
                warn_if_open(files.key.as_ref().unwrap_or(&files.certificate));
                match files.load(passphrase.as_ref(), now) {
                    Ok(certificate) => {
                        telemetry::certificate(certificate.thumbprint(), certificate.not_after(), now);
                        Ok(())
                    }
                    // Only the command knows it.
                    Err(problem)
                        if matches!(files.passphrase, Some(Secret::Command(_)))
                            && problem.message == InvalidCertificate::NoPassphrase.to_string() =>
                    {
                        Ok(())
                    }
                    Err(problem) => Err(problem),
                }
            }
        }
    }
}

fn check_secret(field: &str, secret: &Secret) -> Result<Option<SensitiveString>, Problem> {
    match secret {
        Secret::Text(text) => Ok(Some(text.clone())),
        Secret::Command(_) => Ok(None),
        Secret::File(path) => {
            warn_if_open(path);
            read_file(path)
                .map(Some)
                .map_err(|reason| Problem::new(field, reason))
        }
    }
}

fn warn_if_open(path: &Path) {
    if is_open(path) {
        telemetry::readable_by_others(path);
    }
}

#[cfg(unix)]
fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn is_open(_: &Path) -> bool {
    false
}

impl Problems {
    pub(super) fn credential(&mut self, config: &O365AuditConfig) -> Option<CredentialSettings> {
        let before = self.0.len();
        if config.certificate.is_none() {
            if config.key.is_some() {
                self.add(
                    Problem::new("key", "there is no certificate to this key")
                        .hint("configure certificate too"),
                );
            }
            if config.key_passphrase.is_some() {
                self.add(Problem::new(
                    "key_passphrase",
                    "there is no certificate and no key",
                ));
            }
        }
        let secret = config
            .client_secret
            .as_ref()
            .and_then(|source| self.secret("client_secret", source));
        let passphrase = config
            .key_passphrase
            .as_ref()
            .and_then(|source| self.secret("key_passphrase", source));
        let configured: Vec<_> = [
            ("client_secret", config.client_secret.is_some()),
            ("certificate", config.certificate.is_some()),
            ("federated_token_file", config.federated_token_file.is_some()),
            ("managed_identity", config.managed_identity.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect();
        if let [first, second, ..] = configured.as_slice() {
            self.add(
                Problem::new(*first, format!("there are both {first} and {second}"))
                    .hint("configure one of them"),
            );
        }
        for (field, path) in [
            ("certificate", &config.certificate),
            ("federated_token_file", &config.federated_token_file),
        ] {
            if path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
                self.add(Problem::new(field, "is empty").hint(EMPTY));
            }
        }
        if configured.is_empty() && self.0.len() == before {
            self.add(Problem::new("client_secret", "there is no credential").hint(
                "configure client_secret, certificate and key, federated_token_file, or managed_identity",
            ));
        }
        let identity = config
            .managed_identity
            .as_ref()
            .and_then(|identity| self.identity(identity, config.all_tenants().len()));
        if self.0.len() > before {
            return None;
        }
        let credential = match (
            identity,
            secret,
            &config.certificate,
            &config.federated_token_file,
        ) {
            (Some(identity), ..) => Credential::ManagedIdentity(identity),
            (None, Some(secret), ..) => Credential::ClientSecret(secret),
            (None, None, Some(certificate), _) => Credential::Certificate(CertificateFiles {
                certificate: certificate.clone(),
                key: config.key.clone(),
                passphrase,
                algorithm: config.certificate_algorithm,
            }),
            (None, None, None, path) => Credential::FederatedToken(path.clone()?),
        };
        Some(CredentialSettings(credential))
    }

    fn identity(&mut self, config: &ManagedIdentityConfig, tenants: usize) -> Option<ManagedIdentity> {
        if let Some(client_id) = &config.client_id
            && !is_guid(client_id)
        {
            self.add(Problem::new("managed_identity.client_id", "is not a GUID"));
        }
        if tenants > 1 {
            self.add(
                Problem::new(
                    "managed_identity",
                    "works for its own tenant only, and several are configured",
                )
                .hint("use a certificate or a federated token for other tenants"),
            );
        }
        let field = "managed_identity.endpoint";
        if config.header.is_some() && config.endpoint.is_none() {
            self.add(Problem::new(field, "is missing").hint("write ${IDENTITY_ENDPOINT}"));
        }
        if config.header.as_ref().is_some_and(SensitiveString::is_empty) {
            self.add(Problem::new("managed_identity.header", "is empty").hint("write ${IDENTITY_HEADER}"));
        }
        let text = config.endpoint.as_deref().unwrap_or(METADATA_SERVICE);
        match Url::parse(text) {
            Ok(endpoint) if is_confidential(&endpoint) || is_link_local(&endpoint) => Some(ManagedIdentity {
                endpoint,
                client_id: config.client_id.clone(),
                header: config.header.clone(),
            }),
            Ok(_) => {
                self.add(
                    Problem::new(field, "would send secrets in the clear")
                        .hint("plain http is for this machine and for link-local addresses only"),
                );
                None
            }
            Err(error) => {
                self.add(Problem::new(field, format!("`{text}` is not a URL: {error}")));
                None
            }
        }
    }

    fn secret(&mut self, field: &str, source: &SecretSource) -> Option<Secret> {
        match source {
            SecretSource::Text(text) if !text.is_empty() => return Some(Secret::Text(text.clone())),
            SecretSource::Text(_) => self.add(Problem::new(field, "is empty").hint(EMPTY)),
            SecretSource::File(path) if !path.as_os_str().is_empty() => {
                return Some(Secret::File(path.clone()));
            }
            SecretSource::File(_) => {
                self.add(Problem::new(format!("{field}.file"), "is empty").hint(EMPTY));
            }
            SecretSource::Command { command, timeout } => {
                if command.first().is_none_or(String::is_empty) {
                    self.add(
                        Problem::new(format!("{field}.command"), "there is no program")
                            .hint("write the program and its arguments as a list"),
                    );
                }
                self.range(
                    &format!("{field}.timeout"),
                    *timeout,
                    Duration::from_secs(1),
                    Duration::from_mins(5),
                    o365_core::duration::format,
                );
                return Some(Secret::Command(Program {
                    command: command.clone(),
                    dir: std::path::PathBuf::new(),
                    timeout: *timeout,
                }));
            }
        }
        None
    }
}

//! Access tokens: one per tenant, shared by all its feeds, asked for by one task at a time.
//!
//! A token is renewed at 80 % of its life or five minutes before its end, whichever comes first; while it is still
//! valid nobody waits for that. A refusal is remembered for a while, so that a wrong secret does not become a storm of
//! requests (Entra answers such storms with AADSTS50196).

mod advice;
mod answer;
mod certificate;
mod claims;
mod der;
mod failure;
mod identity;
mod pem;
mod secret;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::answer::check as check_answer;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use o365_core::{
    Clock, SensitiveString,
    backoff::{Backoff, Jitter},
};
use tokio::{sync::Semaphore, time::Instant};
use tracing::Instrument;
use url::Url;

pub use self::certificate::CertificateAlgorithm;
pub(crate) use self::{
    certificate::{CertificateFiles, InvalidCertificate},
    claims::Claims,
    failure::AuthError,
    identity::{METADATA_SERVICE, ManagedIdentity, is_link_local},
    secret::{Program, Secret, read_file},
};
use crate::{
    error::{Class, chain, tidy},
    pace::later,
    stats::{Request, RequestOutcome, TenantStats},
    telemetry, trace,
    types::TenantId,
};

/// Answers of the token endpoint are small.
const MAX_ANSWER: usize = 256 * 1024;
/// Waits after a refusal that only an operator can lift.
const REFUSED: Backoff = Backoff::secs(300, 1_800);
/// Waits after a failure that passes.
const FAILED: Backoff = Backoff::secs(1, 300);

/// How the application proves who it is. Everything is read again for every request, so that what was rotated is
/// taken up without a restart.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    ClientSecret(Secret),
    Certificate(CertificateFiles),
    /// A file with a token of another issuer.
    FederatedToken(PathBuf),
    ManagedIdentity(ManagedIdentity),
}

impl Credential {
    /// Who hands out the tokens, given the login service.
    pub(crate) fn issuer<'a>(&'a self, authority: &'a Url) -> &'a Url {
        match self {
            Self::ManagedIdentity(identity) => &identity.endpoint,
            Self::ClientSecret(_) | Self::Certificate(_) | Self::FederatedToken(_) => authority,
        }
    }
}

/// Which token endpoint is asked, and in which dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenEndpointVersion {
    /// `/oauth2/token` with `resource`.
    V1,
    /// `/oauth2/v2.0/token` with `scope`.
    #[default]
    V2,
}

/// A token that is probably still accepted.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) secret: SensitiveString,
    pub(crate) claims: Option<Claims>,
    /// Which token this is, so that one refusal discards it only once.
    serial: u64,
    renew_at: Instant,
    expires_at: Instant,
}

/// Gets tokens for one tenant.
#[derive(Debug)]
pub(crate) struct TokenClient {
    http: reqwest::Client,
    endpoint: Url,
    version: TokenEndpointVersion,
    tenant: TenantId,
    application_id: String,
    resource: String,
    credential: Credential,
    /// Of a whole request.
    timeout: Duration,
    clock: Arc<dyn Clock>,
    /// Held by whoever is asking for a token.
    asking: Semaphore,
    state: Mutex<State>,
    jitter: Jitter,
    /// Seconds that the login service's clock is ahead of ours, once it has refused an assertion for that.
    skew: AtomicI64,
    stats: Arc<TenantStats>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    serial: u64,
    failures: u32,
    refusal: Option<(Instant, Arc<AuthError>)>,
}

/// What a [`TokenClient`] needs to know.
#[derive(Debug)]
pub(crate) struct TokenSettings<'a> {
    pub(crate) authority: &'a Url,
    pub(crate) version: TokenEndpointVersion,
    pub(crate) tenant: TenantId,
    pub(crate) application_id: String,
    pub(crate) resource: String,
    pub(crate) credential: Credential,
    pub(crate) timeout: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stats: Arc<TenantStats>,
}

impl TokenClient {
    pub(crate) fn new(http: reqwest::Client, settings: TokenSettings<'_>, jitter: Jitter) -> Self {
        let mut endpoint = settings.authority.clone();
        let prefix = endpoint.path().trim_end_matches('/').to_owned();
        let path = match settings.version {
            TokenEndpointVersion::V1 => "oauth2/token",
            TokenEndpointVersion::V2 => "oauth2/v2.0/token",
        };
        endpoint.set_path(&format!("{prefix}/{}/{path}", settings.tenant));
        Self {
            http,
            endpoint,
            version: settings.version,
            tenant: settings.tenant,
            application_id: settings.application_id,
            resource: settings.resource,
            credential: settings.credential,
            timeout: settings.timeout,
            clock: settings.clock,
            asking: Semaphore::new(1),
            state: Mutex::default(),
            jitter,
            skew: AtomicI64::new(0),
            stats: settings.stats,
        }
    }

    /// A valid token: the one at hand, or a new one.
    ///
    /// # Cancel safety
    /// Safe: a request that is given up is made again by the next caller.
    pub(crate) async fn token(&self) -> Result<Token, Arc<AuthError>> {
        match self.at_hand() {
            AtHand::Fresh(token) => return Ok(token),
            AtHand::Aging(token) => {
                // One task renews it, the others go on with what they have.
                let Ok(_asking) = self.asking.try_acquire() else {
                    return Ok(token);
                };
                return match self.ask().await {
                    Ok(renewed) => Ok(renewed),
                    Err(_remembered) => Ok(token),
                };
            }
            AtHand::Refused(error) => return Err(error),
            AtHand::Nothing => {}
        }
        let _asking = self
            .asking
            .acquire()
            .await
            .expect("the semaphore is never closed");
        // Somebody else may have been faster.
        match self.at_hand() {
            AtHand::Fresh(token) | AtHand::Aging(token) => Ok(token),
            AtHand::Refused(error) => Err(error),
            AtHand::Nothing => self.ask().await,
        }
    }

    /// What the token at hand says about itself.
    pub(crate) fn claims(&self) -> Option<Claims> {
        self.state().token.as_ref()?.claims.clone()
    }

    /// The API refused this token: it is not used again. A newer one is left alone.
    pub(crate) fn discard(&self, token: &Token) {
        let mut state = self.state();
        if state
            .token
            .as_ref()
            .is_some_and(|known| known.serial == token.serial)
        {
            state.token = None;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at_hand(&self) -> AtHand {
        let now = Instant::now();
        let state = self.state();
        let refusal = state.refusal.as_ref().filter(|(until, _)| *until > now);
        match (&state.token, refusal) {
            (Some(token), _) if token.renew_at > now => AtHand::Fresh(token.clone()),
            (Some(token), Some(_)) if token.expires_at > now => AtHand::Fresh(token.clone()),
            (Some(token), None) if token.expires_at > now => AtHand::Aging(token.clone()),
            (_, Some((_, error))) => AtHand::Refused(Arc::clone(error)),
            (_, None) => AtHand::Nothing,
        }
    }

    async fn ask(&self) -> Result<Token, Arc<AuthError>> {
        let asked_at = Instant::now();
        let span = trace::request(Request::Token, "POST", &self.endpoint, 0);
        let answer = self.request().instrument(span.clone()).await;
        match &answer {
            Ok(_) => trace::answered(&span, Some(200), None),
            Err(error) => trace::answered(&span, error.status(), Some(error.class())),
        }
        drop(span);
        let mut state = self.state();
        match answer {
            Ok(answer) => {
                // A life of nothing would mean a request for every request.
                let life = answer.expires_in.max(Duration::from_secs(1));
                let renew_in = (life * 4 / 5).min(life.saturating_sub(Duration::from_mins(5)).max(life / 2));
                state.serial += 1;
                let token = Token {
                    claims: answer.claims,
                    secret: answer.access_token,
                    serial: state.serial,
                    renew_at: asked_at + renew_in,
                    expires_at: asked_at + life,
                };
                state.failures = 0;
                state.refusal = None;
                state.token = Some(token.clone());
                drop(state);
                self.stats.requested(Request::Token, RequestOutcome::Ok);
                self.stats.set_token_expires(later(self.clock.now(), life));
                telemetry::token_obtained(&self.tenant, life, token.claims.as_ref());
                Ok(token)
            }
            Err(error) => {
                state.failures += 1;
                let wait = match error.class() {
                    Class::Transient { retry_after } => {
                        FAILED.wait(state.failures, retry_after, &self.jitter)
                    }
                    _ => REFUSED.wait(state.failures, None, &self.jitter),
                };
                let outcome = RequestOutcome::of_failure(error.class(), error.status());
                self.stats.requested(Request::Token, outcome);
                let error = Arc::new(error);
                state.refusal = Some((Instant::now() + wait, Arc::clone(&error)));
                drop(state);
                telemetry::token_failed(&self.tenant, &error, wait);
                Err(error)
            }
        }
    }

    /// A new assertion for every request. Decrypting and signing take a while, so they are done elsewhere.
    async fn assertion(&self, files: &CertificateFiles) -> Result<SensitiveString, AuthError> {
        let passphrase = match &files.passphrase {
            Some(secret) => Some(
                secret
                    .read()
                    .await
                    .map_err(|reason| AuthError::Credential(format!("key_passphrase: {reason}")))?,
            ),
            None => None,
        };
        let files = files.clone();
        let (audience, application_id) = (self.endpoint.to_string(), self.application_id.clone());
        let now = self.clock.now() + TimeDelta::seconds(self.skew.load(Ordering::Relaxed));
        let stats = Arc::clone(&self.stats);
        tokio::task::spawn_blocking(move || {
            let certificate = files.load(passphrase.as_ref(), now).map_err(|problem| {
                AuthError::Credential(format!("{}: {}", problem.field, problem.message))
            })?;
            stats.set_certificate_expires(certificate.not_after());
            certificate
                .assertion(files.algorithm, &audience, &application_id, now)
                .ok_or(AuthError::Sign)
        })
        .await
        .map_err(|_| AuthError::Sign)?
    }

    /// If no federated credential matches, what the token says of itself is what a person compares.
    fn explain(&self, code: Option<u64>, description: String, assertion: Option<&SensitiveString>) -> String {
        match (&self.credential, code, assertion) {
            (Credential::FederatedToken(_), Some(700_213 | 70_021), Some(token)) => {
                format!("{description} (the token has {})", claims::origin(token.expose()))
            }
            _ => description,
        }
    }

    /// The request, and the assertion in it.
    async fn prepare(&self) -> Result<(reqwest::RequestBuilder, Option<SensitiveString>), AuthError> {
        let mut form = vec![
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", self.application_id.clone()),
        ];
        form.push(match self.version {
            TokenEndpointVersion::V1 => ("resource", self.resource.clone()),
            TokenEndpointVersion::V2 => ("scope", format!("{}/.default", self.resource)),
        });
        let assertion = match &self.credential {
            Credential::ClientSecret(secret) => {
                let secret = secret
                    .read()
                    .await
                    .map_err(|reason| AuthError::Credential(format!("client_secret: {reason}")))?;
                form.push(("client_secret", secret.expose().to_owned()));
                None
            }
            Credential::Certificate(files) => Some(self.assertion(files).await?),
            Credential::FederatedToken(path) => Some(
                Secret::File(path.clone())
                    .read()
                    .await
                    .map_err(|reason| AuthError::Credential(format!("federated_token_file: {reason}")))?,
            ),
            Credential::ManagedIdentity(identity) => {
                return Ok((identity.request(&self.http, &self.resource), None));
            }
        };
        if let Some(assertion) = &assertion {
            form.push((
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
            ));
            form.push(("client_assertion", assertion.expose().trim().to_owned()));
        }
        Ok((self.http.post(self.endpoint.clone()).form(&form), assertion))
    }

    async fn request(&self) -> Result<answer::Answer, AuthError> {
        let mut skew = None;
        let answer = self.attempt(&mut skew).await;
        match (&answer, skew) {
            // An assertion outside its time: once more with the time that the refusal came with.
            (
                Err(AuthError::Refused {
                    code: Some(700_024), ..
                }),
                Some(skew),
            ) if matches!(self.credential, Credential::Certificate(_)) => {
                self.skew.store(skew, Ordering::Relaxed);
                self.attempt(&mut None).await
            }
            _ => answer,
        }
    }

    /// `skew` becomes the seconds that the service's clock is ahead of ours, if it tells its time.
    async fn attempt(&self, skew: &mut Option<i64>) -> Result<answer::Answer, AuthError> {
        let transport = |error: reqwest::Error| AuthError::Transport {
            reason: chain(&error.without_url()),
        };
        let (request, assertion) = self.prepare().await?;
        let mut response = request
            .header(reqwest::header::ACCEPT, "application/json")
            .timeout(self.timeout)
            .send()
            .await
            .map_err(transport)?;
        let status = response.status();
        let retry_after = crate::client::retry_after(response.headers());
        *skew = crate::client::date(response.headers()).map(|date| (date - self.clock.now()).num_seconds());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(AuthError::Answer {
                    reason: "it is too long".to_owned(),
                });
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            let answer = answer::Answer::read(&body, self.clock.now())
                .map_err(|reason| AuthError::Answer { reason })?;
            let tid = answer.claims.as_ref().and_then(|claims| claims.tid.as_deref());
            return match tid {
                Some(other) if !other.eq_ignore_ascii_case(self.tenant.as_str()) => {
                    Err(AuthError::OtherTenant(tidy(other)))
                }
                _ => Ok(answer),
            };
        }
        let status = status.as_u16();
        let refusal = answer::Refusal::read(&body);
        let (transient, advice) = match &self.credential {
            Credential::ManagedIdentity(_) => (
                ManagedIdentity::is_transient(status),
                Some(ManagedIdentity::ADVICE),
            ),
            _ => (
                advice::is_transient(status, refusal.code),
                refusal.code.and_then(advice::advice),
            ),
        };
        Err(AuthError::Refused {
            status,
            code: refusal.code,
            error: tidy(&refusal.error),
            description: tidy(&self.explain(refusal.code, refusal.description, assertion.as_ref())),
            trace: refusal.trace.as_deref().map(tidy),
            retry_after,
            transient,
            advice,
        })
    }
}

#[derive(Debug)]
enum AtHand {
    Fresh(Token),
    Aging(Token),
    Refused(Arc<AuthError>),
    Nothing,
}

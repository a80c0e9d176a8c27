//! Requests to the API, with the rules that hold for every one of them (reference §4): budget, token, publisher,
//! explicit timeouts, no redirects, one repetition with a new token after a 401.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use o365_core::{
    Clock,
    backoff::{Backoff, Jitter},
};
use reqwest::{
    Method, Response, StatusCode,
    header::{ACCEPT, CONTENT_LENGTH, DATE, HeaderMap, RETRY_AFTER},
};
use tokio::time::sleep;
use tracing::Instrument;

use crate::{
    auth::{AuthError, Claims, TokenClient},
    budget::Budget,
    error::{ApiError, Class, Operation, chain, tidy},
    network::Timeouts,
    plan::pages::{PageStep, Pages},
    slots::{Slot, Slots},
    stats::{Request, RequestOutcome, TenantStats},
    telemetry::{self, Limiter},
    trace,
    types::{ContentType, TenantId, Window, bound},
    url::{ApiBase, ApiUrl},
    wire::{self, Descriptor, Subscription, next_page},
};

/// Longest page of a listing, and longest body of an error.
const MAX_PAGE: usize = 64 * 1024 * 1024;
const MAX_ERROR: usize = 64 * 1024;
/// How often a page behind the first one is asked for again, and how fast: whoever has come so far does not begin anew for
/// one failure, and soon enough for the page's address not to go stale.
const PAGE_RETRIES: u32 = 4;
const PAGE: Backoff = Backoff::secs(1, 8);
/// Whatever the service asks for, more is not believed; and whoever reckons with it need not fear an overflow.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// Connections to the API, for all tenants. A connection keeps what it has once needed to read into, and one that has carried a
/// blob has needed a lot: with connections of their own, blobs make large only as many as they need at a time.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    pub(crate) listings: reqwest::Client,
    pub(crate) blobs: reqwest::Client,
    /// For all requests but those for blobs, whose slots last until there is room for the body.
    pub(crate) slots: Arc<Slots>,
}

impl Http {
    fn of(&self, operation: Operation) -> &reqwest::Client {
        match operation {
            Operation::FetchBlob => &self.blobs,
            _ => &self.listings,
        }
    }

    /// Waits for one of [`Self::slots`], if the operation needs one.
    async fn slot(&self, operation: Operation) -> Option<Slot<'_>> {
        match operation {
            Operation::FetchBlob => None,
            _ => Some(self.slots.slot().await),
        }
    }
}

/// The API for one tenant.
#[derive(Debug)]
pub(crate) struct ApiClient {
    http: Http,
    tenant: TenantId,
    base: ApiBase,
    tokens: TokenClient,
    budget: Budget,
    timeouts: Timeouts,
    clock: Arc<dyn Clock>,
    stats: Arc<TenantStats>,
    limiter: Limiter,
    jitter: Jitter,
}

impl ApiClient {
    pub(crate) fn new(
        http: Http,
        base: ApiBase,
        tokens: TokenClient,
        budget: Budget,
        timeouts: Timeouts,
        clock: Arc<dyn Clock>,
        stats: Arc<TenantStats>,
    ) -> Self {
        Self {
            http,
            tenant: base.tenant().clone(),
            base,
            tokens,
            budget,
            timeouts,
            clock,
            stats,
            limiter: Limiter::default(),
            jitter: Jitter::random(),
        }
    }

    /// Leaves so many requests per minute to others.
    pub(crate) fn leave(&self, requests_per_minute: u32) {
        self.budget.leave(requests_per_minute);
    }

    /// How far the service's clock is ahead of ours, as the last answer's `Date` had it.
    pub(crate) fn skew(&self) -> TimeDelta {
        self.stats.skew()
    }

    /// Gets a token, if there is none yet, and tells what it says of itself, if that can be read.
    pub(crate) async fn log_in(&self) -> Result<Option<Claims>, Arc<AuthError>> {
        Ok(self.tokens.token().await?.claims)
    }

    /// The role that a feed needs and the present token lacks.
    pub(crate) fn missing_role(&self, content_type: ContentType) -> Option<&'static str> {
        self.tokens.claims()?.missing_role(content_type)
    }

    pub(crate) fn pin(&self, url: &str) -> Result<ApiUrl, ApiError> {
        Ok(self.base.pin(url)?)
    }

    /// Whether the subscription of a content type is enabled; `None` if the service does not say.
    pub(crate) async fn is_subscribed(&self, content_type: ContentType) -> Result<Option<bool>, ApiError> {
        let subscriptions = self.subscriptions().await?;
        Ok(
            match subscriptions.iter().find(|known| known.is_of(content_type)) {
                None => Some(false),
                Some(own) => own.is_enabled(),
            },
        )
    }

    /// All subscriptions that were ever started.
    pub(crate) async fn subscriptions(&self) -> Result<Vec<Subscription>, ApiError> {
        let operation = Operation::ListSubscriptions;
        let url = self.base.operation("subscriptions/list", &[]);
        let response = self
            .send(operation, Method::GET, &url, self.timeouts.request)
            .await?;
        self.json(operation, response).await
    }

    /// Starts a subscription. That it is enabled already is a success.
    pub(crate) async fn start_subscription(&self, content_type: ContentType) -> Result<(), ApiError> {
        let url = self
            .base
            .operation("subscriptions/start", &[("contentType", content_type.as_str())]);
        let started = self
            .send(
                Operation::StartSubscription,
                Method::POST,
                &url,
                self.timeouts.request,
            )
            .await;
        match started {
            Ok(_) => Ok(()),
            Err(ApiError::Answer { code: Some(code), .. }) if code == "AF20024" => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Everything in a window: all pages, or an error.
    pub(crate) async fn list_content(
        &self,
        content_type: ContentType,
        window: Window,
    ) -> Result<Vec<Descriptor>, ApiError> {
        let first = self.base.operation(
            "subscriptions/content",
            &[
                ("contentType", content_type.as_str()),
                ("startTime", &bound(window.start()).to_string()),
                ("endTime", &bound(window.end()).to_string()),
            ],
        );
        let mut descriptors = Vec::new();
        let mut pages = Pages::new(first);
        let (mut is_first, mut failures) = (true, 0);
        while let Some(url) = pages.current() {
            let (next, elements) = match self.page(url).await {
                Ok(page) => page,
                Err(error) => {
                    failures += 1;
                    let passes = matches!(error.class(), Class::Transient { retry_after: None });
                    if is_first || !passes || failures > PAGE_RETRIES {
                        return Err(error);
                    }
                    sleep(PAGE.wait(failures, None, &self.jitter)).await;
                    continue;
                }
            };
            (is_first, failures) = (false, 0);
            descriptors.extend(elements.into_iter().map(Descriptor::read));
            match pages.step(next) {
                PageStep::Follow | PageStep::Complete => {}
                PageStep::Endless(pages) => return Err(ApiError::EndlessPages(pages)),
            }
        }
        Ok(descriptors)
    }

    /// One page: the address of the next one, and the elements.
    async fn page(&self, url: &ApiUrl) -> Result<(Option<ApiUrl>, Vec<serde_json::Value>), ApiError> {
        let operation = Operation::ListContent;
        let response = self
            .send(operation, Method::GET, url, self.timeouts.request)
            .await?;
        let next = next_page(response.headers())
            .map(|text| self.base.pin(&text))
            .transpose()?;
        Ok((next, self.json(operation, response).await?))
    }

    /// Asks for a blob; the body is still to be read.
    pub(crate) async fn fetch(&self, url: &ApiUrl) -> Result<Response, ApiError> {
        self.send(Operation::FetchBlob, Method::GET, url, self.timeouts.blob)
            .await
    }

    /// One request that is answered with success, or an error with a class.
    async fn send(
        &self,
        operation: Operation,
        method: Method,
        url: &ApiUrl,
        timeout: Duration,
    ) -> Result<Response, ApiError> {
        let mut repeated = false;
        let mut sent = 0;
        loop {
            // First a token: requests that wait for it together must not leave together. Then once more, since the
            // budget may have taken its time.
            self.tokens.token().await.map_err(ApiError::Auth)?;
            self.budget.acquire().await;
            let token = self.tokens.token().await.map_err(ApiError::Auth)?;
            let mut slot = self.http.slot(operation).await;
            let mut request = self
                .http
                .of(operation)
                .request(method.clone(), url.as_url().clone())
                .bearer_auth(token.secret.expose())
                .header(ACCEPT, "application/json")
                .timeout(timeout);
            if method == Method::POST {
                // The front end insists on a length.
                request = request.header(CONTENT_LENGTH, "0").body("");
            }
            let span = trace::request(Request::Api(operation), method.as_str(), url.as_url(), sent);
            sent += 1;
            let answer = request.send().instrument(span.clone());
            let answer = match &mut slot {
                Some(slot) => slot.answer(answer).await,
                None => answer.await,
            };
            let response = answer.map_err(|error| {
                self.count(operation, RequestOutcome::TransportError);
                let error = transport(operation, error);
                trace::answered(&span, None, Some(error.class()));
                error
            })?;
            self.note_date(response.headers());
            let status = response.status();
            if status.is_success() {
                self.count(operation, RequestOutcome::Ok);
                trace::answered(&span, Some(status.as_u16()), None);
                self.budget.answered();
                return Ok(response);
            }
            let error = failure(operation, response).await;
            let class = error.class();
            trace::answered(&span, Some(status.as_u16()), Some(class));
            drop(span);
            self.count(
                operation,
                RequestOutcome::of_failure(class, Some(status.as_u16())),
            );
            match class {
                Class::Unauthorized if !repeated => {
                    repeated = true;
                    self.tokens.discard(&token);
                    telemetry::token_refused(&self.tenant, operation);
                }
                Class::Throttled { retry_after } => {
                    let pause = self.budget.throttled(retry_after);
                    self.stats.throttled(pause);
                    telemetry::throttled(&self.limiter, &self.tenant, pause);
                    return Err(error);
                }
                _ => return Err(error),
            }
        }
    }

    fn count(&self, operation: Operation, outcome: RequestOutcome) {
        self.stats.requested(Request::Api(operation), outcome);
    }

    async fn json<T: serde::de::DeserializeOwned>(
        &self,
        operation: Operation,
        mut response: Response,
    ) -> Result<T, ApiError> {
        let status = response.status();
        let body = read(operation, &mut response, MAX_PAGE).await?;
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&body);
        serde_json::from_slice(body).map_err(|error| {
            embedded(operation, status, body).unwrap_or_else(|| ApiError::Body {
                operation,
                reason: format!("no list at line {} column {}", error.line(), error.column()),
            })
        })
    }

    fn note_date(&self, headers: &HeaderMap) {
        let Some(date) = date(headers) else {
            return;
        };
        let skew = date - self.clock.now();
        self.stats.set_skew(skew);
        if skew.abs() > TimeDelta::minutes(1) {
            telemetry::clock_skew(&self.limiter, &self.tenant, skew);
        }
    }
}

/// An error body under a successful status.
pub(crate) fn embedded(operation: Operation, status: StatusCode, body: &[u8]) -> Option<ApiError> {
    let (code, message) = wire::error_body(body);
    Some(ApiError::Answer {
        operation,
        status: status.as_u16(),
        code: Some(code?),
        message: tidy(&message),
        retry_after: None,
    })
}

pub(crate) fn transport(operation: Operation, error: reqwest::Error) -> ApiError {
    ApiError::Transport {
        operation,
        reason: chain(&error.without_url()),
    }
}

async fn failure(operation: Operation, mut response: Response) -> ApiError {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    // What cannot be read of an error's body does not change the error.
    let body = read(operation, &mut response, MAX_ERROR)
        .await
        .unwrap_or_default();
    let (code, message) = wire::error_body(&body);
    ApiError::Answer {
        operation,
        status: status.as_u16(),
        code: code.as_deref().map(tidy),
        message: tidy(&message),
        retry_after,
    }
}

async fn read(operation: Operation, response: &mut Response, limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| transport(operation, error))?
    {
        if body.len() + chunk.len() > limit {
            return Err(ApiError::TooLarge { limit: limit as u64 });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// When the service says that it answered.
pub(crate) fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let text = headers.get(DATE)?.to_str().ok()?;
    Some(DateTime::parse_from_rfc2822(text).ok()?.with_timezone(&Utc))
}

/// Seconds, or a date compared with the answer's own.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
    }
    let until = DateTime::parse_from_rfc2822(text).ok()?;
    Some(
        (until.with_timezone(&Utc) - date(headers)?)
            .to_std()
            .unwrap_or_default()
            .min(MAX_RETRY_AFTER),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(
            retry_after(&headers(&[("retry-after", "7")])),
            Some(Duration::from_secs(7))
        );
        let date = headers(&[
            ("date", "Thu, 15 Jan 2026 12:00:00 GMT"),
            ("retry-after", "Thu, 15 Jan 2026 12:00:30 GMT"),
        ]);
        assert_eq!(retry_after(&date), Some(Duration::from_secs(30)));
        assert_eq!(retry_after(&headers(&[("retry-after", "soon")])), None);
    }

    /// A tenth on top of the longest duration that there is would overflow, and end the feed with a panic.
    #[test]
    fn an_absurd_retry_after_is_cut() {
        let longest = retry_after(&headers(&[("retry-after", "18446744073709551615")]));
        assert_eq!(longest, Some(MAX_RETRY_AFTER));
    }
}

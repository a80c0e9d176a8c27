//! What the feeds of a tenant share: its requests, its tokens, its clock.

use std::{
    sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    error::{Class, Operation},
    types::TenantId,
};

/// What is asked, as it is counted.
const REQUESTS: [&str; 5] = ["token", "subscriptions", "start", "content", "blob"];
/// How a request may end, as it is counted.
const OUTCOMES: [&str; 5] = ["ok", "throttled", "refused", "server_error", "transport_error"];

/// Numbers of one tenant since the source was started.
#[derive(Debug, Default)]
pub(crate) struct TenantStats {
    /// By request and outcome.
    requests: [[AtomicU64; OUTCOMES.len()]; REQUESTS.len()],
    requests_per_minute: AtomicU32,
    throttled_millis: AtomicU64,
    /// Milliseconds that the service's clock is ahead of ours.
    skew: AtomicI64,
    /// Milliseconds since the epoch; 0 for "not known".
    token_expires: AtomicI64,
    certificate_expires: AtomicI64,
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Token,
    Api(Operation),
}

impl Request {
    /// As it is counted.
    pub(crate) fn as_str(self) -> &'static str {
        REQUESTS[self.index()]
    }

    fn index(self) -> usize {
        match self {
            Self::Token => 0,
            Self::Api(Operation::ListSubscriptions) => 1,
            Self::Api(Operation::StartSubscription) => 2,
            Self::Api(Operation::ListContent) => 3,
            Self::Api(Operation::FetchBlob) => 4,
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    Ok,
    Throttled,
    Refused,
    ServerError,
    TransportError,
}

impl RequestOutcome {
    /// As it is counted.
    pub(crate) fn as_str(self) -> &'static str {
        OUTCOMES[self as usize]
    }

    /// Of an answer that is no success.
    pub(crate) fn of_failure(class: Class, status: Option<u16>) -> Self {
        match (class, status) {
            (Class::Throttled { .. }, _) | (_, Some(429)) => Self::Throttled,
            (_, None) => Self::TransportError,
            (_, Some(status)) if status >= 500 => Self::ServerError,
            (_, Some(_)) => Self::Refused,
        }
    }
}

/// Numbers of a tenant at one moment.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TenantSnapshot {
    /// Directory id of the tenant.
    pub tenant: String,
    /// Requests since the start, of what was asked at least once.
    pub requests: Vec<RequestCount>,
    /// Requests that may be sent in a minute, as configured.
    pub max_requests_per_minute: u32,
    /// How long the tenant's requests were paused because the service had throttled them, in all.
    pub throttled: Duration,
    /// How far the service's clock is ahead of this machine's, in milliseconds.
    pub clock_skew_millis: i64,
    /// When the token at hand ends.
    pub token_expires: Option<DateTime<Utc>>,
    /// When the certificate that was last signed with ends.
    pub certificate_expires: Option<DateTime<Utc>>,
}

/// Requests of one kind that ended in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct RequestCount {
    /// `token`, `subscriptions`, `start`, `content` or `blob`.
    pub request: &'static str,
    /// `ok`, `throttled`, `refused` (4xx), `server_error` (5xx) or `transport_error`.
    pub outcome: &'static str,
    /// How many.
    pub count: u64,
}

impl TenantStats {
    pub(crate) fn requested(&self, request: Request, outcome: RequestOutcome) {
        self.requests[request.index()][outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn set_budget(&self, requests_per_minute: u32) {
        self.requests_per_minute
            .store(requests_per_minute, Ordering::Relaxed);
    }

    pub(crate) fn throttled(&self, pause: Duration) {
        let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.throttled_millis.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) fn set_skew(&self, skew: TimeDelta) {
        self.skew.store(skew.num_milliseconds(), Ordering::Relaxed);
    }

    /// How far the service's clock is ahead of ours, as the last answer's `Date` had it.
    pub(crate) fn skew(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.skew.load(Ordering::Relaxed))
    }

    pub(crate) fn set_token_expires(&self, at: DateTime<Utc>) {
        self.token_expires.store(at.timestamp_millis(), Ordering::Relaxed);
    }

    pub(crate) fn set_certificate_expires(&self, at: DateTime<Utc>) {
        self.certificate_expires
            .store(at.timestamp_millis(), Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self, tenant: &TenantId) -> TenantSnapshot {
        let mut requests = Vec::new();
        for (counts, request) in self.requests.iter().zip(REQUESTS) {
            for (count, outcome) in counts.iter().zip(OUTCOMES) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    requests.push(RequestCount {
                        request,
                        outcome,
                        count,
                    });
                }
            }
        }
        TenantSnapshot {
            tenant: tenant.to_string(),
            requests,
            max_requests_per_minute: self.requests_per_minute.load(Ordering::Relaxed),
            throttled: Duration::from_millis(self.throttled_millis.load(Ordering::Relaxed)),
            clock_skew_millis: self.skew.load(Ordering::Relaxed),
            token_expires: super::instant(&self.token_expires),
            certificate_expires: super::instant(&self.certificate_expires),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_what_and_how() {
        let stats = TenantStats::default();
        stats.requested(Request::Token, RequestOutcome::Ok);
        stats.requested(Request::Api(Operation::FetchBlob), RequestOutcome::TransportError);
        stats.requested(Request::Api(Operation::FetchBlob), RequestOutcome::TransportError);
        let tenant = "11111111-1111-1111-1111-111111111111".parse().unwrap();
        let counts: Vec<_> = stats
            .snapshot(&tenant)
            .requests
            .into_iter()
            .map(|count| (count.request, count.outcome, count.count))
            .collect();
        assert_eq!(counts, [("token", "ok", 1), ("blob", "transport_error", 2)]);
    }

    #[test]
    fn a_failure_is_counted_by_whose_it_is() {
        let transient = Class::Transient { retry_after: None };
        let throttled = Class::Throttled { retry_after: None };
        let of = RequestOutcome::of_failure;
        assert_eq!(of(throttled, Some(403)), RequestOutcome::Throttled);
        assert_eq!(of(transient, Some(429)), RequestOutcome::Throttled);
        assert_eq!(of(transient, Some(503)), RequestOutcome::ServerError);
        assert_eq!(of(Class::Permission, Some(401)), RequestOutcome::Refused);
        assert_eq!(of(transient, None), RequestOutcome::TransportError);
    }
}

//! What the client did: kept while it runs, read when it is done.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::time::Instant;

use crate::content_type::ContentType;
use crate::fault::Operation;

/// How many entries each list keeps; the counters go on.
const KEPT: usize = 100_000;

/// A listing's window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WindowRequest {
    /// The tenant's GUID.
    pub tenant: String,
    /// The feed.
    pub content_type: ContentType,
    /// Inclusive.
    pub start: DateTime<Utc>,
    /// Exclusive.
    pub end: DateTime<Utc>,
    /// The page, from one.
    pub page: u64,
    /// Whether the client left both bounds out.
    pub defaulted: bool,
}

/// A call of `start` or `stop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubscriptionCall {
    /// The tenant's GUID.
    pub tenant: String,
    /// The feed.
    pub content_type: ContentType,
    /// Simulated time.
    pub at: DateTime<Utc>,
    /// Whether the previous `start` of the feed that was not in vain was less than 15 minutes ago.
    pub within_cooldown: bool,
    /// Whether a fault let the service be out of order, or throttle: nothing was started, and it may be tried again.
    pub in_vain: bool,
}

/// Something that a good client does not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// Simulated time.
    pub at: DateTime<Utc>,
    /// Method and path, without the query.
    pub request: String,
    /// What was wrong with it.
    pub reason: String,
}

/// The fate of one blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlobReport {
    /// The tenant's GUID.
    pub tenant: String,
    /// The feed.
    pub content_type: ContentType,
    /// Its id.
    pub content_id: String,
    /// `contentCreated`.
    pub created: DateTime<Utc>,
    /// From when on listings show it.
    pub visible_from: DateTime<Utc>,
    /// `contentExpiration`.
    pub expires: DateTime<Utc>,
    /// How many listings showed it.
    pub listed: u64,
    /// How often it was asked for, with whatever outcome.
    pub requested: u64,
    /// How often it was answered whole and unharmed.
    pub fetched: u64,
}

/// Everything the client asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Requests per operation, answered or not.
    pub requests: BTreeMap<Operation, u64>,
    /// When each tenant's requests of the API came, tokens not included: time since the start of the simulator, as a
    /// stopwatch has it and not the simulated clock.
    pub arrivals: BTreeMap<String, Vec<Duration>>,
    /// Answers per HTTP status; cut connections count as 0.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests of the token endpoint.
    pub token_requests: u64,
    /// Tokens issued.
    pub tokens_issued: u64,
    /// The most token requests of one tenant that were open at the same time: one means single flight.
    pub token_requests_at_once: u64,
    /// API requests without a bearer token.
    pub without_token: u64,
    /// API requests with a token that was refused.
    pub refused_token: u64,
    /// API requests without `PublisherIdentifier`, per operation.
    pub without_publisher: BTreeMap<Operation, u64>,
    /// Windows asked for, in order.
    pub windows: Vec<WindowRequest>,
    /// `NextPageUri` values that were given out and never asked for.
    pub pages_never_requested: BTreeSet<String>,
    /// Calls of `start`.
    pub starts: Vec<SubscriptionCall>,
    /// Calls of `stop`.
    pub stops: Vec<SubscriptionCall>,
    /// Requests that a good client never sends: `stop`, `notifications`, unknown paths, re-encoded content ids, `start`
    /// within 15 minutes of another or again and again, refused windows, no window at all.
    pub forbidden: Vec<Incident>,
    /// Faults that struck.
    pub faults: u64,
    /// All blobs, visible or not.
    pub blobs: Vec<BlobReport>,
}

impl Report {
    /// Blobs that were never fetched successfully.
    pub fn never_fetched(&self) -> impl Iterator<Item = &BlobReport> {
        self.blobs.iter().filter(|blob| blob.fetched == 0)
    }

    /// Blobs that were fetched successfully exactly once.
    pub fn fetched_once(&self) -> impl Iterator<Item = &BlobReport> {
        self.blobs.iter().filter(|blob| blob.fetched == 1)
    }

    /// Blobs that were fetched successfully more than once.
    pub fn fetched_repeatedly(&self) -> impl Iterator<Item = &BlobReport> {
        self.blobs.iter().filter(|blob| blob.fetched > 1)
    }

    /// The most API requests of one tenant that any 60 seconds hold, both ends included.
    pub fn most_in_a_minute(&self) -> usize {
        let most = |arrivals: &Vec<Duration>| {
            let minute = Duration::from_mins(1);
            let end = |from: Duration| arrivals.partition_point(|at| *at <= from + minute);
            let counts = arrivals
                .iter()
                .enumerate()
                .map(|(start, from)| end(*from) - start);
            counts.max().unwrap_or_default()
        };
        self.arrivals.values().map(most).max().unwrap_or_default()
    }

    /// The longest window asked for.
    pub fn longest_window(&self) -> Option<chrono::TimeDelta> {
        self.windows.iter().map(|window| window.end - window.start).max()
    }

    /// The stretches of `[from, to)` that no first page of this feed covered.
    pub fn gaps(
        &self,
        tenant: &str,
        content_type: ContentType,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
        let mut windows: Vec<_> = self
            .windows
            .iter()
            .filter(|window| {
                window.content_type == content_type && window.tenant.eq_ignore_ascii_case(tenant)
            })
            .map(|window| (window.start, window.end))
            .collect();
        windows.sort_unstable();
        let (mut gaps, mut covered) = (Vec::new(), from);
        for (start, end) in windows {
            if start > covered && covered < to {
                gaps.push((covered, start.min(to)));
            }
            covered = covered.max(end);
        }
        if covered < to {
            gaps.push((covered, to));
        }
        gaps
    }
}

/// The report in the making: without the blobs, which count for themselves.
#[derive(Debug)]
pub(crate) struct Journal {
    report: Report,
    began: Instant,
    announced: BTreeSet<String>,
    open_token_requests: BTreeMap<String, u64>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            report: Report::default(),
            began: Instant::now(),
            announced: BTreeSet::new(),
            open_token_requests: BTreeMap::new(),
        }
    }
}

impl Journal {
    pub(crate) fn snapshot(&self) -> Report {
        Report {
            pages_never_requested: self.announced.clone(),
            ..self.report.clone()
        }
    }

    pub(crate) fn request(&mut self, operation: Operation, tenant: Option<&str>) {
        *self.report.requests.entry(operation).or_default() += 1;
        if let (Some(tenant), false) = (tenant, operation == Operation::Token) {
            let tenant = tenant.to_ascii_lowercase();
            keep(
                self.report.arrivals.entry(tenant).or_default(),
                self.began.elapsed(),
            );
        }
    }

    pub(crate) fn request_count(&self) -> u64 {
        self.report.requests.values().sum()
    }

    /// Told before anything is answered: who hangs up meanwhile was struck nevertheless.
    pub(crate) fn struck(&mut self, faults: usize) {
        self.report.faults += faults as u64;
    }

    pub(crate) fn answer(&mut self, status: u16) {
        *self.report.statuses.entry(status).or_default() += 1;
    }

    pub(crate) fn token_opened(&mut self, tenant: &str) {
        self.report.token_requests += 1;
        let open = self
            .open_token_requests
            .entry(tenant.to_ascii_lowercase())
            .or_default();
        *open += 1;
        self.report.token_requests_at_once = self.report.token_requests_at_once.max(*open);
    }

    pub(crate) fn token_closed(&mut self, tenant: &str) {
        if let Some(open) = self.open_token_requests.get_mut(&tenant.to_ascii_lowercase()) {
            *open = open.saturating_sub(1);
        }
    }

    pub(crate) fn token_issued(&mut self) {
        self.report.tokens_issued += 1;
    }

    pub(crate) fn without_token(&mut self) {
        self.report.without_token += 1;
    }

    pub(crate) fn refused_token(&mut self) {
        self.report.refused_token += 1;
    }

    pub(crate) fn without_publisher(&mut self, operation: Operation) {
        *self.report.without_publisher.entry(operation).or_default() += 1;
    }

    pub(crate) fn window(&mut self, window: WindowRequest) {
        keep(&mut self.report.windows, window);
    }

    pub(crate) fn page_announced(&mut self, token: &str) {
        if self.announced.len() < KEPT {
            self.announced.insert(token.to_owned());
        }
    }

    pub(crate) fn page_requested(&mut self, token: &str) {
        self.announced.remove(token);
    }

    /// How often the feed of `call` was started since `from`.
    pub(crate) fn starts_since(&self, call: &SubscriptionCall, from: DateTime<Utc>) -> usize {
        let same = |other: &&SubscriptionCall| {
            other.tenant == call.tenant && other.content_type == call.content_type && other.at > from
        };
        self.report.starts.iter().filter(same).count()
    }

    pub(crate) fn start(&mut self, call: SubscriptionCall) {
        keep(&mut self.report.starts, call);
    }

    pub(crate) fn stop(&mut self, call: SubscriptionCall) {
        keep(&mut self.report.stops, call);
    }

    pub(crate) fn forbidden(&mut self, at: DateTime<Utc>, request: &str, reason: impl Into<String>) {
        tracing::warn!(request, "the client did what a client should not do");
        keep(
            &mut self.report.forbidden,
            Incident {
                at,
                request: request.to_owned(),
                reason: reason.into(),
            },
        );
    }
}

fn keep<T>(list: &mut Vec<T>, entry: T) {
    if list.len() < KEPT {
        list.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULT_NOW;
    use chrono::TimeDelta;

    #[test]
    fn the_fullest_minute_is_found_wherever_it_lies() {
        let seconds = |list: &[u64]| list.iter().copied().map(Duration::from_secs).collect();
        let report = Report {
            arrivals: [
                ("a".to_owned(), seconds(&[0, 50, 100, 110, 160, 161])),
                ("b".to_owned(), seconds(&[7])),
            ]
            .into(),
            ..Report::default()
        };
        assert_eq!(report.most_in_a_minute(), 3);
        assert_eq!(Report::default().most_in_a_minute(), 0);
    }

    #[test]
    fn gaps_are_what_no_window_covers() {
        let hour = TimeDelta::hours(1);
        let at = |hours| DEFAULT_NOW + hour * hours;
        let window = |start, end| WindowRequest {
            tenant: "t".to_owned(),
            content_type: ContentType::Dlp,
            start: at(start),
            end: at(end),
            page: 1,
            defaulted: false,
        };
        let report = Report {
            windows: vec![window(4, 6), window(1, 3), window(2, 3)],
            ..Report::default()
        };
        let gaps = |from, to| report.gaps("T", ContentType::Dlp, at(from), at(to));
        assert_eq!(gaps(0, 8), [(at(0), at(1)), (at(3), at(4)), (at(6), at(8))]);
        assert_eq!(gaps(1, 3), []);
        assert_eq!(
            report.gaps("t", ContentType::Exchange, at(0), at(1)),
            [(at(0), at(1))]
        );
        assert_eq!(report.longest_window(), Some(hour * 2));
    }
}

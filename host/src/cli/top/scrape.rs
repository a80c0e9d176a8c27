//! Asks the local API of a running host for everything that the view shows.

use std::time::Duration;

use chrono::{DateTime, Utc};
use o365_core::{Clock, SensitiveString, SystemClock};
use reqwest::{Client, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::Instant;
use url::Url;

use super::samples::Samples;

/// All answers together may take so long.
const TIMEOUT: Duration = Duration::from_secs(10);
/// No answer is longer than that: a thousand tenants have a tenth of it.
const MAX_ANSWER: usize = 128 * 1024 * 1024;

/// What the host said at one moment.
#[derive(Debug, Clone)]
pub(super) struct Scrape {
    /// When, since some moment before the first scrape.
    pub(super) at: Duration,
    /// What the host's clock said.
    pub(super) clock: DateTime<Utc>,
    pub(super) samples: Samples,
    pub(super) sources: Vec<SourceAnswer>,
    pub(super) transforms: Vec<TransformAnswer>,
    pub(super) health: HealthAnswer,
    pub(super) ready: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct SourceAnswer {
    pub(super) id: String,
    pub(super) feeds: Vec<FeedAnswer>,
    pub(super) tenants: Vec<TenantAnswer>,
    pub(super) ledger: LedgerAnswer,
}

/// The counters of a feed since the start of the process.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct FeedAnswer {
    pub(super) tenant: String,
    pub(super) content_type: String,
    pub(super) cursor: Option<DateTime<Utc>>,
    pub(super) blobs_delivered: u64,
    pub(super) events_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) duplicates_dropped: u64,
    pub(super) failure: Option<String>,
    pub(super) failures_in_a_row: u32,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct TenantAnswer {
    pub(super) tenant: String,
    pub(super) requests: Vec<RequestsAnswer>,
    pub(super) max_requests_per_minute: u32,
    pub(super) throttled: Duration,
    pub(super) token_expires: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct RequestsAnswer {
    pub(super) outcome: String,
    pub(super) count: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct LedgerAnswer {
    pub(super) feeds: Vec<HeldAnswer>,
}

/// What the ledger holds of a feed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct HeldAnswer {
    pub(super) tenant: String,
    pub(super) tenant_name: Option<String>,
    pub(super) content_type: String,
    pub(super) pending: u64,
    pub(super) quarantined: u64,
    pub(super) blobs_expired: u64,
    pub(super) gaps: Vec<serde::de::IgnoredAny>,
    pub(super) lag: LagAnswer,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct LagAnswer {
    pub(super) service_median_seconds: Option<i64>,
    pub(super) own_median_seconds: Option<i64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct TransformAnswer {
    pub(super) id: String,
    pub(super) digest: String,
    pub(super) swapped: u64,
    pub(super) refused: u64,
    pub(super) refusal: Option<String>,
    pub(super) shadow: Option<ShadowAnswer>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ShadowAnswer {
    pub(super) compared: u64,
    pub(super) different: u64,
    pub(super) failed: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct HealthAnswer {
    pub(super) status: String,
    pub(super) alarms: Vec<AlarmAnswer>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(default)]
pub(super) struct AlarmAnswer {
    pub(super) component_id: String,
    pub(super) alarm: String,
    pub(super) tenant: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) text: String,
    pub(super) advice: String,
}

#[derive(Deserialize)]
struct FeedsAnswer {
    sources: Vec<SourceAnswer>,
}

#[derive(Deserialize)]
struct TransformsAnswer {
    transforms: Vec<TransformAnswer>,
}

/// Where to ask, and with what.
#[derive(Debug)]
pub(super) struct Scraper {
    client: Client,
    url: Url,
    token: Option<SensitiveString>,
    began: Instant,
}

impl Scraper {
    /// The URL is that of the API, without a path of ours.
    pub(super) fn new(url: Url, token: Option<SensitiveString>) -> anyhow::Result<Self> {
        // The token goes to the address that was given and nowhere else: neither a proxy nor a redirect.
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self {
            client,
            url,
            token,
            began: Instant::now(),
        })
    }

    /// The address, without what a person should not see on a screen.
    pub(super) fn shown_url(&self) -> String {
        let mut url = self.url.clone();
        // A URL that cannot have a user has none to hide.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.as_str().trim_end_matches('/').to_owned()
    }

    /// Asks for everything. The error is a sentence with what to do.
    ///
    /// # Cancel safety
    /// Safe: nothing is kept between two scrapes.
    pub(super) async fn scrape(&self) -> Result<Scrape, String> {
        let (metrics, feeds, transforms, health, ready) = tokio::try_join!(
            self.get("metrics"),
            self.get("api/feeds"),
            self.get("api/transforms"),
            self.get("health"),
            self.get("ready"),
        )?;
        let at = self.began.elapsed();
        let metrics = self.good("metrics", metrics)?;
        let text = String::from_utf8_lossy(&metrics.body);
        // Feeds come as JSON, with names and reasons; their many samples are not needed.
        let samples = Samples::parse(&text, |name| !name.starts_with("o365_feed_"))
            .map_err(|problem| self.foreign("metrics", &problem))?;
        let feeds = self.good("api/feeds", feeds)?;
        let clock = feeds.date.unwrap_or_else(|| SystemClock.now());
        Ok(Scrape {
            at,
            clock,
            samples,
            sources: self.json::<FeedsAnswer>("api/feeds", &feeds)?.sources,
            transforms: {
                let answer = self.good("api/transforms", transforms)?;
                self.json::<TransformsAnswer>("api/transforms", &answer)?
                    .transforms
            },
            health: {
                let answer = self.good("health", health)?;
                self.json("health", &answer)?
            },
            ready: ready.status.is_success(),
        })
    }

    async fn get(&self, path: &str) -> Result<Answer, String> {
        let url = format!("{}/{path}", self.url.as_str().trim_end_matches('/'));
        let mut request = self.client.get(url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        let mut response = request.send().await.map_err(|error| self.unreachable(error))?;
        let (status, headers) = (response.status(), response.headers());
        let date = headers
            .get(header::DATE)
            .and_then(|date| DateTime::parse_from_rfc2822(date.to_str().ok()?).ok());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(self.foreign(path, "the answer is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            date: date.map(|date| date.with_timezone(&Utc)),
            body,
        })
    }

    fn good(&self, path: &str, answer: Answer) -> Result<Answer, String> {
        match answer.status {
            StatusCode::OK => Ok(answer),
            StatusCode::UNAUTHORIZED if self.token.is_none() => Err(format!(
                "{} wants a token: give that of `api.token`, with O365_API_TOKEN or --token-file",
                self.shown_url()
            )),
            StatusCode::UNAUTHORIZED => Err(format!(
                "{} does not know this token: it must be that of `api.token` in the configuration that runs there",
                self.shown_url()
            )),
            status => Err(self.foreign(path, &format!("the answer is {status}"))),
        }
    }

    fn json<T: DeserializeOwned>(&self, path: &str, answer: &Answer) -> Result<T, String> {
        serde_json::from_slice(&answer.body).map_err(|error| self.foreign(path, &error.to_string()))
    }

    fn unreachable(&self, error: reqwest::Error) -> String {
        // The innermost cause is what a person can do something about.
        let error = anyhow::Error::from(error.without_url());
        let cause = error.root_cause();
        format!(
            "nothing answers at {} ({cause}): `o365-host run` must run there with `api: {{ enabled: true }}` in its \
             configuration; `api.address` says where it listens, --url where to ask",
            self.shown_url()
        )
    }

    fn foreign(&self, path: &str, problem: &str) -> String {
        format!(
            "{} does not answer as the API of this version of o365-host ({path}: {problem}): look at --url, and at the \
             version that runs there",
            self.shown_url()
        )
    }
}

struct Answer {
    status: StatusCode,
    date: Option<DateTime<Utc>>,
    body: Vec<u8>,
}

//! What a simulated world is made of.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

use crate::clock::SimClock;
use crate::content_type::ContentType;
use crate::error::SimulatorError;
use crate::fault::FaultPlan;
use crate::random;

/// The role that every operation of the API needs.
pub const READ_ROLE: &str = "ActivityFeed.Read";
/// The role that `DLP.All` needs besides.
pub const READ_DLP_ROLE: &str = "ActivityFeed.ReadDlp";

/// The instant at which simulated time stands by default: 15 January 2026, 12:00:00 UTC.
pub const DEFAULT_NOW: DateTime<Utc> = match NaiveDate::from_ymd_opt(2026, 1, 15) {
    Some(day) => day.and_time(match NaiveTime::from_hms_opt(12, 0, 0) {
        Some(noon) => noon,
        None => NaiveTime::MIN,
    }),
    None => DateTime::UNIX_EPOCH.naive_utc(),
}
.and_utc();

/// One simulated organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantSpec {
    /// The directory id, a GUID; compared without case.
    pub id: String,
    /// The primary domain, also accepted by the token endpoint and used in the events.
    pub name: String,
    /// The tenant's part of the generated events, relative to the others.
    #[serde(default = "one")]
    pub weight: u32,
    /// The application roles that an administrator consented to.
    #[serde(default = "all_roles")]
    pub roles: Vec<String>,
}

fn one() -> u32 {
    1
}

fn all_roles() -> Vec<String> {
    vec![READ_ROLE.to_owned(), READ_DLP_ROLE.to_owned()]
}

impl TenantSpec {
    /// A tenant of weight one with both roles.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            weight: one(),
            roles: all_roles(),
        }
    }
}

/// How listings look and which undocumented habits of the service they show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each on or off in a test"
)]
pub struct ListingQuirks {
    /// Blobs are listed in no order, within a page and across pages. Otherwise by availability. Default true.
    pub shuffle: bool,
    /// `NextPageUri` uses `/api/v1/`, says `endtime` and leaves `PublisherIdentifier` out. Default true.
    pub odd_page_urls: bool,
    /// The page token holds `!`, `%2B`, `-`, `_` and `=`. Default true.
    pub awkward_page_tokens: bool,
    /// The last descriptor of a page comes again on the next one. Default false.
    pub repeat_descriptors: bool,
    /// A window of exactly 24 hours is refused, as seen in 2026. Default false.
    pub refuse_exactly_24_hours: bool,
    /// A longer window is answered with 200 and the first 24 hours only, as documented. Otherwise refused. Default false.
    pub partial_beyond_24_hours: bool,
    /// A listing that starts within 15 minutes after a blob was created lists the rest of that blob under another id.
    /// Default false.
    pub partial_blobs_at_start: bool,
    /// The code of window errors: `AF20055` (default) or `AF20030`.
    pub window_error_code: String,
    /// A page URL older than this is refused with `AF20031`, in seconds. Default none.
    pub page_lifetime_secs: Option<u64>,
}

impl Default for ListingQuirks {
    fn default() -> Self {
        Self {
            shuffle: true,
            odd_page_urls: true,
            awkward_page_tokens: true,
            repeat_descriptors: false,
            refuse_exactly_24_hours: false,
            partial_beyond_24_hours: false,
            partial_blobs_at_start: false,
            window_error_code: "AF20055".to_owned(),
            page_lifetime_secs: None,
        }
    }
}

/// A whole simulated world. Start from [`SimulatorConfig::demo`] and change what the test is about.
#[derive(Debug, Clone)]
pub struct SimulatorConfig {
    /// Everything generated is a function of this.
    pub seed: u64,
    /// The organisations; at least one.
    pub tenants: Vec<TenantSpec>,
    /// The client id that the token endpoint knows.
    pub application_id: String,
    /// Its secret: a toy, shown by `Debug`.
    pub client_secret: String,
    /// The RSA public keys (DER, `SubjectPublicKeyInfo`) that may sign client assertions. While empty, assertions are
    /// checked for everything except their signature.
    pub assertion_keys: Vec<Vec<u8>>,
    /// The only algorithm that client assertions may be signed with, `PS256` or `RS256`. Without it both may.
    pub assertion_algorithm: Option<String>,
    /// The issuers whose tokens the application trusts (federated credentials). They are for the audience
    /// `api://AzureADTokenExchange`; their signature is not looked at.
    pub federated_issuers: Vec<String>,
    /// What `/msi/token` wants to see in `X-IDENTITY-HEADER`; without it there is no such endpoint. The one of virtual
    /// machines is always there. Both hand out tokens of the first tenant.
    pub identity_header: Option<String>,
    /// The base URL that answers name, when it is not `http://` and the listener's address.
    pub public_url: Option<String>,
    /// Audiences accepted besides the base URL and the published clouds.
    pub resources: Vec<String>,
    /// How many distinct events are generated, over all tenants and content types.
    pub events: u64,
    /// The feeds that get generated events. The others exist and are empty.
    pub content_types: Vec<ContentType>,
    /// The time.
    pub clock: SimClock,
    /// How far before the start of the clock the first blob was created. Below seven days, or it cannot be listed.
    pub history: Duration,
    /// How far after the start of the clock the last blob will be created.
    pub upcoming: Duration,
    /// Events per blob on average; sizes vary from one to nearly twice that.
    pub events_per_blob: u32,
    /// Descriptors per page of a listing.
    pub page_size: usize,
    /// `contentExpiration` minus `contentCreated`.
    pub retention: Duration,
    /// How many in a hundred generated events come again in the next blob of their feed.
    pub duplicate_percent: u8,
    /// How many in a hundred generated blobs show up late.
    pub late_percent: u8,
    /// How much later than created these show up.
    pub late_by: Duration,
    /// `expires_in` of the tokens.
    pub token_lifetime: Duration,
    /// Whether all subscriptions are enabled from the start. Default false: the client has to start them.
    pub subscribed: bool,
    /// Habits of the listing.
    pub listing: ListingQuirks,
    /// What goes wrong.
    pub faults: FaultPlan,
    /// NDJSON files, one audit record a line, served besides the generated events.
    pub files: Vec<PathBuf>,
}

const NAMES: [&str; 12] = [
    "contoso",
    "fabrikam",
    "northwind",
    "adventure",
    "tailspin",
    "wingtip",
    "litware",
    "proseware",
    "lucerne",
    "humongous",
    "woodgrove",
    "alpine",
];

impl SimulatorConfig {
    /// A world in which everything works: `tenants` organisations with ids and names derived from the seed, `events`
    /// events of the two days before [`DEFAULT_NOW`], at which the clock stands still.
    pub fn demo(seed: u64, tenants: usize, events: u64) -> Self {
        let tenants = (0..tenants)
            .map(|index| {
                let coordinate = index as u64;
                let name = NAMES[index % NAMES.len()];
                let suffix = if index < NAMES.len() {
                    String::new()
                } else {
                    format!("-{}", index / NAMES.len() + 1)
                };
                let id = random::guid(
                    random::hash(&[seed, coordinate, 1]),
                    random::hash(&[seed, coordinate, 2]),
                );
                TenantSpec::new(id, format!("{name}{suffix}.example"))
            })
            .collect();
        Self {
            seed,
            tenants,
            application_id: random::guid(random::hash(&[seed, 3]), random::hash(&[seed, 4])),
            client_secret: format!("simulated~{:x}", random::hash(&[seed, 5]) >> 24),
            assertion_keys: Vec::new(),
            assertion_algorithm: None,
            federated_issuers: Vec::new(),
            identity_header: None,
            public_url: None,
            resources: Vec::new(),
            events,
            content_types: ContentType::ALL.to_vec(),
            clock: SimClock::fixed(DEFAULT_NOW),
            history: Duration::from_hours(48),
            upcoming: Duration::ZERO,
            events_per_blob: 50,
            page_size: 200,
            retention: Duration::from_hours(7 * 24),
            duplicate_percent: 0,
            late_percent: 0,
            late_by: Duration::from_hours(3),
            token_lifetime: Duration::from_secs(3599),
            subscribed: false,
            listing: ListingQuirks::default(),
            faults: FaultPlan::default(),
            files: Vec::new(),
        }
    }

    /// Refuses what could only surprise later.
    pub(crate) fn validate(&self) -> Result<(), SimulatorError> {
        let problem = if self.tenants.is_empty() {
            "there is no tenant".to_owned()
        } else if let Some(tenant) = self.tenants.iter().find(|tenant| !is_guid(&tenant.id)) {
            format!("the tenant id {:?} is not a GUID", tenant.id)
        } else if let Some(tenant) = self.tenants.iter().enumerate().find_map(|(index, tenant)| {
            self.tenants[..index]
                .iter()
                .any(|other| other.id.eq_ignore_ascii_case(&tenant.id))
                .then_some(tenant)
        }) {
            format!("the tenant {} occurs twice", tenant.id)
        } else if self.events > 0 && self.content_types.is_empty() {
            "events without a content type have nowhere to go".to_owned()
        } else if self.events > 0 && self.tenants.iter().all(|tenant| tenant.weight == 0) {
            "the weights of all tenants are zero".to_owned()
        } else if self.events_per_blob == 0 || self.page_size == 0 {
            "events_per_blob and page_size must be at least one".to_owned()
        } else if self.events >= 1 << 40 {
            "more than 2^40 events".to_owned()
        } else {
            return Ok(());
        };
        Err(SimulatorError::Config(problem))
    }
}

/// Whether `text` has the form of a GUID.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demo_is_valid_and_follows_the_seed() {
        let config = SimulatorConfig::demo(1, 30, 10);
        config.validate().unwrap();
        assert_eq!(config.tenants, SimulatorConfig::demo(1, 30, 99).tenants);
        assert_ne!(config.tenants, SimulatorConfig::demo(2, 30, 10).tenants);
        assert_eq!(DEFAULT_NOW.to_rfc3339(), "2026-01-15T12:00:00+00:00");
        let mut names: Vec<_> = config.tenants.iter().map(|tenant| &tenant.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 30);
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        let refuse = |change: fn(&mut SimulatorConfig), expect: &str| {
            let mut config = SimulatorConfig::demo(1, 2, 10);
            change(&mut config);
            let message = config.validate().unwrap_err().to_string();
            assert!(message.contains(expect), "{message} does not say {expect}");
        };
        refuse(|config| config.tenants.clear(), "no tenant");
        refuse(|config| config.tenants[0].id = "contoso".to_owned(), "not a GUID");
        refuse(
            |config| config.tenants[1].id = config.tenants[0].id.to_uppercase(),
            "twice",
        );
        refuse(|config| config.page_size = 0, "at least one");
        refuse(|config| config.content_types.clear(), "content type");
    }
}

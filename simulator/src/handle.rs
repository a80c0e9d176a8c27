//! Changing and questioning a simulator while it runs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::content_type::ContentType;
use crate::error::SimulatorError;
use crate::fault::{FaultPlan, FaultState};
use crate::http::{App, lock};
use crate::report::{BlobReport, Report};
use crate::world::{self, Blob, Content, Feed, Recipe, Source, State, instant};

/// What a new blob holds.
#[derive(Debug, Clone)]
pub enum BlobContent {
    /// So many new events, as the feed would have them.
    Generated(u32),
    /// These records, each a JSON text, in an array.
    Events(Vec<String>),
    /// The whole body, byte for byte, whatever it is.
    Raw(Vec<u8>),
}

/// A blob to be added. Start from [`BlobSpec::new`].
#[derive(Debug, Clone)]
pub struct BlobSpec {
    /// The tenant's GUID.
    pub tenant: String,
    /// The feed.
    pub content_type: ContentType,
    /// What it holds.
    pub content: BlobContent,
    /// `contentCreated`; left out: now.
    pub created: Option<DateTime<Utc>>,
    /// From when on listings show it; left out: from its creation.
    pub visible_from: Option<DateTime<Utc>>,
    /// `contentExpiration`; left out: creation plus the configured retention.
    pub expires: Option<DateTime<Utc>>,
    /// An id of the test's choice; left out: of the usual form.
    pub content_id: Option<String>,
}

impl BlobSpec {
    /// A blob that is created now, visible at once and expires as usual.
    pub fn new(tenant: impl Into<String>, content_type: ContentType, content: BlobContent) -> Self {
        Self {
            tenant: tenant.into(),
            content_type,
            content,
            created: None,
            visible_from: None,
            expires: None,
            content_id: None,
        }
    }
}

/// Changes and questions a running simulator.
#[derive(Debug, Clone)]
pub struct SimulatorHandle {
    app: Arc<App>,
}

impl SimulatorHandle {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    /// Scheme, host and port.
    pub fn base_url(&self) -> &str {
        &self.app.base_url
    }

    /// The simulated time.
    pub fn now(&self) -> DateTime<Utc> {
        self.app.now()
    }

    /// Lets simulated time pass.
    pub fn advance(&self, by: Duration) {
        lock(&self.app.clock).advance(by);
    }

    /// Sets the simulated time.
    pub fn set_time(&self, at: DateTime<Utc>) {
        lock(&self.app.clock).set(at);
    }

    /// Replaces all faults; their counters begin anew.
    pub fn set_faults(&self, plan: FaultPlan) {
        *lock(&self.app.faults) = FaultState::new(plan);
    }

    /// Makes every token issued so far invalid.
    pub fn revoke_tokens(&self) {
        lock(&self.app.tokens).revoke_all();
    }

    /// Lets an administrator disable a subscription: `AF20023` until the next `start`.
    ///
    /// # Errors
    ///
    /// [`SimulatorError::UnknownTenant`].
    pub fn disable_subscription(
        &self,
        tenant: &str,
        content_type: ContentType,
    ) -> Result<(), SimulatorError> {
        let tenant = self.tenant(tenant)?;
        lock(&self.app.world)
            .feed(tenant, content_type)
            .subscription
            .state = State::Disabled;
        Ok(())
    }

    /// Whether the subscription is enabled now.
    ///
    /// # Errors
    ///
    /// [`SimulatorError::UnknownTenant`].
    pub fn is_subscribed(&self, tenant: &str, content_type: ContentType) -> Result<bool, SimulatorError> {
        let tenant = self.tenant(tenant)?;
        Ok(lock(&self.app.world)
            .feed(tenant, content_type)
            .subscription
            .state
            == State::Enabled)
    }

    /// Adds a blob and returns its content id.
    ///
    /// # Errors
    ///
    /// [`SimulatorError::UnknownTenant`], or [`SimulatorError::DuplicateContentId`] for an id that is taken.
    pub fn add_blob(&self, spec: BlobSpec) -> Result<String, SimulatorError> {
        let tenant = self.tenant(&spec.tenant)?;
        let created = spec.created.unwrap_or_else(|| self.now()).timestamp_millis();
        let retention = i64::try_from(self.app.config.retention.as_millis()).unwrap_or(i64::MAX / 4);
        let mut world = lock(&self.app.world);
        let source = match spec.content {
            BlobContent::Generated(count) => {
                let first = world.next_event;
                world.next_event += u64::from(count);
                Source::Generated {
                    first,
                    count,
                    echoes: Arc::from([]),
                }
            }
            BlobContent::Events(events) => Source::Given(events.into_iter().map(Bytes::from).collect()),
            BlobContent::Raw(bytes) => Source::Raw(bytes.into()),
        };
        let feed = world.feed(tenant, spec.content_type);
        if let Some(content_id) = &spec.content_id
            && feed.find(content_id).is_some()
        {
            return Err(SimulatorError::DuplicateContentId {
                content_type: spec.content_type,
                content_id: content_id.clone(),
            });
        }
        let blob = feed
            .insert(Blob {
                created,
                visible_from: spec.visible_from.map_or(created, |at| at.timestamp_millis()),
                expires: spec
                    .expires
                    .map_or(created + retention, |at| at.timestamp_millis()),
                seq: 0,
                custom_id: spec.content_id.map(Into::into),
                source,
                listed: 0,
                requested: 0,
                fetched: 0,
            })
            .clone();
        Ok(feed.content_id(&blob))
    }

    /// The records of a blob as they are served, whatever the clock, the subscription and the faults say. Reads files.
    ///
    /// # Errors
    ///
    /// [`SimulatorError::UnknownTenant`], or [`SimulatorError::ReadFile`]. A blob that does not exist has no records.
    pub fn events_of(
        &self,
        tenant: &str,
        content_type: ContentType,
        content_id: &str,
    ) -> Result<Vec<String>, SimulatorError> {
        let tenant = self.tenant(tenant)?;
        let recipe = {
            let mut world = lock(&self.app.world);
            let feed = world.feed(tenant, content_type);
            let Some(blob) = feed.find(content_id).cloned() else {
                return Ok(Vec::new());
            };
            feed.recipe(&blob)
        };
        self.write(&recipe)
    }

    /// The distinct `Id`s of a feed, sorted: all that exist, visible or not. Generates every event, and reads files.
    ///
    /// # Errors
    ///
    /// [`SimulatorError::UnknownTenant`], or [`SimulatorError::ReadFile`].
    pub fn event_ids(&self, tenant: &str, content_type: ContentType) -> Result<Vec<String>, SimulatorError> {
        self.ids(tenant, content_type, |_| true)
    }

    /// As [`event_ids`](Self::event_ids), of the blobs that were fetched whole at least once.
    ///
    /// # Errors
    ///
    /// [`SimulatorError::UnknownTenant`], or [`SimulatorError::ReadFile`].
    pub fn served_event_ids(
        &self,
        tenant: &str,
        content_type: ContentType,
    ) -> Result<Vec<String>, SimulatorError> {
        self.ids(tenant, content_type, |blob| blob.fetched > 0)
    }

    /// As [`event_ids`](Self::event_ids), of all feeds of all tenants.
    ///
    /// # Errors
    ///
    /// [`SimulatorError::ReadFile`].
    pub fn all_event_ids(&self) -> Result<Vec<String>, SimulatorError> {
        let mut all = Vec::new();
        for tenant in &self.app.config.tenants {
            for content_type in ContentType::ALL {
                all.extend(self.event_ids(&tenant.id, content_type)?);
            }
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// How many requests came so far, those for tokens included. Cheaper than the [`report`](Self::report).
    pub fn request_count(&self) -> u64 {
        lock(&self.app.journal).request_count()
    }

    /// What the client did so far.
    pub fn report(&self) -> Report {
        let mut report = lock(&self.app.journal).snapshot();
        let world = lock(&self.app.world);
        report.blobs = world
            .feeds
            .iter()
            .flat_map(|feed| feed.blobs().iter().map(move |blob| (feed, blob)))
            .map(|(feed, blob)| self.describe(feed, blob))
            .collect();
        report
    }

    fn describe(&self, feed: &Feed, blob: &Blob) -> BlobReport {
        BlobReport {
            tenant: self.app.config.tenants[feed.tenant].id.clone(),
            content_type: feed.content_type,
            content_id: feed.content_id(blob),
            created: instant(blob.created),
            visible_from: instant(blob.visible_from),
            expires: instant(blob.expires),
            listed: blob.listed,
            requested: blob.requested,
            fetched: blob.fetched,
        }
    }

    fn tenant(&self, id: &str) -> Result<usize, SimulatorError> {
        self.app
            .tenant_by_id(id)
            .ok_or_else(|| SimulatorError::UnknownTenant(id.to_owned()))
    }

    fn ids(
        &self,
        tenant: &str,
        content_type: ContentType,
        wanted: impl Fn(&Blob) -> bool,
    ) -> Result<Vec<String>, SimulatorError> {
        let tenant = self.tenant(tenant)?;
        let recipes: Vec<Recipe> = {
            let mut world = lock(&self.app.world);
            let feed = world.feed(tenant, content_type);
            feed.blobs()
                .iter()
                .filter(|blob| wanted(blob))
                .map(|blob| feed.recipe(blob))
                .collect()
        };
        let mut ids = Vec::new();
        for recipe in &recipes {
            match &recipe.source {
                // The id of a generated event needs no event.
                Source::Generated { first, count, echoes } => {
                    let seed = self.app.config.seed;
                    let events =
                        (*first..first + u64::from(*count)).chain(echoes.iter().map(|echo| echo.index));
                    ids.extend(events.map(|index| crate::random::event_guid(seed, index)));
                }
                _ => ids.extend(self.write(recipe)?.iter().filter_map(|event| id_of(event))),
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    fn write(&self, recipe: &Recipe) -> Result<Vec<String>, SimulatorError> {
        let config = &self.app.config;
        let read = |source: io::Error| SimulatorError::ReadFile {
            path: match &recipe.source {
                Source::Lines { file, .. } => config.files[*file].clone(),
                _ => std::path::PathBuf::new(),
            },
            source,
        };
        let content = world::write_blob(config.seed, &config.tenants, &config.files, recipe).map_err(read)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(match content {
            Content::Elements(elements) => elements.iter().map(|element| text(element)).collect(),
            // Only a body that is an array has records to speak of.
            Content::Raw(bytes) => serde_json::from_slice::<Vec<serde_json::Value>>(&bytes)
                .unwrap_or_default()
                .iter()
                .map(ToString::to_string)
                .collect(),
        })
    }
}

fn id_of(event: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(event).ok()?;
    event.get("Id")?.as_str().map(str::to_owned)
}

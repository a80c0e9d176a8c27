//! What exists: the feeds, their blobs and their subscriptions.
//!
//! A blob is a few numbers. Its text is made, or read from a file, when somebody fetches it: see [`Source`].

mod feed;
mod plan;

pub(crate) use feed::{Blob, Echo, Feed, Source, State, Subscription, instant};

use std::io;
use std::path::PathBuf;

use crate::config::{SimulatorConfig, TenantSpec};
use crate::content_type::ContentType;
use crate::error::SimulatorError;
use crate::files;
use crate::generate::{self, People};

/// All feeds, ordered by tenant, then by content type.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) feeds: Vec<Feed>,
    /// The number of the next event to be generated.
    pub(crate) next_event: u64,
}

impl World {
    /// Lays out everything that the configuration promises.
    pub(crate) fn build(config: &SimulatorConfig) -> Result<Self, SimulatorError> {
        plan::build(config)
    }

    pub(crate) fn feed(&mut self, tenant: usize, content_type: ContentType) -> &mut Feed {
        &mut self.feeds[tenant * ContentType::ALL.len() + content_type.index()]
    }

    /// The five feeds of a tenant.
    pub(crate) fn feeds_of(&mut self, tenant: usize) -> &mut [Feed] {
        let count = ContentType::ALL.len();
        &mut self.feeds[tenant * count..(tenant + 1) * count]
    }
}

/// All that is needed to write the text of a blob, without the world.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) tenant: usize,
    pub(crate) content_type: ContentType,
    pub(crate) created: i64,
    pub(crate) source: Source,
}

/// The elements of a blob's array, or its text when that was given as it is.
#[derive(Debug)]
pub(crate) enum Content {
    Elements(Vec<Vec<u8>>),
    Raw(Vec<u8>),
}

/// Writes a blob. Blocks while it reads files.
pub(crate) fn write_blob(
    seed: u64,
    tenants: &[TenantSpec],
    files: &[PathBuf],
    recipe: &Recipe,
) -> io::Result<Content> {
    let people = People::of(&tenants[recipe.tenant]);
    let event = |index, created| {
        let mut out = String::with_capacity(2560);
        generate::write_event(&mut out, seed, &people, recipe.content_type, index, created);
        out.into_bytes()
    };
    match &recipe.source {
        Source::Generated { first, count, echoes } => Ok(Content::Elements(
            (*first..*first + u64::from(*count))
                .map(|index| event(index, recipe.created))
                .chain(echoes.iter().map(|echo| event(echo.index, echo.created)))
                .collect(),
        )),
        Source::Lines { file, spans } => files::read(&files[*file], spans).map(Content::Elements),
        Source::Given(elements) => Ok(Content::Elements(
            elements.iter().map(|element| element.to_vec()).collect(),
        )),
        Source::Raw(bytes) => Ok(Content::Raw(bytes.to_vec())),
    }
}

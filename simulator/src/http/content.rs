//! Fetching a blob.

use std::sync::Arc;

use crate::http::call::Call;
use crate::http::gate::Access;
use crate::http::listing::{PARTIAL_SUFFIX, subscribed};
use crate::http::reply::{ApiError, Reply};
use crate::http::{App, lock};
use crate::world::{self, Content};

pub(crate) async fn fetch(app: &Arc<App>, call: &Call, access: &Access, id: &str) -> Result<Reply, ApiError> {
    let now = app.now().timestamp_millis();
    let plain = id.strip_suffix(PARTIAL_SUFFIX);
    let recipe = {
        let mut world = lock(&app.world);
        let feed = world
            .feeds_of(access.tenant)
            .iter_mut()
            .find_map(|feed| feed.find(plain.unwrap_or(id)).is_some().then_some(feed))
            .ok_or_else(|| {
                // An id that cannot be one at all is told apart from one that nobody knows.
                let code = if id.matches('$').count() >= 2 {
                    "AF20050"
                } else {
                    "AF20052"
                };
                ApiError::new(code, id)
            })?;
        access.may_read(feed.content_type)?;
        subscribed(feed)?;
        let blob = feed
            .find(plain.unwrap_or(id))
            .ok_or_else(|| ApiError::new("AF20050", id))?;
        blob.requested += 1;
        if blob.expires <= now {
            return Err(ApiError::new("AF20051", id));
        }
        let blob = blob.clone();
        if !feed.shows(&blob, now) {
            return Err(ApiError::new("AF20050", id));
        }
        feed.recipe(&blob)
    };
    let worker = Arc::clone(app);
    let written = tokio::task::spawn_blocking(move || {
        let config = &worker.config;
        world::write_blob(config.seed, &config.tenants, &config.files, &recipe)
    })
    .await;
    match written {
        Ok(Ok(Content::Elements(elements))) => {
            let skipped = if plain.is_some() { elements.len() / 2 } else { 0 };
            Ok(Reply::elements(elements.into_iter().skip(skipped).collect()))
        }
        Ok(Ok(Content::Raw(bytes))) => Ok(Reply::json(200, bytes)),
        // A file of the user changed under our feet: loud, and in no form of the real service.
        Ok(Err(error)) => Ok(Reply::json(
            500,
            format!("{{\"simulator\":\"reading {} failed: {error}\"}}", call.label),
        )),
        Err(_) => Err(ApiError::new("AF50000", "")),
    }
}

/// Counts a blob that left whole and unharmed.
pub(crate) fn note_fetched(app: &App, tenant: &str, id: &str) {
    let Some(tenant) = app.tenant_by_id(tenant) else {
        return;
    };
    let mut world = lock(&app.world);
    if let Some(blob) = world.feeds_of(tenant).iter_mut().find_map(|feed| feed.find(id)) {
        blob.fetched += 1;
    }
}

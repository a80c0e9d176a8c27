//! Bodies of blobs, within bounds.
//!
//! A body is held until all of its events are on their way, so that a body that is cut short has sent nothing yet.
//! Memory stays bounded: a limited number of bodies may be held, each of a usual size; larger ones take turns.

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    client::{embedded, transport},
    error::{ApiError, Operation},
    events::{Split, SplitError, split},
};

/// Bodies that may be held at once, over all tenants.
const BODIES: usize = 48;
/// A body beyond this size waits for its turn.
const USUAL: usize = 4 * 1024 * 1024;

/// Room for bodies.
#[derive(Debug)]
pub(crate) struct BodyRoom {
    usual: Semaphore,
    large: Semaphore,
}

/// The room that one body takes.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    _usual: SemaphorePermit<'a>,
    large: Option<SemaphorePermit<'a>>,
}

impl Default for BodyRoom {
    fn default() -> Self {
        Self {
            usual: Semaphore::new(BODIES),
            large: Semaphore::new(1),
        }
    }
}

/// Why a body was not cut into events, and the body, if all of it is there.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) error: ApiError,
    pub(crate) body: Option<Bytes>,
}

impl From<ApiError> for Unread {
    fn from(error: ApiError) -> Self {
        Self { error, body: None }
    }
}

/// Reads a body to its end and cuts it into events.
///
/// # Cancel safety
/// Nothing is lost but what was read.
pub(crate) async fn read_blob(
    room: &BodyRoom,
    mut response: Response,
    limit: u64,
) -> Result<(Split, usize, Held<'_>), Unread> {
    let status = response.status();
    let operation = Operation::FetchBlob;
    let mut held = Held {
        _usual: room.usual.acquire().await.expect("the semaphore is never closed"),
        large: None,
    };
    let mut body = BytesMut::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| transport(operation, error))?
    {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(ApiError::TooLarge { limit }.into());
        }
        if body.len() + chunk.len() > USUAL && held.large.is_none() {
            held.large = Some(room.large.acquire().await.expect("the semaphore is never closed"));
        }
        body.extend_from_slice(&chunk);
    }
    let body: Bytes = body.freeze();
    if body.trim_ascii_start().starts_with(b"{")
        && let Some(error) = embedded(operation, status, &body)
    {
        return Err(Unread {
            error,
            body: Some(body),
        });
    }
    match split(&body) {
        Ok(events) => Ok((events, body.len(), held)),
        Err(error @ (SplitError::Empty | SplitError::NoArray | SplitError::Broken(_))) => Err(Unread {
            error: ApiError::Body {
                operation,
                reason: error.to_string(),
            },
            body: Some(body),
        }),
    }
}

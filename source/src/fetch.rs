//! Bodies of blobs, within bounds.
//!
//! A body is held until all of its events are on their way, so that a body that is cut short has sent nothing yet.
//! Memory stays bounded: bodies of a usual size share a room that is counted in bytes; larger ones take turns.

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    client::{embedded, transport},
    error::{ApiError, Operation},
    events::{Split, SplitError, split},
    slots::{Slot, Slots},
};

/// Bytes of bodies that may be held at once, over all tenants.
const ROOM: usize = 4 * 1024 * 1024;
/// What room is counted in.
const UNIT: usize = 64 * 1024;
/// A body without a known length is expected to be so long, and one that turns out longer grows in such steps.
const STEP: usize = 1024 * 1024;
/// A body beyond this size waits for its turn.
const USUAL: usize = 2 * 1024 * 1024;

/// Room for bodies, in bytes. A tenant that keeps us waiting takes no more of it than its bodies are long, so that others
/// go on.
#[derive(Debug)]
pub(crate) struct BodyRoom {
    usual: Semaphore,
    /// Whoever needs more than there is takes turns.
    large: Semaphore,
    slots: Slots,
}

/// The room that one body takes.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    room: &'a BodyRoom,
    usual: SemaphorePermit<'a>,
    bytes: usize,
    large: Option<SemaphorePermit<'a>>,
}

impl Default for BodyRoom {
    fn default() -> Self {
        Self {
            usual: Semaphore::new(ROOM / UNIT),
            large: Semaphore::new(1),
            slots: Slots::for_bodies(),
        }
    }
}

impl BodyRoom {
    /// Waits until it makes sense to ask for a body.
    pub(crate) async fn wanted(&self) -> Slot<'_> {
        self.slots.slot().await
    }

    /// Waits for room for a body of about this length.
    async fn take(&self, bytes: usize, slot: Slot<'_>) -> Held<'_> {
        let bytes = bytes.clamp(1, USUAL);
        let usual = if let Ok(usual) = self.usual.try_acquire_many(units(bytes)) {
            slot.there_was_room();
            usual
        } else {
            let _slot = slot.there_is_none();
            self.usual
                .acquire_many(units(bytes))
                .await
                .expect("the semaphore is never closed")
        };
        Held {
            room: self,
            usual,
            bytes,
            large: None,
        }
    }
}

impl Held<'_> {
    /// Waits for room for a body that is this long by now. Whoever holds room never waits for more of the usual kind: all
    /// might.
    async fn grow(&mut self, bytes: usize) {
        if bytes <= self.bytes || self.large.is_some() {
            return;
        }
        let more = STEP.max(bytes - self.bytes);
        if bytes <= USUAL
            && let Ok(permit) = self.room.usual.try_acquire_many(units(more))
        {
            self.usual.merge(permit);
            self.bytes += more;
            return;
        }
        self.large = Some(
            self.room
                .large
                .acquire()
                .await
                .expect("the semaphore is never closed"),
        );
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
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
pub(crate) async fn read_blob<'a>(
    room: &'a BodyRoom,
    mut response: Response,
    slot: Slot<'_>,
    limit: u64,
) -> Result<(Split, usize, Held<'a>), Unread> {
    let status = response.status();
    let operation = Operation::FetchBlob;
    let length = response
        .content_length()
        .and_then(|length| usize::try_from(length).ok());
    let mut held = room.take(length.unwrap_or(STEP), slot).await;
    // The service may promise more than it sends.
    let mut body = BytesMut::with_capacity(length.unwrap_or_default().min(USUAL));
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| transport(operation, error))?
    {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(ApiError::TooLarge { limit }.into());
        }
        held.grow(body.len() + chunk.len()).await;
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// What a future has to say at once. A test that asks often must not be made to yield.
    fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
        tokio::task::unconstrained(future).now_or_never()
    }

    async fn take(room: &BodyRoom, bytes: usize) -> Held<'_> {
        room.take(bytes, room.wanted().await).await
    }

    #[tokio::test]
    async fn room_is_counted_in_bytes() {
        let room = BodyRoom::default();
        let mut held = Vec::new();
        // Small bodies are many, and there is a limit to them nevertheless.
        while let Some(one) = at_once(take(&room, UNIT)) {
            held.push(one);
        }
        assert_eq!(held.len(), ROOM / UNIT);
        drop(held.pop());
        assert!(at_once(take(&room, UNIT)).is_some());
        assert!(at_once(take(&room, 2 * UNIT)).is_none());
    }

    #[tokio::test]
    async fn a_body_that_grows_beyond_the_room_waits_for_its_turn() {
        let room = BodyRoom::default();
        let mut first = take(&room, UNIT).await;
        let mut second = take(&room, UNIT).await;
        let rest: Vec<_> = std::iter::from_fn(|| at_once(take(&room, USUAL))).collect();
        let rest_small: Vec<_> = std::iter::from_fn(|| at_once(take(&room, UNIT))).collect();
        assert!(at_once(first.grow(2 * UNIT)).is_some(), "the first has its turn");
        assert!(at_once(second.grow(2 * UNIT)).is_none(), "the second waits");
        drop(first);
        assert!(at_once(second.grow(2 * UNIT)).is_some());
        drop((rest, rest_small));
        assert!(at_once(take(&room, USUAL)).is_some());
    }

    #[tokio::test]
    async fn a_body_grows_within_the_room_without_a_turn() {
        let room = BodyRoom::default();
        let mut held = take(&room, UNIT).await;
        held.grow(STEP).await;
        held.grow(2 * STEP).await;
        assert!(held.large.is_none());
        held.grow(USUAL + STEP).await;
        assert!(held.large.is_some());
        drop(held);
        assert_eq!(room.usual.available_permits(), ROOM / UNIT);
        let mut full = take(&room, USUAL).await;
        full.grow(USUAL).await;
        assert!(full.large.is_none());
        full.grow(USUAL + 1).await;
        assert!(full.large.is_some());
    }
}

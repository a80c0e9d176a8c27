//! How many requests are under way at a time, over all tenants.
//!
//! Bodies of blobs: an answer that finds no room waits, with a connection of its own and with what has arrived on it; more of them
//! bring no body here any sooner. So their number is what the pipeline can take: it grows by each answer that finds room at once,
//! since then it is the service that takes its time, and shrinks by each that has to wait.
//!
//! All other requests are small, and their number is fixed: thousands of tenants that begin together would open thousands of
//! connections, the more the slower they are answered, and each would keep its buffers.

use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// So that there is always an answer to go on with.
const NARROWEST: usize = 4;
const FIRST: usize = 16;
/// Fits, twice, in what a process may hold open by default, 1,024 files.
const WIDEST: usize = 256;
/// Whoever is not answered for so long holds up nobody else.
const PATIENCE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Slots {
    /// As many as `size`, taken ones included.
    free: Semaphore,
    size: AtomicUsize,
}

impl Slots {
    /// For bodies: as many as find room.
    pub(crate) fn for_bodies() -> Self {
        Self::of(FIRST)
    }

    /// For requests whose answers say nothing of room.
    pub(crate) fn for_the_others() -> Self {
        Self::of(WIDEST)
    }

    fn of(size: usize) -> Self {
        Self {
            free: Semaphore::new(size),
            size: AtomicUsize::new(size),
        }
    }

    pub(crate) async fn slot(&self) -> Slot<'_> {
        let permit = self.free.acquire().await;
        Slot {
            slots: self,
            permit: Some(permit.expect("the semaphore is never closed")),
        }
    }

    /// Whether the size could be changed to what `next` makes of it.
    fn resize(&self, next: impl FnMut(usize) -> Option<usize>) -> bool {
        let changed = self.size.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        changed.is_ok()
    }
}

/// The right to ask once, until there is an answer, and room for it.
#[derive(Debug)]
pub(crate) struct Slot<'a> {
    slots: &'a Slots,
    /// None once the answer is late.
    permit: Option<SemaphorePermit<'a>>,
}

impl Slot<'_> {
    /// Waits for an answer. One that is late gives up the slot, so that a tenant that hangs holds up only itself.
    pub(crate) async fn answer<T>(&mut self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        if let Ok(answer) = timeout(PATIENCE, &mut answer).await {
            return answer;
        }
        self.permit = None;
        answer.await
    }

    /// The answer has found room, in time or late.
    pub(crate) fn there_was_room(self) {
        if self.slots.resize(|size| (size < WIDEST).then_some(size + 1)) {
            self.slots.free.add_permits(1);
        }
    }

    /// The answer has to wait for room.
    pub(crate) fn there_is_none(mut self) -> Self {
        let narrower = |_: &mut _| self.slots.resize(|size| (size > NARROWEST).then_some(size - 1));
        if let Some(permit) = self.permit.take_if(narrower) {
            permit.forget();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;

    use super::*;

    /// All slots that can be had at once.
    fn all(slots: &Slots) -> Vec<Slot<'_>> {
        std::iter::from_fn(|| tokio::task::unconstrained(slots.slot()).now_or_never()).collect()
    }

    #[tokio::test]
    async fn the_window_grows_while_there_is_room() {
        let slots = Slots::for_bodies();
        assert_eq!(all(&slots).len(), FIRST);
        for _ in 0..2 * WIDEST {
            slots.slot().await.there_was_room();
        }
        assert_eq!(all(&slots).len(), WIDEST);
    }

    #[tokio::test]
    async fn the_window_shrinks_while_answers_wait() {
        let slots = Slots::for_bodies();
        let waiting: Vec<_> = all(&slots).into_iter().map(Slot::there_is_none).collect();
        assert!(
            all(&slots).is_empty(),
            "the last ones keep their slots while they wait"
        );
        drop(waiting);
        assert_eq!(all(&slots).len(), NARROWEST);
        slots.slot().await.there_was_room();
        assert_eq!(all(&slots).len(), NARROWEST + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_late_holds_up_nobody() {
        let slots = Slots::for_bodies();
        let mut taken = all(&slots);
        assert!(all(&slots).is_empty());
        let late = taken.iter_mut().map(|slot| slot.answer(pending::<()>()));
        let late = futures_util::future::join_all(late);
        assert!(timeout(2 * PATIENCE, late).await.is_err());
        assert_eq!(all(&slots).len(), FIRST);
        // A slow service is asked for more at a time.
        taken.swap_remove(0).there_was_room();
        assert_eq!(all(&slots).len(), FIRST + 1);
        // It has no slot that could be taken away.
        let _waiting = taken.swap_remove(0).there_is_none();
        assert_eq!(all(&slots).len(), FIRST + 1);
    }

    #[tokio::test]
    async fn an_answer_in_time_keeps_its_slot() {
        let slots = Slots::for_bodies();
        let mut taken = all(&slots);
        assert_eq!(taken[0].answer(ready(7)).await, 7);
        assert!(all(&slots).is_empty());
    }
}

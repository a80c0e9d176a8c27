//! Events that are on their way, so that their repetitions wait for how that ends.
//!
//! The service repeats events by design, also in blobs that are fetched at the same time. Whoever wants to send an event
//! claims its id first. An id that another blob has claimed is not dropped, since that blob may fail: it waits until the
//! other blob has ended, and then looks into the ledger. Claims are taken in one step, and later ones wait
//! for earlier ones only, so nobody waits in a circle.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::ledger::EventKey;

/// The claimed ids of one tenant.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Mutex<HashMap<EventKey, CancellationToken>>);

/// The claims of one blob. They end when this is dropped, so it is kept until the ledger knows how the blob ended.
#[derive(Debug)]
pub(crate) struct Claim {
    in_flight: Arc<InFlight>,
    keys: Vec<EventKey>,
    ended: CancellationToken,
}

impl Claim {
    pub(crate) fn new(in_flight: &Arc<InFlight>) -> Self {
        Self {
            in_flight: Arc::clone(in_flight),
            keys: Vec::new(),
            ended: CancellationToken::new(),
        }
    }

    /// Claims ids, each of them different and not claimed by this blob before. For an id that another blob has: what
    /// to wait for.
    pub(crate) fn take<'a>(
        &mut self,
        keys: impl Iterator<Item = &'a EventKey>,
    ) -> Vec<Option<CancellationToken>> {
        let mut claimed = self.in_flight.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.map(|key| match claimed.entry(key.clone()) {
            Entry::Occupied(other) => Some(other.get().clone()),
            Entry::Vacant(free) => {
                free.insert(self.ended.clone());
                self.keys.push(key.clone());
                None
            }
        })
        .collect()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = self.in_flight.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            claimed.remove(key);
        }
        drop(claimed);
        self.ended.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> EventKey {
        EventKey::new(id).unwrap()
    }

    #[test]
    fn the_second_waits_until_the_first_has_ended() {
        let in_flight = Arc::new(InFlight::default());
        let (a, b, c) = (key("a"), key("b"), key("c"));
        let mut first = Claim::new(&in_flight);
        assert!(first.take([&a, &b].into_iter()).iter().all(Option::is_none));
        let mut second = Claim::new(&in_flight);
        let taken = second.take([&b, &c].into_iter());
        let wait = taken[0].clone().unwrap();
        assert!(taken[1].is_none() && !wait.is_cancelled());
        drop(first);
        assert!(wait.is_cancelled());
        assert!(second.take([&b].into_iter())[0].is_none());
        drop(second);
        assert!(in_flight.0.lock().unwrap().is_empty());
    }
}

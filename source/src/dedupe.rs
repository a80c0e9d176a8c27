//! Events that are on their way, so that their repetitions wait for how that ends.
//!
//! The service repeats events by design, also in blobs that are fetched at the same time. Whoever wants to send an event
//! claims its id first. An id that another blob has claimed is not dropped, since that blob may fail: it waits until the
//! other blob has ended, and then looks into the ledger.
//!
//! Claims stand in a queue for each id, and a blob takes all of its places in one step. So it waits only for blobs that
//! came before it, and nobody waits in a circle.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use smallvec::SmallVec;
use tokio_util::sync::CancellationToken;

use crate::ledger::EventKey;

/// The claimed ids of one tenant.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Mutex<Queues>);

#[derive(Debug, Default)]
struct Queues {
    /// Claims made so far: the number of the last one.
    claims: u64,
    /// For each id, the claims on it in their order. Nearly always there is one.
    claimed: HashMap<EventKey, SmallVec<[u64; 2]>>,
    /// The end of each claim.
    ends: HashMap<u64, CancellationToken>,
}

/// The claims of one blob. They end when this is dropped, so it is kept until the ledger knows how the blob ended.
#[derive(Debug)]
pub(crate) struct Claim {
    in_flight: Arc<InFlight>,
    number: u64,
    keys: Vec<EventKey>,
    ended: CancellationToken,
}

/// The earlier claims on an id.
#[derive(Debug, Clone)]
pub(crate) struct Earlier(Vec<CancellationToken>);

impl Earlier {
    /// Waits until all of them have ended.
    pub(crate) async fn ended(&self) {
        for claim in &self.0 {
            claim.cancelled().await;
        }
    }
}

impl Claim {
    pub(crate) fn new(in_flight: &Arc<InFlight>) -> Self {
        let mut queues = in_flight.0.lock().unwrap_or_else(PoisonError::into_inner);
        queues.claims += 1;
        let (number, ended) = (queues.claims, CancellationToken::new());
        queues.ends.insert(number, ended.clone());
        Self {
            in_flight: Arc::clone(in_flight),
            number,
            keys: Vec::new(),
            ended,
        }
    }

    /// Claims ids, each of them different. For an id that other blobs have claimed before: what to wait for.
    pub(crate) fn take<'a>(&mut self, keys: impl Iterator<Item = &'a EventKey>) -> Vec<Option<Earlier>> {
        let mut queues = self.in_flight.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Queues { claimed, ends, .. } = &mut *queues;
        keys.map(|key| {
            let queue = claimed.entry(key.clone()).or_default();
            let place = queue.iter().position(|number| *number == self.number);
            let earlier: Vec<_> = queue
                .iter()
                .take(place.unwrap_or(queue.len()))
                .map(|number| ends[number].clone())
                .collect();
            if place.is_none() {
                queue.push(self.number);
                self.keys.push(key.clone());
            }
            (!earlier.is_empty()).then_some(Earlier(earlier))
        })
        .collect()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut queues = self.in_flight.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            if let Some(queue) = queues.claimed.get_mut(key) {
                queue.retain(|number| *number != self.number);
                if queue.is_empty() {
                    queues.claimed.remove(key);
                }
            }
        }
        queues.ends.remove(&self.number);
        drop(queues);
        self.ended.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    impl InFlight {
        fn is_empty(&self) -> bool {
            let queues = self.0.lock().unwrap();
            queues.claimed.is_empty() && queues.ends.is_empty()
        }
    }

    impl Earlier {
        fn has_ended(&self) -> bool {
            self.0.iter().all(CancellationToken::is_cancelled)
        }
    }

    fn key(id: &str) -> EventKey {
        EventKey::new(id, None).unwrap()
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
        assert!(taken[1].is_none() && !wait.has_ended());
        drop(first);
        assert!(wait.has_ended());
        assert!(second.take([&b].into_iter())[0].is_none());
        drop(second);
        assert!(in_flight.is_empty());
    }

    /// Two blobs that hold some and want some of each other's would wait for ever, if a later one could get in between.
    #[test]
    fn a_later_blob_waits_for_every_earlier_one_that_wants_the_same() {
        let in_flight = Arc::new(InFlight::default());
        let (b, c) = (key("b"), key("c"));
        let mut first = Claim::new(&in_flight);
        first.take([&b].into_iter());
        let mut second = Claim::new(&in_flight);
        let second_waits = second.take([&b, &c].into_iter());
        let mut third = Claim::new(&in_flight);
        let third_waits = third.take([&c, &b].into_iter());
        drop(first);
        assert!(second_waits[0].as_ref().unwrap().has_ended() && second_waits[1].is_none());
        assert!(third_waits.iter().all(|wait| !wait.as_ref().unwrap().has_ended()));
        drop(second);
        assert!(third_waits.iter().all(|wait| wait.as_ref().unwrap().has_ended()));
        drop(third);
        assert!(in_flight.is_empty());
    }

    proptest! {
        /// Whatever blobs claim and however they end: each has at most one holder, nobody waits in a circle, and what
        /// is waited for ends.
        #[test]
        fn nobody_waits_in_a_circle(
            steps in proptest::collection::vec((0_usize..6, proptest::collection::btree_set(0_u8..8, 1..6), any::<bool>()), 1..60),
        ) {
            let in_flight = Arc::new(InFlight::default());
            let mut claims: Vec<Option<(Claim, bool)>> = (0..6).map(|_| None).collect();
            for (slot, ids, drops) in steps {
                if drops {
                    claims[slot] = None;
                } else {
                    let (claim, taken) = claims[slot].get_or_insert_with(|| (Claim::new(&in_flight), false));
                    // A blob takes all of its places in one step, and may ask again for them.
                    let keys: Vec<EventKey> = if *taken {
                        claim.keys.clone()
                    } else {
                        ids.iter().map(|id| key(&id.to_string())).collect()
                    };
                    *taken = true;
                    let waits = claim.take(keys.iter());
                    prop_assert_eq!(waits.len(), keys.len());
                    let queues = in_flight.0.lock().unwrap();
                    for (key, wait) in keys.iter().zip(waits) {
                        let queue = &queues.claimed[key];
                        let holds = queue[0] == claim.number;
                        prop_assert_eq!(holds, wait.is_none());
                        prop_assert!(wait.is_none_or(|wait| !wait.has_ended()));
                        prop_assert_eq!(queue.iter().filter(|number| **number == claim.number).count(), 1);
                    }
                }
                prop_assert!(is_acyclic(&in_flight));
            }
            // Ending only those that wait for nobody ends all.
            while claims.iter().any(Option::is_some) {
                let free = claims.iter_mut().find_map(|slot| {
                    let (claim, _) = slot.as_mut()?;
                    let keys = claim.keys.clone();
                    let first = claim.take(keys.iter()).iter().all(Option::is_none);
                    first.then_some(slot)
                });
                prop_assert!(free.is_some(), "everybody waits");
                if let Some(free) = free {
                    *free = None;
                }
            }
            prop_assert!(in_flight.is_empty());
        }
    }

    /// Removes blobs that wait for nobody until nothing is left, or everybody waits.
    fn is_acyclic(in_flight: &InFlight) -> bool {
        let queues = in_flight.0.lock().unwrap();
        let mut waits: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for queue in queues.claimed.values() {
            for (place, number) in queue.iter().enumerate() {
                waits.entry(*number).or_default().extend(&queue[..place]);
            }
        }
        while let Some(free) = waits
            .iter()
            .find(|(_, earlier)| earlier.is_empty())
            .map(|(number, _)| *number)
        {
            waits.remove(&free);
            for earlier in waits.values_mut() {
                earlier.remove(&free);
            }
        }
        waits.is_empty()
    }
}

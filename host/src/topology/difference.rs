//! What of a pipeline that runs can go on in the next one. Pure.
//!
//! A component is built anew if its own configuration is another one or it reads from something else. That alone would not
//! be enough: an event that is in a transform above such a component left its source under the old configuration and leaves
//! that transform under the new one, and so could come to the component twice, or not at all. Therefore a transform goes on
//! only if there are as many ways from it to every other component that stays as there were. Then each of them sees each
//! event as often as one of the two pipelines says.

use std::collections::{BTreeMap, BTreeSet};

use o365_core::ComponentKey;
use serde::Serialize;

use super::{OutputId, Pipeline, Plan};

/// Components by what happens to them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Difference {
    /// New ones.
    pub added: BTreeSet<ComponentKey>,
    /// Those that are drained and gone.
    pub removed: BTreeSet<ComponentKey>,
    /// Those that are drained and built anew.
    pub changed: BTreeSet<ComponentKey>,
    /// Those that go on and notice nothing.
    pub kept: BTreeSet<ComponentKey>,
}

impl Difference {
    /// Whether the pipeline stays as it is.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Compares two pipelines. `ended` are transforms and sinks whose sources have ended: they cannot go on.
pub(super) fn difference(
    old: (&Pipeline, &Plan),
    new: (&Pipeline, &Plan),
    ended: &BTreeSet<ComponentKey>,
) -> Difference {
    let (before, after) = (old.0.keys(), new.0.keys());
    let surviving: BTreeSet<_> = before.intersection(&after).cloned().collect();
    let (read_before, read_after) = (inputs(old.1), inputs(new.1));
    let mut changed: BTreeSet<_> = surviving
        .iter()
        .filter(|key| {
            old.0.fingerprints.get(*key) != new.0.fingerprints.get(*key)
                || read_before.get(*key) != read_after.get(*key)
        })
        .cloned()
        .collect();
    let (ways_before, ways_after) = (ways(old.1), ways(new.1));
    let transforms = surviving.iter().filter(|key| new.0.transforms.contains_key(*key));
    let drained = transforms.filter(|key| {
        let count = |ways: &BTreeMap<_, Ways<'_>>, to| ways.get(*key).and_then(|ways| ways.get(to)).copied();
        surviving
            .iter()
            .any(|to| count(&ways_before, to) != count(&ways_after, to))
    });
    changed.extend(drained.cloned());
    let added: BTreeSet<_> = after.difference(&before).cloned().collect();
    // What has ended because its sources have stays so, unless something begins to flow into it.
    loop {
        let flows = |key: &ComponentKey| {
            let is_source = new.0.sources.contains_key(key);
            added.contains(key) || changed.contains(key) || !(is_source || ended.contains(key))
        };
        let revived: Vec<_> = surviving
            .iter()
            .filter(|key| ended.contains(*key) && !changed.contains(*key))
            .filter(|key| {
                let inputs = read_after.get(key).into_iter().flatten();
                inputs.map(|input| &input.component).any(flows)
            })
            .cloned()
            .collect();
        if revived.is_empty() {
            break;
        }
        changed.extend(revived);
    }
    Difference {
        removed: before.difference(&after).cloned().collect(),
        kept: surviving.difference(&changed).cloned().collect(),
        added,
        changed,
    }
}

/// What each component reads from.
fn inputs(plan: &Plan) -> BTreeMap<&ComponentKey, BTreeSet<&OutputId>> {
    let mut inputs: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (output, readers) in &plan.readers {
        for reader in readers {
            inputs.entry(reader).or_default().insert(output);
        }
    }
    inputs
}

/// Who reads from a component, over all its outputs.
fn readers<'p>(plan: &'p Plan, key: &ComponentKey) -> impl Iterator<Item = &'p ComponentKey> {
    let outputs = plan
        .readers
        .iter()
        .filter(move |(output, _)| output.component == *key);
    outputs.flat_map(|(_, readers)| readers)
}

/// How many ways there are from a component to each of those below it.
type Ways<'p> = BTreeMap<&'p ComponentKey, u64>;

/// The ways from every component that is read from.
fn ways(plan: &Plan) -> BTreeMap<&ComponentKey, Ways<'_>> {
    let mut known = BTreeMap::new();
    for output in plan.readers.keys() {
        find_ways(plan, &output.component, &mut known);
    }
    known
}

/// Each is found once, from what is below it.
fn find_ways<'p>(plan: &'p Plan, from: &'p ComponentKey, known: &mut BTreeMap<&'p ComponentKey, Ways<'p>>) {
    if known.contains_key(from) {
        return;
    }
    let mut ways = Ways::new();
    for reader in readers(plan, from) {
        find_ways(plan, reader, known);
        let below = known.get(reader).into_iter().flatten();
        for (key, count) in below.map(|(key, count)| (*key, *count)).chain([(reader, 1)]) {
            let sum = ways.entry(key).or_default();
            *sum = sum.saturating_add(count);
        }
    }
    known.insert(from, ways);
}

/// Components from upstream to downstream.
pub(super) fn in_order(plan: &Plan, keys: impl IntoIterator<Item = ComponentKey>) -> Vec<ComponentKey> {
    let ways = ways(plan);
    let mut keys: Vec<_> = keys.into_iter().collect();
    // What is above a component is above everything that is below it, too: fewer of them means further up.
    keys.sort_by_cached_key(|key| ways.values().filter(|below| below.contains_key(key)).count());
    keys
}

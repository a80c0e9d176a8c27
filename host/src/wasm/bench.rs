//! How fast components are: two of them map the same batches in turn, so that whatever else the machine does hits both.
//!
//! A round is some batches through the one component and then through the other; who begins alternates. What is told of
//! rounds is the median, so that one disturbed round says nothing.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    time::{Duration, Instant},
};

use flate2::read::MultiGzDecoder;
use serde::Serialize;

use super::{
    answer,
    bindings::exports::o365::transform::mapper::Outcome,
    instance::Instance,
    module::{Module, ModuleError},
    transform::CALL_BYTES,
};

/// Long enough to be measured, short enough for many rounds a second.
const ROUND_EVENTS: usize = 2_048;
/// More is left out: a corpus is held in memory.
const CORPUS_BYTES: u64 = 256 << 20;
/// What the host knows of where the events came from.
const CONTEXT: &str = "{}";

/// Events to map.
#[derive(Debug)]
pub struct Corpus {
    events: Vec<Vec<u8>>,
    /// Of all events together.
    bytes: usize,
    /// Whether the file holds more than is used.
    pub cut: bool,
}

impl Corpus {
    /// Reads a file with one event a line, compressed if its name ends in `.gz`; of a long one the first 256 MiB.
    pub fn read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let compressed = path.extension().is_some_and(|extension| extension == "gz");
        let reader: Box<dyn Read> = if compressed {
            Box::new(MultiGzDecoder::new(file))
        } else {
            Box::new(file)
        };
        Self::of(reader, CORPUS_BYTES)
    }

    /// Events that are at hand.
    pub fn of_events(events: Vec<Vec<u8>>) -> Self {
        Self {
            bytes: events.iter().map(Vec::len).sum(),
            events,
            cut: false,
        }
    }

    fn of(reader: impl Read, limit: u64) -> io::Result<Self> {
        // One byte more shows whether there is more.
        let mut lines = BufReader::new(reader.take(limit + 1));
        let (mut events, mut bytes, mut read) = (Vec::new(), 0, 0);
        loop {
            let mut line = Vec::new();
            let length = lines.read_until(b'\n', &mut line)?;
            read += length as u64;
            if length == 0 || read > limit {
                // The last line of what is cut is half a line.
                break;
            }
            let event = line.trim_ascii();
            if !event.is_empty() {
                bytes += event.len();
                events.push(event.to_vec());
            }
        }
        Ok(Self {
            events,
            bytes,
            cut: read > limit,
        })
    }

    /// Events in it.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there is nothing to map.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Bytes of all events.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// All of it in batches as the host makes them, of at most `most` events; a short corpus is repeated until it
    /// fills one.
    pub fn batches(&self, most: usize) -> Vec<Vec<&[u8]>> {
        let mut batches = Vec::new();
        let (mut batch, mut bytes): (Vec<&[u8]>, usize) = (Vec::new(), 0);
        for event in self.events.iter().cycle().take(self.events.len().max(most)) {
            if batch.len() == most || (!batch.is_empty() && bytes + event.len() > CALL_BYTES) {
                batches.push(std::mem::take(&mut batch));
                bytes = 0;
            }
            batch.push(event);
            bytes += event.len();
        }
        if !batch.is_empty() {
            batches.push(batch);
        }
        batches
    }
}

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// An instance does not start.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// A component fails on events of the corpus: what is left of it is no measure.
    #[error("`{component}` fails on a batch of {events} event(s) of the corpus: {reason}")]
    Failed {
        /// As given.
        component: String,
        /// In the batch.
        events: usize,
        /// What happened.
        reason: String,
    },
}

/// What was measured of one component.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// As given.
    pub file: String,
    /// Median over the rounds.
    pub events_per_second: f64,
    /// Bytes of events that went in, median over the rounds.
    pub megabytes_per_second: f64,
    /// Time for a batch, the median.
    pub batch_p50_seconds: f64,
    /// Time for a batch that one in a hundred exceeds.
    pub batch_p99_seconds: f64,
    /// Linear memory of the instance at the end.
    pub instance_memory_bytes: usize,
    /// Events in all rounds that are counted.
    pub events: u64,
    /// Of these, events that the component dropped.
    pub dropped: u64,
    /// Of these, events that it could not map.
    pub failed: u64,
}

/// What was measured of both.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Rounds that are counted.
    pub rounds: usize,
    /// The first component.
    pub component: Measured,
    /// The one that it is compared with.
    pub baseline: Measured,
    /// Events a second of the first to those of the other.
    pub ratio: f64,
}

/// One instance of a component, with every limit on, that maps batches and is not replaced.
pub struct Runner {
    component: String,
    instance: Instance,
}

impl Runner {
    /// A fresh instance.
    pub fn start(module: &Module) -> Result<Self, ModuleError> {
        Ok(Self {
            component: module.name().to_owned(),
            instance: module.instantiate("bench")?,
        })
    }

    /// Maps a batch and hands out what became of each event, in order: its documents, or nothing if it was dropped or refused.
    pub fn map(&mut self, batch: &[&[u8]], mut each: impl FnMut(Option<Vec<u8>>)) -> Result<(), BenchError> {
        for outcome in self.outcomes(batch)? {
            each(match outcome {
                Outcome::Emit(documents) => Some(documents),
                Outcome::Drop | Outcome::Fail(_) => None,
            });
        }
        Ok(())
    }

    fn outcomes(&mut self, batch: &[&[u8]]) -> Result<Vec<Outcome>, BenchError> {
        answer::of(&mut self.instance, CONTEXT, batch).map_err(|error| BenchError::Failed {
            component: self.component.clone(),
            events: batch.len(),
            reason: error.to_string(),
        })
    }
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner")
            .field("component", &self.component)
            .finish_non_exhaustive()
    }
}

/// One side of the comparison.
struct Side {
    runner: Runner,
    rates: Vec<(f64, f64)>,
    batches: Vec<f64>,
    events: u64,
    dropped: u64,
    failed: u64,
}

impl Side {
    fn start(module: &Module) -> Result<Self, ModuleError> {
        Ok(Self {
            runner: Runner::start(module)?,
            rates: Vec::new(),
            batches: Vec::new(),
            events: 0,
            dropped: 0,
            failed: 0,
        })
    }

    fn round(&mut self, batches: &[&Vec<&[u8]>]) -> Result<(), BenchError> {
        let (mut time, mut events, mut bytes) = (Duration::ZERO, 0, 0);
        for batch in batches {
            let began = Instant::now();
            let outcomes = self.runner.outcomes(batch)?;
            let took = began.elapsed();
            time += took;
            self.batches.push(took.as_secs_f64());
            events += batch.len();
            bytes += batch.iter().map(|event| event.len()).sum::<usize>();
            for outcome in outcomes {
                match outcome {
                    Outcome::Emit(_) => {}
                    Outcome::Drop => self.dropped += 1,
                    Outcome::Fail(_) => self.failed += 1,
                }
            }
        }
        self.events += events as u64;
        // A clock may stand still for a while.
        let seconds = time.as_secs_f64().max(1e-9);
        self.rates.push((events as f64 / seconds, bytes as f64 / seconds));
        Ok(())
    }

    /// Nothing of what was so far counts.
    fn forget(&mut self) {
        self.rates.clear();
        self.batches.clear();
        (self.events, self.dropped, self.failed) = (0, 0, 0);
    }

    fn measured(&self) -> Measured {
        Measured {
            file: self.runner.component.clone(),
            events_per_second: quantile(self.rates.iter().map(|(events, _)| *events), 50),
            megabytes_per_second: quantile(self.rates.iter().map(|(_, bytes)| *bytes), 50) / 1e6,
            batch_p50_seconds: quantile(self.batches.iter().copied(), 50),
            batch_p99_seconds: quantile(self.batches.iter().copied(), 99),
            instance_memory_bytes: self.runner.instance.memory(),
            events: self.events,
            dropped: self.dropped,
            failed: self.failed,
        }
    }
}

/// Maps the corpus, which must not be empty, in batches of at most `batch` events, with both components in turn: one round to
/// warm up, then one round at least, and another one as long as `go_on` says so.
pub fn compare(
    component: &Module,
    baseline: &Module,
    corpus: &Corpus,
    batch: usize,
    mut go_on: impl FnMut() -> bool,
) -> Result<Comparison, BenchError> {
    let batches = corpus.batches(batch);
    let mut turn = batches.iter().cycle();
    let mut next_round = || {
        let (mut round, mut events) = (Vec::new(), 0);
        while events < ROUND_EVENTS
            && let Some(batch) = turn.next()
        {
            events += batch.len();
            round.push(batch);
        }
        round
    };
    let (mut first, mut other) = (Side::start(component)?, Side::start(baseline)?);
    let warm_up = next_round();
    for side in [&mut first, &mut other] {
        side.round(&warm_up)?;
        side.forget();
    }
    let mut rounds = 0;
    while rounds == 0 || go_on() {
        let round = next_round();
        let order = if rounds % 2 == 0 {
            [&mut first, &mut other]
        } else {
            [&mut other, &mut first]
        };
        for side in order {
            side.round(&round)?;
        }
        rounds += 1;
    }
    let (component, baseline) = (first.measured(), other.measured());
    Ok(Comparison {
        rounds,
        ratio: component.events_per_second / baseline.events_per_second,
        component,
        baseline,
    })
}

/// The value that `percent` of all do not exceed; 0 of none.
fn quantile(values: impl Iterator<Item = f64>, percent: usize) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100);
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::wasm::{Limits, WasmEngine, guests};

    fn corpus(text: &str) -> Corpus {
        Corpus::of(text.as_bytes(), CORPUS_BYTES).unwrap()
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let of = |values: &[f64], percent| quantile(values.iter().copied(), percent).to_string();
        let few = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(
            [0, 50, 99, 100].map(|percent| of(&few, percent)),
            ["1", "3", "5", "5"]
        );
        let many: Vec<_> = (1..=200).map(f64::from).collect();
        assert_eq!(of(&many, 99), "198");
        assert_eq!(of(&[], 50), "0");
    }

    #[test]
    fn a_corpus_has_an_event_a_line_and_an_end() {
        let all = corpus("{\"a\":1}\r\n\n{\"b\":2}");
        assert_eq!((all.len(), all.bytes(), all.cut), (2, 14, false));
        let cut = Corpus::of("{}\n{}\n{}\n".as_bytes(), 7).unwrap();
        assert_eq!((cut.len(), cut.cut), (2, true));
        assert!(corpus("\n \n").is_empty());
    }

    #[test]
    fn batches_are_as_the_host_makes_them() {
        let sizes =
            |text: &str, most| -> Vec<usize> { corpus(text).batches(most).iter().map(Vec::len).collect() };
        assert_eq!(sizes("1\n2\n3\n4\n5\n", 2), [2, 2, 1]);
        assert_eq!(sizes("1\n2\n3\n", 8), [8], "repeated until it fills one");
        let long = format!("{}\n", "x".repeat(CALL_BYTES / 2)).repeat(3);
        assert_eq!(sizes(&long, 128)[..3], [2, 2, 2], "no more than 256 kB");
    }

    /// Guests that drop and refuse what begins with `!`.
    #[test]
    fn both_map_the_same_batches_and_what_became_of_them_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Arc::new(WasmEngine::new(None).unwrap());
        let load = |name: &str, guilty: &str| {
            std::fs::write(dir.path().join(name), guests::guest(guilty, "(local.get $count)")).unwrap();
            Module::load(&engine, name, dir.path(), Limits::default(), "{}".to_owned()).unwrap()
        };
        let drops = load("drops.wasm", "(i32.store8 (local.get $outcome) (i32.const 1))");
        let refuses = load(
            "refuses.wasm",
            "(i32.store8 (local.get $outcome) (i32.const 2)) (i32.store offset=8 (local.get $outcome) (i32.const 0))",
        );
        let corpus = corpus("{\"a\":1}\n!bad\n");
        let mut left = 4;
        let go_on = || {
            left -= 1;
            left > 0
        };
        let found = compare(&drops, &refuses, &corpus, 64, go_on).unwrap();
        assert_eq!(found.rounds, 4);
        let events = 4 * ROUND_EVENTS as u64;
        let one = &found.component;
        let two = &found.baseline;
        assert_eq!((one.events, one.dropped, one.failed), (events, events / 2, 0));
        assert_eq!((two.events, two.dropped, two.failed), (events, 0, events / 2));
        for side in [one, two] {
            assert!(
                side.events_per_second > 0.0 && side.megabytes_per_second > 0.0,
                "{side:?}"
            );
            assert!(
                0.0 < side.batch_p50_seconds && side.batch_p50_seconds <= side.batch_p99_seconds,
                "{side:?}"
            );
            assert_eq!(side.instance_memory_bytes, 65_536);
        }
        assert!(found.ratio > 0.0);

        // A hundred thousand steps for each guilty event.
        let slow = load(
            "slow.wasm",
            "(global.set $seen (i32.const 0))
             (loop $l (global.set $seen (i32.add (global.get $seen) (i32.const 1)))
               (br_if $l (i32.lt_u (global.get $seen) (i32.const 100000))))",
        );
        let found = compare(&drops, &slow, &corpus, 64, || false).unwrap();
        assert!(found.ratio > 2.0, "{found:?}");
        assert!(found.baseline.batch_p50_seconds > found.component.batch_p50_seconds);

        let traps = load("traps.wasm", "unreachable");
        let error = compare(&traps, &refuses, &corpus, 64, || false).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("`traps.wasm` fails on a batch of 64 event(s)") && text.contains("unreachable"),
            "{text}"
        );
    }
}

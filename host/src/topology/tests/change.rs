//! Another pipeline takes over while events flow: each event goes the ways of one of them, and in its turn.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering},
};

use super::*;
use crate::config::Fingerprint;

/// Sends batches of events as fast as it can until it is told to stop. The document is its name, the index a number.
#[derive(Debug, Clone, Default)]
struct Stream(Arc<Sent>);

#[derive(Debug, Default)]
struct Sent {
    events: AtomicU64,
    builds: AtomicU64,
    statuses: Mutex<Vec<EventStatus>>,
}

#[async_trait]
impl SourceConfig for Stream {
    fn describe(&self) -> Description {
        description(&[])
    }

    fn validate(&self, _cx: &ComponentContext) -> Vec<Problem> {
        Vec::new()
    }

    async fn build(&self, cx: SourceContext) -> Result<Source, BuildError> {
        let sent = Arc::clone(&self.0);
        sent.builds.fetch_add(1, Ordering::Relaxed);
        Ok(Box::pin(async move {
            let mut waiting = Vec::new();
            while !cx.shutdown.is_cancelled() {
                let (notifier, status) = cx.out.notifier();
                let first = sent.events.load(Ordering::Relaxed);
                let size = 1 + first % 5;
                let batch = (first..first + size).map(|number| {
                    let metadata = EventMetadata::new(Arc::default(), number, notifier.finalizer());
                    LogEvent::new(Bytes::from(cx.key.to_string()), metadata)
                });
                cx.out.send_batch(batch.collect()).await?;
                sent.events.fetch_add(size, Ordering::Relaxed);
                waiting.push(status);
            }
            for status in waiting {
                let status = status.status().await;
                sent.statuses.lock().unwrap().push(status);
            }
            Ok(())
        }))
    }
}

/// Adds its name to documents: they say which way they went.
#[derive(Debug, Clone)]
struct Tag(String);

#[async_trait]
impl TransformConfig for Tag {
    fn describe(&self) -> Description {
        description(&[])
    }

    async fn build(&self, cx: &ComponentContext) -> Result<Transform, BuildError> {
        if self.0 == "broken" {
            return Err(Problem::new("", "it is broken").into());
        }
        Ok(Transform::Function(Box::new(Self(cx.key.to_string()))))
    }
}

impl FunctionTransform for Tag {
    fn transform(&mut self, output: &mut OutputBuffer, event: LogEvent) {
        let (mut document, metadata) = event.into_parts();
        let path = [&document.to_bytes()[..], b"/", self.0.as_bytes()].concat();
        output.push(LogEvent::new(Bytes::from(path), metadata));
    }

    fn clone_box(&self) -> Box<dyn FunctionTransform> {
        Box::new(self.clone())
    }
}

/// What arrived where, in its order: the way, and the number.
type Arrived = Arc<Mutex<Vec<(String, u64)>>>;

#[derive(Debug, Clone)]
struct End(Arrived);

#[async_trait]
impl SinkConfig for End {
    fn describe(&self) -> Description {
        description(&[])
    }

    fn validate(&self, _cx: &ComponentContext) -> Vec<Problem> {
        Vec::new()
    }

    async fn build(&self, cx: &ComponentContext) -> Result<Sink, BuildError> {
        Ok(Box::new(EndOf(cx.key.to_string(), Arc::clone(&self.0))))
    }
}

struct EndOf(String, Arrived);

#[async_trait]
impl StreamSink for EndOf {
    async fn run(
        self: Box<Self>,
        mut input: BoxStream<'static, EventBatch>,
        _refused: RefusedEvents,
    ) -> Result<(), ComponentError> {
        while let Some(batch) = input.next().await {
            for mut event in batch {
                let path = format!("{}/{}", String::from_utf8_lossy(&event.to_bytes()), self.0);
                let number = event.metadata().index();
                self.1.lock().unwrap().push((path, number));
                event.finish(EventStatus::Delivered);
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// A bench for pipelines of streams, tags and ends.
struct Bench {
    dir: tempfile::TempDir,
    shutdown: ShutdownTrigger,
    sources: BTreeMap<String, Stream>,
    arrived: Arrived,
}

impl Bench {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            shutdown: ShutdownTrigger::new(),
            sources: ["s0", "s1"].map(|key| (key.to_owned(), Stream::default())).into(),
            arrived: Arrived::default(),
        }
    }

    /// From lines such as `t1=2: s0 t0`: a component with its version and inputs. Names begin with `s`, `t` or `k`.
    fn pipeline(&self, lines: &str) -> Pipeline {
        let mut pipeline = Pipeline {
            workers: 2,
            data_dir: self.dir.path().to_owned(),
            config_dir: self.dir.path().to_owned(),
            ..Pipeline::default()
        };
        for line in lines.split(';').map(str::trim).filter(|line| !line.is_empty()) {
            let (name, inputs) = line.split_once(':').unwrap_or((line, ""));
            let (name, version) = name.split_once('=').unwrap_or((name, ""));
            let inputs: Vec<_> = inputs.split_whitespace().map(str::to_owned).collect();
            pipeline
                .fingerprints
                .insert(name.into(), Fingerprint::of(version));
            if let Some(stream) = self.sources.get(name) {
                pipeline.sources.insert(name.into(), Box::new(stream.clone()));
            } else if name.starts_with('t') {
                let tag = Tag(version.to_owned());
                pipeline.transforms.insert(name.into(), (inputs, Box::new(tag)));
            } else if version == "stuck" {
                let stuck = Record {
                    hang: true,
                    ..Record::default()
                };
                pipeline.sinks.insert(name.into(), (inputs, Box::new(stuck)));
            } else {
                let end = End(Arc::clone(&self.arrived));
                pipeline.sinks.insert(name.into(), (inputs, Box::new(end)));
            }
        }
        pipeline
    }

    fn environment(&self) -> Environment {
        Environment {
            clock: Arc::new(SystemClock),
            shutdown: self.shutdown.signal(),
            mode: RunMode::Continuous,
            dead_letters: Target::File(self.dir.path().join("letters.ndjson")),
            engine: Arc::new(WasmEngine::new(None).unwrap()),
        }
    }

    /// Runs the first pipeline; lets each of the others take over after some more events.
    async fn run(&self, pipelines: &[String], grace: Duration) -> Vec<Result<Difference, ChangeError>> {
        let environment = self.environment();
        let mut current = self.pipeline(&pipelines[0]);
        let first = plan(&current).unwrap();
        let mut topology = build(&current, &first, &environment).await.unwrap();
        let mut control = topology.control(first);
        let change = async {
            let mut outcomes = Vec::new();
            self.until_more(200).await;
            for lines in &pipelines[1..] {
                let mut next = self.pipeline(lines);
                let planned = plan(&next).unwrap();
                let outcome = control
                    .change(&current, (&next, planned), &environment, grace)
                    .await;
                if let Ok(difference) = &outcome {
                    next.keep(current, difference);
                    current = next;
                }
                outcomes.push(outcome);
                self.until_more(200).await;
            }
            self.shutdown.shutdown();
            outcomes
        };
        let run = topology.run(&self.shutdown, Duration::from_secs(20));
        let (ended, outcomes) =
            tokio::time::timeout(Duration::from_mins(1), async { tokio::join!(run, change) })
                .await
                .expect("it hangs");
        ended.unwrap();
        outcomes
    }

    /// Waits until so many more events have left the sources.
    async fn until_more(&self, events: u64) {
        let left = || -> u64 {
            let sources = self.sources.values();
            sources
                .map(|source| source.0.events.load(Ordering::Relaxed))
                .sum()
        };
        let enough = left() + events;
        while left() < enough {
            tokio::task::yield_now().await;
        }
    }

    /// Each event arrived at every sink as often as one of the pipelines says, later events as the same or a later one says,
    /// and by each way in their order. A sink that comes or goes may have some copies of what was on its way then.
    fn check(&self, pipelines: &[String]) {
        let mut by_event: BTreeMap<(String, u64), Counts> = BTreeMap::new();
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        for (path, number) in self.arrived.lock().unwrap().iter() {
            let before = last.insert(path.clone(), *number);
            assert!(before < Some(*number), "{path}: {number} after {before:?}");
            let (source, sink) = (path.split('/').next().unwrap(), path.rsplit('/').next().unwrap());
            let counts = by_event.entry((source.to_owned(), *number)).or_default();
            *counts.entry(sink.to_owned()).or_default() += 1;
        }
        for (key, source) in &self.sources {
            let expected: Vec<_> = pipelines.iter().map(|lines| self.ways(lines, key)).collect();
            let mut at = 0;
            for number in 0..source.0.events.load(Ordering::Relaxed) {
                let counts = by_event.remove(&(key.clone(), number)).unwrap_or_default();
                let found = (at..expected.len()).find(|at| fits(&counts, &expected, *at));
                at = found.unwrap_or_else(|| {
                    panic!(
                        "{key} {number} came {counts:?}, and since {at} no pipeline says so:\n{pipelines:#?}"
                    )
                });
            }
            let statuses = source.0.statuses.lock().unwrap();
            assert!(statuses.iter().all(|status| status.is_final()), "{statuses:?}");
        }
        assert!(by_event.is_empty(), "{by_event:?}");
    }

    /// How many ways there are from a source to each sink.
    fn ways(&self, lines: &str, source: &str) -> Counts {
        let pipeline = self.pipeline(lines);
        let plan = plan(&pipeline).unwrap();
        let mut ways: Counts = pipeline.sinks.keys().map(|key| (key.to_string(), 0)).collect();
        let mut open = vec![ComponentKey::from(source)];
        while let Some(component) = open.pop() {
            let output = OutputId {
                component,
                port: None,
            };
            for reader in plan.readers.get(&output).into_iter().flatten() {
                match ways.get_mut(reader.as_str()) {
                    Some(count) => *count += 1,
                    None => open.push(reader.clone()),
                }
            }
        }
        ways
    }
}

/// How often an event came to each sink.
type Counts = BTreeMap<String, u64>;

/// Whether an event came as this one of the pipelines says.
fn fits(counts: &Counts, expected: &[Counts], at: usize) -> bool {
    let (now, next) = (&expected[at], expected.get(at + 1));
    let stays = |sink: &String| next.is_none_or(|next| next.contains_key(sink));
    now.iter().all(|(sink, expected)| {
        let count = counts.get(sink).copied().unwrap_or_default();
        if stays(sink) {
            count == *expected
        } else {
            count <= *expected
        }
    })
}

/// Some pipeline: every source is read, transforms in any order, with any inputs.
fn any_pipeline(dice: &mut Dice) -> String {
    let mut readable: Vec<String> = ["s0", "s1"].map(str::to_owned).into();
    let mut lines: Vec<String> = readable
        .iter()
        .map(|source| format!("{source}={}", dice.below(6) / 5))
        .collect();
    let mut left = ["t0", "t1", "t2", "t3", "t4"].to_vec();
    let inputs = |dice: &mut Dice, readable: &[String]| {
        let mut inputs: Vec<_> = (0..=dice.below(2))
            .map(|_| readable[dice.below(readable.len())].clone())
            .collect();
        inputs.sort();
        inputs.dedup();
        inputs.join(" ")
    };
    while !left.is_empty() {
        // Mostly in their order, so that much stays as it is.
        let at = if dice.below(4) == 0 {
            dice.below(left.len())
        } else {
            0
        };
        let name = left.remove(at);
        if dice.below(5) > 0 {
            lines.push(format!(
                "{name}={}: {}",
                dice.below(6) / 5,
                inputs(dice, &readable)
            ));
            readable.push(name.to_owned());
        }
    }
    lines.push("k0: s0 s1".to_owned());
    for name in ["k1", "k2"] {
        if dice.below(4) > 0 {
            lines.push(format!(
                "{name}={}: {}",
                dice.below(6) / 5,
                inputs(dice, &readable)
            ));
        }
    }
    lines.join("; ")
}

/// The same pipeline with one or two lines of another one.
fn mixed(dice: &mut Dice, lines: &str) -> String {
    let name = |line: &str| line.trim().split(['=', ':']).next().unwrap().to_owned();
    let other = any_pipeline(dice);
    let mut result: Vec<_> = lines.split(';').map(str::to_owned).collect();
    for _ in 0..=dice.below(2) {
        let other: Vec<_> = other.split(';').collect();
        let line = other[dice.below(other.len())];
        match result.iter_mut().find(|known| name(known) == name(line)) {
            Some(known) => *known = line.to_owned(),
            None => result.push(line.to_owned()),
        }
    }
    result.join(";")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_comes_to_each_sink_as_often_as_one_of_the_pipelines_says() {
    // More of them were tried by hand.
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let bench = Bench::new();
        let mut pipelines = vec![any_pipeline(&mut dice)];
        while pipelines.len() < 5 {
            let last = &pipelines[pipelines.len() - 1];
            // Small changes leave much as it is; large ones have everything at once.
            let next = if dice.below(3) == 0 {
                any_pipeline(&mut dice)
            } else {
                mixed(&mut dice, last)
            };
            if plan(&bench.pipeline(&next)).is_ok() {
                pipelines.push(next);
            }
        }
        for outcome in bench.run(&pipelines, Duration::from_secs(20)).await {
            outcome.unwrap();
        }
        bench.check(&pipelines);
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn keys(names: &str) -> BTreeSet<ComponentKey> {
    names.split_whitespace().map(ComponentKey::from).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_changes_is_built_anew() {
    let bench = Bench::new();
    let pipelines = strings(&[
        "s0; s1; t0: s0; t1: t0; k0: t1; k1: s1",
        // An option.
        "s0; s1; t0: s0; t1=1: t0; k0: t1; k1: s1",
        // Nothing.
        "s0; s1; t0: s0; t1=1: t0; k0: t1; k1: s1",
        // A transform in between, and one more sink.
        "s0; s1; t0: s0; t2: t0; t1=1: t2; k0: t1; k1: s1; k2: t1",
        // A source that is gone with its sink.
        "s0; t0: s0; t2: t0; t1=1: t2; k0: t1; k2: t1",
        // Another source, and the same as before.
        "s0=1; s1; t0: s0; t2: t0; t1=1: t2; k0: t1; k1: s1; k2: t1",
        // A transform moves up past others: what is in between is drained, too.
        "s0=1; s1; t1=1: s0; t0: t1; t2: t0; k0: t2; k1: s1; k2: t2",
    ]);
    let outcomes = bench.run(&pipelines, Duration::from_secs(20)).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    let changes: Vec<_> = outcomes
        .iter()
        .map(|outcome| (&outcome.added, &outcome.removed, &outcome.changed))
        .collect();
    let none = &keys("");
    assert_eq!(
        changes,
        [
            (none, none, &keys("t1")),
            (none, none, none),
            (&keys("t2 k2"), none, &keys("t1")),
            (none, &keys("s1 k1"), none),
            (&keys("s1 k1"), none, &keys("s0")),
            (none, none, &keys("t0 t1 t2 k0 k2")),
        ]
    );
    assert_eq!(outcomes[0].kept, keys("s0 s1 t0 k0 k1"));
    let builds = |name: &str| bench.sources[name].0.builds.load(Ordering::Relaxed);
    assert_eq!((builds("s0"), builds("s1")), (2, 2));
    bench.check(&pipelines);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_that_cannot_be_built_changes_nothing() {
    let bench = Bench::new();
    let first = "s0; s1; t0: s0; k0: t0 s1";
    let broken = "s0=1; s1; t0=broken: s0; t1=broken: s1; k0: t0 t1";
    let outcomes = bench
        .run(&strings(&[first, broken, first]), Duration::from_secs(20))
        .await;
    let Err(ChangeError::Build(BuildFailure(problems))) = &outcomes[0] else {
        panic!("{outcomes:?}");
    };
    let blamed: Vec<_> = problems.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(blamed, ["t0", "t1"]);
    assert!(outcomes[1].as_ref().unwrap().is_empty());
    bench.check(&strings(&[first]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_drain_in_time_is_ended_and_its_events_come_again() {
    let bench = Bench::new();
    let (stuck, works) = ("s0; t0: s0; k0: t0; k1=stuck: t0", "s0; t0: s0; k0: t0; k1: t0");
    let environment = bench.environment();
    let current = bench.pipeline(stuck);
    let first = plan(&current).unwrap();
    let mut topology = build(&current, &first, &environment).await.unwrap();
    let mut control = topology.control(first);
    let change = async {
        // What has come to one sink is on its way to the other.
        while bench.arrived.lock().unwrap().len() < 100 {
            tokio::task::yield_now().await;
        }
        let next = bench.pipeline(works);
        let planned = plan(&next).unwrap();
        let outcome = control
            .change(&current, (&next, planned), &environment, Duration::from_secs(2))
            .await;
        bench.until_more(5_000).await;
        bench.shutdown.shutdown();
        outcome
    };
    let (ended, outcome) = tokio::join!(topology.run(&bench.shutdown, Duration::from_secs(20)), change);
    ended.unwrap();
    assert_eq!(outcome.unwrap().changed, keys("k1"));
    let sent = bench.sources["s0"].0.events.load(Ordering::Relaxed);
    let statuses = bench.sources["s0"].0.statuses.lock().unwrap().clone();
    let errored = statuses.iter().position(|status| *status != EventStatus::Errored);
    // First those that were stuck, then those that were delivered: `k0` has all of them.
    let (stuck, delivered) = statuses.split_at(errored.unwrap());
    assert!(!stuck.is_empty());
    let late = delivered
        .iter()
        .position(|status| *status != EventStatus::Delivered);
    assert_eq!(
        late,
        None,
        "of {}, after {} that were stuck",
        delivered.len(),
        stuck.len()
    );
    let arrived = bench.arrived.lock().unwrap();
    let numbers: Vec<_> = arrived
        .iter()
        .filter(|(path, _)| path == "s0/t0/k0")
        .map(|(_, number)| *number)
        .collect();
    assert_eq!(numbers, (0..sent).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_amid_a_change_ends_both() {
    let bench = Bench::new();
    let environment = bench.environment();
    let current = bench.pipeline("s0; t0: s0; k0: t0");
    let first = plan(&current).unwrap();
    let mut topology = build(&current, &first, &environment).await.unwrap();
    let mut control = topology.control(first);
    let change = async {
        bench.until_more(2_000).await;
        let next = bench.pipeline("s0; t0=1: s0; k0=1: t0");
        let planned = plan(&next).unwrap();
        let changing = control.change(&current, (&next, planned), &environment, Duration::from_secs(20));
        let stop = async { bench.shutdown.shutdown() };
        tokio::join!(changing, stop).0
    };
    let (ended, outcome) = tokio::join!(topology.run(&bench.shutdown, Duration::from_secs(20)), change);
    ended.unwrap();
    // Either it was made, or it came too late.
    assert!(matches!(outcome, Ok(_) | Err(ChangeError::Ended)), "{outcome:?}");
    bench.check(&strings(&["s0; t0: s0; k0: t0"]));
    // Nothing can change any more.
    let next = bench.pipeline("s0; k0: s0");
    let planned = plan(&next).unwrap();
    let late = control.change(&current, (&next, planned), &environment, Duration::ZERO);
    assert!(matches!(late.await, Err(ChangeError::Ended)));
}

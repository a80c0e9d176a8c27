//! `type: wasm`: events through a component, batch by batch.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use memchr::memchr_iter;
use o365_core::{
    EventBatch, Failure, LogEvent, Origin, SyncTransform, Transform, TransformOutputs,
    config::{BuildError, ComponentContext, Description, Problem, TransformConfig},
};
use serde::Deserialize;
use tracing::warn;
use wasmtime::Trap;

use super::{
    answer::{self, NoAnswer},
    bindings::exports::o365::transform::mapper::Outcome,
    engine::WasmEngine,
    instance::Instance,
    module::{BUILTIN_ECS_NAME, Limits, Module, ModuleError},
    shadow::ShadowConfig,
    size::ByteSize,
    slot::{Recipe, Refused, Slot},
    wasi::WasiGrants,
};

/// Batches of 16 to 128 events are the fastest, larger ones leave the cache.
const CALL_EVENTS: usize = 128;
pub(super) const CALL_BYTES: usize = 256 * 1024;

/// An instance is replaced after so many batches, so that a component that leaks cannot grow for ever.
const RECYCLE_AFTER: u64 = 10_000;

/// Options of a `wasm` transform.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WasmConfig {
    /// `builtin:ecs`, or the path of a component; a relative path starts at the configuration file.
    pub module: String,
    /// Options of the component, handed to it as JSON. Default: none.
    #[serde(default = "empty_object")]
    pub options: serde_json::Value,
    /// Linear memory of one instance, such as `64MiB`. Default `256MiB`, at least `1MiB`, at most `4GiB`.
    #[serde(default)]
    pub memory_limit: Option<ByteSize>,
    /// Time for one call with at most 128 events or 256 kB. Default `5s`, 10 ms to 10 min.
    #[serde(default, deserialize_with = "o365_core::duration::deserialize_some")]
    pub deadline: Option<Duration>,
    /// What the host takes over from the component in one call, such as `16MiB`. Default `64MiB`, `1MiB` to `1GiB`.
    #[serde(default)]
    pub output_limit: Option<ByteSize>,
    /// Whether a changed file takes over while events flow. Default `false`.
    #[serde(default)]
    pub watch: bool,
    /// Fixtures, a file or a folder, that a component must pass before it gets events; a relative path starts at the
    /// configuration file. Default: none.
    #[serde(default)]
    pub canary: Option<PathBuf>,
    /// A candidate that sees live events beside the component, without delivering anything. Default: none.
    #[serde(default)]
    pub shadow: Option<ShadowConfig>,
    /// What a component of another language gets of WASI. Default: nothing, and what imports any of it is refused.
    #[serde(default)]
    pub wasi: Option<WasiGrants>,
    /// The slot, once the transform has been built.
    #[serde(skip)]
    pub slot: SlotHandle,
}

/// Where a transform's [`Slot`] is found once it has been built: copies of a configuration share it.
#[derive(Debug, Clone, Default)]
pub struct SlotHandle(Arc<OnceLock<Arc<Slot>>>);

impl SlotHandle {
    /// The slot; nothing before the transform has been built.
    pub fn get(&self) -> Option<Arc<Slot>> {
        self.0.get().cloned()
    }
}

fn empty_object() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

impl WasmConfig {
    /// The component with default limits.
    pub fn new(module: impl Into<String>, options: serde_json::Value) -> Self {
        Self {
            module: module.into(),
            options,
            memory_limit: None,
            deadline: None,
            output_limit: None,
            watch: false,
            canary: None,
            shadow: None,
            wasi: None,
            slot: SlotHandle::default(),
        }
    }

    fn limits(&self) -> Result<Limits, Vec<Problem>> {
        let defaults = Limits::default();
        let limits = Limits {
            memory: self.memory_limit.unwrap_or(defaults.memory),
            deadline: self.deadline.unwrap_or(defaults.deadline),
            output: self.output_limit.unwrap_or(defaults.output),
            wasi: self.wasi,
        };
        let mut problems = Vec::new();
        if !(ByteSize(1 << 20)..=ByteSize(4 << 30)).contains(&limits.memory) {
            problems.push(
                Problem::new("memory_limit", format!("{} is out of range", limits.memory))
                    .hint("use 1MiB to 4GiB"),
            );
        }
        if !(Duration::from_millis(10)..=Duration::from_mins(10)).contains(&limits.deadline) {
            let deadline = o365_core::duration::format(limits.deadline);
            problems.push(
                Problem::new("deadline", format!("{deadline} is out of range")).hint("use 10ms to 10m"),
            );
        }
        if !(ByteSize(1 << 20)..=ByteSize(1 << 30)).contains(&limits.output) {
            problems.push(
                Problem::new("output_limit", format!("{} is out of range", limits.output))
                    .hint("use 1MiB to 1GiB"),
            );
        }
        if !self.options.is_object() {
            problems.push(Problem::new(
                "options",
                "must be a mapping of option names to values",
            ));
        }
        if self.watch && self.module == BUILTIN_ECS_NAME {
            problems.push(
                Problem::new("watch", "there is no file to watch: the component is built in")
                    .hint("leave `watch` out, or name a file as `module`"),
            );
        }
        if let Some(shadow) = &self.shadow
            && !(shadow.sample > 0.0 && shadow.sample <= 1.0)
        {
            problems.push(
                Problem::new("shadow.sample", format!("{} is out of range", shadow.sample))
                    .hint("use the part of calls that the candidate sees: above 0, at most 1"),
            );
        }
        if problems.is_empty() {
            Ok(limits)
        } else {
            Err(problems)
        }
    }
}

#[async_trait]
impl TransformConfig for WasmConfig {
    fn describe(&self) -> Description {
        Description {
            component_type: "wasm",
            summary: format!("maps events in the component `{}`", self.module),
            outputs: Vec::new(),
        }
    }

    async fn build(&self, cx: &ComponentContext) -> Result<Transform, BuildError> {
        let limits = self.limits()?;
        let engine = cx
            .services
            .get::<WasmEngine>()
            .expect("the host offers its engine to every component");
        let recipe = Recipe {
            module: self.module.clone(),
            dir: cx.config_dir.clone(),
            limits,
            options: self.options.to_string(),
            canary: self.canary.clone(),
            shadow: self.shadow.clone(),
        };
        let (key, watched) = (cx.key.clone(), self.watch);
        // Reading and compiling take up to a second.
        let opened = tokio::task::spawn_blocking(move || Slot::open(key, engine, recipe, watched)).await;
        let slot = opened.map_err(|error| Problem::new("module", format!("loading it failed: {error}")))?;
        let slot = Arc::new(slot.map_err(|refused| problem(&refused))?);
        // Of a configuration that is built more than once, the first one counts.
        let _ = self.slot.0.set(Arc::clone(&slot));
        Ok(Transform::Synchronous(Box::new(WasmTransform::new(slot))))
    }
}

fn problem(refused: &Refused) -> Problem {
    match refused {
        Refused::Module(error) => {
            let field = if matches!(error, ModuleError::Options(_)) {
                "options"
            } else {
                "module"
            };
            Problem::new(field, error.to_string()).hint(error.hint())
        }
        Refused::Shadow(_) | Refused::NoCandidate => Problem::new("shadow", refused.to_string()),
        Refused::Canary(_) | Refused::NoPrevious => Problem::new("canary", refused.to_string())
            .hint("`o365-host test --config F --fixtures DIR` shows every difference"),
    }
}

/// One for each worker thread.
struct WasmTransform {
    name: String,
    slot: Arc<Slot>,
    /// The component that this worker maps its batches with.
    module: Arc<Module>,
    generation: u64,
    instance: Option<Instance>,
    /// How near the next call for the candidate of a shadow run is.
    turn: f64,
}

impl WasmTransform {
    fn new(slot: Arc<Slot>) -> Self {
        // In this order: a take-over in between is noticed at the first batch.
        let generation = slot.generation();
        Self {
            name: slot.key().to_string(),
            module: slot.current(),
            generation,
            slot,
            instance: None,
            turn: 0.0,
        }
    }

    /// Goes over to another component if there is one.
    fn follow(&mut self) {
        let generation = self.slot.generation();
        if generation != self.generation {
            self.generation = generation;
            self.module = self.slot.current();
            self.instance = None;
        }
    }
}

impl SyncTransform for WasmTransform {
    fn transform_batch(&mut self, batch: EventBatch, outputs: &mut TransformOutputs) {
        self.follow();
        let mut call = Call::default();
        for event in batch {
            if !call.takes(&event) {
                self.run(std::mem::take(&mut call), outputs);
            }
            call.push(event);
        }
        self.run(call, outputs);
    }

    fn clone_box(&self) -> Box<dyn SyncTransform> {
        Box::new(Self::new(Arc::clone(&self.slot)))
    }
}

/// Consecutive events of one origin that go to the component together.
#[derive(Default)]
struct Call {
    origin: Option<Arc<Origin>>,
    events: Vec<LogEvent>,
    inputs: Vec<Bytes>,
    bytes: usize,
}

impl Call {
    fn takes(&self, event: &LogEvent) -> bool {
        let same_origin = self
            .origin
            .as_ref()
            .is_none_or(|origin| Arc::ptr_eq(origin, event.metadata().origin()));
        let room = self.events.len() < CALL_EVENTS && self.bytes + event.size() <= CALL_BYTES;
        self.events.is_empty() || (same_origin && room)
    }

    fn push(&mut self, mut event: LogEvent) {
        self.origin
            .get_or_insert_with(|| Arc::clone(event.metadata().origin()));
        let input = event.to_bytes();
        self.bytes += input.len();
        self.inputs.push(input);
        self.events.push(event);
    }

    fn context(&self) -> String {
        serde_json::to_string(&self.origin.as_deref().unwrap_or(&Origin::default()))
            .expect("an origin has only strings")
    }
}

impl WasmTransform {
    /// Maps the events of one call; when the component fails on them together, one by one, so that only the guilty
    /// event is lost to the dead letters.
    fn run(&mut self, call: Call, outputs: &mut TransformOutputs) {
        if call.events.is_empty() {
            return;
        }
        let context = call.context();
        match self.call(&context, &call.inputs) {
            Ok(outcomes) => {
                if let Some(shadow) = self.slot.shadow() {
                    shadow.offer(&mut self.turn, &context, &call.inputs, &outcomes);
                }
                for (event, outcome) in call.events.into_iter().zip(outcomes) {
                    self.apply(event, outcome, outputs);
                }
            }
            Err(error) if call.events.len() > 1 => {
                warn!(transform = %self.name, events = call.events.len(), reason = %error.reason,
                    "component failed on a batch, trying its events one by one");
                for (event, input) in call.events.into_iter().zip(&call.inputs) {
                    match self.call(&context, std::slice::from_ref(input)) {
                        Ok(outcomes) => {
                            // The number of outcomes has been checked: there is exactly one.
                            if let Some(outcome) = outcomes.into_iter().next() {
                                self.apply(event, outcome, outputs);
                            }
                        }
                        Err(error) => self.fail(event, error, outputs),
                    }
                }
            }
            Err(error) => call
                .events
                .into_iter()
                .for_each(|event| self.fail(event, error.clone(), outputs)),
        }
    }

    fn call(&mut self, context: &str, inputs: &[Bytes]) -> Result<Vec<Outcome>, Failure> {
        let mut instance = match self
            .instance
            .take()
            .filter(|instance| instance.batches < RECYCLE_AFTER)
        {
            Some(instance) => instance,
            None => self
                .module
                .instantiate(&self.name)
                .map_err(|error| Failure::new("instance", error.to_string()))?,
        };
        let inputs: Vec<&[u8]> = inputs.iter().map(Bytes::as_ref).collect();
        // After an error the instance is in an unknown state: it is not put back.
        let outcomes = answer::of(&mut instance, context, &inputs).map_err(|error| match error {
            NoAnswer::Failed(error) => call_error(&error),
            NoAnswer::Count { .. } => Failure::new("bad_answer", error.to_string()),
        })?;
        self.instance = Some(instance);
        Ok(outcomes)
    }

    fn apply(&self, event: LogEvent, outcome: Outcome, outputs: &mut TransformOutputs) {
        match outcome {
            Outcome::Drop => event.discard(),
            Outcome::Fail(reason) => self.fail(event, Failure::new("mapping", reason), outputs),
            Outcome::Emit(text) => match documents(text, self.module.is_builtin()) {
                Ok(documents) => emit(event, documents, outputs),
                Err(reason) => self.fail(event, Failure::new("bad_answer", reason), outputs),
            },
        }
    }

    fn fail(&self, event: LogEvent, failure: Failure, outputs: &mut TransformOutputs) {
        outputs.fail(event, failure.detail("component_digest", self.module.digest()));
    }
}

/// Why a call gave no answer, in words of the dead letter.
fn call_error(error: &wasmtime::Error) -> Failure {
    let backtrace = error
        .downcast_ref::<wasmtime::WasmBacktrace>()
        .map(ToString::to_string);
    let (kind, reason) = match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => (
            "deadline",
            "the component took longer than its deadline".to_owned(),
        ),
        Some(trap) => ("trap", format!("the component trapped: {trap}")),
        // The chain begins with the backtrace; what went wrong is at its root.
        None => ("trap", format!("the component failed: {}", error.root_cause())),
    };
    let failure = Failure::new(kind, reason);
    match backtrace {
        Some(backtrace) => failure.detail("guest_backtrace", backtrace),
        None => failure,
    }
}

fn emit(mut event: LogEvent, documents: Vec<Bytes>, outputs: &mut TransformOutputs) {
    let mut documents = documents.into_iter().peekable();
    while let Some(document) = documents.next() {
        if documents.peek().is_none() {
            *event.document_mut() = document.into();
            return outputs.push(event);
        }
        let mut copy = event.clone();
        *copy.document_mut() = document.into();
        outputs.push(copy);
    }
}

/// Splits what a component emitted into documents and checks that each is a JSON object. Ours is trusted to write
/// JSON (its tests prove it on every fixture), so that is not parsed again for each event.
fn documents(text: Vec<u8>, trusted: bool) -> Result<Vec<Bytes>, String> {
    let text = Bytes::from(text);
    let mut start = 0;
    // Comparing byte by byte took a twentieth of all the time.
    let documents: Vec<Bytes> = memchr_iter(b'\n', &text)
        .chain([text.len()])
        .map(|end| text[std::mem::replace(&mut start, end + 1)..end].trim_ascii())
        .filter(|line| !line.is_empty())
        .map(|line| text.slice_ref(line))
        .collect();
    if documents.is_empty() {
        return Err("the component emitted nothing: an unwanted event is dropped with `drop`".to_owned());
    }
    for document in &documents {
        let object = document.first() == Some(&b'{') && document.last() == Some(&b'}');
        if !object {
            return Err("the component emitted something that is no JSON object".to_owned());
        }
        if !trusted {
            serde_json::from_slice::<serde::de::IgnoredAny>(document)
                .map_err(|error| format!("the component emitted invalid JSON: {error}"))?;
        }
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Result<Vec<String>, String> {
        documents(text.as_bytes().to_vec(), false).map(|documents| {
            documents
                .iter()
                .map(|d| String::from_utf8_lossy(d).into_owned())
                .collect()
        })
    }

    #[test]
    fn an_answer_is_one_object_a_line() {
        assert_eq!(
            split("{\"a\":1}\n{\"b\":2}\n"),
            Ok(vec!["{\"a\":1}".to_owned(), "{\"b\":2}".to_owned()])
        );
        assert!(split("").is_err());
        assert!(split("[1]").is_err());
        assert!(split("{\"a\":}").unwrap_err().contains("invalid JSON"));
    }
}

//! From plan to components.

use std::{collections::BTreeMap, sync::Arc};

use o365_core::{
    BatchReceiver, BatchSender, Capacity, Clock, ComponentError, ComponentKey, RunMode, ShutdownSignal, Sink,
    Source, SourceContext, SourceSender, Traffic, Transform, channel,
    config::{BuildError, ComponentContext, Problem, Services},
};

use super::{
    OutputId, Pipeline, Plan,
    fanout::Fanout,
    meter::Meters,
    run::{Task, Topology},
    stage::{self, StageOutputs},
    trace,
};
use crate::{
    dead_letter::{DeadLetters, Target},
    enrichment::Tables,
    wasm::WasmEngine,
};

/// What a pipeline is run in.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The calendar.
    pub clock: Arc<dyn Clock>,
    /// When to stop.
    pub shutdown: ShutdownSignal,
    /// For how long to run.
    pub mode: RunMode,
    /// Where failed events go.
    pub dead_letters: Target,
    /// Runs components.
    pub engine: Arc<WasmEngine>,
}

/// Everything that is wrong with the components of a pipeline.
#[derive(Debug)]
pub struct BuildFailure(pub Vec<(ComponentKey, Problem)>);

impl Pipeline {
    /// What a component is built with.
    pub fn context(&self, key: &ComponentKey, environment: &Environment) -> ComponentContext {
        ComponentContext {
            key: key.clone(),
            data_dir: self.data_dir.clone(),
            config_dir: self.config_dir.clone(),
            clock: Arc::clone(&environment.clock),
            services: Services::default().with(Arc::clone(&environment.engine)),
        }
    }

    /// What programs and conditions may use: enrichment tables, each read now, and the time zone. With what is wrong with
    /// the tables; programs are not blamed for it.
    pub async fn program_services(&self, clock: &Arc<dyn Clock>) -> (Services, Vec<(ComponentKey, Problem)>) {
        let (tables, problems) =
            Tables::open(&self.enrichment_tables, &self.config_dir, self.timezone, clock).await;
        let services = Services::default()
            .with(Arc::new(tables))
            .with(Arc::new(self.timezone));
        (services, problems)
    }

    fn transform_context(
        &self,
        key: &ComponentKey,
        environment: &Environment,
        services: &Services,
    ) -> ComponentContext {
        let mut cx = self.context(key, environment);
        cx.services = services.clone().with(Arc::clone(&environment.engine));
        cx
    }

    /// Everything that can be checked without sending an event: every component, each with all its problems.
    pub async fn validate(&self, environment: &Environment) -> Result<(), BuildFailure> {
        let mut problems = Problems::default();
        let (services, found) = self.program_services(&environment.clock).await;
        problems.0.extend(found);
        for (key, config) in &self.sources {
            problems.add(key, config.validate(&self.context(key, environment)));
        }
        for (key, (_, config)) in &self.transforms {
            let cx = self.transform_context(key, environment, &services);
            problems.add(key, config.validate(&cx).await);
        }
        for (key, (_, config)) in &self.sinks {
            problems.add(key, config.validate(&self.context(key, environment)));
        }
        problems.none()
    }
}

/// Problems of components, collected to be told together.
#[derive(Default)]
struct Problems(Vec<(ComponentKey, Problem)>);

impl Problems {
    /// Keeps what was found.
    fn add(&mut self, key: &ComponentKey, found: Vec<Problem>) {
        self.0
            .extend(found.into_iter().map(|problem| (key.clone(), problem)));
    }

    /// What was built, unless it could not be.
    fn note<T>(&mut self, key: &ComponentKey, result: Result<T, BuildError>) -> Option<T> {
        result.map_err(|error| self.add(key, error.problems)).ok()
    }

    fn none(self) -> Result<(), BuildFailure> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(BuildFailure(self.0))
        }
    }
}

/// Makes every component and connects them. Nothing runs yet.
pub async fn build(
    pipeline: &Pipeline,
    plan: &Plan,
    environment: &Environment,
) -> Result<Topology, BuildFailure> {
    let mut builder = Builder {
        pipeline,
        plan,
        environment,
        problems: Problems::default(),
    };
    let transforms = builder.transforms().await;
    let sinks = builder.sinks().await;
    let (senders, mut receivers) = channels(pipeline);
    let mut meters = Meters::new(pipeline, &receivers);
    let sources = builder.sources(&senders, &mut meters).await;
    builder.problems.none()?;

    let (dead_letters, writer) =
        DeadLetters::new(environment.dead_letters.clone(), Arc::clone(&environment.clock));
    let mut tasks = vec![Task::new("dead letters", writer.run())];
    for (key, source, pump) in sources {
        tasks.extend(
            pump.map(|(receiver, fanout)| Task::new(format!("{key} (fan-out)"), run_pump(receiver, fanout))),
        );
        tasks.push(Task::new(key, source));
    }
    for (key, transform) in transforms {
        let input = receivers.remove(&key).expect("every transform has a channel");
        let ports = pipeline.transforms[&key].1.describe().outputs;
        let named = ports
            .into_iter()
            .map(|port| {
                (
                    port.clone(),
                    fanout(plan, &senders, &key, Some(&port), meters.sent(&key)),
                )
            })
            .collect();
        let outputs = StageOutputs {
            default: fanout(plan, &senders, &key, None, meters.sent(&key)),
            named,
            failed: meters.failed(&key),
            dead_letters: dead_letters.clone(),
        };
        tasks.push(Task::new(
            key.clone(),
            stage::run(key, transform, pipeline.workers, input, outputs),
        ));
    }
    for (key, sink) in sinks {
        let input = receivers.remove(&key).expect("every sink has a channel");
        tasks.push(Task::new(key.clone(), run_sink(key, sink, input)));
    }
    // Only the components keep senders, so that a stage ends when its last upstream has ended.
    drop(senders);
    Ok(Topology::new(tasks, dead_letters, meters.0))
}

type Pump = Option<(BatchReceiver, Fanout)>;

struct Builder<'a> {
    pipeline: &'a Pipeline,
    plan: &'a Plan,
    environment: &'a Environment,
    problems: Problems,
}

impl Builder<'_> {
    async fn transforms(&mut self) -> Vec<(ComponentKey, Transform)> {
        let (services, found) = self.pipeline.program_services(&self.environment.clock).await;
        self.problems.0.extend(found);
        let mut built = Vec::new();
        for (key, (_, config)) in &self.pipeline.transforms {
            let cx = self.pipeline.transform_context(key, self.environment, &services);
            let result = config.build(&cx).await;
            built.extend(
                self.problems
                    .note(key, result)
                    .map(|transform| (key.clone(), transform)),
            );
        }
        built
    }

    async fn sinks(&mut self) -> Vec<(ComponentKey, Sink)> {
        let mut built = Vec::new();
        for (key, (_, config)) in &self.pipeline.sinks {
            let result = config.build(&self.pipeline.context(key, self.environment)).await;
            built.extend(self.problems.note(key, result).map(|sink| (key.clone(), sink)));
        }
        built
    }

    async fn sources(
        &mut self,
        senders: &BTreeMap<ComponentKey, BatchSender>,
        meters: &mut Meters,
    ) -> Vec<(ComponentKey, Source, Pump)> {
        let mut built = Vec::new();
        for (key, config) in &self.pipeline.sources {
            // The source itself counts what it sends.
            let fanout = fanout(self.plan, senders, key, None, Arc::default());
            let (out, pump) = if let Some(only) = fanout.single() {
                (only, None)
            } else {
                let (sender, receiver) = channel(Capacity::default());
                (sender, Some((receiver, fanout)))
            };
            let out = SourceSender::new(out);
            meters.add_source(key, config.describe().component_type, &out);
            let cx = SourceContext {
                key: key.clone(),
                out,
                shutdown: self.environment.shutdown.clone(),
                data_dir: self.pipeline.data_dir.clone(),
                config_dir: self.pipeline.config_dir.clone(),
                clock: Arc::clone(&self.environment.clock),
                mode: self.environment.mode,
            };
            let result = config.build(cx).await;
            built.extend(
                self.problems
                    .note(key, result)
                    .map(|source| (key.clone(), source, pump)),
            );
        }
        built
    }
}

fn channels(
    pipeline: &Pipeline,
) -> (
    BTreeMap<ComponentKey, BatchSender>,
    BTreeMap<ComponentKey, BatchReceiver>,
) {
    let keys = pipeline.transforms.keys().chain(pipeline.sinks.keys());
    keys.map(|key| (key, channel(Capacity::default())))
        .map(|(key, (sender, receiver))| ((key.clone(), sender), (key.clone(), receiver)))
        .unzip()
}

fn fanout(
    plan: &Plan,
    senders: &BTreeMap<ComponentKey, BatchSender>,
    component: &ComponentKey,
    port: Option<&str>,
    sent: Arc<Traffic>,
) -> Fanout {
    let output = OutputId {
        component: component.clone(),
        port: port.map(Into::into),
    };
    let readers = plan.readers.get(&output).into_iter().flatten();
    Fanout::new(
        readers
            .filter_map(|reader| senders.get(reader).cloned())
            .collect(),
        sent,
    )
}

async fn run_pump(mut receiver: BatchReceiver, fanout: Fanout) -> Result<(), ComponentError> {
    while let Some(batch) = receiver.recv().await {
        fanout.send(batch).await?;
    }
    Ok(())
}

async fn run_sink(key: ComponentKey, sink: Sink, input: BatchReceiver) -> Result<(), ComponentError> {
    use futures_util::StreamExt;
    let input = input.map(move |batch| trace::deliver(&key, batch));
    sink.run(input.boxed()).await
}

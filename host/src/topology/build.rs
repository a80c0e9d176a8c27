//! From plan to components.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use o365_core::{
    BatchReceiver, BatchSender, Capacity, Clock, ComponentError, ComponentKey, RunMode, ShutdownSignal,
    SourceContext, SourceSender, Traffic, channel, channel_counted,
    config::{BuildError, ComponentContext, Problem, Services},
};

use super::{
    ComponentKind, Meter, Meters, OutputId, Pipeline, Plan,
    fanout::Fanout,
    run::{Task, Topology},
    stage::{self, StageOutputs},
    trace,
    wiring::Wiring,
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
    let (services, problems) = pipeline.program_services(&environment.clock).await;
    let meters = Meters::default();
    let scope = Scope {
        pipeline,
        plan,
        environment,
        services: &services,
        meters: &meters,
        wanted: &pipeline.keys(),
    };
    // Each component keeps the senders that it needs, so that a stage ends when its last upstream has ended.
    let built = scope.build(BTreeMap::new(), problems).await?;
    let (dead_letters, writer) =
        DeadLetters::new(environment.dead_letters.clone(), Arc::clone(&environment.clock));
    meters.replace(|_| false, built.meters);
    let tasks = built.tasks.into_values().flatten();
    let tasks = tasks.map(|start| start(&dead_letters)).collect();
    Ok(Topology {
        tasks,
        writer: Task::new("dead letters", writer.run()),
        dead_letters,
        meters,
        wiring: built.wiring,
        services,
        changes: None,
    })
}

/// Makes a task when it is time to run it: whoever keeps dead letters must not be held by what waits.
pub(super) type Start = Box<dyn FnOnce(&DeadLetters) -> Task + Send>;

/// Components that have been built and connected, and do not run yet.
#[derive(Default)]
pub(super) struct Built {
    /// The tasks of each component.
    pub(super) tasks: BTreeMap<ComponentKey, Vec<Start>>,
    /// The ways into them.
    pub(super) senders: BTreeMap<ComponentKey, BatchSender>,
    pub(super) wiring: Wiring,
    pub(super) meters: Vec<Meter>,
}

/// What is to be built of a pipeline, and with what.
pub(super) struct Scope<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) plan: &'a Plan,
    pub(super) environment: &'a Environment,
    /// What programs may use.
    pub(super) services: &'a Services,
    /// Of what runs already: a component of the same name goes on counting there.
    pub(super) meters: &'a Meters,
    /// What of it is built; the rest runs already.
    pub(super) wanted: &'a BTreeSet<ComponentKey>,
}

impl Scope<'_> {
    /// Makes the components, or says everything that is wrong with them, after `problems`. `running` are the ways into what
    /// is not built because it runs.
    pub(super) async fn build(
        &self,
        running: BTreeMap<ComponentKey, BatchSender>,
        problems: Vec<(ComponentKey, Problem)>,
    ) -> Result<Built, BuildFailure> {
        let mut builder = Builder {
            scope: self,
            senders: running,
            problems: Problems(problems),
            built: Built::default(),
        };
        let mut receivers = builder.channels();
        builder.transforms(&mut receivers).await;
        builder.sinks(&mut receivers).await;
        builder.sources().await;
        builder.problems.none()?;
        Ok(builder.built)
    }
}

struct Builder<'a> {
    scope: &'a Scope<'a>,
    /// The ways into everything that reads.
    senders: BTreeMap<ComponentKey, BatchSender>,
    problems: Problems,
    built: Built,
}

impl Builder<'_> {
    /// Of those that are to be built.
    fn wanted<'p, C>(
        &self,
        components: impl Iterator<Item = (&'p ComponentKey, C)>,
    ) -> Vec<(&'p ComponentKey, C)> {
        components
            .filter(|(key, _)| self.scope.wanted.contains(*key))
            .collect()
    }

    /// A channel and a meter for everything that reads.
    fn channels(&mut self) -> BTreeMap<ComponentKey, BatchReceiver> {
        let pipeline = self.scope.pipeline;
        let transforms = pipeline.transforms.iter().map(|(key, (_, config))| {
            let component_type = config.describe().component_type;
            (key, (ComponentKind::Transform, component_type))
        });
        let sinks = pipeline
            .sinks
            .iter()
            .map(|(key, (_, config))| (key, (ComponentKind::Sink, config.describe().component_type)));
        let mut receivers = BTreeMap::new();
        for (key, (kind, component_type)) in self.wanted(transforms.chain(sinks)) {
            let known = self.scope.meters.find(key, kind);
            let meter = known.unwrap_or_else(|| Meter::new(key, kind));
            let input = meter.input.clone().unwrap_or_default();
            let (sender, receiver) = channel_counted(
                Capacity::default(),
                Arc::clone(&input.entered),
                Arc::clone(&input.received),
            );
            self.built.meters.push(Meter {
                component_type,
                ..meter
            });
            self.built.wiring.inlets.insert(key.clone(), sender.downgrade());
            self.built.senders.insert(key.clone(), sender.clone());
            self.senders.insert(key.clone(), sender);
            receivers.insert(key.clone(), receiver);
        }
        receivers
    }

    async fn transforms(&mut self, receivers: &mut BTreeMap<ComponentKey, BatchReceiver>) {
        let scope = self.scope;
        for (key, (_, config)) in self.wanted(scope.pipeline.transforms.iter()) {
            let cx = scope
                .pipeline
                .transform_context(key, scope.environment, scope.services);
            let result = config.build(&cx).await;
            let Some(transform) = self.problems.note(key, result) else {
                continue;
            };
            let input = receivers.remove(key).expect("every transform has a channel");
            let meter = self.built.meters.iter().find(|meter| meter.component == *key);
            let (sent, failed) = meter
                .map(|meter| (meter.sent.clone(), meter.failed.clone()))
                .unwrap_or_default();
            let (sent, failed) = (sent.unwrap_or_default(), failed.unwrap_or_default());
            let ports = config.describe().outputs.into_iter();
            let named = ports
                .map(|port| {
                    let fanout = self.fanout(key, Some(&port), Arc::clone(&sent));
                    (port, fanout)
                })
                .collect();
            let default = self.fanout(key, None, sent);
            let (component, workers) = (key.clone(), scope.pipeline.workers);
            self.starts(key, move |dead_letters| {
                let outputs = StageOutputs {
                    default,
                    named,
                    failed,
                    dead_letters: dead_letters.clone(),
                };
                let name = component.to_string();
                Task::of(
                    &component.clone(),
                    name,
                    stage::run(component, transform, workers, input, outputs),
                )
            });
        }
    }

    async fn sinks(&mut self, receivers: &mut BTreeMap<ComponentKey, BatchReceiver>) {
        let scope = self.scope;
        for (key, (_, config)) in self.wanted(scope.pipeline.sinks.iter()) {
            let mut cx = scope.pipeline.context(key, scope.environment);
            let meter = self.built.meters.iter().find(|meter| meter.component == *key);
            if let Some(stats) = meter.and_then(|meter| meter.delivery.clone()) {
                cx.services = cx.services.with(stats);
            }
            let result = config.build(&cx).await;
            let Some(sink) = self.problems.note(key, result) else {
                continue;
            };
            let input = receivers.remove(key).expect("every sink has a channel");
            let component = key.clone();
            self.starts(key, move |dead_letters| {
                use futures_util::StreamExt;
                let refused = dead_letters.refused_by(component.clone());
                Task::of(&component, component.to_string(), {
                    let key = component.clone();
                    let input = input.map(move |batch| trace::deliver(&key, batch));
                    sink.run(input.boxed(), refused)
                })
            });
        }
    }

    async fn sources(&mut self) {
        let Scope {
            pipeline,
            environment,
            meters,
            ..
        } = *self.scope;
        for (key, config) in self.wanted(pipeline.sources.iter()) {
            let known = meters.find(key, ComponentKind::Source);
            let meter = known.unwrap_or_else(|| Meter::new(key, ComponentKind::Source));
            let sent = meter.sent.clone().unwrap_or_default();
            let account = meter.account.clone().unwrap_or_default();
            // The source itself counts what it sends.
            let fanout = self.fanout(key, None, Arc::default());
            let (sender, receiver) = channel(HANDED_OVER);
            let trigger = environment.shutdown.child();
            let cx = SourceContext {
                key: key.clone(),
                out: SourceSender::counted(sender, sent, account),
                shutdown: trigger.signal(),
                data_dir: pipeline.data_dir.clone(),
                config_dir: pipeline.config_dir.clone(),
                clock: Arc::clone(&environment.clock),
                mode: environment.mode,
            };
            let result = config.build(cx).await;
            let Some(source) = self.problems.note(key, result) else {
                continue;
            };
            self.built.meters.push(Meter {
                component_type: config.describe().component_type,
                ..meter
            });
            self.built.wiring.triggers.insert(key.clone(), trigger);
            let component = key.clone();
            self.starts(key, move |_| {
                let name = format!("{component} (fan-out)");
                Task::of(&component, name, run_pump(receiver, fanout))
            });
            let component = key.clone();
            self.starts(key, move |_| Task::of(&component, component.to_string(), source));
        }
    }

    fn starts(&mut self, key: &ComponentKey, start: impl FnOnce(&DeadLetters) -> Task + Send + 'static) {
        let tasks = self.built.tasks.entry(key.clone()).or_default();
        tasks.push(Box::new(start));
    }

    /// An output, with the readers of the plan.
    fn fanout(&mut self, component: &ComponentKey, port: Option<&str>, sent: Arc<Traffic>) -> Fanout {
        let output = OutputId {
            component: component.clone(),
            port: port.map(Into::into),
        };
        let fanout = Fanout::new(self.scope.plan.senders(&output, &self.senders), sent);
        self.built.wiring.outlets.insert(output, fanout.outlet());
        fanout
    }
}

impl Plan {
    /// The ways into the readers of an output.
    pub(super) fn senders(
        &self,
        output: &OutputId,
        senders: &BTreeMap<ComponentKey, BatchSender>,
    ) -> Vec<BatchSender> {
        let readers = self.readers.get(output).into_iter().flatten();
        readers
            .filter_map(|reader| senders.get(reader).cloned())
            .collect()
    }
}

/// Between a source and its readers, who may change: what waits here would only wait twice.
const HANDED_OVER: Capacity = Capacity { events: 1, bytes: 1 };

async fn run_pump(mut receiver: BatchReceiver, fanout: Fanout) -> Result<(), ComponentError> {
    while let Some(batch) = receiver.recv().await {
        fanout.send(batch).await?;
    }
    Ok(())
}

//! Sends the events of a test through the transforms that it is about.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use indexmap::IndexMap;
use o365_core::{ComponentKey, Document, LogEvent, ShutdownTrigger, config::TransformConfig};

use super::{
    ends::{Extracted, Inserted},
    prepare::Prepared,
};
use crate::{
    dead_letter::Target,
    enrichment::TableConfig,
    fixtures::{letters, run::RunFailure},
    time_zone::DefaultTimeZone,
    topology::{self, Environment, OutputId, Pipeline, entry, inputs_within},
};

/// How long a pipeline may take to end after its sources have.
const GRACE: Duration = Duration::from_mins(1);

/// The transforms of a configuration, to build several pipelines from.
#[derive(Debug)]
pub struct Transforms {
    configs: IndexMap<ComponentKey, (Vec<String>, Arc<dyn TransformConfig>)>,
    config_dir: PathBuf,
    enrichment_tables: IndexMap<ComponentKey, Arc<dyn TableConfig>>,
    timezone: DefaultTimeZone,
}

impl Transforms {
    /// Leaves `pipeline` with the same transforms.
    pub fn of(pipeline: &mut Pipeline) -> Self {
        // A test has other names at the ends of its transforms.
        pipeline.expand_wildcards();
        let configs: IndexMap<_, (_, Arc<dyn TransformConfig>)> = std::mem::take(&mut pipeline.transforms)
            .into_iter()
            .map(|(key, (inputs, config))| (key, (inputs, Arc::from(config))))
            .collect();
        for (key, (inputs, config)) in &configs {
            let config: Box<dyn TransformConfig> = Box::new(Arc::clone(config));
            pipeline.transforms.insert(key.clone(), (inputs.clone(), config));
        }
        Self {
            configs,
            config_dir: pipeline.config_dir.clone(),
            enrichment_tables: pipeline.enrichment_tables.clone(),
            timezone: pipeline.timezone,
        }
    }
}

/// What became of the events of a test.
#[derive(Debug, Default)]
pub struct Ran {
    /// What went in.
    pub inserted: Vec<Document>,
    /// What came out of each output that the test looks at.
    pub extracted: BTreeMap<OutputId, Vec<LogEvent>>,
    /// Inputs that could not be made, or that a transform gave up on.
    pub failed: Vec<FailedInput>,
}

/// An input that did not get through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedInput {
    /// The path of its key below the test.
    pub path: String,
    /// The transform that it failed in; nothing if the event could not even be made.
    pub component: Option<String>,
    /// Why.
    pub reason: String,
}

/// Runs one test. Transforms are made anew, so that no test sees what another has left behind.
///
/// # Errors
/// The transforms cannot be built, or the run itself failed: nothing is said of the test then.
pub async fn run(
    test: &Prepared,
    transforms: &Transforms,
    environment: &Environment,
    shutdown: &ShutdownTrigger,
) -> Result<Ran, RunFailure> {
    let mut ran = Ran::default();
    let mut inserted: IndexMap<&ComponentKey, Inserted> = IndexMap::new();
    for ((path, input), ((insert_at, _), index)) in test.inputs.iter().zip(test.plan.inputs.iter().zip(0..)) {
        match input.make() {
            Ok(made) => {
                ran.inserted.push(made.0.clone());
                inserted.entry(insert_at).or_default().0.push((index, made));
            }
            Err(reason) => ran.failed.push(FailedInput {
                path: path.clone(),
                component: None,
                reason,
            }),
        }
    }
    if !ran.failed.is_empty() {
        return Ok(ran);
    }
    let folder = tempfile::tempdir().context("making a temporary folder failed")?;
    let letters = folder.path().join("failed.ndjson");
    let environment = Environment {
        dead_letters: Target::File(letters.clone()),
        ..environment.clone()
    };
    let extracted = Extracted::default();
    let pipeline = pipeline(test, transforms, inserted, &extracted, folder.path().to_owned());
    let plan = topology::plan(&pipeline).map_err(|problems| {
        let problems: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
        anyhow::anyhow!("test `{}`: {}", test.name, problems.join("; "))
    })?;
    let topology = topology::build(&pipeline, &plan, &environment)
        .await
        .map_err(RunFailure::Build)?;
    let ended = topology.run(shutdown, GRACE).await;
    ended.with_context(|| format!("running test `{}`", test.name))?;

    ran.extracted = extracted.take();
    for letter in letters::read(&letters)? {
        let index = usize::try_from(letter.index).unwrap_or(usize::MAX);
        ran.failed.push(FailedInput {
            path: test
                .inputs
                .get(index)
                .map(|(path, _)| path.clone())
                .unwrap_or_default(),
            component: Some(letter.component.to_string()),
            reason: letter.reason,
        });
    }
    Ok(ran)
}

/// The transforms between the ends of a test. No configuration can have components with names in parentheses.
fn pipeline(
    test: &Prepared,
    transforms: &Transforms,
    inserted: IndexMap<&ComponentKey, Inserted>,
    extracted: &Extracted,
    data_dir: PathBuf,
) -> Pipeline {
    let mut pipeline = Pipeline {
        // One, so that the same events come in the same order each time.
        workers: 1,
        config_dir: transforms.config_dir.clone(),
        enrichment_tables: transforms.enrichment_tables.clone(),
        timezone: transforms.timezone,
        data_dir,
        ..Pipeline::default()
    };
    for (key, (inputs, config)) in &transforms.configs {
        if !test.plan.transforms.contains(key) {
            continue;
        }
        let inputs = inputs_within(key, inputs, &test.plan.transforms, inserted.contains_key(key));
        let config: Box<dyn TransformConfig> = Box::new(Arc::clone(config));
        pipeline.transforms.insert(key.clone(), (inputs, config));
    }
    for (at, events) in inserted {
        pipeline.sources.insert(entry(at), Box::new(events));
    }
    for output in test.plan.extracted() {
        let key = ComponentKey::new(format!("(extracted from {output})"));
        let sink = extracted.sink(output.clone());
        pipeline.sinks.insert(key, (vec![output.to_string()], sink));
    }
    pipeline
}

//! `replay`: dead letters through the pipeline of a configuration again, each from the component that gave up on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, anyhow};
use o365_core::{ComponentKey, RunMode, ShutdownTrigger};
use tracing::{info, warn};

use super::{
    EXIT_FAILED, EXIT_OK, Failed,
    pipeline::{self, Loaded},
    report, signals,
};
use crate::{
    dead_letter::{
        Target,
        replay::{self, Group, Part, Replayed, Survey},
    },
    topology::{self, Environment, Pipeline, entry},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files of dead letters, or folders with such files. A file is renamed to `FILE.replayed` when all of its letters are dealt
    /// with.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Configuration file (YAML, TOML or JSON). Its sources are left out.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,

    /// Let all events enter at this transform or sink. Default: each at the component that gave up on it.
    #[arg(long, value_name = "COMPONENT")]
    from: Option<String>,

    /// Send nothing: count the letters by component, kind and reason.
    #[arg(long)]
    dry_run: bool,

    /// Leave the files as they are.
    #[arg(long)]
    keep: bool,
}

pub(super) async fn replay(args: Args) -> Result<u8, Failed> {
    let mut loaded = pipeline::load(&args.config)?;
    loaded.plan()?;
    let files = files(&args.files)?;
    let surveys = survey_all(&files).await?;
    if args.dry_run {
        show(&surveys)?;
    }
    let entries = Entries::new(&loaded.pipeline, args.from.as_deref(), &surveys)?;
    if args.dry_run {
        return Ok(EXIT_OK);
    }

    let mut folder = loaded.dead_letters();
    // As the names of the files, so that they can be compared.
    folder.path = folder.path.canonicalize().unwrap_or(folder.path);
    folder.replayed = files;
    let shutdown = ShutdownTrigger::new();
    let environment = pipeline::environment(
        Some(&loaded.pipeline.data_dir),
        RunMode::Once,
        shutdown.signal(),
        Target::Folder(folder.clone()),
    )?;
    loaded.pipeline.enter_at(&entries.at);
    let mut run = Run {
        loaded,
        entries,
        environment,
        shutdown: shutdown.clone(),
        sent: 0,
        again: 0,
    };
    let work = async {
        for survey in surveys {
            run.file(survey, args.keep).await?;
        }
        Ok::<_, Failed>(())
    };
    signals::under(&shutdown, work).await?;
    if run.again == 0 {
        report::line(&format!("{} letter(s) were sent again, none failed", run.sent));
        return Ok(EXIT_OK);
    }
    report::line(&format!(
        "error: {} letter(s) were sent again; {} event(s) failed again and are new dead letters in `{}`",
        run.sent,
        run.again,
        folder.path.display()
    ));
    Ok(EXIT_FAILED)
}

/// The files that are meant, each once.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failed> {
    let usage = |path: &Path, reason: &dyn std::fmt::Display| {
        Failed::Usage(format!("`{}` cannot be read: {reason}", path.display()))
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for path in named {
        let path = path.canonicalize().map_err(|error| usage(path, &error))?;
        let found = if path.is_dir() {
            let found = replay::files(&path).map_err(|error| usage(&path, &error))?;
            if found.is_empty() {
                let message = "there is no file of dead letters in `";
                return Err(Failed::Usage(format!("{message}{}`", path.display())));
            }
            found
        } else {
            vec![path]
        };
        for file in found {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

/// Everything that will be sent has been read once before anything is.
async fn survey_all(files: &[PathBuf]) -> Result<Vec<Survey>, Failed> {
    let mut surveys = Vec::new();
    for file in files {
        surveys.push(survey(file.clone(), 0, 0).await?);
    }
    Ok(surveys)
}

async fn survey(file: PathBuf, from: u64, lines_before: u64) -> anyhow::Result<Survey> {
    let read = move || replay::survey(&file, from, lines_before);
    let survey = tokio::task::spawn_blocking(read)
        .await?
        .map_err(|bad| anyhow!("{bad}; nothing of it was sent"))?;
    if let Some(line) = survey.torn {
        warn!(file = %survey.part.path.display(), line, "the last line is torn and left out: its event was never acknowledged");
    }
    Ok(survey)
}

fn show(surveys: &[Survey]) -> anyhow::Result<()> {
    let mut groups = BTreeMap::new();
    for survey in surveys {
        survey.add_to(&mut groups);
    }
    let mut out = std::io::stdout().lock();
    let mut print = || -> std::io::Result<()> {
        for (group, count) in &groups {
            let Group {
                component,
                kind,
                reason,
            } = group;
            let reason = reason.as_deref().unwrap_or("(other reasons)");
            writeln!(out, "{count:>10}  {component}  {kind}  {reason:?}")?;
        }
        let letters: u64 = groups.values().sum();
        writeln!(out, "{letters:>10}  letter(s) in {} file(s)", surveys.len())
    };
    print().context("writing to standard output failed")
}

/// Where events enter.
struct Entries {
    at: BTreeSet<ComponentKey>,
    /// Whether all enter at the same component, whatever the letters say.
    chosen: bool,
}

impl Entries {
    fn new(pipeline: &Pipeline, from: Option<&str>, surveys: &[Survey]) -> Result<Self, Failed> {
        let known: Vec<&ComponentKey> = pipeline.transforms.keys().chain(pipeline.sinks.keys()).collect();
        let there_is = || {
            let names: Vec<_> = known.iter().map(|key| format!("`{key}`")).collect();
            names.join(", ")
        };
        if let Some(from) = from {
            let from = ComponentKey::from(from);
            if !known.contains(&&from) {
                let message = format!(
                    "--from {from}: there is no such transform or sink, there is {}",
                    there_is()
                );
                return Err(Failed::Usage(message));
            }
            return Ok(Self {
                at: BTreeSet::from([from]),
                chosen: true,
            });
        }
        let mut at = BTreeSet::new();
        for survey in surveys {
            for (component, line) in &survey.first {
                if !known.contains(&component) {
                    return Err(Failed::Usage(format!(
                        "{}:{line}: the letter is of `{component}`, and there is no such transform or sink (any more), there is {}; \
                         say with `--from` where its events enter: nothing was sent",
                        survey.part.path.display(),
                        there_is()
                    )));
                }
                at.insert(component.clone());
            }
        }
        Ok(Self { at, chosen: false })
    }

    /// The sources of a part, each with what it counts.
    fn sources(&self, part: &Part) -> Vec<(ComponentKey, Replayed)> {
        let source = |at: &ComponentKey| Replayed {
            part: part.clone(),
            only: (!self.chosen).then(|| at.clone()),
            sent: Arc::new(AtomicU64::new(0)),
        };
        self.at.iter().map(|at| (entry(at), source(at))).collect()
    }
}

struct Run {
    loaded: Loaded,
    entries: Entries,
    environment: Environment,
    shutdown: ShutdownTrigger,
    sent: u64,
    again: u64,
}

impl Run {
    /// Sends a file, and what is appended to it meanwhile, then puts it aside.
    async fn file(&mut self, mut survey: Survey, keep: bool) -> Result<(), Failed> {
        loop {
            let path = survey.part.path.clone();
            let stays = || {
                format!(
                    "`{}` stays as it is: replay it again; what was delivered will be delivered again",
                    path.display()
                )
            };
            if survey.letters() > 0 {
                self.part(&survey).await.map_err(|failed| match failed {
                    Failed::Run(error) => Failed::Run(error.context(stays())),
                    other => other,
                })?;
            }
            if keep {
                return Ok(());
            }
            let part = survey.part.clone();
            let aside = tokio::task::spawn_blocking(move || replay::put_aside(&part))
                .await
                .map_err(anyhow::Error::from)?
                .with_context(|| {
                    format!(
                        "all letters in `{}` are dealt with, but renaming it failed",
                        path.display()
                    )
                })?;
            if let Some(aside) = aside {
                info!(file = %path.display(), renamed = %aside.display(), "all letters of the file are dealt with");
                return Ok(());
            }
            info!(file = %path.display(), "a pipeline has appended letters meanwhile");
            survey = self::survey(path.clone(), survey.part.to, survey.part.lines).await?;
            let other = survey.first.keys().find(|key| !self.entries.at.contains(*key));
            if let Some(other) = other.filter(|_| !self.entries.chosen) {
                let error = anyhow!("a pipeline has meanwhile appended letters of `{other}`");
                return Err(Failed::Run(error.context(stays())));
            }
        }
    }

    /// Runs the pipeline with the letters of a part.
    async fn part(&mut self, survey: &Survey) -> Result<(), Failed> {
        let sources = self.entries.sources(&survey.part);
        let counts: Vec<_> = sources
            .iter()
            .map(|(_, source)| Arc::clone(&source.sent))
            .collect();
        let pipeline = &mut self.loaded.pipeline;
        pipeline.sources = sources
            .into_iter()
            .map(|(key, source)| (key, Box::new(source) as _))
            .collect();
        let plan = topology::plan(pipeline).map_err(|problems| {
            let problems: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
            anyhow!("{}", problems.join("; "))
        })?;
        let built = topology::build(pipeline, &plan, &self.environment).await;
        let topology = built.map_err(|failure| self.loaded.refuse(&failure))?;
        let ended = topology.run(&self.shutdown, self.loaded.grace).await;
        let again = ended.map_err(anyhow::Error::from)?;
        let sent: u64 = counts.iter().map(|sent| sent.load(Ordering::Relaxed)).sum();
        self.sent += sent;
        self.again += again;
        if sent < survey.letters() {
            let error = anyhow!("interrupted, {sent} of {} letters were sent", survey.letters());
            return Err(Failed::Run(error));
        }
        Ok(())
    }
}

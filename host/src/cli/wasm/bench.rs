//! `wasm bench`: how fast a component is, beside the one that is built in.

use std::{
    fmt::Write,
    io::IsTerminal,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::{
    cli::{EXIT_FAILED, EXIT_OK, Failed, report},
    wasm::{BUILTIN_ECS_NAME, BenchError, Comparison, Corpus, Limits, Measured, Module, compare},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The component: a file, or `builtin:ecs`.
    #[arg(value_name = "FILE")]
    file: String,

    /// Events to map, one JSON object a line; a name that ends in `.gz` is decompressed.
    #[arg(long, value_name = "FILE")]
    corpus: PathBuf,

    /// Options of the component, as a JSON object.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    options: String,

    #[command(flatten)]
    grants: super::Grants,

    /// Events in a batch, at most; as in a pipeline, a batch has no more than 256 kB either.
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=128))]
    batch: u16,

    /// How long to measure, both components together, in seconds.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,

    /// A JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Report<'a> {
    corpus: CorpusSize,
    batch_events: u16,
    #[serde(flatten)]
    found: &'a Comparison,
}

#[derive(Debug, Serialize)]
struct CorpusSize {
    file: String,
    events: usize,
    bytes: usize,
}

pub(super) fn bench(args: &Args) -> Result<u8, Failed> {
    if !serde_json::from_str::<serde_json::Value>(&args.options).is_ok_and(|options| options.is_object()) {
        return Err(Failed::Usage(
            "--options is no JSON object: write one like '{\"profile\": \"current\"}'".to_owned(),
        ));
    }
    let corpus = Corpus::read(&args.corpus)
        .map_err(|error| Failed::Usage(format!("cannot read `{}`: {error}", args.corpus.display())))?;
    if corpus.is_empty() {
        return Err(Failed::Usage(format!(
            "`{}` has no event: it must hold one a line",
            args.corpus.display()
        )));
    }
    if corpus.cut {
        report::line(&format!(
            "note: of the corpus only the first {} events are used: more would not fit into the memory for it",
            corpus.len()
        ));
    }
    let engine = super::engine()?;
    let load = |file: &str, options: &str, limits| {
        Module::load(&engine, file, Path::new(""), limits, options.to_owned()).map_err(super::refused)
    };
    let limits = Limits {
        wasi: args.grants.wasi,
        ..Limits::default()
    };
    let component = load(&args.file, &args.options, limits)?;
    let baseline = load(BUILTIN_ECS_NAME, "{}", Limits::default())?;

    let budget = Duration::from_secs(args.seconds);
    let bar = progress(budget);
    let began = Instant::now();
    let go_on = || {
        let passed = began.elapsed();
        bar.set_position(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX));
        passed < budget
    };
    let found = compare(&component, &baseline, &corpus, args.batch.into(), go_on);
    bar.finish_and_clear();
    let found = match found {
        Ok(found) => found,
        Err(error @ BenchError::Failed { .. }) => {
            report::line(&format!(
                "error: {error}\n  help: `o365-host transform --wasm {} < CORPUS` shows the events on which it fails",
                args.file
            ));
            return Ok(EXIT_FAILED);
        }
        Err(BenchError::Module(error)) => return Err(super::refused(error)),
    };
    let corpus = CorpusSize {
        file: args.corpus.display().to_string(),
        events: corpus.len(),
        bytes: corpus.bytes(),
    };
    let result = Report {
        corpus,
        batch_events: args.batch,
        found: &found,
    };
    if args.json {
        super::print_json(&result)?;
    } else {
        super::print(&table(&result))?;
    }
    Ok(EXIT_OK)
}

/// Nothing unless somebody looks at it.
fn progress(budget: Duration) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let length = u64::try_from(budget.as_millis()).unwrap_or(u64::MAX);
    let style = ProgressStyle::with_template("measuring {bar:30}").expect("the template is well-formed");
    ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr()).with_style(style)
}

fn table(result: &Report<'_>) -> String {
    let corpus = &result.corpus;
    let found = result.found;
    let mut text = format!(
        "corpus   {}: {} events, {}\nbatches  {} events at most, {} rounds\n\n",
        corpus.file,
        corpus.events,
        super::size(corpus.bytes),
        result.batch_events,
        found.rounds
    );
    let mut row = |name: &str, show: &dyn Fn(&Measured) -> String| {
        let (one, two) = (show(&found.component), show(&found.baseline));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<16}{one:>16}{two:>16}");
    };
    row("", &|side| short(&side.file));
    row("events/s", &|side| format!("{:.0}", side.events_per_second));
    row("MB/s", &|side| format!("{:.1}", side.megabytes_per_second));
    row("p50 per batch", &|side| milliseconds(side.batch_p50_seconds));
    row("p99 per batch", &|side| milliseconds(side.batch_p99_seconds));
    row("instance memory", &|side| super::size(side.instance_memory_bytes));
    row("dropped", &|side| share(side.dropped, side.events));
    row("failed", &|side| share(side.failed, side.events));
    let _ = writeln!(
        text,
        "\n{} maps {:.2} times as many events a second as {}",
        found.component.file, found.ratio, found.baseline.file
    );
    text
}

/// The name of the file, cut to what a column holds.
fn short(file: &str) -> String {
    const COLUMN: usize = 15;
    let name = Path::new(file)
        .file_name()
        .map_or(file.into(), |name| name.to_string_lossy());
    let cut = name.chars().count().saturating_sub(COLUMN);
    if cut == 0 {
        return name.into_owned();
    }
    // The end says more than the beginning.
    std::iter::once('…').chain(name.chars().skip(cut + 1)).collect()
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.3} ms", seconds * 1e3)
}

fn share(part: u64, all: u64) -> String {
    if part == 0 {
        return "none".to_owned();
    }
    format!("{:.2} %", part as f64 / all.max(1) as f64 * 100.0)
}

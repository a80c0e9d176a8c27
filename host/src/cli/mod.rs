//! The command line: what each command is, and the exit code that it ends with.

mod backfill;
mod check;
mod demo;
mod logging;
mod pipeline;
mod reload;
mod replay;
mod report;
mod run;
mod setup;
mod signals;
mod simulate;
mod state;
mod test;
mod top;
mod transform;
mod validate;
mod wasm;

use std::{io::IsTerminal, process::ExitCode};

use clap::{Parser, Subcommand};
pub use logging::LogFormat;

use crate::config::ConfigErrors;

/// Done.
const EXIT_OK: u8 = 0;
/// Failed at run time.
const EXIT_FAILED: u8 = 1;
/// Wrong usage; clap ends with it too.
const EXIT_USAGE: u8 = 2;
/// Bad configuration, as `EX_CONFIG` of sysexits.h.
const EXIT_CONFIG: u8 = 78;

/// Collects the Microsoft 365 audit trail, maps it to the Elastic Common Schema in WebAssembly, refines it in VRL and
/// delivers it where you look.
#[derive(Debug, Parser)]
#[command(name = "o365-host", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Form of the log on standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, env = "O365_LOG_FORMAT")]
    log_format: LogFormat,

    /// What is logged: a level (error, warn, info, debug, trace) or directives such as `o365_source=debug,info`.
    #[arg(
        long,
        global = true,
        default_value = "info",
        env = "O365_LOG",
        value_name = "FILTER"
    )]
    log_level: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the pipeline of a configuration file.
    Run(run::Args),
    /// Fetches a time range again, through the pipeline of a configuration, also beside a collection that runs.
    Backfill(backfill::Args),
    /// Sends dead letters through the pipeline of a configuration again, when the cause has been repaired.
    Replay(replay::Args),
    /// Checks a configuration file without sending an event: exits with 78 if anything is wrong.
    Validate(validate::Args),
    /// Asks the tenants of a configuration what a collection needs, and says what to repair. Changes nothing.
    Check(check::Args),
    /// Prepares what a sink writes to: an index template.
    Setup(setup::Args),
    /// Tests the transforms of a configuration, with its `tests` and with fixture files: exits with 1 if anything is not as
    /// expected.
    Test(test::Args),
    /// Transforms events from standard input to standard output, one a line, in order.
    Transform(transform::Args),
    /// Shows the whole pipeline against a built-in simulator: needs no tenant, no account, no network.
    Demo(demo::Args),
    /// Serves the simulator of the Office 365 Management Activity API, to try a configuration against.
    Simulate(simulate::Args),
    /// Shows what the ledger holds: how far each feed is, and whether anything is missing.
    State(state::Args),
    /// Shows a running host in the terminal: feeds, components, throughput and lag.
    Top(top::Args),
    /// For the authors of components: says what one is, and whether this host runs it.
    Wasm(wasm::Args),
}

/// Why a command did not end with 0, and with what it ends.
#[derive(Debug)]
enum Failed {
    /// Something went wrong at run time: exit code 1.
    Run(anyhow::Error),
    /// The command line does not fit the configuration or the time: exit code 2.
    Usage(String),
    /// The configuration is bad: exit code 78, with a report that is ready to print.
    Config(String),
    /// The same, with the places in its file.
    Problems(ConfigErrors),
}

impl Failed {
    /// What is shown of it.
    fn text(&self, color: bool) -> String {
        match self {
            Self::Run(error) => format!("error: {error:#}"),
            Self::Usage(text) => format!("error: {text}"),
            Self::Config(text) => text.trim_end().to_owned(),
            Self::Problems(errors) => errors.render(color).trim_end().to_owned(),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Run(_) => EXIT_FAILED,
            Self::Usage(_) => EXIT_USAGE,
            Self::Config(_) | Self::Problems(_) => EXIT_CONFIG,
        }
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Run(error)
    }
}

/// Runs one command.
#[must_use]
pub fn main(cli: Cli) -> ExitCode {
    if let Err(error) = logging::init(cli.log_format, &cli.log_level) {
        report::line(&format!("error: --log-level: {error}"));
        return ExitCode::from(2);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report::line(&format!("error: starting the runtime failed: {error}"));
            return ExitCode::from(EXIT_FAILED);
        }
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => Box::pin(run::run(args)).await,
            Command::Backfill(args) => backfill::backfill(args).await,
            Command::Replay(args) => replay::replay(args).await,
            Command::Validate(args) => validate::validate(args).await,
            Command::Check(args) => check::check(args).await,
            Command::Setup(args) => setup::setup(args).await,
            Command::Test(args) => test::test(args).await,
            Command::Transform(args) => transform::transform(args).await,
            Command::Demo(args) => demo::demo(args).await,
            Command::Simulate(args) => simulate::simulate(args).await,
            Command::State(args) => state::state(args).await,
            Command::Top(args) => top::top(args).await,
            Command::Wasm(args) => wasm::wasm(args).await,
        }
    });
    // A read from standard input cannot be cancelled; it must not hold up the end.
    runtime.shutdown_background();
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failed) => {
            report::line(&failed.text(std::io::stderr().is_terminal()));
            ExitCode::from(failed.exit_code())
        }
    }
}

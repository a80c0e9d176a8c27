//! What is true of the process as a whole.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use chrono::{DateTime, Utc};
use o365_core::Clock;
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::family::{Family, seconds};

const BUILD: Family = Family::gauge("build_info", &["version"], "1, with the version of the program");
const STARTED: Family = Family::gauge(
    "start_timestamp_seconds",
    &[],
    "When the pipeline started, in seconds since 1970",
);
const SUCCESS: Family = Family::gauge(
    "last_run_success",
    &[],
    "Whether the run ended with exit code 0; only in the file of `--metrics-file`, after the end",
);
const ENDED: Family = Family::gauge(
    "last_run_end_timestamp_seconds",
    &[],
    "When the run ended, in seconds since 1970; only in the file of `--metrics-file`, after the end",
);

pub(super) fn families() -> Vec<Family> {
    vec![BUILD, STARTED, SUCCESS, ENDED]
}

/// See the module.
#[derive(Debug)]
pub(super) struct Process {
    clock: Arc<dyn Clock>,
    started: DateTime<Utc>,
    ended: OnceLock<(DateTime<Utc>, bool)>,
}

impl Process {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            started: clock.now(),
            clock,
            ended: OnceLock::new(),
        }
    }

    pub(super) fn ended(&self, success: bool) {
        // A run ends once.
        let _ = self.ended.set((self.clock.now(), success));
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        BUILD.write(&mut encoder, [(version, 1.0)])?;
        STARTED.write(&mut encoder, [(Vec::new(), seconds(self.started))])?;
        if let Some((at, success)) = self.ended.get() {
            SUCCESS.write(&mut encoder, [(Vec::new(), f64::from(u8::from(*success)))])?;
            ENDED.write(&mut encoder, [(Vec::new(), seconds(*at))])?;
        }
        Ok(())
    }
}

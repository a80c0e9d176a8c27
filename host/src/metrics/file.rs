//! Metrics in a file, for the textfile collector of Prometheus' node exporter: runs with `--once` are over before anybody
//! could scrape them.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How often the file is written while the pipeline runs.
const EVERY: Duration = Duration::from_secs(15);

/// A file that is replaced as a whole: who reads it sees all of one moment.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    interval: Interval,
}

impl MetricsFile {
    /// Nothing is written yet.
    pub fn new(path: PathBuf) -> Self {
        let mut interval = interval_at(Instant::now() + EVERY, EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { path, interval }
    }

    /// Waits until it is time to write again.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn tick(&mut self) {
        self.interval.tick().await;
    }

    /// Replaces the file.
    pub async fn write(&self, text: String) -> anyhow::Result<()> {
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || replace(&path, &text))
            .await
            .context("writing was interrupted")
            .flatten()
            .with_context(|| {
                format!(
                    "--metrics-file {}: the file cannot be written",
                    self.path.display()
                )
            })
    }
}

fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".o365-metrics-");
    // The exporter is another user.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

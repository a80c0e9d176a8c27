//! Other programs, and what they take of the machine. Linux only: it is read from `/proc`.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// How often a process is looked at.
const EVERY: Duration = Duration::from_millis(10);
/// Linux counts the time of processes in hundredths of a second.
const TICKS: f64 = 100.0;
/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_mins(30);

/// What a process has taken so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// Since it was started, in seconds.
    pub(super) wall: f64,
    /// Of all cores, in seconds.
    pub(super) cpu: f64,
    /// Resident memory now, in bytes.
    pub(super) memory: f64,
    /// The most that it ever was, in bytes.
    pub(super) peak: f64,
}

/// A program that runs, killed when it is dropped.
pub(super) struct Running {
    pub(super) child: Child,
    began: Instant,
}

impl Running {
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let child = command
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{command:?} cannot be started"))?;
        Ok(Self {
            child,
            began: Instant::now(),
        })
    }

    pub(super) fn usage(&self) -> Result<Usage> {
        let process = Path::new("/proc").join(self.child.id().to_string());
        let read = |name| std::fs::read_to_string(process.join(name));
        let (stat, status) = (read("stat")?, read("status")?);
        let after_name = stat.rsplit_once(')').context("no name in its state")?.1;
        let ticks: f64 = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|number| number.parse::<f64>().ok())
            .sum();
        let kilobytes = |name| -> Option<f64> {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        // A process that has just ended has no memory.
        let memory = kilobytes("VmRSS:").context("it has ended")?;
        Ok(Usage {
            wall: self.began.elapsed().as_secs_f64(),
            cpu: ticks / TICKS,
            memory: memory * 1024.0,
            peak: kilobytes("VmHWM:").unwrap_or(memory) * 1024.0,
        })
    }

    /// Waits until it has ended well. The last look at it is a hundredth of a second old.
    pub(super) fn end(mut self) -> Result<Usage> {
        let mut last = Usage::default();
        let status: ExitStatus = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            last = self.usage().unwrap_or(last);
            ensure!(self.began.elapsed() < PATIENCE, "it does not end");
            pause(EVERY);
        };
        last.wall = self.began.elapsed().as_secs_f64();
        ensure!(status.success(), "it failed ({status})");
        Ok(last)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets other processes work.
#[expect(
    clippy::disallowed_methods,
    reason = "a measurement takes its time, and other processes have nothing to wait on"
)]
pub(super) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Waits for something that another program does.
pub(super) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) -> Result<()> {
    let began = Instant::now();
    while !is_so() {
        ensure!(began.elapsed() < PATIENCE, "{what}: waited in vain");
        pause(EVERY);
    }
    Ok(())
}

/// The middle one.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

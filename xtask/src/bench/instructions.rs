//! Instruction counts of the mapping, by workload: valgrind counts the same on a busy machine as on an idle one.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::workspace;

const COUNTS: &str = "bench/instructions.toml";
/// Compilers differ a little from version to version, changes that matter differ more.
const TOLERANCE: f64 = 1.05;
const REPAIR: &str = "make it faster, or accept it with: cargo xtask bench --instructions --update";

/// What is committed.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Counts {
    /// What they were counted with: another compiler may give other counts.
    compiler: String,
    /// Instructions for an event, on average, by workload.
    instructions_per_event: BTreeMap<String, u64>,
}

pub(super) fn run(root: &Path, update: bool) -> Result<()> {
    let counted = count(root)?;
    let path = root.join(COUNTS);
    if update {
        let text = toml::to_string(&counted).context("the counts cannot be written")?;
        std::fs::write(&path, text).with_context(|| format!("{COUNTS} cannot be written"))?;
        println!("{COUNTS}: written");
        return Ok(());
    }
    let committed: Counts = toml::from_str(&workspace::read_text(&path)?)
        .with_context(|| format!("{COUNTS} is not understood"))?;
    for (name, instructions) in &counted.instructions_per_event {
        let before = committed.instructions_per_event.get(name);
        let before = before.map_or("none".to_owned(), u64::to_string);
        println!("{name}: {instructions} instructions an event, {before} committed");
    }
    let problems = slower(&committed, &counted);
    if !problems.is_empty() {
        bail!("{}; {REPAIR}", problems.join("; "));
    }
    Ok(())
}

fn slower(committed: &Counts, counted: &Counts) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, now) in &counted.instructions_per_event {
        match committed.instructions_per_event.get(name) {
            None => problems.push(format!("{COUNTS} has no {name}")),
            Some(before) if *now as f64 > *before as f64 * TOLERANCE => {
                let other = if committed.compiler == counted.compiler {
                    String::new()
                } else {
                    format!(" (with {}, not {})", counted.compiler, committed.compiler)
                };
                problems.push(format!(
                    "{name} needs {now} instructions an event instead of {before}{other}"
                ));
            }
            Some(_) => {}
        }
    }
    problems
}

fn count(root: &Path) -> Result<Counts> {
    let program = super::build(root, "o365-bench")?;
    let dir = root.join("target/bench");
    std::fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    let mut write = Command::new(&program);
    workspace::run(write.arg("corpus").arg(&dir))?;
    let mut counts = Counts {
        compiler: workspace::stdout_of(Command::new("rustc").arg("--version"))?
            .trim()
            .to_owned(),
        ..Counts::default()
    };
    for entry in std::fs::read_dir(&dir).context("the corpus cannot be listed")? {
        let file = entry.context("the corpus cannot be listed")?.path();
        if file.extension().is_none_or(|extension| extension != "ndjson") {
            continue;
        }
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let events = workspace::read_text(&file)?.lines().count() as u64;
        let instructions = callgrind(&program, &file, &dir)?;
        counts
            .instructions_per_event
            .insert(name, instructions / events.max(1));
    }
    Ok(counts)
}

/// Instructions of the function `counted` and of what it calls.
fn callgrind(program: &Path, file: &Path, dir: &Path) -> Result<u64> {
    let out = dir.join("callgrind.out");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--toggle-collect=o365_bench::counted*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .arg("map")
        .arg(file);
    workspace::stdout_of(&mut valgrind).context("valgrind counts the instructions: install it")?;
    summary(&workspace::read_text(&out)?).context("valgrind's output has no count above zero")
}

/// What callgrind adds up at the end of its output.
fn summary(text: &str) -> Option<u64> {
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "))?;
    total.trim().parse().ok().filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(compiler: &str, exchange: u64) -> Counts {
        Counts {
            compiler: compiler.to_owned(),
            instructions_per_event: BTreeMap::from([("exchange".to_owned(), exchange)]),
        }
    }

    #[test]
    fn five_percent_more_are_too_many() {
        let committed = counts("rustc 1", 10_000);
        assert!(slower(&committed, &counts("rustc 1", 10_500)).is_empty());
        assert!(slower(&committed, &counts("rustc 1", 2_000)).is_empty());
        assert_eq!(
            slower(&committed, &counts("rustc 2", 10_501)),
            ["exchange needs 10501 instructions an event instead of 10000 (with rustc 2, not rustc 1)"]
        );
        assert_eq!(
            slower(&Counts::default(), &counts("rustc 1", 1)),
            ["bench/instructions.toml has no exchange"]
        );
    }

    #[test]
    fn the_total_is_read_from_callgrinds_output() {
        assert_eq!(
            summary("events: Ir\nsummary: 9\n\nfn=(1)\n7 3\n\ntotals: 1234\n"),
            Some(1234)
        );
        assert_eq!(summary("totals: 0\n"), None, "nothing was counted");
        assert_eq!(summary(""), None);
    }
}

//! Unit tests: what is not as expected, with the condition, what VRL says of it, and the events.

use std::{fmt::Write as _, path::Path};

use quick_junit::TestSuite;

use super::junit;
use crate::{
    topology::OutputId,
    unit_tests::{
        judge::{Seen, Unmet, Verdict, Wrong},
        run::FailedInput,
    },
};

/// More events are counted, not shown.
const MOST_EVENTS: usize = 10;

/// A line for each test, what is wrong below it, and a last line for all.
pub(super) fn told(verdicts: &[(String, Verdict)], colour: bool) -> String {
    let mut text = String::new();
    for (name, verdict) in verdicts {
        let word = if verdict.passed() { "ok    " } else { "FAILED" };
        let _ = writeln!(text, "{word}  test `{name}`");
        text.push_str(&details(verdict, colour));
        for shown in &verdict.shown {
            let _ = writeln!(text, "  outputs[{}] has no conditions; its events:", shown.output);
            text.push_str(&events(&shown.events));
        }
    }
    let failed = verdicts.iter().filter(|(_, verdict)| !verdict.passed()).count();
    let _ = writeln!(
        text,
        "{} test(s): {} passed, {failed} failed",
        verdicts.len(),
        verdicts.len() - failed
    );
    text
}

/// A suite for the configuration, a case for each test.
pub(super) fn suite(config: &Path, verdicts: &[(String, Verdict)]) -> TestSuite {
    let cases = verdicts.iter().map(|(name, verdict)| {
        let wrong = (!verdict.passed()).then(|| details(verdict, false));
        (name.clone(), wrong)
    });
    junit::suite(&config.display().to_string(), cases)
}

/// What is wrong; nothing for a test that has passed.
fn details(verdict: &Verdict, colour: bool) -> String {
    let mut text = String::new();
    for wrong in &verdict.wrong {
        let _ = match wrong {
            Wrong::Input(failed) => writeln!(
                text,
                "  {}: the event cannot be made: {}",
                failed.path, failed.reason
            ),
            Wrong::NoEvent { output, from } => {
                writeln!(text, "  outputs[{output}]: no event came out of {}", names(from))
            }
            Wrong::Unexpected { from, events: seen } => writeln!(
                text,
                "  no_outputs_from: {} event(s) came out of `{from}`\n{}",
                seen.len(),
                events(seen).trim_end_matches('\n')
            ),
            Wrong::Unmet {
                output,
                conditions,
                events: seen,
            } => {
                for unmet in conditions {
                    text.push_str(&condition(*output, unmet, seen.len(), colour));
                }
                text.push_str(&events(seen));
                Ok(())
            }
        };
    }
    if !verdict.passed() {
        for FailedInput {
            path,
            component,
            reason,
        } in &verdict.failed
        {
            let component = component.as_deref().unwrap_or_default();
            let _ = writeln!(text, "  {path} failed in `{component}`: {reason}");
        }
    }
    text
}

/// The condition, and what is said of each event.
fn condition(output: usize, unmet: &Unmet, events: usize, colour: bool) -> String {
    let (red, end) = if colour { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
    let mut text = format!(
        "  outputs[{output}].conditions[{}] holds for none of {events} event(s)\n",
        unmet.condition
    );
    text.push_str(&indented("      | ", &unmet.source));
    for (number, answer) in (1..).zip(&unmet.answers).take(MOST_EVENTS) {
        let answer = answer.replace('\n', "\n        ");
        let _ = writeln!(text, "      event {number}: {red}{answer}{end}");
    }
    text
}

fn events(seen: &[Seen]) -> String {
    let mut text = String::new();
    for (number, seen) in (1..).zip(seen).take(MOST_EVENTS) {
        let _ = writeln!(text, "    event {number}, extracted from `{}`", seen.from);
        text.push_str(&indented("      ", &seen.document));
    }
    if seen.len() > MOST_EVENTS {
        let _ = writeln!(text, "    and {} more", seen.len() - MOST_EVENTS);
    }
    text
}

fn indented(with: &str, lines: &str) -> String {
    lines.lines().map(|line| format!("{with}{line}\n")).collect()
}

fn names(outputs: &[OutputId]) -> String {
    let names: Vec<_> = outputs.iter().map(|output| format!("`{output}`")).collect();
    names.join(", ")
}

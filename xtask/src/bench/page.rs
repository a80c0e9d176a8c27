//! The part of `docs/benchmarks.md` that is written from measurements; what people have written around it stays.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{Measured, Speed};
use crate::workspace;

const PAGE: &str = "docs/benchmarks.md";

/// A part of the page, between two lines.
pub(super) struct Section {
    begin: &'static str,
    end: &'static str,
}

pub(super) const MAPPING: Section = Section {
    begin: "<!-- measured: written by `cargo xtask bench` -->\n",
    end: "<!-- end of measured -->\n",
};
pub(super) const SCALE: Section = Section {
    begin: "<!-- scale: written by `cargo xtask bench --scale` -->\n",
    end: "<!-- end of scale -->\n",
};

/// Which ratios are told, and what is asked of them.
const RATIOS: [Ratio; 9] = [
    Ratio {
        of: "native",
        to: "floor",
        bar: Some(0.5),
    },
    Ratio {
        of: "native-reference",
        to: "floor",
        bar: None,
    },
    Ratio {
        of: "component",
        to: "native",
        bar: Some(0.7),
    },
    Ratio {
        of: "component-reference",
        to: "native-reference",
        bar: None,
    },
    Ratio {
        of: "component-reference",
        to: "vrl",
        bar: Some(10.0),
    },
    Ratio {
        of: "component",
        to: "value",
        bar: None,
    },
    Ratio {
        of: "native",
        to: "value",
        bar: None,
    },
    Ratio {
        of: "native",
        to: "value-floor",
        bar: None,
    },
    Ratio {
        of: "floor",
        to: "value-floor",
        bar: None,
    },
];

struct Ratio {
    of: &'static str,
    to: &'static str,
    bar: Option<f64>,
}

/// Writes a section anew.
pub(super) fn write(root: &Path, section: &Section, text: &str) -> Result<()> {
    change(root, section, |_| format!("\n{text}\n"))
}

/// Writes what stands below one heading of a section anew.
pub(super) fn write_part(root: &Path, section: &Section, heading: &str, text: &str) -> Result<()> {
    change(root, section, |old| with_part(old, heading, text))
}

fn change(root: &Path, section: &Section, new: impl FnOnce(&str) -> String) -> Result<()> {
    let path = root.join(PAGE);
    let page = workspace::read_text(&path)?;
    let page = replaced(&page, section, new).with_context(|| {
        let Section { begin, end } = section;
        format!("{PAGE} lacks the line {begin:?} or {end:?} after it")
    })?;
    std::fs::write(&path, page).with_context(|| format!("{PAGE} cannot be written"))?;
    println!("{PAGE}: written");
    Ok(())
}

/// The page with another text between the two marks.
fn replaced(
    page: &str,
    Section { begin, end }: &Section,
    new: impl FnOnce(&str) -> String,
) -> Option<String> {
    let (before, rest) = page.split_once(begin)?;
    let (old, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}{}{end}{after}", new(old)))
}

/// A section with another text below a heading, which comes last if there is none.
fn with_part(section: &str, heading: &str, text: &str) -> String {
    const MARK: &str = "### ";
    let part = format!("{MARK}{heading}\n\n{}\n\n", text.trim());
    let begin = section
        .find(&format!("{MARK}{heading}\n"))
        .unwrap_or(section.len());
    let (before, old) = section.split_at(begin);
    let after = old.get(1..).and_then(|rest| Some(&rest[rest.find(MARK)?..]));
    format!("{before}{part}{}", after.unwrap_or_default())
}

/// The processor, for readers.
pub(super) fn machine() -> String {
    let processor = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(": ")?.1.to_owned())
    });
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "{}, {cores} cores",
        processor.as_deref().unwrap_or("unknown processor")
    )
}

pub(super) fn tables(measured: &[Measured], machine: &str) -> String {
    let mut text = format!("{machine}; one thread.\n\nEvents per second, the median of all rounds:\n\n|");
    let column = |measured: &Measured| {
        format!(
            " {} ({} events, {} bytes, {} rounds) |",
            measured.name, measured.events, measured.bytes_per_event, measured.rounds
        )
    };
    let speeds = measured.first().map_or(&[][..], |first| &first.speeds);
    let heads: String = measured.iter().map(column).collect();
    let rule = "---:|".repeat(measured.len());
    // Writing to a string cannot fail.
    let _ = writeln!(text, " |{heads}\n|---|{rule}");
    for (at, Speed { name, what, .. }) in speeds.iter().enumerate() {
        let cells: String = measured
            .iter()
            .map(|measured| format!(" {} |", thousands(measured.speeds[at].events_per_second)))
            .collect();
        let _ = writeln!(text, "| `{name}`: {what} |{cells}");
    }
    let _ = writeln!(text, "\nRatios in the same rounds:\n");
    let heads: String = measured.iter().map(|it| format!(" {} |", it.name)).collect();
    let _ = writeln!(text, "| | bar |{heads}\n|---|---:|{rule}");
    for Ratio { of, to, bar } in RATIOS {
        let cells: String = measured
            .iter()
            .map(|measured| match (rate(measured, of), rate(measured, to)) {
                (Some(of), Some(to)) => format!(" {:.2} |", of / to),
                _ => " |".to_owned(),
            })
            .collect();
        let bar = bar.map_or(String::new(), |bar| format!(">= {bar}"));
        let _ = writeln!(text, "| `{of}` to `{to}` | {bar} |{cells}");
    }
    text
}

fn rate(measured: &Measured, name: &str) -> Option<f64> {
    let speed = measured.speeds.iter().find(|speed| speed.name == name)?;
    Some(speed.events_per_second)
}

/// `123,456`.
pub(super) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed(name: &str, events_per_second: f64) -> Speed {
        Speed {
            name: name.to_owned(),
            what: format!("what {name} does"),
            events_per_second,
        }
    }

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let Section { begin, end } = MAPPING;
        let replaced = |page: &str| replaced(page, &MAPPING, |_| "\nnew\n".to_owned());
        let page = format!("# Head\n{begin}old\n{end}tail\n");
        let found = replaced(&page).expect("both marks");
        assert_eq!(found, format!("# Head\n{begin}\nnew\n{end}tail\n"));
        assert_eq!(replaced(&found).as_deref(), Some(found.as_str()), "twice is once");
        assert_eq!(replaced("no marks"), None);
        assert_eq!(replaced(&format!("{end}{begin}")), None);
    }

    #[test]
    fn only_one_part_of_a_section_is_replaced() {
        let first = with_part("", "Start", "1 ms\n");
        assert_eq!(first, "### Start\n\n1 ms\n\n");
        let both = with_part(&first, "Idle tenants", "2 MB");
        assert_eq!(both, "### Start\n\n1 ms\n\n### Idle tenants\n\n2 MB\n\n");
        let expect = both.replace("1 ms", "3 ms");
        assert_eq!(with_part(&both, "Start", "3 ms"), expect);
        assert_eq!(with_part(&expect, "Start", "3 ms"), expect, "twice is once");
        let expect = both.replace("2 MB", "4 MB");
        assert_eq!(with_part(&both, "Idle tenants", "4 MB"), expect);
    }

    #[test]
    fn speeds_become_ratios() {
        let measured = Measured {
            name: "small".to_owned(),
            events: 10,
            bytes_per_event: 1340,
            rounds: 3,
            speeds: vec![speed("floor", 1_000_000.0), speed("native", 512_345.6)],
        };
        let text = tables(&[measured], "a machine");
        for line in [
            "| `floor`: what floor does | 1,000,000 |",
            "| `native`: what native does | 512,346 |",
            "| `native` to `floor` | >= 0.5 | 0.51 |",
            "| `component` to `native` | >= 0.7 | |",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
        }
    }
}

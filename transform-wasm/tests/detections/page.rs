//! docs/reference/detections.md.

use std::fmt::Write;

use crate::data::{Condition, Detections, Rule};

/// A comparison of a rule, and the fixture that satisfies it.
pub(crate) struct Found<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) condition: Option<Condition<'a>>,
    pub(crate) fixture: String,
}

const HEAD: &str = "\
<!-- Generated from fixtures/detections.toml by `UPDATE_EXPECT=1 cargo test -p o365-ecs --test detections`. -->

# What detection rules read

The fields and values that Elastic's detection rules over `o365.audit` and Sigma's rules for `m365` compare with, and
for each an event among our fixtures whose document satisfies the comparison: `folder/file` below `fixtures/`, and the
number of the event in it, from 1. The mapping has its default options. A test finds these events anew at every run.

A condition on a list holds if any member satisfies it. `like` and `contains` ignore case, `*` stands for any text.
";

pub(crate) fn write(
    data: &Detections,
    elastic: &[Found<'_>],
    sigma: &[Found<'_>],
    gaps: &[Vec<Found<'_>>],
) -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Elastic\n\n| Field | Value | Fixture |\n|---|---|---|\n");
    for found in elastic {
        row(&mut page, found, false);
    }
    notes(&mut page, &data.elastic);
    page.push_str("\n## Sigma\n\n| Field of the rule | Field here | Value | Fixture |\n|---|---|---|---|\n");
    for found in sigma {
        row(&mut page, found, true);
    }
    notes(&mut page, &data.sigma);
    page.push_str("\n## How a rule must be translated\n\n| In the rule | Here |\n|---|---|\n");
    for translation in &data.translation {
        line(&mut page, &[&translation.rule, &translation.here]);
    }
    page.push_str(
        "\n## What Elastic's own mapping lacks, and what closes it\n\n\
         | Lacks | Closed by | Field | Value | Fixture |\n|---|---|---|---|---|\n",
    );
    for (gap, found) in data.gap.iter().zip(gaps) {
        for found in found {
            let value = found.condition.as_ref().map_or_else(String::new, text);
            let beside: String = found
                .rule
                .beside
                .iter()
                .map(|(field, value)| format!(", with {} = {}", code(field), code(value)))
                .collect();
            line(
                &mut page,
                &[
                    &gap.lacks,
                    &gap.closed_by,
                    &code(found.rule.field()),
                    &(value + &beside),
                    &found.fixture,
                ],
            );
        }
    }
    page
}

fn row(page: &mut String, found: &Found<'_>, translated: bool) {
    let rule = found.rule;
    let (name, field) = (code(&rule.name), code(rule.field()));
    let value = match (&found.condition, &rule.made_by) {
        (Some(condition), None) => text(condition),
        (Some(condition), Some(transform)) => {
            format!("{}, made by the transform `{transform}`", text(condition))
        }
        (None, transform) => format!(
            "any, made by the transform `{}`",
            transform.as_deref().unwrap_or_default()
        ),
    };
    if translated {
        line(page, &[&name, &field, &value, &found.fixture]);
    } else if rule.field() == rule.name {
        line(page, &[&name, &value, &found.fixture]);
    } else {
        line(page, &[&format!("{name} → {field}"), &value, &found.fixture]);
    }
}

fn notes(page: &mut String, rules: &[Rule]) {
    page.push('\n');
    for rule in rules {
        if let Some(note) = &rule.note {
            writeln!(page, "* {}: {note}.", code(&rule.name)).expect("a string takes anything");
        }
    }
}

fn line(page: &mut String, cells: &[&str]) {
    writeln!(page, "| {} |", cells.join(" | ")).expect("a string takes anything");
}

fn text(condition: &Condition<'_>) -> String {
    match condition {
        Condition::Present => "any".to_owned(),
        Condition::Equals(value) => code(value),
        Condition::Like(value) => format!("like {}", code(value)),
        Condition::Contains(value) => format!("contains {}", code(value)),
        Condition::Is(value) => format!("{value}"),
        Condition::AtLeast(bound) => format!("at least {bound}"),
        Condition::AtMost(bound) => format!("at most {bound}"),
    }
}

/// As code in a table.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|").replace('\0', "\\u0000"))
}

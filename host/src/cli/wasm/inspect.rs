//! `wasm inspect`: what a component is, in words.

use crate::{
    cli::{EXIT_FAILED, EXIT_OK, Failed},
    wasm::{Inspection, Kind, Limits},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The component: a file, or `builtin:ecs`.
    #[arg(value_name = "FILE")]
    file: String,

    #[command(flatten)]
    grants: super::Grants,

    /// A JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn inspect(args: &Args) -> Result<u8, Failed> {
    let limits = Limits {
        wasi: args.grants.wasi,
        ..Limits::default()
    };
    let found = super::look(&super::engine()?, &args.file, limits)?;
    if args.json {
        super::print_json(&found)?;
    } else {
        super::print(&told(&found))?;
    }
    Ok(if found.runs { EXIT_OK } else { EXIT_FAILED })
}

fn told(found: &Inspection) -> String {
    let mut lines = vec![
        row("file", &found.file),
        row("size", &super::size(found.bytes)),
        row("sha256", &found.sha256),
        row(
            "kind",
            match found.kind {
                Kind::Component => "component",
                Kind::CoreModule => "core module, not a component",
                Kind::Other => "not WebAssembly that this host can read",
            },
        ),
    ];
    // What was not compiled was not asked.
    if found.compile_seconds.is_some() {
        let implements = match &found.implements {
            Some(version) => format!("o365:transform {version}"),
            None => "no version of o365:transform".to_owned(),
        };
        lines.push(row("implements", &implements));
    }
    let names = found.imports.iter().map(|import| {
        let offered = if import.offered { "offered" } else { "NOT OFFERED" };
        let note = import.note.map(|note| format!(", {note}")).unwrap_or_default();
        format!("{} ({offered}{note})", line(&import.name))
    });
    lines.extend(rows("imports", names));
    if let Some(uses) = &found.wasi {
        lines.push(row("wasi", &uses.to_string()));
    }
    let names = found.exports.iter().map(|export| {
        let called = if export.called { "called" } else { "not called" };
        format!("{} ({called})", line(&export.name))
    });
    lines.extend(rows("exports", names));
    if let Some(said) = &found.describes {
        lines.push(row("name", &line(&said.name)));
        lines.push(row("version", &line(&said.version)));
        lines.push(row("description", &line(&said.description)));
        lines.push(row("output schema", &line(&said.output_schema)));
    }
    if let Some(seconds) = found.compile_seconds {
        lines.push(row("compiled in", &format!("{:.1} ms", seconds * 1e3)));
    }
    if let Some(bytes) = found.instance_memory_bytes {
        lines.push(row("fresh instance", &super::size(bytes)));
    }
    let verdict = if found.runs {
        "this host runs it"
    } else {
        "this host does not run it"
    };
    lines.push(row("verdict", verdict));
    for finding in &found.problems {
        lines.push(format!("  problem: {}", line(&finding.problem)));
        lines.push(format!("    to do: {}", finding.to_do));
    }
    lines.join("\n") + "\n"
}

fn row(name: &str, value: &str) -> String {
    format!("{name:<15}{value}")
}

/// The name stands in the first row only.
fn rows(name: &str, values: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    if values.len() == 0 {
        return Vec::new();
    }
    values
        .enumerate()
        .map(|(index, value)| row(if index == 0 { name } else { "" }, &value))
        .collect()
}

/// Whatever a component says stays on one line and moves no cursor.
fn line(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

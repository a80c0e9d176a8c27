//! VRL programs: where their text comes from, how they are compiled, and where in a file a mistake is.

use std::{path::Path, sync::Arc};

use o365_core::config::{Problem, Services};
use vrl::{
    compiler::{CompilationResult, CompileConfig, Program, TypeState},
    diagnostic::{DiagnosticList, Formatter},
    path::PathPrefix,
};

use crate::enrichment::{self, Tables};

const LANGUAGE: &str = "the language: https://vector.dev/docs/reference/vrl/";

/// The text of a program, and the option that it came from.
#[derive(Debug)]
pub(crate) struct ProgramText {
    /// What it is, for messages: `program` or `condition`.
    what: &'static str,
    field: String,
    text: String,
    /// Files that the text came from, each with its first byte in it.
    files: Vec<(String, usize)>,
    /// Whether the option is a list of files.
    listed: bool,
}

impl ProgramText {
    /// A program that stands in the configuration, at the option `field`.
    pub(crate) fn inline(what: &'static str, field: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            what,
            field: field.into(),
            text: text.into(),
            files: Vec::new(),
            listed: false,
        }
    }

    /// A program in files, joined in this order. `field` is the option that names one, or lists them.
    pub(crate) fn read(field: &str, dir: &Path, names: &[String], listed: bool) -> Result<Self, Problem> {
        let mut program = Self {
            listed,
            ..Self::inline("program", field, "")
        };
        for (index, name) in names.iter().enumerate() {
            let path = dir.join(name);
            let text = std::fs::read_to_string(&path).map_err(|error| {
                let field = if listed {
                    format!("{field}[{index}]")
                } else {
                    field.to_owned()
                };
                Problem::new(field, format!("cannot read `{}`: {error}", path.display()))
                    .hint("a relative path starts at the configuration file")
            })?;
            if index > 0 {
                program.text.push('\n');
            }
            program.files.push((name.clone(), program.text.len()));
            program.text.push_str(&text);
        }
        Ok(program)
    }

    /// Compiles it with the functions of the standard library and those of enrichment tables. Takes up to a second: not for
    /// an async thread.
    pub(crate) fn compile(
        &self,
        mut config: CompileConfig,
        services: &Services,
    ) -> Result<CompilationResult, Problem> {
        let mut functions = vrl::stdlib::all();
        functions.extend(enrichment::functions());
        config.set_custom::<Arc<Tables>>(services.get().unwrap_or_default());
        vrl::compiler::compile_with_state(&self.text, &functions, &TypeState::default(), config)
            .map_err(|diagnostics| self.problem(diagnostics))
    }

    /// What the compiler warns of, if it does.
    pub(crate) fn warnings(&self, compiled: &CompilationResult) -> Option<String> {
        if compiled.warnings.is_empty() {
            return None;
        }
        let report = Formatter::new(&self.text, compiled.warnings.clone()).to_string();
        Some(report.trim().to_owned())
    }

    /// VRL's own report, pointed at the first error.
    fn problem(&self, diagnostics: DiagnosticList) -> Problem {
        let span = first_error(&diagnostics);
        let in_file = span.as_ref().and_then(|span| self.file_place(span.start));
        let (field, place) = match in_file {
            Some((index, place)) if self.listed => {
                (format!("{}[{index}]", self.field), format!(" ({place})"))
            }
            Some((_, place)) => (self.field.clone(), format!(" ({place})")),
            None => (self.field.clone(), String::new()),
        };
        let report = Formatter::new(&self.text, diagnostics).to_string();
        let problem = Problem::new(
            field,
            format!(
                "the VRL {} does not compile{place}:\n{}",
                self.what,
                report.trim()
            ),
        )
        .hint(LANGUAGE);
        match span {
            Some(span) if self.files.is_empty() => problem.within(span),
            _ => problem,
        }
    }

    /// In which file a byte of the text stands, and where there: `tidy.vrl:3:7`, the column in characters.
    fn file_place(&self, offset: usize) -> Option<(usize, String)> {
        let index = self.files.iter().rposition(|(_, start)| *start <= offset)?;
        let (name, start) = self.files.get(index)?;
        let before = self.text.get(*start..offset)?;
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Some((index, format!("{name}:{line}:{column}")))
    }
}

/// Where in the text the first error is.
fn first_error(diagnostics: &DiagnosticList) -> Option<std::ops::Range<usize>> {
    diagnostics.errors().first().and_then(|error| {
        error
            .labels()
            .iter()
            .find(|label| label.primary)
            .map(|label| label.span.range())
    })
}

/// Whether the program reads or writes `%`, which is built for those that do.
pub(crate) fn uses_metadata(program: &Program) -> bool {
    let info = program.info();
    info.target_queries
        .iter()
        .chain(&info.target_assignments)
        .any(|path| path.prefix == PathPrefix::Metadata)
}

//! VRL programs of a configuration: compiled, with VRL's own report of what is wrong at the place where it is written.

use o365_core::config::Problem;
use vrl::{
    compiler::{CompileConfig, Program, TypeState},
    diagnostic::{DiagnosticList, Formatter},
    path::PathPrefix,
};

/// A program, and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProgramText {
    /// What it is, for messages: `program` or `condition`.
    pub(super) what: &'static str,
    /// The option that holds it, or names its files.
    pub(super) field: String,
    /// The program.
    pub(super) text: String,
    /// File or files that the text came from, if it is not in the configuration itself.
    pub(super) name: Option<String>,
}

impl ProgramText {
    /// Compiles it. Takes up to a second: not for an async thread.
    pub(super) fn compile(&self, config: CompileConfig) -> Result<Program, Problem> {
        let functions = vrl::stdlib::all();
        vrl::compiler::compile_with_state(&self.text, &functions, &TypeState::default(), config)
            .map(|compiled| compiled.program)
            .map_err(|diagnostics| self.problem(diagnostics))
    }

    /// VRL's own report, pointed at the first error.
    fn problem(&self, diagnostics: DiagnosticList) -> Problem {
        let span = diagnostics.errors().first().and_then(|error| {
            error
                .labels()
                .iter()
                .find(|label| label.primary)
                .map(|label| label.span.range())
        });
        let report = Formatter::new(&self.text, diagnostics).to_string();
        let place = self
            .name
            .as_ref()
            .map(|name| format!(" in `{name}`"))
            .unwrap_or_default();
        let problem = Problem::new(
            &self.field,
            format!(
                "the VRL {}{place} does not compile:\n{}",
                self.what,
                report.trim()
            ),
        )
        .hint("the language: https://vector.dev/docs/reference/vrl/");
        match (span, &self.name) {
            (Some(span), None) => problem.within(span),
            _ => problem,
        }
    }
}

/// Whether the program reads or writes `%`, which is built for those that do.
pub(super) fn uses_metadata(program: &Program) -> bool {
    let info = program.info();
    info.target_queries
        .iter()
        .chain(&info.target_assignments)
        .any(|path| path.prefix == PathPrefix::Metadata)
}

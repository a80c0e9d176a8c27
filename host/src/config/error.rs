//! What is wrong with a configuration, for a person.

use std::{fmt, ops::Range, sync::Arc};

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::document::{self, Document};

/// One thing that is wrong, and where.
#[derive(Clone)]
pub struct ConfigProblem {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The path in the configuration, such as `sources.o365.api.poll_interval`; empty for the file as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    span: Range<usize>,
    other: Option<(Range<usize>, &'static str)>,
    document: Option<Arc<Document>>,
}

impl fmt::Debug for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl ConfigProblem {
    /// A problem at a place. Secrets of the file are taken out of the words.
    pub(super) fn at(
        document: &Arc<Document>,
        span: Range<usize>,
        path: String,
        message: &str,
        hint: Option<&str>,
    ) -> Self {
        let (line, column) = document.position(span.start);
        Self {
            file: document.name.clone(),
            line,
            column,
            path,
            message: document.clean(message),
            hint: hint.map(|hint| document.clean(hint)),
            span,
            other: None,
            document: Some(Arc::clone(document)),
        }
    }

    /// A problem of a file that could not be opened.
    pub(super) fn of_file(file: &str, message: String, hint: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: 1,
            column: 1,
            path: String::new(),
            message,
            hint: Some(hint.to_owned()),
            span: 0..0,
            other: None,
            document: None,
        }
    }

    /// Adds a second place.
    pub(super) fn and_at(mut self, other: Option<(Range<usize>, &'static str)>) -> Self {
        self.other = other;
        self
    }

    /// The problem with an excerpt of the file.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let title = Level::ERROR.primary_title(self.message.as_str());
        let help = self.hint.as_ref().map(|hint| Level::HELP.message(hint.as_str()));
        let Some(document) = &self.document else {
            return renderer.render(&[title.element(Origin::path(self.file.as_str())).elements(help)]);
        };
        let redacted = document.redacted();
        let place = visible(&redacted.text, redacted.place(&self.span));
        let shown_column = document::position(&redacted.text, place.start).1;
        let mut primary = AnnotationKind::Primary.span(place);
        if !self.path.is_empty() {
            primary = primary.label(format!("in `{}`", self.path));
        }
        let other = self.other.as_ref().map(|(span, label)| {
            AnnotationKind::Context
                .span(visible(&redacted.text, redacted.place(span)))
                .label(*label)
        });
        let excerpt = Snippet::source(redacted.text)
            .path(self.file.as_str())
            .annotation(primary)
            .annotations(other);
        let rendered = renderer.render(&[title.element(excerpt).elements(help)]);
        // The column is that of the file, though a secret before it may have been longer than what stands for it.
        let place = |column: usize| format!("{}:{}:{column}", self.file, self.line);
        rendered.replacen(&place(shown_column), &place(self.column), 1)
    }
}

/// The part of a span that is on its first line, and at least one character wide: what is longer is pointed at, not
/// repeated.
fn visible(text: &str, span: Range<usize>) -> Range<usize> {
    let line_end = text[span.start..]
        .find('\n')
        .map_or(text.len(), |at| span.start + at);
    let end = span.end.min(line_end);
    span.start..end.max(span.start)
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a configuration, in the order of the file.
#[derive(Debug, Clone)]
pub struct ConfigErrors {
    problems: Vec<ConfigProblem>,
}

impl ConfigErrors {
    /// Puts problems into the order of the file.
    pub fn from_problems(mut problems: Vec<ConfigProblem>) -> Self {
        problems.sort_by(|a, b| (&a.file, a.span.start).cmp(&(&b.file, b.span.start)));
        Self { problems }
    }

    /// The problems.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }

    /// All problems with excerpts, ready to be shown. Secrets are left out.
    pub fn render(&self, color: bool) -> String {
        let problems: Vec<_> = self
            .problems
            .iter()
            .map(|problem| problem.render(color))
            .collect();
        let mut text = problems.join("\n\n");
        text.push('\n');
        text
    }
}

/// One line a problem.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

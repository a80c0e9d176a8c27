//! How components are configured, checked and built.
//!
//! A component is a struct that a configuration is read into, with one of three traits: [`SourceConfig`],
//! [`TransformConfig`], [`SinkConfig`]. Everything that can be wrong is reported as [`Problem`]s, all at once, each with
//! the field it belongs to; whoever read the configuration knows in which line that field stands.

use std::{any::Any, fmt::Debug, path::PathBuf, sync::Arc};

use async_trait::async_trait;

use crate::{
    ComponentError,
    clock::Clock,
    key::ComponentKey,
    sink::Sink,
    source::{Source, SourceContext},
    transform::Transform,
};

/// One thing that is wrong with a component's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Field below the component, such as `module` or `api.max_retention`; empty for the component as a whole.
    pub field: String,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where in the field's text, as a range of bytes, if the field is a program.
    pub within: Option<std::ops::Range<usize>>,
}

impl Problem {
    /// A problem of one field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            hint: None,
            within: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Points into the field's text.
    #[must_use]
    pub fn within(mut self, range: std::ops::Range<usize>) -> Self {
        self.within = Some(range);
        self
    }
}

/// A component cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("{}", describe(problems))]
pub struct BuildError {
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

fn describe(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems
        .iter()
        .map(|problem| {
            let field = if problem.field.is_empty() {
                String::new()
            } else {
                format!("{}: ", problem.field)
            };
            let hint = problem
                .hint
                .as_ref()
                .map(|hint| format!(" ({hint})"))
                .unwrap_or_default();
            format!("{field}{}{hint}", problem.message)
        })
        .collect();
    lines.join("; ")
}

impl From<Problem> for BuildError {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

impl From<Vec<Problem>> for BuildError {
    fn from(problems: Vec<Problem>) -> Self {
        Self { problems }
    }
}

/// What a component says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The `type` in the configuration.
    pub component_type: &'static str,
    /// One line for people.
    pub summary: String,
    /// Named outputs besides the default one (`dropped` is read as `inputs: [name.dropped]`).
    pub outputs: Vec<String>,
}

/// Things of the host that a component may use, by type: a WebAssembly engine, a table of programs' functions.
#[derive(Debug, Clone, Default)]
pub struct Services(Vec<Arc<dyn AnyDebug>>);

trait AnyDebug: Any + Debug + Send + Sync {}
impl<T: Any + Debug + Send + Sync> AnyDebug for T {}

impl Services {
    /// Adds a service; a later one of the same type is not found.
    #[must_use]
    pub fn with<T: Any + Debug + Send + Sync>(mut self, service: Arc<T>) -> Self {
        self.0.push(service);
        self
    }

    /// Finds a service by its type.
    pub fn get<T: Any + Debug + Send + Sync>(&self) -> Option<Arc<T>> {
        self.0.iter().find_map(|service| {
            let service: Arc<dyn Any + Send + Sync> = Arc::clone(service) as _;
            service.downcast::<T>().ok()
        })
    }
}

/// What a transform or a sink is built with.
#[derive(Debug, Clone)]
pub struct ComponentContext {
    /// The component's name.
    pub key: ComponentKey,
    /// Where it may keep state.
    pub data_dir: PathBuf,
    /// Directory of the configuration file: relative paths of the configuration start here.
    pub config_dir: PathBuf,
    /// The calendar.
    pub clock: Arc<dyn Clock>,
    /// Things of the host.
    pub services: Services,
}

/// The configuration of a source. As an [`Any`], it can be told what type it is.
#[async_trait]
pub trait SourceConfig: Any + Debug + Send + Sync {
    /// What this source is.
    fn describe(&self) -> Description;

    /// Files that the source is built from, besides the configuration: it is built anew when one of them changes. Not those
    /// that it reads again by itself.
    fn files_to_watch(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Everything that is wrong and can be seen without the network.
    fn validate(&self, cx: &ComponentContext) -> Vec<Problem>;

    /// Makes the source, ready to run, or says everything that [`SourceConfig::validate`] says: whoever builds does not ask
    /// that before. Nothing is requested from a service before the returned future is polled.
    async fn build(&self, cx: SourceContext) -> Result<Source, BuildError>;
}

/// The configuration of a transform. As an [`Any`], it can be told what type it is.
#[async_trait]
pub trait TransformConfig: Any + Debug + Send + Sync {
    /// What this transform is.
    fn describe(&self) -> Description;

    /// Whether it has an output besides those that [`TransformConfig::describe`] names.
    fn has_default_output(&self) -> bool {
        true
    }

    /// As [`SourceConfig::files_to_watch`].
    fn files_to_watch(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Whether it runs programs, which may look up in tables and know the default time zone: then it is built anew when these
    /// change.
    fn runs_programs(&self) -> bool {
        false
    }

    /// Everything that is wrong and can be seen without the network. By default: what building it says.
    async fn validate(&self, cx: &ComponentContext) -> Vec<Problem> {
        match self.build(cx).await {
            Ok(_) => Vec::new(),
            Err(error) => error.problems,
        }
    }

    /// Makes the transform.
    async fn build(&self, cx: &ComponentContext) -> Result<Transform, BuildError>;
}

/// A configuration that several pipelines are built from.
#[async_trait]
impl TransformConfig for Arc<dyn TransformConfig> {
    fn describe(&self) -> Description {
        self.as_ref().describe()
    }

    fn has_default_output(&self) -> bool {
        self.as_ref().has_default_output()
    }

    fn files_to_watch(&self) -> Vec<PathBuf> {
        self.as_ref().files_to_watch()
    }

    fn runs_programs(&self) -> bool {
        self.as_ref().runs_programs()
    }

    async fn validate(&self, cx: &ComponentContext) -> Vec<Problem> {
        self.as_ref().validate(cx).await
    }

    async fn build(&self, cx: &ComponentContext) -> Result<Transform, BuildError> {
        self.as_ref().build(cx).await
    }
}

/// The configuration of a sink.
#[async_trait]
pub trait SinkConfig: Any + Debug + Send + Sync {
    /// What this sink is.
    fn describe(&self) -> Description;

    /// As [`SourceConfig::files_to_watch`].
    fn files_to_watch(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Everything that is wrong and can be seen without the network and without writing anything.
    fn validate(&self, cx: &ComponentContext) -> Vec<Problem>;

    /// Makes the sink, ready to run, or says everything that [`SinkConfig::validate`] says.
    async fn build(&self, cx: &ComponentContext) -> Result<Sink, BuildError>;

    /// Whether the destination can be reached now, as far as that can be seen without changing anything there: what was
    /// found, in words. By default there is nothing to reach.
    ///
    /// # Errors
    /// What is wrong, and what to do about it.
    async fn healthcheck(&self, _cx: &ComponentContext) -> Result<String, ComponentError> {
        Ok("needs nothing".to_owned())
    }
}

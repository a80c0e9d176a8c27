//! What the configurations of sinks that talk to a server have in common.

use std::path::PathBuf;

use async_trait::async_trait;
use o365_core::{
    ComponentError, Sink,
    config::{BuildError, ComponentContext, Description, Problem, SinkConfig},
};
use serde::Deserialize;

use super::{BatchOptions, Delivery, Destination, RequestOptions, SinkStats};

/// Options of one kind of sink, from which its [`Destination`] is made.
pub trait RemoteConfig: std::fmt::Debug + Send + Sync + 'static {
    /// Where it sends to.
    type Destination: Destination;
    /// The `type` in a configuration.
    const TYPE: &'static str;
    /// What it does, in one line.
    const SUMMARY: &'static str;

    /// Those of its options that every such sink has.
    fn remote(&self) -> RemoteOptions;

    /// See [`SinkConfig::files_to_watch`].
    fn files(&self) -> Vec<PathBuf>;

    /// Where to send to, or all that is wrong with the options of its own. Does not touch the network.
    fn destination(&self, cx: &ComponentContext) -> Result<Self::Destination, Vec<Problem>>;
}

/// Options that every such sink has.
#[derive(Debug, Clone, Copy)]
pub struct RemoteOptions {
    /// How events are put together.
    pub batch: BatchOptions,
    /// How requests are made.
    pub request: RequestOptions,
    /// Whether the destination is looked at, at the start.
    pub healthcheck: bool,
}

/// A [`RemoteConfig`] as the configuration of a sink.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct Remote<C>(pub C);

impl<C: RemoteConfig> Remote<C> {
    fn destination(&self, cx: &ComponentContext) -> Result<C::Destination, BuildError> {
        let RemoteOptions { batch, request, .. } = self.0.remote();
        let mut problems = batch.problems();
        problems.extend(request.problems());
        match self.0.destination(cx) {
            Ok(destination) if problems.is_empty() => Ok(destination),
            Ok(_) => Err(BuildError { problems }),
            Err(found) => {
                problems.extend(found);
                Err(BuildError { problems })
            }
        }
    }
}

#[async_trait]
impl<C: RemoteConfig> SinkConfig for Remote<C> {
    fn describe(&self) -> Description {
        Description {
            component_type: C::TYPE,
            summary: C::SUMMARY.to_owned(),
            outputs: Vec::new(),
        }
    }

    fn files_to_watch(&self) -> Vec<PathBuf> {
        self.0.files()
    }

    fn validate(&self, cx: &ComponentContext) -> Vec<Problem> {
        let error = self.destination(cx).err();
        error.map(|error| error.problems).unwrap_or_default()
    }

    async fn build(&self, cx: &ComponentContext) -> Result<Sink, BuildError> {
        let destination = self.destination(cx)?;
        let RemoteOptions {
            batch,
            request,
            healthcheck,
        } = self.0.remote();
        Ok(Box::new(Delivery {
            key: cx.key.clone(),
            request: destination.request(request),
            destination,
            batch,
            healthcheck,
            stats: cx.services.get::<SinkStats>().unwrap_or_default(),
        }))
    }

    async fn healthcheck(&self, cx: &ComponentContext) -> Result<String, ComponentError> {
        self.destination(cx)?.check().await
    }
}

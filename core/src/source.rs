//! Where events come from.

use std::{fmt, path::PathBuf, sync::Arc};

use futures_util::future::BoxFuture;
use tracing::Span;

use crate::{
    ComponentError,
    account::Account,
    buffer::{BatchSender, Closed},
    clock::Clock,
    event::EventBatch,
    finalize::{BatchNotifier, BatchStatusReceiver},
    key::ComponentKey,
    shutdown::ShutdownSignal,
    trace::TRACE_TARGET,
    traffic::Traffic,
};

/// A running source. It ends by itself when it has nothing more to give (a file, [`RunMode::Once`]), or soon after
/// its [`ShutdownSignal`], but not before the acknowledgements of what it has sent have been dealt with.
pub type Source = BoxFuture<'static, Result<(), ComponentError>>;

/// For how long a source runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunMode {
    /// Until it is told to stop.
    #[default]
    Continuous,
    /// Until it has caught up with now and everything is delivered.
    Once,
}

/// What a source is built with.
#[derive(Debug, Clone)]
pub struct SourceContext {
    /// The source's name.
    pub key: ComponentKey,
    /// Where its events go.
    pub out: SourceSender,
    /// When to stop.
    pub shutdown: ShutdownSignal,
    /// Where it may keep state. Created by the source when it needs it.
    pub data_dir: PathBuf,
    /// Directory of the configuration file: relative paths of the configuration start here.
    pub config_dir: PathBuf,
    /// The calendar.
    pub clock: Arc<dyn Clock>,
    /// For how long to run.
    pub mode: RunMode,
}

/// The way out of a source; waits while the pipeline is full.
#[derive(Clone)]
pub struct SourceSender {
    sender: BatchSender,
    sent: Arc<Traffic>,
    account: Arc<Account>,
}

impl SourceSender {
    /// Wraps the sending end of a channel.
    pub fn new(sender: BatchSender) -> Self {
        Self::counted(sender, Arc::default(), Arc::default())
    }

    /// Wraps the sending end of a channel, and goes on with the counters of another source, which this one takes the place
    /// of.
    pub fn counted(sender: BatchSender, sent: Arc<Traffic>, account: Arc<Account>) -> Self {
        Self {
            sender,
            sent,
            account,
        }
    }

    /// A notifier for a piece of work whose events go out here: what becomes of them is counted, and belongs to the current
    /// span if that is one of a trace.
    pub fn notifier(&self) -> (BatchNotifier, BatchStatusReceiver) {
        let current = Span::current();
        let metadata = current.metadata();
        let traced = metadata.is_some_and(|metadata| metadata.target() == TRACE_TARGET);
        let span = if traced { current } else { Span::none() };
        BatchNotifier::accounted(Arc::clone(&self.account), span)
    }

    /// What became of the events of all [notifiers](Self::notifier), of all clones together.
    pub fn account(&self) -> Arc<Account> {
        Arc::clone(&self.account)
    }

    /// What was sent, by all clones together.
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.sent)
    }

    /// Sends events downstream, waiting for room.
    ///
    /// # Cancel safety
    /// Not safe: events whose sending is given up count as lost, and their status will be `Errored`.
    pub async fn send_batch(&self, batch: EventBatch) -> Result<(), Closed> {
        let events = batch.len() as u64;
        let bytes = self.sender.send(batch).await?;
        self.sent.add(events, bytes);
        Ok(())
    }
}

impl fmt::Debug for SourceSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceSender")
    }
}

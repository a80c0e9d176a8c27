//! Orderly shutdown.
//!
//! Shutdown flows downstream: sources see the signal and start no new work, they drop their senders, each stage ends
//! when its input does, sinks flush, acknowledgements travel back. Only sources listen to the signal: everything
//! else ends because its input ends.

use tokio_util::sync::CancellationToken;

/// Starts a shutdown. Held by whoever owns the pipeline.
#[derive(Debug, Clone, Default)]
pub struct ShutdownTrigger(CancellationToken);

impl ShutdownTrigger {
    /// A trigger that has not been pulled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells every signal made from this trigger. Doing it again changes nothing.
    pub fn shutdown(&self) {
        self.0.cancel();
    }

    /// A signal for one component.
    pub fn signal(&self) -> ShutdownSignal {
        ShutdownSignal(self.0.clone())
    }
}

/// Tells a source that it should start no new work.
#[derive(Debug, Clone)]
pub struct ShutdownSignal(CancellationToken);

impl ShutdownSignal {
    /// A signal that never comes.
    pub fn never() -> Self {
        Self(CancellationToken::new())
    }

    /// Waits for the shutdown; returns at once when it has begun already.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost when the future is dropped.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }

    /// Whether the shutdown has begun.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// A trigger for one component: its signals come when it is pulled, and when this signal comes.
    pub fn child(&self) -> ShutdownTrigger {
        ShutdownTrigger(self.0.child_token())
    }

    /// The token, for libraries that take one.
    pub fn token(&self) -> CancellationToken {
        self.0.clone()
    }
}

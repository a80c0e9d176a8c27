//! Acknowledgements, from the last sink back to the source.
//!
//! A source makes one [`BatchNotifier`] for each piece of work that it will mark as done (a content blob, a file), and
//! gives every event of it an [`EventFinalizer`]. Whoever ends an event's journey says how it ended
//! ([`EventStatus`]). When the last finalizer and the notifier itself are gone, the source's
//! [`BatchStatusReceiver`] yields the worst status of all.
//!
//! Two things differ from Vector's finalizers, both because a loss must never look like a success:
//!
//! * **Every copy reports.** A clone of an event, as made for a fan-out, has a finalizer of its own. A branch that
//!   dies cannot hide behind another branch that delivered.
//! * **Silence is an error.** A finalizer that is dropped before anybody gave it a status (a task panicked or
//!   was aborted, a queue was thrown away) reports [`EventStatus::Errored`]. Dropping an event on purpose is
//!   said with [`EventStatus::Dropped`].

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::sync::oneshot;
use tracing::Span;

use crate::account::Account;

/// How the journey of an event, or of all events of a batch, ended.
///
/// The order is the lattice: of two statuses the greater one is kept. `Errored` is the greatest, since one event that
/// must be sent again means that its batch must be sent again, whatever became of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EventStatus {
    /// Deliberately not delivered: filtered, de-duplicated, dropped by a program.
    Dropped = 0,
    /// The last sink has durably taken it.
    Delivered = 1,
    /// Refused for good by a transform or a sink, and kept as a dead letter. Sending it again would not help.
    Rejected = 2,
    /// Not delivered for a reason that may pass, or lost on the way: it must be sent again.
    Errored = 3,
}

impl EventStatus {
    /// The status of two parts taken together: the greater one.
    ///
    /// ```
    /// use o365_core::EventStatus::*;
    /// assert_eq!(Dropped.merge(Delivered), Delivered);
    /// assert_eq!(Rejected.merge(Delivered), Rejected);
    /// assert_eq!(Rejected.merge(Errored), Errored);
    /// ```
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        self.max(other)
    }

    /// `dropped`, `delivered`, `rejected` or `errored`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::Errored => "errored",
        }
    }

    /// Whether the source is done with it: everything but `Errored`.
    pub fn is_final(self) -> bool {
        self != Self::Errored
    }

    fn from_u8(value: u8) -> Self {
        match value {
            0 => Self::Dropped,
            1 => Self::Delivered,
            2 => Self::Rejected,
            _ => Self::Errored,
        }
    }
}

/// The source's end: collects the statuses of one batch. See the module.
#[derive(Debug)]
pub struct BatchNotifier {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    status: AtomicU8,
    notify: Option<oneshot::Sender<EventStatus>>,
    account: Option<Arc<Account>>,
    /// What the events belong to, if it is traced. It learns how they ended, and lasts at least as long as they do.
    span: Span,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !self.span.is_none() {
            let status = EventStatus::from_u8(*self.status.get_mut());
            self.span.record("o365.status", status.as_str());
            if status > EventStatus::Delivered {
                self.span.record("otel.status_code", "ERROR");
            }
        }
        if let Some(notify) = self.notify.take() {
            // Nobody waiting any more is the receiver's choice.
            let _ = notify.send(EventStatus::from_u8(*self.status.get_mut()));
        }
    }
}

impl BatchNotifier {
    /// A notifier and the receiver of its final status.
    ///
    /// A batch that gets no event at all ends as `Dropped`, which is final: an empty blob is done.
    pub fn new() -> (Self, BatchStatusReceiver) {
        Self::with(None, Span::none())
    }

    /// The same for a source whose events are counted. `span` is the piece of work, if it is traced: what happens to its
    /// events becomes part of its trace ([`EventBatch::spans`](crate::EventBatch::spans)).
    pub fn accounted(account: Arc<Account>, span: Span) -> (Self, BatchStatusReceiver) {
        Self::with(Some(account), span)
    }

    /// A notifier that only tells a span how the events ended, and ends it with the last of them. The span has the fields
    /// `o365.status` and `otel.status_code`.
    pub fn traced(span: Span) -> Self {
        Self::with(None, span).0
    }

    fn with(account: Option<Arc<Account>>, span: Span) -> (Self, BatchStatusReceiver) {
        let (notify, receiver) = oneshot::channel();
        let shared = Shared {
            status: AtomicU8::new(EventStatus::Dropped as u8),
            notify: Some(notify),
            account,
            span,
        };
        (
            Self {
                shared: Arc::new(shared),
            },
            BatchStatusReceiver(receiver),
        )
    }

    /// A finalizer for one event of the batch.
    pub fn finalizer(&self) -> EventFinalizer {
        if let Some(account) = &self.shared.account {
            account.begin();
        }
        EventFinalizer {
            status: None,
            shared: Arc::clone(&self.shared),
        }
    }
}

/// Waits for the status of a whole batch.
#[derive(Debug)]
pub struct BatchStatusReceiver(oneshot::Receiver<EventStatus>);

impl BatchStatusReceiver {
    /// The worst status of all events, once every one of them has ended.
    ///
    /// # Cancel safety
    /// Not safe: dropping the future loses the status. Keep it in a `select!` by reference.
    pub async fn status(self) -> EventStatus {
        self.0.await.unwrap_or(EventStatus::Errored)
    }
}

/// The duty to say how one copy of an event ended. See the module.
#[derive(Debug)]
pub struct EventFinalizer {
    status: Option<EventStatus>,
    shared: Arc<Shared>,
}

impl EventFinalizer {
    /// Records a status; the worst one recorded is reported when the finalizer is dropped.
    pub fn update(&mut self, status: EventStatus) {
        self.status = Some(self.status.map_or(status, |known| known.merge(status)));
    }
}

impl Clone for EventFinalizer {
    fn clone(&self) -> Self {
        if let Some(account) = &self.shared.account {
            account.copy();
        }
        Self {
            status: self.status,
            shared: Arc::clone(&self.shared),
        }
    }
}

impl Drop for EventFinalizer {
    fn drop(&mut self) {
        let status = self.status.unwrap_or(EventStatus::Errored);
        if let Some(account) = &self.shared.account {
            account.end(status);
        }
        self.shared.status.fetch_max(status as u8, Ordering::AcqRel);
    }
}

/// The finalizers of one event: none (a test, a stdin line), one (nearly always), or several (an aggregate).
#[derive(Debug, Clone, Default)]
pub struct EventFinalizers(Vec<EventFinalizer>);

impl EventFinalizers {
    /// No duty to anybody.
    pub fn none() -> Self {
        Self::default()
    }

    /// Records `status` in each of them.
    pub fn update(&mut self, status: EventStatus) {
        for finalizer in &mut self.0 {
            finalizer.update(status);
        }
    }

    /// Takes over the duties of another event that was merged into this one.
    pub fn merge(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// What the event belongs to, as far as it is traced. Events in a row of the same work have the same address.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (*const (), &Span)> {
        self.0.iter().map(|finalizer| {
            let shared = &finalizer.shared;
            (Arc::as_ptr(shared).cast(), &shared.span)
        })
    }

    /// Whether nobody waits for this event.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<EventFinalizer> for EventFinalizers {
    fn from(finalizer: EventFinalizer) -> Self {
        Self(vec![finalizer])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [EventStatus; 4] = [
        EventStatus::Dropped,
        EventStatus::Delivered,
        EventStatus::Rejected,
        EventStatus::Errored,
    ];

    fn ended(mut finalizer: EventFinalizer, status: EventStatus) {
        finalizer.update(status);
    }

    #[tokio::test]
    async fn reports_when_the_last_copy_is_gone() {
        let (notifier, receiver) = BatchNotifier::new();
        let (first, second) = (notifier.finalizer(), notifier.finalizer());
        drop(notifier);
        ended(first, EventStatus::Delivered);
        let mut waiting = Box::pin(receiver.status());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        ended(second, EventStatus::Delivered);
        assert_eq!(waiting.await, EventStatus::Delivered);
    }

    #[tokio::test]
    async fn a_copy_that_vanishes_is_an_error_even_if_another_copy_was_delivered() {
        let (notifier, receiver) = BatchNotifier::new();
        let original = notifier.finalizer();
        let copy = original.clone();
        drop(notifier);
        ended(original, EventStatus::Delivered);
        drop(copy);
        assert_eq!(receiver.status().await, EventStatus::Errored);
    }

    #[tokio::test]
    async fn a_batch_without_events_is_done() {
        let (notifier, receiver) = BatchNotifier::new();
        drop(notifier);
        assert!(receiver.status().await.is_final());
    }

    #[tokio::test]
    async fn merged_events_report_for_both() {
        let (a, a_status) = BatchNotifier::new();
        let (b, b_status) = BatchNotifier::new();
        let mut finalizers = EventFinalizers::from(a.finalizer());
        finalizers.merge(b.finalizer().into());
        drop((a, b));
        finalizers.update(EventStatus::Delivered);
        drop(finalizers);
        assert_eq!(
            (a_status.status().await, b_status.status().await),
            (EventStatus::Delivered, EventStatus::Delivered)
        );
    }

    proptest! {
        #[test]
        fn the_order_of_statuses_does_not_matter(picks in proptest::collection::vec(0_usize..4, 1..20)) {
            let (notifier, receiver) = BatchNotifier::new();
            let worst = picks.iter().map(|pick| ALL[*pick]).max().unwrap();
            for pick in picks {
                ended(notifier.finalizer(), ALL[pick]);
            }
            drop(notifier);
            let got = receiver.0.blocking_recv().unwrap();
            prop_assert_eq!(got, worst);
        }
    }
}

//! What a server says to a request.

use std::time::Duration;

use o365_core::Failure;

/// What became of a request.
#[derive(Debug)]
pub enum Answer {
    /// Of each event, in the order of the request.
    Each(Vec<Verdict>),
    /// Nothing was taken, and it may be different later.
    Again(Again),
    /// Nothing was taken, because it is too large or because something in it is wrong: it is tried again in halves, until
    /// the guilty event is alone. Why that one is refused.
    Divide(Failure),
    /// The same because of its size: what follows is smaller, too.
    TooLarge(Failure),
}

/// What became of one event.
#[derive(Debug)]
pub enum Verdict {
    /// It is stored, now or from an attempt before.
    Delivered,
    /// It will never be taken.
    Refused(Failure),
    /// It was not taken, and may be later.
    Again(Again),
}

/// Why something is to be tried again.
#[derive(Debug, Clone)]
pub struct Again {
    /// For people.
    pub reason: String,
    /// How long the server wants to be left alone.
    pub after: Option<Duration>,
    /// Whether it has too much to do: then it gets fewer requests at a time.
    pub overloaded: bool,
    /// Whether it said so of the request itself (429). A server that counts bytes may mean that it will never take so many.
    pub crowded: bool,
}

impl Again {
    /// The server has too much to do, or did not answer.
    pub fn overloaded(reason: impl Into<String>, after: Option<Duration>) -> Self {
        Self {
            reason: reason.into(),
            after,
            overloaded: true,
            crowded: false,
        }
    }

    /// The server does not take the request at this time.
    pub fn crowded(reason: impl Into<String>, after: Option<Duration>) -> Self {
        Self {
            crowded: true,
            ..Self::overloaded(reason, after)
        }
    }

    /// Something else is in the way.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            after: None,
            overloaded: false,
            crowded: false,
        }
    }
}

impl Answer {
    /// Everything was taken.
    pub fn delivered(events: usize) -> Self {
        Self::Each((0..events).map(|_| Verdict::Delivered).collect())
    }

    /// There was no answer.
    pub fn again(reason: impl Into<String>) -> Self {
        Self::Again(Again::overloaded(reason, None))
    }
}

impl Verdict {
    /// The event was not taken, for no reason of load.
    pub fn again(reason: impl Into<String>) -> Self {
        Self::Again(Again::failed(reason))
    }
}

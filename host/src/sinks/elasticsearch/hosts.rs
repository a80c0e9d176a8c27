//! Several hosts of one cluster take turns. One that does not answer is left alone for a while.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::Url;
use tokio::time::Instant;

/// How long a host that did not answer is left alone, if there are others.
const REST: Duration = Duration::from_secs(30);

/// See the module. There is at least one.
#[derive(Debug)]
pub(super) struct Hosts {
    hosts: Vec<Host>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Host {
    /// Ends with a slash.
    url: Url,
    /// Not before then, if it did not answer.
    rests_until: Mutex<Option<Instant>>,
}

/// A request to one host. A turn that is dropped without an answer has failed: also when the answer took too long.
pub(super) struct Turn<'h> {
    host: &'h Host,
    answered: bool,
}

impl Hosts {
    pub(super) fn new(urls: Vec<Url>) -> Self {
        let hosts = urls.into_iter().map(|url| Host {
            url,
            rests_until: Mutex::new(None),
        });
        Self {
            hosts: hosts.collect(),
            next: AtomicUsize::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// The next host that does not rest, or else the one that has rested most.
    pub(super) fn turn(&self) -> Turn<'_> {
        let now = Instant::now();
        let first = self.next.fetch_add(1, Ordering::Relaxed) % self.hosts.len();
        let (before, after) = self.hosts.split_at(first);
        let in_turn = after.iter().chain(before);
        let wait = |host: &Host| {
            let until = *host.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
            until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
        };
        let host = in_turn
            .min_by_key(|host| wait(host))
            .unwrap_or(&self.hosts[first]);
        Turn {
            host,
            answered: false,
        }
    }
}

impl Turn<'_> {
    /// The address of a path below the host's.
    pub(super) fn url(&self, path: &str) -> Result<Url, String> {
        let url = self.host.url.join(path);
        url.map_err(|error| format!("`{path}` is no path: {error}"))
    }

    /// Name and port, for people.
    pub(super) fn host(&self) -> &str {
        self.host.url.authority()
    }

    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let until = (!self.answered).then(|| Instant::now() + REST);
        *self
            .host
            .rests_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_host_that_did_not_answer_rests_while_others_are_there() {
        let urls = ["http://a/", "http://b/"];
        let hosts = Hosts::new(urls.iter().map(|url| Url::parse(url).unwrap()).collect());
        let turn = |answers: bool| {
            let turn = hosts.turn();
            let name = turn.host().to_owned();
            if answers {
                turn.answered();
            }
            name
        };
        assert_eq!([turn(true), turn(true), turn(true)], ["a", "b", "a"]);
        assert_eq!(turn(false), "b");
        assert_eq!([turn(true), turn(true), turn(true)], ["a", "a", "a"]);
        tokio::time::advance(REST).await;
        let both = [turn(true), turn(true)];
        assert!(both.contains(&"b".to_owned()), "{both:?}");
        // When all rest, the one that has rested most is asked.
        turn(false);
        tokio::time::advance(Duration::from_secs(1)).await;
        turn(false);
        let (first, second) = (turn(false), turn(true));
        assert_ne!(first, second);
    }
}

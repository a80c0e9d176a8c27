//! Looks at the files of components that are watched.
//!
//! Looking is cheaper than it is clever: it works on every file system, and when a file is replaced by renaming. A file
//! counts as changed once it looks the same twice in a row: half of it may have been there the first time.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::slot::Slot;
use crate::stamp::Stamp;

/// How often files are looked at. A change is taken within twice that, and the time to compile it.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

struct Watched {
    slot: Arc<Slot>,
    /// What the file looked like when it was last read.
    read: Option<Stamp>,
    /// What it looked like the last time.
    looked: Option<Stamp>,
}

/// Watches until dropped.
pub async fn watch(slots: Vec<Arc<Slot>>, every: Duration) -> Infallible {
    let mut watched: Vec<_> = slots
        .into_iter()
        .filter(|slot| slot.is_watched())
        .map(|slot| Watched {
            read: slot.first_stamp(),
            looked: slot.first_stamp(),
            slot,
        })
        .collect();
    if watched.is_empty() {
        return std::future::pending().await;
    }
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        for watched in &mut watched {
            watched.look().await;
        }
    }
}

impl Watched {
    async fn look(&mut self) {
        let now = self.slot.stamp();
        let settled = now == self.looked;
        self.looked = now;
        // A file that is gone is about to be replaced, or will be missed at the next start.
        if !settled || now.is_none() || now == self.read {
            return;
        }
        self.read = now;
        reload(&self.slot).await;
    }
}

/// Reloads without holding up the other tasks. What became of it is in the log.
pub async fn reload(slot: &Arc<Slot>) {
    let slot = Arc::clone(slot);
    let key = slot.key().clone();
    if let Err(error) = tokio::task::spawn_blocking(move || slot.reload()).await {
        warn!(transform = %key, %error, "reloading the component failed");
    }
}

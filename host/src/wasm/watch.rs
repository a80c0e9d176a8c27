//! Looks at the files of components that are watched.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::slot::Slot;
use crate::stamp::Watched;

/// How often files are looked at. A change is taken within twice that, and the time to compile it.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Watches until dropped. `slots` are asked for at each look: they come and go with the configuration.
pub async fn watch(slots: impl Fn() -> Vec<Arc<Slot>>, every: Duration) -> Infallible {
    let mut watched: Vec<(Arc<Slot>, Watched)> = Vec::new();
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let slots: Vec<_> = slots().into_iter().filter(|slot| slot.is_watched()).collect();
        watched.retain(|(known, _)| slots.iter().any(|slot| Arc::ptr_eq(slot, known)));
        for slot in slots {
            if !watched.iter().any(|(known, _)| Arc::ptr_eq(&slot, known)) {
                let file = Watched::since(slot.first_stamp());
                watched.push((slot, file));
            }
        }
        for (slot, file) in &mut watched {
            if file.has_changed(slot.stamp()) {
                follow_file(slot).await;
            }
        }
    }
}

/// Reads the file without holding up the other tasks. What became of it is in the log.
pub async fn follow_file(slot: &Arc<Slot>) {
    let slot = Arc::clone(slot);
    let key = slot.key().clone();
    if let Err(error) = tokio::task::spawn_blocking(move || slot.follow_file()).await {
        warn!(transform = %key, %error, "reading the component again failed");
    }
}

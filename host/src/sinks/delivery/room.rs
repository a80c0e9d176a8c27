//! How many bytes go together: as many as are configured, and fewer for a while when the server says that it was too much.

use super::Done;

/// No request gets smaller than this for its size.
const LEAST: u64 = 1 << 10;
/// What a request adds that was not too large, as a part of what there is: the limit is tried again after some 180 requests.
const MORE: u64 = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Room {
    configured: u64,
    current: u64,
}

impl Room {
    pub(super) fn new(configured: u64) -> Self {
        Self {
            configured,
            current: configured,
        }
    }

    /// Bytes that a request may have now.
    pub(super) fn get(&self) -> u64 {
        self.current
    }

    /// Learns from a request that has ended.
    pub(super) fn observe(&mut self, done: &Done) {
        self.current = match done.too_large {
            Some(bytes) => self.current.min((bytes / 2).max(LEAST)),
            None => self.configured.min(self.current + self.current / MORE + 1),
        };
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn done(too_large: Option<u64>) -> Done {
        Done {
            took: None,
            overloaded: false,
            too_large,
        }
    }

    #[test]
    fn half_of_what_was_too_much_and_slowly_more_again() {
        let mut room = Room::new(1_000_000);
        room.observe(&done(None));
        assert_eq!(room.get(), 1_000_000);
        room.observe(&done(Some(800_000)));
        assert_eq!(room.get(), 400_000);
        // An answer to a request from before teaches nothing new.
        room.observe(&done(Some(900_000)));
        assert_eq!(room.get(), 400_000);
        let mut requests = 0;
        while room.get() < 800_000 {
            room.observe(&done(None));
            requests += 1;
        }
        assert!((150..200).contains(&requests), "{requests}");
        for _ in 0..1_000 {
            room.observe(&done(None));
        }
        assert_eq!(room.get(), 1_000_000);
        for bytes in [10_000, 1_500, 10] {
            room.observe(&done(Some(bytes)));
        }
        assert_eq!(room.get(), LEAST);
    }
}

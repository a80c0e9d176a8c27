//! Random numbers, or numbers that look random and are the same at every start.

use wasmtime::format_err;

use super::{
    Wasi,
    bindings::wasi::random::{insecure, insecure_seed, random},
};

/// Most bytes in one call.
const MOST: u64 = 1 << 20;

pub(super) struct Random {
    granted: bool,
    state: u64,
}

impl Random {
    pub(super) fn new(granted: bool) -> Self {
        Self { granted, state: 0 }
    }

    fn next(&mut self) -> wasmtime::Result<u64> {
        if self.granted {
            return getrandom::u64()
                .map_err(|error| format_err!("the system has no random numbers: {error}"));
        }
        // SplitMix64: passes for random, and needs no more than a counter.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(mixed ^ (mixed >> 31))
    }

    fn bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        let length = usize::try_from(length.min(MOST + 1))?;
        if length as u64 > MOST {
            wasmtime::bail!("the component asks for more than {MOST} random bytes at once");
        }
        let mut bytes = vec![0; length];
        for chunk in bytes.chunks_mut(8) {
            let number = self.next()?.to_le_bytes();
            chunk.copy_from_slice(number.get(..chunk.len()).unwrap_or_default());
        }
        Ok(bytes)
    }
}

impl random::Host for Wasi {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.on_time()?;
        self.random.bytes(length)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.on_time()?;
        self.random.next()
    }
}

impl insecure::Host for Wasi {
    fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.on_time()?;
        self.random.bytes(length)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.on_time()?;
        self.random.next()
    }
}

impl insecure_seed::Host for Wasi {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        self.on_time()?;
        Ok((self.random.next()?, self.random.next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_granted_is_random() {
        let first = |granted| Random::new(granted).bytes(20).unwrap();
        assert_eq!(first(false), first(false));
        assert_ne!(first(true), first(true));
        assert_eq!(first(false).len(), 20);
        let mut fixed = Random::new(false);
        assert_ne!(fixed.next().unwrap(), fixed.next().unwrap());
    }

    #[test]
    fn nobody_gets_gigabytes_of_them() {
        assert_eq!(Random::new(false).bytes(MOST).unwrap().len() as u64, MOST);
        for length in [MOST + 1, u64::MAX] {
            let error = Random::new(false).bytes(length).unwrap_err();
            assert!(error.to_string().contains("random bytes at once"), "{error}");
        }
    }
}

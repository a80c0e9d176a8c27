//! Numbers that look random and are not: everything is a function of the seed.
//!
//! `SplitMix64` is used twice: its finaliser as a hash of coordinates (seed, tenant, feed, index), and the generator itself
//! for the choices inside one event. Nothing here is cryptographic.

/// Mixes the bits of `x`; a bijection on 64 bits.
pub(crate) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Hashes coordinates into one number; the order matters.
pub(crate) fn hash(parts: &[u64]) -> u64 {
    parts
        .iter()
        .fold(0x243f_6a88_85a3_08d3, |state, part| mix(state ^ mix(*part)))
}

/// Hashes text (FNV-1a, then mixed).
pub(crate) fn hash_text(text: &str) -> u64 {
    mix(text.bytes().fold(0xcbf2_9ce4_8422_2325, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }))
}

/// Formats 128 bits as a GUID of version 4.
pub(crate) fn guid(high: u64, low: u64) -> String {
    let third = 0x4000 | (high & 0x0fff);
    let fourth = 0x8000 | ((low >> 48) & 0x3fff);
    let (first, second, fifth) = (high >> 32, (high >> 16) & 0xffff, low & 0xffff_ffff_ffff);
    let mut text = [b'-'; 36];
    for (place, number) in [
        (0..8, first),
        (9..13, second),
        (14..18, third),
        (19..23, fourth),
        (24..36, fifth),
    ] {
        write_hex(&mut text[place], number, b"0123456789abcdef");
    }
    ascii(&text)
}

/// Fills `out` with the lowest digits of a number. An event has a dozen of them, and with the formatting machinery they
/// would take most of its time.
fn write_hex(out: &mut [u8], mut number: u64, digits: &[u8; 16]) {
    for byte in out.iter_mut().rev() {
        *byte = digits[(number & 15) as usize];
        number >>= 4;
    }
}

fn ascii(text: &[u8]) -> String {
    str::from_utf8(text).unwrap_or_default().to_owned()
}

/// The GUID of event number `index` of the world with this seed.
///
/// The first 48 bits are a permutation of the index, so two events can never share an id, whatever the other bits are.
pub(crate) fn event_guid(seed: u64, index: u64) -> String {
    const MASK: u64 = (1 << 48) - 1;
    // Odd multipliers and xor-shifts are invertible modulo 2^48.
    let mut unique = (index ^ (seed & MASK)).wrapping_mul(0x9e37_79b9_7f4b) & MASK;
    unique ^= unique >> 24;
    unique = unique.wrapping_mul(0x94d0_49bb_1331) & MASK;
    unique ^= unique >> 23;
    let rest = hash(&[seed, index, 0x6964]);
    guid((unique << 16) | (rest & 0xfff), mix(rest))
}

/// A stream of choices.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from zero to `bound - 1`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The bias of the remainder is below 2^-40 for every bound used here.
        self.next() % bound.max(1)
    }

    /// True in `per_mille` of a thousand cases.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[usize::try_from(self.below(choices.len() as u64)).unwrap_or(0)]
    }

    /// Picks a text.
    pub(crate) fn word(&mut self, choices: &[&'static str]) -> &'static str {
        let word: &&'static str = self.pick(choices);
        word
    }

    /// Picks by weight; the weights must not all be zero.
    pub(crate) fn weighted<'a, T>(&mut self, choices: &'a [(u64, T)]) -> &'a T {
        let total = choices.iter().map(|(weight, _)| weight).sum();
        let mut at = self.below(total);
        for (weight, choice) in choices {
            if at < *weight {
                return choice;
            }
            at -= weight;
        }
        &choices[choices.len() - 1].1
    }

    pub(crate) fn guid(&mut self) -> String {
        guid(self.next(), self.next())
    }

    /// `digits` upper-case hexadecimal digits, at most 16.
    pub(crate) fn hex(&mut self, digits: usize) -> String {
        let mut text = [0; 16];
        write_hex(&mut text, self.next(), b"0123456789ABCDEF");
        ascii(&text[..digits.min(16)])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn event_ids_never_collide_and_are_guids() {
        for seed in [0, 1, u64::MAX] {
            let ids: HashSet<_> = (0..20_000).map(|index| event_guid(seed, index)).collect();
            assert_eq!(ids.len(), 20_000);
            // The guarantee lies in the first 48 bits alone.
            let prefixes: HashSet<_> = ids.iter().map(|id| id[..13].to_owned()).collect();
            assert_eq!(prefixes.len(), 20_000);
            assert!(ids.iter().all(|id| id.len() == 36 && &id[14..15] == "4"));
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_choices() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (
                random.below(100),
                random.guid(),
                random.hex(8),
                *random.weighted(&[(0, 'a'), (5, 'b')]),
            )
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_eq!(draw(7).3, 'b', "a choice of weight zero is never taken");
    }
}

//! The identity of a document: the same record gives the same id, so one that is delivered twice is stored once.

/// The `_id` under which a record is stored: Base64 of the SHA-1 of one NUL byte and the record's `Id`.
///
/// It is metadata of the document and not part of its body.
pub fn document_id(id: &str) -> String {
    let mut message = Vec::with_capacity(id.len() + 73);
    message.push(0);
    message.extend_from_slice(id.as_bytes());
    base64(&sha1(message))
}

#[expect(clippy::many_single_char_names, reason = "the names of the standard")]
fn sha1(mut message: Vec<u8>) -> [u8; 20] {
    let bits = (message.len() as u64) * 8;
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend_from_slice(&bits.to_be_bytes());

    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in message.as_chunks::<64>().0 {
        let mut schedule = [0u32; 80];
        for (word, bytes) in schedule.iter_mut().zip(block.as_chunks::<4>().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        for at in 16..80 {
            schedule[at] =
                (schedule[at - 3] ^ schedule[at - 8] ^ schedule[at - 14] ^ schedule[at - 16]).rotate_left(1);
        }
        // Named as in the standard (FIPS 180-4).
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (round, word) in schedule.iter().enumerate() {
            let (mix, constant) = match round / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mix)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (total, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *total = total.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            if at <= chunk.len() {
                text.push(char::from(ALPHABET[(group >> (18 - 6 * at) & 63) as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published example of the fingerprint processor: keys ascending, a NUL byte before each part.
    #[test]
    fn agrees_with_the_published_fingerprint() {
        let message = b"\0date_of_birth\x001980-01-15\0first_name\0John\0is_active\0\x01\0last_name\0Smith";
        assert_eq!(base64(&sha1(message.to_vec())), "WbSUPW4zY1PBPehh2AA/sSxiRjw=");
    }

    #[test]
    fn hashes_any_length() {
        assert_eq!(base64(&sha1(b"abc".to_vec())), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
        for length in 0..200 {
            assert_eq!(document_id(&"x".repeat(length)).len(), 28);
        }
    }
}

//! Text in its wire form.

use std::borrow::Cow;

use bumpalo::Bump;
use bumpalo::collections::String;

/// The inside of a JSON string literal, ready to be written between quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    wire: &'a str,
    /// Whether `wire` holds a backslash. Without one it is its own meaning.
    escaped: bool,
}

impl<'a> Text<'a> {
    /// Text that needs no escape: constants, digits, and parts of text that had none.
    pub(crate) fn literal(plain: &'a str) -> Self {
        debug_assert!(
            plain.bytes().all(|byte| !needs_escape(byte)),
            "{plain:?} needs escapes"
        );
        Self {
            wire: plain,
            escaped: false,
        }
    }

    /// Text from its meaning. Copied only if something has to be escaped.
    pub(crate) fn new(plain: &'a str, bump: &'a Bump) -> Self {
        if first_special(plain.as_bytes()) == plain.len() {
            return Self {
                wire: plain,
                escaped: false,
            };
        }
        let mut wire = Vec::with_capacity(plain.len() + 8);
        super::write::escape(plain, &mut wire);
        let wire = std::string::String::from_utf8_lossy(&wire);
        Self {
            wire: bump.alloc_str(&wire),
            escaped: true,
        }
    }

    /// Text as the parser found it, already checked.
    pub(super) fn from_wire(wire: &'a str, escaped: bool) -> Self {
        Self { wire, escaped }
    }

    pub(crate) fn wire(self) -> &'a str {
        self.wire
    }

    pub(crate) fn is_empty(self) -> bool {
        self.wire.is_empty()
    }

    /// What the text means.
    pub(crate) fn plain(self, bump: &'a Bump) -> &'a str {
        if !self.escaped {
            return self.wire;
        }
        let mut plain = String::with_capacity_in(self.wire.len(), bump);
        plain.extend(self.chars());
        plain.into_bump_str()
    }

    /// What the text means, for callers without an arena.
    pub(crate) fn decoded(self) -> Cow<'a, str> {
        if self.escaped {
            Cow::Owned(self.chars().collect())
        } else {
            Cow::Borrowed(self.wire)
        }
    }

    #[inline]
    pub(crate) fn is(self, plain: &str) -> bool {
        if self.escaped {
            self.means(plain)
        } else {
            self.wire == plain
        }
    }

    #[cold]
    fn means(self, plain: &str) -> bool {
        self.chars().eq(plain.chars())
    }

    /// Equal without regard to ASCII case.
    pub(crate) fn is_ignoring_case(self, plain: &str) -> bool {
        if self.escaped {
            self.decoded().eq_ignore_ascii_case(plain)
        } else {
            self.wire.eq_ignore_ascii_case(plain)
        }
    }

    pub(crate) fn to_lowercase(self, bump: &'a Bump) -> Self {
        if !self.escaped
            && self
                .wire
                .bytes()
                .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
        {
            return self;
        }
        Self::new(bump.alloc_str(&self.plain(bump).to_lowercase()), bump)
    }

    pub(super) fn is_escaped(self) -> bool {
        self.escaped
    }

    fn chars(self) -> Chars<'a> {
        Chars {
            rest: self.wire.chars(),
        }
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        if self.escaped || other.escaped {
            self.chars().eq(other.chars())
        } else {
            self.wire == other.wire
        }
    }
}

/// Decodes the escapes of checked text. Anything impossible decodes to a replacement character.
struct Chars<'a> {
    rest: std::str::Chars<'a>,
}

impl Chars<'_> {
    fn unit(&mut self) -> u32 {
        (0..4).fold(0, |unit, _| {
            unit * 16 + self.rest.next().and_then(|digit| digit.to_digit(16)).unwrap_or(0)
        })
    }
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        if next != '\\' {
            return Some(next);
        }
        Some(match self.rest.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let mut unit = self.unit();
                if (0xd800..0xdc00).contains(&unit) {
                    self.rest.nth(1);
                    unit = 0x1_0000 + ((unit - 0xd800) << 10) + (self.unit().wrapping_sub(0xdc00) & 0x3ff);
                }
                char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            other => other,
        })
    }
}

pub(super) fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Marks the bytes that [`needs_escape`] names, in the byte's highest bit. The lowest mark is exact; those above
/// it need not be, because borrows run upwards.
#[inline]
pub(super) fn special_bytes(chunk: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(chunk);
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHEST;
    marked(word, b'"') | marked(word, b'\\') | control
}

/// The number of bytes before the first quote, backslash or control character. Eight bytes at a time.
#[inline]
pub(super) fn first_special(bytes: &[u8]) -> usize {
    let (chunks, tail) = bytes.as_chunks::<8>();
    for (at, chunk) in chunks.iter().enumerate() {
        let found = special_bytes(*chunk);
        if found != 0 {
            // The lowest marked byte is exact: borrows only run upwards.
            return at * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    let start = bytes.len() - tail.len();
    start
        + tail
            .iter()
            .position(|byte| needs_escape(*byte))
            .unwrap_or(tail.len())
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHEST: u64 = 0x8080_8080_8080_8080;

/// Marks the bytes that are equal to one.
#[inline]
fn marked(word: u64, byte: u8) -> u64 {
    let difference = word ^ (ONES * u64::from(byte));
    difference.wrapping_sub(ONES) & !difference & HIGHEST
}

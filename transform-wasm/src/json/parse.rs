//! Reads JSON into a tree that borrows from it.

use std::fmt;
use std::ops::Range;

use bumpalo::Bump;
use bumpalo::collections::Vec;

use super::text::first_special;
use super::{Key, MAX_DEPTH, Object, Original, Text, Value};

/// More than most records have: they need no second place.
const ROOT_FIELDS: usize = 40;

/// Why a text is not JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ParseError {
    offset: usize,
    reason: &'static str,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.reason, self.offset)
    }
}

/// Parses one JSON value that takes up the whole text.
pub(crate) fn parse<'a>(text: &'a str, bump: &'a Bump) -> Result<Value<'a>, ParseError> {
    let mut parser = Parser::new(text, bump);
    parser.blank();
    let value = parser.value(0)?;
    parser.end()?;
    Ok(value)
}

/// An event: its root object, and the exact text of the part of it that matters.
pub(crate) struct Event<'a> {
    pub(crate) root: Object<'a>,
    /// As received: the object below `inner_key` if the root has one, else the root itself.
    pub(crate) original: Original<'a>,
}

/// Parses an event, which must be one JSON object.
#[inline(never)]
pub(crate) fn parse_event<'a>(
    text: &'a str,
    inner_key: &Key<'static>,
    bump: &'a Bump,
) -> Result<Event<'a>, ParseError> {
    let mut parser = Parser::new(text, bump);
    parser.inner_key = Some(*inner_key);
    // A record has a quote or a backslash about every eight bytes.
    parser.marks = u32::try_from(text.len())
        .is_ok()
        .then(|| Vec::with_capacity_in(text.len() / 6, bump));
    parser.blank();
    let start = parser.at;
    if parser.peek() != Some(b'{') {
        return Err(parser.error(match parser.peek() {
            None => "the event is empty: expected a JSON object",
            Some(_) => "not a JSON object: expected `{`",
        }));
    }
    let root = parser.object(0)?;
    let whole = start..parser.at;
    parser.end()?;
    let part = parser.inner.unwrap_or(whole);
    let marks = parser.marks.map(|marks| marks.into_bump_slice() as &[u32]);
    Ok(Event {
        root,
        original: Original::new(&text[part.clone()], part.start, marks),
    })
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    bump: &'a Bump,
    inner_key: Option<Key<'static>>,
    /// Where the last object below `inner_key` in the root is.
    inner: Option<Range<usize>>,
    /// Where quotes and backslashes are, if somebody wants to know and the text has no control characters.
    marks: Option<Vec<'a, u32>>,
}

type Parsed<T> = Result<T, ParseError>;

impl<'a> Parser<'a> {
    fn new(text: &'a str, bump: &'a Bump) -> Self {
        let at = if text.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        Self {
            text,
            bytes: text.as_bytes(),
            at,
            bump,
            inner_key: None,
            inner: None,
            marks: None,
        }
    }

    fn error(&self, reason: &'static str) -> ParseError {
        ParseError {
            offset: self.at,
            reason,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn blank(&mut self) {
        if let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.blanks();
        }
    }

    #[cold]
    #[inline(never)]
    fn blanks(&mut self) {
        while let Some(blank @ (b' ' | b'\n' | b'\r' | b'\t')) = self.peek() {
            if blank != b' ' {
                self.marks = None;
            }
            self.at += 1;
        }
    }

    /// Notes that there are quotes or backslashes at these places.
    #[inline]
    fn mark<const N: usize>(&mut self, places: [usize; N]) {
        if let Some(marks) = &mut self.marks {
            #[expect(clippy::cast_possible_truncation, reason = "checked before there were marks")]
            marks.extend_from_slice_copy(&places.map(|place| place as u32));
        }
    }

    fn end(&mut self) -> Parsed<()> {
        self.blank();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.error("unexpected text after the value"))
        }
    }

    /// Most values are texts, and those take no call.
    #[inline(always)]
    fn value(&mut self, depth: usize) -> Parsed<Value<'a>> {
        if self.peek() == Some(b'"') {
            return self.string().map(Value::Text);
        }
        self.other_than_text(depth)
    }

    fn other_than_text(&mut self, depth: usize) -> Parsed<Value<'a>> {
        match self.peek() {
            Some(b'{') => self.object(depth).map(Value::Object),
            Some(b'[') => self.list(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("the text ends where a value is expected")),
        }
    }

    fn word(&mut self, word: &'static str, value: Value<'a>) -> Parsed<Value<'a>> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error("expected a value"))
        }
    }

    #[inline(always)]
    fn object(&mut self, depth: usize) -> Parsed<Object<'a>> {
        if depth >= MAX_DEPTH {
            return Err(self.error("nested too deeply (more than 192 levels)"));
        }
        self.at += 1;
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Object::new_in(self.bump));
        }
        let mut object = Object::with_capacity_in(if depth == 0 { ROOT_FIELDS } else { 4 }, self.bump);
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.error("expected a key in quotes"));
            }
            let key = Key::from(self.string()?);
            self.blank();
            if self.peek() != Some(b':') {
                return Err(self.error("expected `:` after a key"));
            }
            self.at += 1;
            self.blank();
            let start = self.at;
            let value = self.value(depth + 1)?;
            if depth == 0 && self.inner_key.is_some_and(|inner_key| key == inner_key) {
                self.inner = value.object().map(|_| start..self.at);
            }
            object.add(key, value);
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    object.settle();
                    return Ok(object);
                }
                Some(_) => return Err(self.error("expected `,` or `}` in an object")),
                None => return Err(self.error("the text ends inside an object")),
            }
            self.blank();
        }
    }

    #[inline(always)]
    fn list(&mut self, depth: usize) -> Parsed<Value<'a>> {
        if depth >= MAX_DEPTH {
            return Err(self.error("nested too deeply (more than 192 levels)"));
        }
        self.at += 1;
        let mut members = Vec::new_in(self.bump);
        self.blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::from(members));
        }
        members.reserve(4);
        loop {
            members.push(self.value(depth + 1)?);
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::from(members));
                }
                Some(_) => return Err(self.error("expected `,` or `]` in a list")),
                None => return Err(self.error("the text ends inside a list")),
            }
            self.blank();
        }
    }

    fn digits(&mut self) -> Parsed<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            Err(self.error("expected a digit"))
        } else {
            Ok(())
        }
    }

    fn number(&mut self) -> Parsed<Value<'a>> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if let Some(b'0'..=b'9') = self.peek() {
                return Err(self.error("a number with a leading zero"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Value::Number(&self.text[start..self.at]))
    }

    /// A string that begins here.
    #[inline(always)]
    fn string(&mut self) -> Parsed<Text<'a>> {
        let open = self.at;
        let start = open + 1;
        let end = start + first_special(&self.bytes[start..]);
        if self.bytes.get(end) != Some(&b'"') {
            return self.unusual_string(end);
        }
        self.mark([open, end]);
        self.at = end + 1;
        Ok(Text::from_wire(&self.text[start..end], false))
    }

    /// One that has more in it than plain text, from `at` on.
    #[inline(never)]
    fn unusual_string(&mut self, at: usize) -> Parsed<Text<'a>> {
        let start = self.at + 1;
        self.mark([self.at]);
        self.at = at;
        let mut lone = false;
        loop {
            self.at += first_special(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => lone |= !self.escape()?,
                Some(_) => return Err(self.error("a control character inside a string")),
                None => return Err(self.error("the text ends inside a string")),
            }
        }
        let wire = &self.text[start..self.at];
        self.mark([self.at]);
        self.at += 1;
        let wire = if lone {
            self.bump.alloc_str(&mend_surrogates(wire))
        } else {
            wire
        };
        Ok(Text::from_wire(wire, true))
    }

    /// Steps over one escape. False if it is half of a surrogate pair.
    fn escape(&mut self) -> Parsed<bool> {
        self.mark([self.at]);
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\') => {
                self.mark([self.at + 1]);
                self.at += 2;
                Ok(true)
            }
            Some(b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(true)
            }
            Some(b'u') => {
                let unit = hex_unit(&self.bytes[self.at..])
                    .ok_or_else(|| self.error("`\\u` without four hexadecimal digits"))?;
                self.at += 6;
                if (0xd800..0xdc00).contains(&unit) {
                    let low = hex_unit(&self.bytes[self.at..]);
                    if low.is_some_and(|low| (0xdc00..0xe000).contains(&low)) {
                        self.mark([self.at]);
                        self.at += 6;
                        return Ok(true);
                    }
                }
                Ok(!(0xd800..0xe000).contains(&unit))
            }
            _ => Err(self.error("an unknown escape inside a string")),
        }
    }
}

/// The value of `\uXXXX` at the start of the bytes.
fn hex_unit(bytes: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes else {
        return None;
    };
    digits.get(..4)?.iter().try_fold(0, |unit, digit| {
        Some(unit * 16 + char::from(*digit).to_digit(16)?)
    })
}

/// Replaces the halves of surrogate pairs that lost their other half.
fn mend_surrogates(wire: &str) -> String {
    let mut mended = String::with_capacity(wire.len());
    let mut rest = wire;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match hex_unit(rest.as_bytes()) {
            None => 2,
            Some(0xd800..0xdc00)
                if hex_unit(&rest.as_bytes()[6..]).is_some_and(|low| (0xdc00..0xe000).contains(&low)) =>
            {
                12
            }
            Some(0xd800..0xe000) => {
                mended.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            Some(_) => 6,
        };
        mended.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    mended + rest
}

//! Writes a tree as compact JSON, straight into the output buffer.

use super::text::{needs_escape, special_bytes};
use super::{Object, Original, Value};

impl Value<'_> {
    /// Appends the value; `size` is a guess at its bytes.
    pub(crate) fn write(&self, out: &mut Vec<u8>, size: usize) {
        let mut writer = Writer::new(out, false, size);
        writer.value(self);
        writer.finish();
    }
}

impl Object<'_> {
    /// Appends the object; `size` is a guess at its bytes. If `filled`, without what [`prune`](Object::prune) would remove.
    #[inline(never)]
    pub(crate) fn write(&self, out: &mut Vec<u8>, filled: bool, size: usize) {
        let mut writer = Writer::new(out, filled, size);
        if !writer.object(self) {
            writer.put(b"{}");
        }
        writer.finish();
    }
}

/// A buffer that is longer than what has been written: most texts are a few bytes long, and to copy a word into a place that is there
/// takes less than to append to a vector.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// What has been written ends here.
    at: usize,
    /// Whether nulls, zero-length texts and empty containers are left out.
    filled: bool,
}

impl<'o> Writer<'o> {
    fn new(out: &'o mut Vec<u8>, filled: bool, size: usize) -> Self {
        let at = out.len();
        out.resize(at + size, 0);
        Self { out, at, filled }
    }

    fn finish(self) {
        self.out.truncate(self.at);
    }

    /// The next bytes, to be written to.
    #[inline]
    fn room(&mut self, length: usize) -> &mut [u8] {
        let end = self.at + length;
        if end > self.out.len() {
            self.grow(end);
        }
        let room = &mut self.out[self.at..end];
        self.at = end;
        room
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, end: usize) {
        self.out.resize(end + end / 2, 0);
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        copy(self.room(bytes.len()), bytes);
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        self.room(1)[0] = byte;
    }

    #[inline]
    fn quoted(&mut self, wire: &str) {
        if let [first, inside @ .., last] = self.room(wire.len() + 2) {
            (*first, *last) = (b'"', b'"');
            copy(inside, wire.as_bytes());
        }
    }

    /// A value of its own, or a member of a list. False if there was nothing to write.
    fn value(&mut self, value: &Value<'_>) -> bool {
        match value {
            _ if self.filled && value.is_void() => return false,
            Value::Null => self.put(b"null"),
            Value::Bool(true) => self.put(b"true"),
            Value::Bool(false) => self.put(b"false"),
            Value::Number(number) => self.put(number.as_bytes()),
            Value::Text(text) => self.quoted(text.wire()),
            Value::Verbatim(original) => self.original(original),
            Value::List(members) => return self.list(members),
            Value::Object(object) => return self.object(object),
        }
        true
    }

    #[inline(always)]
    fn list(&mut self, members: &[Value<'_>]) -> bool {
        let start = self.at;
        self.byte(b'[');
        for member in members {
            if self.value(member) {
                self.byte(b',');
            }
        }
        self.close(start, b']')
    }

    #[inline(always)]
    fn object(&mut self, object: &Object<'_>) -> bool {
        let start = self.at;
        self.byte(b'{');
        for (key, value) in object.iter() {
            // Most values are texts, and those take no call.
            if let Value::Text(text) = value {
                if !(self.filled && text.is_empty()) {
                    self.field(key.wire(), text.wire());
                }
                continue;
            }
            let before = self.at;
            self.key(key.wire());
            if self.value(value) {
                self.byte(b',');
            } else {
                self.at = before;
            }
        }
        self.close(start, b'}')
    }

    /// `"key":"text",`, which asks for room once.
    #[inline(always)]
    fn field(&mut self, key: &str, text: &str) {
        let room = self.room(key.len() + text.len() + 6);
        let (name, value) = room.split_at_mut(key.len() + 3);
        if let ([q1, name @ .., q2, colon], [q3, value @ .., q4, comma]) = (name, value) {
            (*q1, *q2, *colon) = (b'"', b'"', b':');
            copy(name, key.as_bytes());
            (*q3, *q4, *comma) = (b'"', b'"', b',');
            copy(value, text.as_bytes());
        }
    }

    #[inline]
    fn key(&mut self, key: &str) {
        self.quoted(key);
        self.byte(b':');
    }

    /// Ends a container that began here, with a comma behind each member. An empty one is taken back, if such are left out.
    fn close(&mut self, start: usize, bracket: u8) -> bool {
        let is_empty = self.at == start + 1;
        if is_empty && self.filled {
            self.at = start;
            return false;
        }
        // In place of the last comma.
        self.at -= usize::from(!is_empty);
        self.byte(bracket);
        true
    }

    fn original(&mut self, original: &Original<'_>) {
        self.byte(b'"');
        match original.marks() {
            Some(marks) => self.marked(original.text().as_bytes(), marks),
            None => self.escaped(original.text()),
        }
        self.byte(b'"');
    }

    /// Text of which is known what to put a backslash before.
    fn marked(&mut self, text: &[u8], marks: impl ExactSizeIterator<Item = usize>) {
        let mut rest = text;
        let mut room = &mut *self.room(text.len() + marks.len());
        let mut from = 0;
        for mark in marks {
            let length = mark - from;
            // What is copied too far is written over. Between two marks there is a name, a word, an id: hardly ever more.
            match (room.first_chunk_mut::<48>(), rest.first_chunk::<48>()) {
                (Some(to), Some(words)) if length <= 16 => copy(&mut to[..16], &words[..16]),
                (Some(to), Some(words)) if length <= 48 => *to = *words,
                _ => room[..length].copy_from_slice(&rest[..length]),
            }
            room[length] = b'\\';
            (rest, room, from) = (&rest[length..], &mut room[length + 1..], mark);
        }
        copy(room, rest);
    }

    /// Apart from the rest: a function with a vector needs a place on the stack for it at each call.
    #[cold]
    #[inline(never)]
    fn escaped(&mut self, text: &str) {
        let mut escaped = Vec::new();
        escape(text, &mut escaped);
        self.put(&escaped);
    }
}

/// Copies between places of the same length. Short texts, ids among them, take a few words, which are no call: in a component a
/// call to copy leaves the sandbox.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    if from.len() > 64 || from.len() != to.len() {
        to.copy_from_slice(from);
    } else if from.len() > 32 {
        ends::<32>(to, from);
    } else if from.len() > 16 {
        ends::<16>(to, from);
    } else if from.len() >= 8 {
        ends::<8>(to, from);
    } else if from.len() >= 4 {
        ends::<4>(to, from);
    } else {
        for (to, from) in to.iter_mut().zip(from) {
            *to = *from;
        }
    }
}

/// The first and the last bytes, which together are all of them.
#[inline]
fn ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) {
        *to = *from;
    }
    if let (Some(to), Some(from)) = (to.last_chunk_mut::<N>(), from.last_chunk::<N>()) {
        *to = *from;
    }
}

/// Appends plain text with the escapes that JSON asks for. Eight bytes at a time: those behind one that needs an
/// escape are taken back and looked at again.
pub(super) fn escape(plain: &str, out: &mut Vec<u8>) {
    out.reserve(plain.len() + plain.len() / 4);
    let mut rest = plain.as_bytes();
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        let found = special_bytes(*chunk);
        out.extend_from_slice(chunk);
        if found == 0 {
            rest = behind;
        } else {
            let at = (found.trailing_zeros() / 8) as usize;
            out.truncate(out.len() - chunk.len() + at);
            escape_byte(rest[at], out);
            rest = &rest[at + 1..];
        }
    }
    for byte in rest {
        if needs_escape(*byte) {
            escape_byte(*byte, out);
        } else {
            out.push(*byte);
        }
    }
}

fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x8 => b'b',
        0xc => b'f',
        _ => {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digits[0], digits[1]]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::super::parse;

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            Just(Json::from("")),
            any::<String>().prop_map(Json::from),
            "[a-z]{0,80}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
                prop::collection::btree_map(".{0,3}", inner, 0..5)
                    .prop_map(|fields| Json::Object(fields.into_iter().collect())),
            ]
        })
    }

    /// Nothing for what is empty, at every depth.
    fn filled(value: &Json) -> Option<Json> {
        let kept = match value {
            Json::Array(members) => Json::Array(members.iter().filter_map(filled).collect()),
            Json::Object(fields) => {
                let kept = fields
                    .iter()
                    .filter_map(|(key, value)| Some((key.clone(), filled(value)?)));
                Json::Object(kept.collect())
            }
            other => other.clone(),
        };
        let is_void = match &kept {
            Json::Null => true,
            Json::String(text) => text.is_empty(),
            Json::Array(members) => members.is_empty(),
            Json::Object(fields) => fields.is_empty(),
            _ => false,
        };
        (!is_void).then_some(kept)
    }

    proptest! {
        /// However little room there is at first, and behind whatever has been written before.
        #[test]
        fn what_is_written_is_what_serde_json_writes(
            fields in prop::collection::btree_map("[a-z]{0,40}", json(), 0..6),
            size in 0_usize..300,
        ) {
            let whole = Json::Object(fields.into_iter().collect());
            let text = whole.to_string();
            let bump = Bump::new();
            let tree = parse(&text, &bump).unwrap();
            let mut out = b"before".to_vec();
            tree.write(&mut out, size);
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("before{text}"));
            let mut out = b"before".to_vec();
            tree.object().unwrap().write(&mut out, true, size);
            let expect = filled(&whole).unwrap_or_else(|| serde_json::json!({}));
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("before{expect}"));
        }
    }
}

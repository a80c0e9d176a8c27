//! Writes a tree as compact JSON, straight into the output buffer.

use super::text::{needs_escape, special_bytes};
use super::{Object, Value};

impl Value<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(number) => out.extend_from_slice(number.as_bytes()),
            Self::Text(text) => quoted(text.wire(), out),
            Self::Verbatim(text) => {
                out.push(b'"');
                escape(text, out);
                out.push(b'"');
            }
            Self::List(members) => {
                out.push(b'[');
                for (at, member) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    member.write(out);
                }
                out.push(b']');
            }
            Self::Object(object) => object.write(out),
        }
    }
}

impl Object<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (at, (key, value)) in self.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            quoted(key.wire(), out);
            out.push(b':');
            value.write(out);
        }
        out.push(b'}');
    }
}

fn quoted(wire: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(wire.as_bytes());
    out.push(b'"');
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

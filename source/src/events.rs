//! The events of a blob, as the very bytes that came.
//!
//! A blob is a JSON array. Its elements' borders are found without building anything; nobody parses an event
//! here. What is odd in a blob costs at most the odd event (reference §9.3).

use std::borrow::Cow;

use bytes::Bytes;
use memchr::{memchr, memchr2};
use smallvec::SmallVec;

/// What a blob's text holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Split {
    /// The elements in order, each without a line feed. Not all need be valid JSON.
    pub(crate) events: Vec<Bytes>,
    /// What was odd, in words.
    pub(crate) oddities: Vec<&'static str>,
}

/// A blob's text is no list of events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SplitError {
    /// There is nothing.
    #[error("the body is empty")]
    Empty,
    /// It starts as something else.
    #[error("the body is no JSON array")]
    NoArray,
    /// It ends within the array.
    #[error("the array is not well-formed: it breaks at byte {0}")]
    Broken(usize),
}

/// Cuts a blob into its events. They share the memory of the body.
pub(crate) fn split(body: &Bytes) -> Result<Split, SplitError> {
    let mut split = Split::default();
    let mut start = 0;
    if body.starts_with(b"\xEF\xBB\xBF") {
        start = 3;
        split.odd("a byte order mark");
    }
    let start = skip_space(body, start);
    match body.get(start) {
        None => return Err(SplitError::Empty),
        Some(b'[') => {}
        Some(b'{') => {
            let end = value_end(body, start).ok_or(SplitError::Broken(body.len()))?;
            split.odd("an object instead of an array");
            split.push(body, start, end);
            return Ok(split);
        }
        Some(_) => return Err(SplitError::NoArray),
    }
    let (elements, end) = match elements(body, start + 1) {
        Ok(found) => found,
        Err(broken) => {
            split.odd("a broken event");
            around(body, broken)?
        }
    };
    for (from, to) in elements {
        split.push(body, from, to);
    }
    let rest = body.get(end + 1..).unwrap_or_default();
    if !is_blank(rest) {
        split.odd("bytes behind the array");
    }
    Ok(split)
}

impl Split {
    fn odd(&mut self, what: &'static str) {
        if !self.oddities.contains(&what) {
            self.oddities.push(what);
        }
    }

    fn push(&mut self, body: &Bytes, from: usize, to: usize) {
        let raw = &body[from..to];
        if raw == b"null" {
            self.odd("a null element");
            return;
        }
        let mut text = Cow::Borrowed(raw);
        if std::str::from_utf8(raw).is_err() {
            self.odd("an event that is no UTF-8");
            text = Cow::Owned(String::from_utf8_lossy(raw).into_owned().into_bytes());
        }
        if let Some(mended) = mend_surrogates(&text) {
            self.odd("half a surrogate pair");
            text = Cow::Owned(mended);
        }
        // Between tokens a line feed is as good as a blank, and within a string it is not allowed.
        if memchr2(b'\n', b'\r', &text).is_some() {
            for byte in text.to_mut() {
                if matches!(byte, b'\n' | b'\r') {
                    *byte = b' ';
                }
            }
        }
        self.events.push(match text {
            Cow::Borrowed(_) => body.slice(from..to),
            Cow::Owned(text) => text.into(),
        });
    }
}

type Elements = Vec<(usize, usize)>;

/// Where scanning stopped, and the elements before.
struct Broken {
    whole: Elements,
    from: usize,
    at: usize,
}

/// The elements of an array whose first byte after `[` is at `at`, and where its `]` is.
fn elements(body: &[u8], mut at: usize) -> Result<(Elements, usize), Broken> {
    let mut whole = Elements::new();
    loop {
        at = skip_space(body, at);
        match body.get(at) {
            Some(b']') => return Ok((whole, at)),
            // An element that is missing altogether: nothing is lost with it.
            Some(b',') => at += 1,
            Some(_) => {
                let from = at;
                match element_end(body, from) {
                    Ok(end) => {
                        let trimmed = body[from..end].trim_ascii_end().len();
                        whole.push((from, from + trimmed));
                        at = end;
                    }
                    Err(broken) => {
                        return Err(Broken {
                            whole,
                            from,
                            at: broken,
                        });
                    }
                }
            }
            None => {
                return Err(Broken { whole, from: at, at });
            }
        }
    }
}

/// How many places are tried behind a broken event.
const PLACES: usize = 256;

/// One event is broken so that its end cannot be seen: looks for a place behind it from which the array is whole again.
/// If there is none, the broken event is the last. A body that just ends is not mended, since it was probably cut on the way.
fn around(body: &[u8], broken: Broken) -> Result<(Elements, usize), SplitError> {
    let error = SplitError::Broken(broken.at);
    if !body.trim_ascii_end().ends_with(b"]") {
        return Err(error);
    }
    let commas = (broken.from..body.len()).filter(|at| body[*at] == b',');
    for comma in commas
        .filter(|at| body.get(skip_space(body, at + 1)) == Some(&b'{'))
        .take(PLACES)
    {
        // What ends sooner was a list within the broken event.
        if let Ok((rest, end)) = elements(body, comma + 1)
            && is_blank(&body[end + 1..])
        {
            let mut found = broken.whole;
            found.push((broken.from, comma));
            found.extend(rest);
            return Ok((found, end));
        }
    }
    // A body that was cut runs out of bytes before anything in it is wrong.
    let end = body.trim_ascii_end().len() - 1;
    if broken.at < end && broken.from < end {
        let mut found = broken.whole;
        found.push((broken.from, end));
        return Ok((found, end));
    }
    Err(error)
}

fn is_blank(rest: &[u8]) -> bool {
    rest.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0)
}

fn skip_space(body: &[u8], from: usize) -> usize {
    let rest = body.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// The brackets that close what is open: records are not nested deeply.
type Open = SmallVec<[u8; 16]>;

/// The `,` or `]` behind an element, or where its brackets stop making sense.
fn element_end(body: &[u8], from: usize) -> Result<usize, usize> {
    let mut open = Open::new();
    let mut at = from;
    while let Some(byte) = body.get(at) {
        match byte {
            b'"' => {
                at = string_end(body, at).ok_or(body.len())?;
                continue;
            }
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b',' | b']' if open.is_empty() => return Ok(at),
            b'}' | b']' if open.pop() != Some(*byte) => return Err(at),
            _ => {}
        }
        at += 1;
    }
    Err(body.len())
}

/// Behind the closing quote of a string that opens at `at`.
fn string_end(body: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr2(b'"', b'\\', body.get(at..)?)?;
        if body[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Behind a value that is complete in itself.
fn value_end(body: &[u8], from: usize) -> Option<usize> {
    let mut open = Open::new();
    let mut at = from;
    loop {
        match body.get(at)? {
            b'"' => {
                at = string_end(body, at)?;
                if open.is_empty() {
                    return Some(at);
                }
                continue;
            }
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            byte @ (b'}' | b']') => {
                if open.pop() != Some(*byte) {
                    return None;
                }
                if open.is_empty() {
                    return Some(at + 1);
                }
            }
            b',' if open.is_empty() => return Some(at),
            _ => {}
        }
        at += 1;
    }
}

/// Replaces escapes of half a surrogate pair, which no parser accepts.
fn mend_surrogates(text: &[u8]) -> Option<Vec<u8>> {
    let mut mended: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(next) = text.get(at..).and_then(|rest| memchr(b'\\', rest)) {
        at += next;
        match (surrogate(text, at), surrogate(text, at + 6)) {
            (Some(Half::High), Some(Half::Low)) => at += 12,
            (Some(_), _) => {
                let mended = mended.get_or_insert_with(|| text.to_vec());
                mended[at..at + 6].copy_from_slice(br"\ufffd");
                at += 6;
            }
            (None, _) => at += 2,
        }
    }
    mended
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    High,
    Low,
}

fn surrogate(text: &[u8], at: usize) -> Option<Half> {
    let escape = text.get(at..at + 6)?;
    let digits = escape.strip_prefix(br"\u")?;
    let code = u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    match code {
        0xD800..=0xDBFF => Some(Half::High),
        0xDC00..=0xDFFF => Some(Half::Low),
        _ => None,
    }
}

/// What tells an event from others: texts at its top level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Identity<'a> {
    /// `Id`.
    pub(crate) id: Option<&'a str>,
    /// `CreationTime`.
    pub(crate) created: Option<&'a str>,
}

/// Looks at the top level of an event; nothing if it is no object. Of a key that stands there twice the last one counts, as it does
/// for every parser.
pub(crate) fn identify(event: &[u8]) -> Option<Identity<'_>> {
    let mut found = Identity::default();
    let mut at = skip_space(event, 0);
    if event.get(at) != Some(&b'{') {
        return None;
    }
    at += 1;
    loop {
        at = skip_space(event, at);
        match event.get(at)? {
            b'}' => return Some(found),
            b',' => {
                at += 1;
                continue;
            }
            b'"' => {}
            _ => return None,
        }
        let key_end = string_end(event, at)?;
        let field = match &event[at..key_end] {
            br#""Id""# => Some(&mut found.id),
            br#""CreationTime""# => Some(&mut found.created),
            _ => None,
        };
        at = skip_space(event, key_end);
        if event.get(at) != Some(&b':') {
            return None;
        }
        at = skip_space(event, at + 1);
        let end = member_end(event, at)?;
        if let Some(field) = field {
            *field = plain_text(&event[at..end]);
        }
        at = end;
    }
}

/// The `,` or `}` behind a member's value.
fn member_end(event: &[u8], from: usize) -> Option<usize> {
    match event.get(from)? {
        b'"' | b'{' | b'[' => value_end(event, from),
        _ => {
            let rest = &event[from..];
            rest.iter()
                .position(|byte| matches!(byte, b',' | b'}'))
                .map(|length| from + length)
        }
    }
}

/// The text of a string without escapes.
fn plain_text(value: &[u8]) -> Option<&str> {
    let text = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if text.contains(&b'\\') {
        return None;
    }
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(body: &str, expect: &[&str], oddities: &[&str]) {
        let found = split(&Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let events: Vec<_> = found
            .events
            .iter()
            .map(|event| std::str::from_utf8(event).unwrap())
            .collect();
        assert_eq!((events.as_slice(), found.oddities.as_slice()), (expect, oddities));
    }

    #[track_caller]
    fn refuse(body: &str) -> SplitError {
        split(&Bytes::copy_from_slice(body.as_bytes())).unwrap_err()
    }

    #[test]
    fn keeps_the_bytes_of_each_event() {
        check("[]", &[], &[]);
        check(
            r#" [ {"a": 1.50,"b":"},]\"[{"} , {"c":[{"d":[]}]}]  "#,
            &[r#"{"a": 1.50,"b":"},]\"[{"}"#, r#"{"c":[{"d":[]}]}"#],
            &[],
        );
        check("[{\"a\":\r\n1}]\n", &["{\"a\":  1}"], &[]);
    }

    #[test]
    fn an_odd_blob_costs_at_most_the_odd_event() {
        check("\u{feff}[{\"a\":1}]", &[r#"{"a":1}"#], &["a byte order mark"]);
        check("[{\"a\":1}]\0\0 \n", &[r#"{"a":1}"#], &[]);
        check(
            r#"[{"a":1}]garbage"#,
            &[r#"{"a":1}"#],
            &["bytes behind the array"],
        );
        check(
            r#"{"Id":"x"}"#,
            &[r#"{"Id":"x"}"#],
            &["an object instead of an array"],
        );
        check(r#"[null,{"a":1},null]"#, &[r#"{"a":1}"#], &["a null element"]);
        check(
            r#"[{"a":1},{oops},7,{"b":2}]"#,
            &[r#"{"a":1}"#, "{oops}", "7", r#"{"b":2}"#],
            &[],
        );
        check(r#"[{"a":1},,{"b":2},]"#, &[r#"{"a":1}"#, r#"{"b":2}"#], &[]);
        check(
            r#"[{"a":1},{"x":[{"n":1},{"b":2},{"c":3}]"#,
            &[r#"{"a":1}"#, r#"{"x":[{"n":1}"#, r#"{"b":2}"#, r#"{"c":3}"#],
            &["a broken event"],
        );
        check(
            r#"[{"a":1},{"x":]},{"b":2}]"#,
            &[r#"{"a":1}"#, r#"{"x":]}"#, r#"{"b":2}"#],
            &["a broken event"],
        );
        // A list within the broken event is not the end of the blob.
        check(
            r#"[{"x":],"p":[{"n":1},{"n":2}]},{"id":3}]"#,
            &[r#"{"x":],"p":[{"n":1},{"n":2}]}"#, r#"{"id":3}"#],
            &["a broken event"],
        );
        // The last event is broken, and the blob is not cut: its brackets are wrong before it ends.
        check(
            r#"[{"a":1},{"x":]}]"#,
            &[r#"{"a":1}"#, r#"{"x":]}"#],
            &["a broken event"],
        );
        check(
            r#"[{"a":"\ud83d\ude00 \ud83d \\ud83d"}]"#,
            &[r#"{"a":"\ud83d\ude00 \ufffd \\ud83d"}"#],
            &["half a surrogate pair"],
        );
        let found = split(&Bytes::from_static(b"[{\"a\":\"\xFF\"}]")).unwrap();
        assert_eq!(found.events[0], "{\"a\":\"\u{fffd}\"}".as_bytes());
    }

    #[test]
    fn what_is_cut_or_no_list_is_refused() {
        assert_eq!(refuse(""), SplitError::Empty);
        assert_eq!(refuse(" \n"), SplitError::Empty);
        assert_eq!(refuse("<html>"), SplitError::NoArray);
        for body in [
            "[",
            r#"[{"a":1}"#,
            r#"[{"a":1},"#,
            r#"[{"a":"x"#,
            r#"[{"a":"\"#,
            r#"{"a":1"#,
        ] {
            assert!(matches!(refuse(body), SplitError::Broken(_)), "{body}");
        }
    }

    #[test]
    fn the_id_is_found_wherever_it_stands() {
        for (event, expect) in [
            (r#"{"Id":"x"}"#, Some("x")),
            (
                r#"{ "a" : {"Id":"inner"} , "b":[1,"}"], "n": null, "Id" : "x" , "z":1.5}"#,
                Some("x"),
            ),
            (r#"{"a":{"Id":"inner"}}"#, None),
            (r#"{"id":"x"}"#, None),
            (r#"{"Id":7}"#, None),
            (r#"{"Id":null}"#, None),
            (r#"{"Id":"a","Id":"b"}"#, Some("b")),
            (r#"{"Id":"a\u0041"}"#, None),
            (r#"{"a":"\"Id\":\"y\"","Id":""}"#, Some("")),
            ("{oops}", None),
            ("7", None),
            ("", None),
        ] {
            assert_eq!(id_of(event.as_bytes()), expect, "{event}");
        }
    }

    fn id_of(event: &[u8]) -> Option<&str> {
        identify(event)?.id
    }

    #[test]
    fn the_time_is_found_beside_the_id() {
        for (event, expect) in [
            (
                r#"{"CreationTime":"2026-01-02T10:20:30","Id":"x"}"#,
                Some("2026-01-02T10:20:30"),
            ),
            (
                r#"{"Id":"x","CreationTime":"a","o":{"CreationTime":"b"},"CreationTime":"c"}"#,
                Some("c"),
            ),
            (r#"{"Id":"x","CreationTime":5}"#, None),
            (r#"{"Id":"x"}"#, None),
        ] {
            let created = expect;
            assert_eq!(
                identify(event.as_bytes()),
                Some(Identity {
                    id: Some("x"),
                    created
                }),
                "{event}"
            );
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
            "[\\[\\]{}\",:\\\\u]{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn cuts_where_a_parser_would(events in proptest::collection::vec(json(), 0..8), pretty: bool) {
            let events: Vec<_> = events.into_iter().map(|event| serde_json::json!({"Id": "x", "event": event})).collect();
            let text = if pretty {
                serde_json::to_vec_pretty(&events)
            } else {
                serde_json::to_vec(&events)
            };
            let found = split(&text.unwrap().into()).unwrap();
            prop_assert!(found.oddities.is_empty());
            let parsed: Vec<serde_json::Value> =
                found.events.iter().map(|event| serde_json::from_slice(event).unwrap()).collect();
            prop_assert_eq!(parsed, events);
            for event in &found.events {
                prop_assert!(!event.contains(&b'\n'));
                prop_assert_eq!(id_of(event), Some("x"));
            }
        }

        #[test]
        fn never_panics(body in proptest::collection::vec(prop_oneof![Just(b'['), Just(b']'), Just(b'{'), Just(b'}'),
            Just(b'"'), Just(b'\\'), Just(b','), Just(b':'), Just(b'u'), any::<u8>()], 0..60)) {
            if let Ok(found) = split(&Bytes::from(body.clone())) {
                for event in found.events {
                    identify(&event);
                }
            }
            identify(&body);
        }
    }
}

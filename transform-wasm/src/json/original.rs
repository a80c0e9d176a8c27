//! The text of an event as it was received.

/// A part of the text that was parsed, and where in it a backslash belongs when it becomes a text inside JSON itself. The parser has
/// seen every quote and every backslash; to look for them a second time would take as long as parsing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Original<'a> {
    text: &'a str,
    /// Where the part begins in what was parsed.
    start: usize,
    /// Offsets in what was parsed, ascending; nothing if more than quotes and backslashes has to be escaped.
    marks: Option<&'a [u32]>,
}

impl<'a> Original<'a> {
    /// `part` begins at `start` of the parsed text, of which `marks` are the offsets of all quotes and backslashes.
    pub(super) fn new(part: &'a str, start: usize, marks: Option<&'a [u32]>) -> Self {
        let within = |marks: &'a [u32]| {
            let place = |offset: usize| marks.partition_point(|mark| (*mark as usize) < offset);
            &marks[place(start)..place(start + part.len())]
        };
        Self {
            text: part,
            start,
            marks: marks.map(within),
        }
    }

    /// As received.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The offsets in the text that need a backslash before them; nothing if it has to be looked through.
    pub(super) fn marks(&self) -> Option<impl ExactSizeIterator<Item = usize>> {
        Some(self.marks?.iter().map(|mark| *mark as usize - self.start))
    }
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;

    use super::super::{Key, Object, Text, Value, parse_event};

    #[track_caller]
    fn check(event: &str, original: &str, marked: bool) {
        let bump = Bump::new();
        let parsed = parse_event(event, &Key::plain("inner"), &bump).expect("an event");
        assert_eq!(parsed.original.text(), original);
        assert_eq!(parsed.original.marks().is_some(), marked, "{event}");
        let mut object = Object::new_in(&bump);
        object.set(
            Text::literal("original"),
            Value::Verbatim(bump.alloc(parsed.original)),
        );
        let mut out = Vec::new();
        object.write(&mut out, true, 0);
        let written: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(written["original"], original);
    }

    #[test]
    fn marks_are_what_needs_a_backslash() {
        let plain = r#"{"a":"","b":["\"\\ \u0041\n","é"], "c" : {"d":1}}"#;
        check(plain, plain, true);
        check(&format!(" {plain} "), plain, true);
        check(&format!(r#"{{"x":"\"","inner":{plain},"y":"\""}}"#), plain, true);
        let surrogates = r#"{"a":"\ud83d\ude00\ud800x\ude00\ud83d\ud83d\ude00"}"#;
        check(surrogates, surrogates, true);
        let long = format!(r#"{{"a":"{}"}}"#, "long ".repeat(1000));
        check(&long, &long, true);
    }

    #[test]
    fn a_text_with_control_characters_is_looked_through() {
        let lines = "{\n\t\"a\": \"b\\n\"\r\n}";
        check(lines, lines, false);
    }
}

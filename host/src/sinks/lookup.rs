//! Reads a few texts of a JSON document in one pass, without building the document.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The texts and numbers that stand at these paths of a JSON object, in their order. What is missing, or of another kind, is
/// `None`.
pub(super) fn texts<const N: usize>(
    document: &[u8],
    paths: [&[String]; N],
) -> Result<[Option<String>; N], serde_json::Error> {
    let mut found = [const { None }; N];
    find(document, &paths, &mut found)?;
    Ok(found)
}

/// The same for paths whose number is known later. There are as many places in `found`, and not more than 64.
pub(super) fn find(
    document: &[u8],
    paths: &[&[String]],
    found: &mut [Option<String>],
) -> Result<(), serde_json::Error> {
    debug_assert!(paths.len() == found.len() && paths.len() <= MOST);
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    deserializer.deserialize_map(Look {
        paths,
        here: u64::MAX,
        depth: 0,
        found,
    })?;
    deserializer.end()
}

/// So many paths can be looked for.
pub(super) const MOST: usize = u64::BITS as usize;

struct Look<'l> {
    paths: &'l [&'l [String]],
    /// Which of the paths lead through here, a bit each.
    here: u64,
    depth: usize,
    found: &'l mut [Option<String>],
}

impl Look<'_> {
    fn keep(self, text: &(impl ToString + ?Sized)) {
        for (at, path) in self.paths.iter().enumerate() {
            if self.here >> at & 1 == 1 && path.len() == self.depth {
                self.found[at] = Some(text.to_string());
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(here) = map.next_key_seed(Key(&self))? {
            if here != 0 {
                map.next_value_seed(Look {
                    paths: self.paths,
                    here,
                    depth: self.depth + 1,
                    found: &mut *self.found,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.keep(text);
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.keep(&number);
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.keep(&number);
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Which paths go on with a key.
struct Key<'k, 'l>(&'k Look<'l>);

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = u64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<u64, E> {
        let look = self.0;
        let goes_on = |path: &[String]| path.get(look.depth).is_some_and(|part| part == key);
        let bits = look.paths.iter().enumerate();
        Ok(look.here & bits.fold(0, |bits, (at, path)| bits | u64::from(goes_on(path)) << at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_texts_and_numbers_and_nothing_else() {
        let path = |text: &str| -> Vec<String> { text.split('.').map(str::to_owned).collect() };
        let (id, deep, time) = (path("event.id"), path("a.b.c"), path("@timestamp"));
        let find = |document: &str| texts(document.as_bytes(), [&id, &deep, &time]);
        let found =
            find(r#"{"x":[1,{"id":2}],"event":{"id":"e","action":null},"a":{"b":{"c":7}},"@timestamp":"t"}"#);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(found.unwrap(), [some("e"), some("7"), some("t")]);
        let found = find(r#"{"event":{"id":["e"]},"a":{"b":1.5},"@timestamp":true,"id":"no"}"#);
        assert_eq!(found.unwrap(), [None, None, None]);
        for bad in ["", "[]", "1", "{\"a\":", "{} {}"] {
            assert!(find(bad).is_err(), "{bad}");
        }
    }
}

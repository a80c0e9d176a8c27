//! What must hold for whatever bytes the service sends. The fuzz targets in `fuzz/` call these functions, and the tests
//! below call them on stable with mutations of valid answers. A property that does not hold panics.
//!
//! No part of the API: it exists for tests, and with the feature `fuzzing`.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::value::RawValue;
use url::Url;

use crate::{auth, client, events, types::TenantId, url::ApiBase, wire};

const TENANT: &str = "41463f53-8812-40f4-890f-865bf6e35190";
const ROOT: &str = "https://manage.office.com";

/// A blob: events hold no line feed and are UTF-8, memory stays in proportion, and what a parser takes for an array is
/// cut into the parser's elements, byte for byte but for line feeds and halves of surrogate pairs.
pub fn blob(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let found = events::split(&body);
    events::identify(data);
    let whole: Option<Vec<&RawValue>> = serde_json::from_slice(data).ok();
    let Ok(found) = found else {
        assert!(whole.is_none(), "an array was refused");
        return;
    };
    let size: usize = found.events.iter().map(Bytes::len).sum();
    // An invalid byte becomes a replacement character of three bytes.
    assert!(size <= 3 * data.len(), "{size} bytes of {}", data.len());
    for event in &found.events {
        let text = std::str::from_utf8(event).expect("an event is UTF-8");
        assert!(!text.contains(['\n', '\r']), "a line feed in an event");
        let found = events::identify(event).unwrap_or_default();
        for text in [found.id, found.created].into_iter().flatten() {
            assert!(text.len() <= event.len());
        }
    }
    let Some(whole) = whole else { return };
    let odd = |what| found.oddities.contains(&what);
    assert!(!odd("a broken event") && !odd("bytes behind the array"));
    let elements: Vec<_> = whole.iter().filter(|element| element.get() != "null").collect();
    assert_eq!(elements.len(), found.events.len(), "number of events");
    for (element, event) in elements.iter().zip(&found.events) {
        let element = element.get().replace(['\n', '\r'], " ");
        if !odd("half a surrogate pair") {
            assert_eq!(element.as_bytes(), event, "an event was changed");
        }
        assert_eq!(element.len(), event.len(), "an event was cut");
        let parsed = serde_json::from_slice::<&RawValue>(event);
        assert!(parsed.is_ok(), "an event of an array is JSON");
        if let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(event)
            && let Some(found) = events::identify(event)
        {
            for (name, text) in [("Id", found.id), ("CreationTime", found.created)] {
                let parsed = members.get(name).and_then(serde_json::Value::as_str);
                assert!(text.is_none() || parsed == text, "{name} of an event");
            }
        }
    }
}

/// A page of a listing, a list of subscriptions and an error body.
pub fn listing(data: &[u8]) {
    let page: Result<Vec<serde_json::Value>, _> = serde_json::from_slice(data);
    if let Ok(page) = page {
        for descriptor in page.into_iter().map(wire::Descriptor::read) {
            let size = descriptor.id.map_or(0, |id| id.len()) + descriptor.uri.map_or(0, |uri| uri.len());
            // A number is written anew, and may grow then.
            assert!(size <= 2 * data.len() + 64);
            for instant in [descriptor.created, descriptor.expiration].into_iter().flatten() {
                // What the ledger keeps comes back.
                assert!(chrono::DateTime::from_timestamp_millis(instant.timestamp_millis()).is_some());
            }
        }
    }
    let _: Result<Vec<wire::Subscription>, _> = serde_json::from_slice(data);
    let (code, message) = wire::error_body(data);
    assert!(code.as_ref().is_none_or(|code| !code.is_empty()));
    assert!(message.len() <= 3 * data.len() + 64);
}

/// An answer of the token endpoint, good or bad.
pub fn token(data: &[u8]) {
    auth::check_answer(data);
}

/// A `contentUri` or `NextPageUri`: the token goes to the configured origin and to the tenant's own feed only.
pub fn address(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let tenant: TenantId = TENANT.parse().expect("a GUID");
    let root = Url::parse(ROOT).expect("a URL");
    let base = ApiBase::new(&root, tenant, "publisher".to_owned());
    // As it is, and behind what a real one starts with.
    let below = format!("{ROOT}/api/v1.0/{TENANT}/activity/feed/{text}");
    for text in [text.as_ref(), &below, &format!("{ROOT}{text}")] {
        let Ok(pinned) = base.pin(text) else { continue };
        let url = pinned.as_url();
        assert_eq!(url.origin(), root.origin());
        assert!(url.username().is_empty() && url.password().is_none());
        let path = url.path().to_ascii_lowercase();
        assert!(path.contains(&format!("/{TENANT}/activity/feed/")), "{path}");
        let query = url.query().unwrap_or_default().to_ascii_lowercase();
        assert!(query.contains("publisheridentifier"));
        // What goes over the wire is read there as it is here.
        let again = base.pin(&pinned.to_string());
        assert_eq!(again.as_ref(), Ok(&pinned));
    }
}

/// The headers that say how long to wait: `Retry-After`, a line feed, `Date`.
pub fn headers(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for name in [RETRY_AFTER, DATE] {
        if let Some(value) = parts.next().and_then(|part| HeaderValue::from_bytes(part).ok()) {
            headers.insert(name, value);
        }
    }
    if let Some(wait) = client::retry_after(&headers) {
        assert!(wait <= Duration::from_hours(24), "{wait:?}");
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = wire::parse_instant(text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::Index};

    use super::*;

    const BLOB: &[u8] = include_bytes!("../../fuzz/seeds/blob/events");
    const LISTING: &[u8] = include_bytes!("../../fuzz/seeds/listing/page");
    const TOKEN: &[u8] = include_bytes!("../../fuzz/seeds/token/v1");
    const REFUSAL: &[u8] = include_bytes!("../../fuzz/seeds/token/refusal");
    const ADDRESS: &[u8] = include_bytes!("../../fuzz/seeds/address/page");
    const HEADERS: &[u8] = include_bytes!("../../fuzz/seeds/headers/date");

    type Target = fn(&[u8]);
    const TARGETS: [(Target, &[u8]); 6] = [
        (blob, BLOB),
        (listing, LISTING),
        (token, TOKEN),
        (token, REFUSAL),
        (address, ADDRESS),
        (headers, HEADERS),
    ];

    /// Pieces that parsers stumble over.
    const PIECES: [&[u8]; 20] = [
        b"[",
        b"]",
        b"{",
        b"}",
        b"\"",
        b"\\",
        b",",
        b":",
        b"null",
        b"\\ud83d",
        b"\\ude00",
        b"\0",
        b"\xFF",
        b"\xC3",
        b"\xEF\xBB\xBF",
        b"\r\n",
        b"1e999",
        b"-",
        b"\"Id\":\"x\"",
        b"@",
    ];

    #[derive(Debug, Clone)]
    enum Mutation {
        Set(Index, u8),
        Cut(Index, u8),
        Insert(Index, Index),
        Copy(Index, Index, u8),
    }

    fn mutation() -> impl Strategy<Value = Mutation> {
        prop_oneof![
            any::<(Index, u8)>().prop_map(|(at, byte)| Mutation::Set(at, byte)),
            any::<(Index, u8)>().prop_map(|(at, length)| Mutation::Cut(at, length)),
            any::<(Index, Index)>().prop_map(|(at, piece)| Mutation::Insert(at, piece)),
            any::<(Index, Index, u8)>().prop_map(|(from, to, length)| Mutation::Copy(from, to, length)),
        ]
    }

    fn mutate(mut data: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
        for mutation in mutations {
            let places = data.len() + 1;
            match mutation {
                Mutation::Set(at, byte) => {
                    if let Some(place) = data.get_mut(at.index(places)) {
                        *place = *byte;
                    }
                }
                Mutation::Cut(at, length) => {
                    let from = at.index(places);
                    let to = (from + usize::from(*length)).min(data.len());
                    data.drain(from..to);
                }
                Mutation::Insert(at, piece) => {
                    let at = at.index(places);
                    data.splice(at..at, PIECES[piece.index(PIECES.len())].iter().copied());
                }
                Mutation::Copy(from, to, length) => {
                    let from = from.index(places);
                    let end = (from + usize::from(*length)).min(data.len());
                    let piece = data[from..end].to_vec();
                    let to = to.index(places);
                    data.splice(to..to, piece);
                }
            }
        }
        data
    }

    #[test]
    fn the_seeds_hold() {
        for (target, seed) in TARGETS {
            target(seed);
        }
        assert_eq!(events::split(&Bytes::from_static(BLOB)).unwrap().events.len(), 3);
        assert_eq!(
            serde_json::from_slice::<Vec<serde_json::Value>>(LISTING)
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn odd_blobs_hold() {
        for text in [
            &b""[..],
            b"\xEF\xBB\xBF[]",
            b"[{\"Id\":\"a\",\"Id\":\"b\"}]\0\0",
            b"[{\"a\":\"\\ud83d\"}]",
            b"[{\"a\":\"\xC3\x28\0\"}]trailing",
            b"[\x0C1]",
        ] {
            for (target, _) in TARGETS {
                target(text);
            }
        }
    }

    #[test]
    fn deep_nesting_and_long_strings_are_bounded() {
        let depth = 1_000_000;
        let deep = [b"[".repeat(depth), b"]".repeat(depth)].concat();
        assert_eq!(events::split(&deep.into()).unwrap().events.len(), 1);
        let open = b"[".repeat(depth);
        assert!(events::split(&open.into()).is_err());
        let long = [&b"[{\"Id\":\"x\",\"a\":\""[..], &b"a".repeat(16 << 20), b"\"}]"].concat();
        let split = events::split(&long.into()).unwrap();
        assert_eq!(events::identify(&split.events[0]).unwrap().id, Some("x"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn mutations_of_valid_answers_hold(
            target in any::<Index>(),
            mutations in proptest::collection::vec(mutation(), 0..8),
        ) {
            let (target, seed) = TARGETS[target.index(TARGETS.len())];
            target(&mutate(seed.to_vec(), &mutations));
        }
    }
}

//! The opaque token of a next page.
//!
//! It holds the position after which the listing goes on, in an order that does not change while blobs arrive, and a
//! checksum, so that a client which cuts it or encodes it again is told so (`AF20031`).

use std::fmt::Write;

use crate::content_type::ContentType;
use crate::http::call::Call;
use crate::http::reply::ApiError;
use crate::http::window::Window;
use crate::http::{App, lock};
use crate::random;

/// The place of a blob in the order of a listing.
pub(crate) type Position = (u64, u32);

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The number of the page, from one.
    pub(crate) number: u64,
    /// The last position of the page before; `None` begins at the first blob.
    pub(crate) after: Option<Position>,
    /// When the token was made, in milliseconds of the epoch.
    pub(crate) made: i64,
}

fn scope(tenant: usize, content_type: ContentType, window: &Window) -> u64 {
    random::hash(&[
        tenant as u64,
        content_type.index() as u64,
        window.start.timestamp_millis().cast_unsigned(),
        window.end.timestamp_millis().cast_unsigned(),
    ])
}

/// The value of `nextPage`, not yet encoded for a URL.
pub(crate) fn token(
    app: &App,
    tenant: usize,
    content_type: ContentType,
    window: &Window,
    cursor: Cursor,
) -> String {
    let mut text = format!("{:x}.{:x}", cursor.number, cursor.made);
    if let Some((key, seq)) = cursor.after {
        let _ = write!(text, ".{key:x}.{seq:x}");
    }
    let check = random::hash(&[
        app.config.seed,
        scope(tenant, content_type, window),
        random::hash_text(&text),
    ]);
    let hidden: String = format!("{text}.{check:x}")
        .bytes()
        .fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        });
    let day = window.start.format("%Y%m%d");
    if app.config.listing.awkward_page_tokens {
        format!("{day}00R!{hidden}+p-{}_=", cursor.number)
    } else {
        format!("{day}00R{hidden}")
    }
}

/// A token as it stands in a URL: only the plus has to be encoded.
pub(crate) fn encoded(token: &str) -> String {
    token.replace('+', "%2B")
}

fn decode(token: &str) -> Option<(Cursor, String)> {
    let hidden = token.split_once('R')?.1.trim_start_matches('!');
    let hidden = hidden.split_once('+').map_or(hidden, |(hidden, _)| hidden);
    let bytes: Option<Vec<u8>> = (0..hidden.len() / 2)
        .map(|at| u8::from_str_radix(hidden.get(2 * at..2 * at + 2)?, 16).ok())
        .collect();
    let text = String::from_utf8(bytes?).ok()?;
    let numbers: Option<Vec<u64>> = text
        .split('.')
        .map(|part| u64::from_str_radix(part, 16).ok())
        .collect();
    let cursor = match numbers?.as_slice() {
        [number, made, _] => Cursor {
            number: *number,
            after: None,
            made: i64::try_from(*made).ok()?,
        },
        [number, made, key, seq, _] => Cursor {
            number: *number,
            after: Some((*key, u32::try_from(*seq).ok()?)),
            made: i64::try_from(*made).ok()?,
        },
        _ => return None,
    };
    Some((cursor, text))
}

/// The page that the request asks for: the first one without a token.
pub(crate) fn requested(
    app: &App,
    call: &Call,
    tenant: usize,
    content_type: ContentType,
    window: &Window,
) -> Result<Cursor, ApiError> {
    let now = app.now().timestamp_millis();
    let Some(value) = call.query.get("nextPage") else {
        return Ok(Cursor {
            number: 1,
            after: None,
            made: now,
        });
    };
    let refuse = || ApiError::new("AF20031", value);
    let (cursor, _) = decode(value).ok_or_else(refuse)?;
    // Making the token again proves every byte of it, and that it belongs to this window.
    if token(app, tenant, content_type, window, cursor) != value {
        return Err(refuse());
    }
    if let Some(secs) = app.config.listing.page_lifetime_secs
        && now - cursor.made > i64::try_from(secs * 1000).unwrap_or(i64::MAX)
    {
        return Err(refuse());
    }
    Ok(cursor)
}

/// The number of the page that a request asks for, without any check.
pub(crate) fn number(call: &Call) -> u64 {
    call.query
        .get("nextPage")
        .and_then(decode)
        .map_or(1, |(cursor, _)| cursor.number)
}

/// Strikes the page from the list of those that nobody asked for.
pub(crate) fn note_requested(app: &App, call: &Call) {
    if let Some(token) = call.query.get("nextPage") {
        lock(&app.journal).page_requested(token);
    }
}

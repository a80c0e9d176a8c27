//! What a rule does: one named action per habit of the service that a client has to survive.
//!
//! Three families: complete answers (nothing of the real operation happens), changes of a good answer, and changes of the
//! way it travels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The value of a `Retry-After` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u64),
    /// An HTTP date so many seconds after the simulator's now.
    DateInSeconds(u64),
}

fn forbidden() -> u16 {
    403
}

fn bad_gateway() -> u16 {
    502
}

/// One thing that goes wrong. In data: `{ type: <name in snake case>, … }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    // --- complete answers ---
    /// The documented error body with this code; status and message default to what the code usually has.
    Error {
        /// For example `AF20022`, `AF50000`, `AF20051`.
        code: String,
        /// The HTTP status instead of the usual one.
        #[serde(default)]
        status: Option<u16>,
        /// The message instead of the usual one.
        #[serde(default)]
        message: Option<String>,
    },
    /// An error of the token endpoint, for example 7000215, 7000222, 700016, 90002, 700027, 700024, 50196.
    Aadsts {
        /// The AADSTS number.
        code: u32,
    },
    /// `AF429` as documented (403, the default) or as 429; at the token endpoint 429 with AADSTS90055.
    Throttle {
        /// 403 or 429.
        #[serde(default = "forbidden")]
        status: u16,
        /// Left out: no such header, as observed.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
    },
    /// A gateway's HTML page.
    Html {
        /// 502 unless given.
        #[serde(default = "bad_gateway")]
        status: u16,
        /// A `Retry-After` header.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
    },
    /// 401 with the body of ASP.NET, whatever the token.
    Unauthorized,
    /// The answer to `start` while unified audit logging is off: free text and a stack trace in `code`, about 1 700 bytes.
    AuditLogOff,
    /// 302 to another place.
    Redirect {
        /// The `Location`.
        location: String,
    },
    /// Any answer at all.
    Respond {
        /// The HTTP status.
        status: u16,
        /// Extra headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body.
        #[serde(default)]
        body: String,
    },
    /// The connection ends without a byte of answer.
    Reset,
    /// Not a byte of answer for so long, then the connection ends: longer than the client's patience, or than the test's.
    Hang {
        /// Seconds of real time.
        secs: u64,
    },

    // --- tokens ---
    /// `expires_in` and `exp` of the issued token.
    TokenLifetime {
        /// Seconds.
        secs: u64,
    },
    /// The token has no `roles`, as without consent.
    TokenWithoutRoles,
    /// The token lacks one role.
    TokenWithoutRole {
        /// For example `ActivityFeed.ReadDlp`.
        role: String,
    },
    /// The token says another `tid`.
    TokenForTenant {
        /// The GUID it says.
        tenant: String,
    },
    /// `expires_in` as a string also in v2.
    ExpiresInAsString,

    // --- subscriptions ---
    /// `subscriptions/list` leaves out every `status`.
    MissingStatus,
    /// `subscriptions/list` has an entry of a content type that nobody knows.
    UnknownContentType,
    /// `subscriptions/list` shows webhooks.
    WebhookObject,
    /// The tenant's administrator disables the subscription before this request is handled; `start` enables it again.
    DisableSubscription,

    // --- listings ---
    /// `[]` with a `NextPageUri` that leads to the page asked for.
    EmptyPageFirst,
    /// `NextPageUri` is the URL of the request itself.
    SelfReferencingPage,
    /// There is always another, empty page.
    EndlessPages,
    /// The header of the next page under another name, for example `NextPageUrl`; the case is kept.
    NextPageHeader {
        /// The name.
        name: String,
    },
    /// Origin (scheme, user-info, host, port) of `NextPageUri`, for example `https://user@evil.example:8443`.
    NextPageOrigin {
        /// The origin, without a slash at the end.
        origin: String,
    },
    /// Origin of every `contentUri`.
    ContentUriOrigin {
        /// The origin, without a slash at the end.
        origin: String,
    },
    /// Every `contentUri` names another tenant.
    ContentUriTenant {
        /// The GUID.
        tenant: String,
    },
    /// Descriptors without this member, for example `contentExpiration`.
    DropMember {
        /// The member.
        member: String,
    },

    // --- bodies ---
    /// 200 and not a byte.
    EmptyBody,
    /// 200 and `[]`.
    EmptyArray,
    /// A UTF-8 byte order mark in front.
    Bom,
    /// Bytes behind the end.
    Trailing {
        /// The bytes.
        text: String,
    },
    /// The first element alone instead of the array.
    ObjectInsteadOfArray,
    /// 200 with the error body of this code instead of the array.
    ErrorWithStatus200 {
        /// The code.
        code: String,
    },
    /// A `null` at the head of the array.
    NullElement,
    /// An element that is no JSON, amid the good ones.
    MalformedEvent,
    /// An additional event whose text is no UTF-8.
    InvalidUtf8,
    /// An additional event with half a surrogate pair.
    LoneSurrogate,
    /// An additional event that says one key twice.
    DuplicateKeys,
    /// An additional event without `Id`.
    EventWithoutId,
    /// The first element comes again at the end of the same array.
    RepeatFirstEvent,
    /// White space behind the array until the body has this size.
    PadTo {
        /// Bytes.
        bytes: usize,
    },

    // --- transport ---
    /// The body is compressed, with `Content-Encoding: gzip`, whatever the client accepts.
    Gzip,
    /// The `Content-Length` of the whole body, then this many bytes, then the connection ends.
    Truncate {
        /// Bytes sent.
        after: usize,
    },
    /// The body in pieces with pauses.
    SlowBody {
        /// How many pieces.
        pieces: usize,
        /// Real milliseconds before each.
        pause_ms: u64,
    },
    /// The `Date` header is off.
    DateSkew {
        /// Seconds; negative is the past.
        secs: i64,
    },
}

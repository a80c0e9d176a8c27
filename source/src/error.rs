//! What can go wrong, and what to do about it.
//!
//! Every error that crosses a retry loop answers [`ApiError::class`]; nobody looks at codes or texts elsewhere.

use std::{sync::Arc, time::Duration};

use crate::{auth::AuthError, ledger::LedgerError, network, types::FeedKey, url::RefusedUrl};

/// Longest text of the service that is kept.
const MAX_TEXT: usize = 1024;

/// The source cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The ledger cannot be opened, read or written.
    #[error("the ledger of the source failed")]
    Ledger(#[from] LedgerError),
    /// No HTTP client can be made, for example because there are no trusted certificates.
    #[error("the HTTP client cannot be made")]
    HttpClient(#[source] reqwest::Error),
    /// The pipeline ended before the source.
    #[error("the pipeline behind the source has ended")]
    OutputClosed,
    /// A feed's task died of a defect.
    #[error("the task of a feed died: {0}")]
    FeedDied(String),
    /// [`o365_core::RunMode::Once`] ended without everything.
    #[error("not everything was collected: {}", join(.0))]
    Incomplete(Vec<Incomplete>),
}

/// A feed that could not be collected completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomplete {
    /// The feed.
    pub feed: FeedKey,
    /// The name that the configuration gives to the tenant.
    pub tenant_name: Option<String>,
    /// Why, and what to do about it.
    pub reason: String,
}

fn join(feeds: &[Incomplete]) -> String {
    let lines: Vec<_> = feeds
        .iter()
        .map(|incomplete| {
            let tenant = incomplete
                .tenant_name
                .as_deref()
                .unwrap_or(incomplete.feed.tenant.as_str());
            format!("{tenant} {}: {}", incomplete.feed.content_type, incomplete.reason)
        })
        .collect();
    lines.join("; ")
}

/// An operation of the API, as named in logs and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    ListSubscriptions,
    StartSubscription,
    ListContent,
    FetchBlob,
}

impl Operation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ListSubscriptions => "listing the subscriptions",
            Self::StartSubscription => "starting the subscription",
            Self::ListContent => "listing the content",
            Self::FetchBlob => "fetching a blob",
        }
    }
}

/// A request to the API failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("no access token")]
    Auth(#[source] Arc<AuthError>),
    #[error("{} failed on the way: {reason}", operation.as_str())]
    Transport { operation: Operation, reason: String },
    #[error("{} was answered with {status}{}{}", operation.as_str(), shown(.code.as_deref()), shown(Some(.message)))]
    Answer {
        operation: Operation,
        status: u16,
        code: Option<String>,
        message: String,
        retry_after: Option<Duration>,
    },
    #[error("{} was answered with something else than its result: {reason}", operation.as_str())]
    Body { operation: Operation, reason: String },
    #[error("the body is longer than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the service gave a URL that is not requested")]
    Refused(#[from] RefusedUrl),
    #[error("the listing has more than {0} pages or leads to itself")]
    EndlessPages(usize),
}

fn shown(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty())
        .map(|text| format!(" {text}"))
        .unwrap_or_default()
}

/// What to do after an error (reference §12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Passes by itself: try again, ever more slowly.
    Transient { retry_after: Option<Duration> },
    /// Too many requests: the whole tenant pauses.
    Throttled { retry_after: Option<Duration> },
    /// The token was refused: once, with a new one.
    Unauthorized,
    /// An operator has to act: try again slowly.
    Permission,
    /// The subscription is missing or disabled.
    NoSubscription,
    /// A page is stale: list the window from its first page.
    StalePage,
    /// The window is not accepted.
    Window,
    /// More than one listing should hold: halve the window.
    TooMuch,
    /// The blob's time is over.
    Expired,
    /// The blob is not there, or its text makes no sense: a few tries, then it is set aside.
    Unusable,
    /// This request is refused, and why is not known. Others may not be.
    Rejected,
    /// Our own defect, or a service that we do not know.
    Bug,
}

impl ApiError {
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Auth(error) => error.class(),
            Self::Transport { .. } => Class::Transient { retry_after: None },
            Self::Answer {
                operation,
                status,
                code,
                message,
                retry_after,
            } => classify(*operation, *status, code.as_deref(), message, *retry_after),
            Self::Body { operation, .. } => match operation {
                Operation::FetchBlob => Class::Unusable,
                Operation::ListSubscriptions | Operation::StartSubscription | Operation::ListContent => {
                    Class::Transient { retry_after: None }
                }
            },
            Self::TooLarge { .. } => Class::Unusable,
            Self::Refused(_) => Class::Bug,
            Self::EndlessPages(_) => Class::TooMuch,
        }
    }

    /// The code that a blob of another cloud has been seen to be answered with.
    pub(crate) fn suggests_wrong_cloud(&self) -> bool {
        matches!(self, Self::Answer { code: Some(code), .. } if code == "AF20052")
    }

    /// What an operator can do about it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Auth(error) => error.advice(),
            Self::Answer {
                status,
                code,
                message,
                ..
            } => match code.as_deref() {
                Some("AF10001") => Some(GRANT),
                Some("AF20010" | "AF20013") => Some("check the tenant's id in the configuration"),
                Some("AF20011" | "AF20012") => Some("check the tenant's id and the cloud"),
                Some("AF20023") => {
                    Some("an administrator disabled the subscription; it is started again every 15 minutes")
                }
                Some("AF20052") => {
                    Some("if this happens for every blob, the configured cloud is probably the wrong one")
                }
                Some(code) if code.starts_with("StartSubscription") || message.contains("does not exist") => {
                    Some(
                        "switch unified audit logging on in this tenant (it takes up to an hour to take effect)",
                    )
                }
                _ if matches!(status, 401 | 403) => Some(GRANT),
                _ if *status == 404 => Some("check `cloud` and `api.resource`"),
                _ => None,
            },
            Self::TooLarge { .. } => Some("raise `max_blob_size`"),
            Self::Transport { reason, .. } => network::hint(reason),
            Self::Body { .. } | Self::Refused(_) | Self::EndlessPages(_) => None,
        }
    }
}

const GRANT: &str = "grant the application ActivityFeed.Read (for DLP.All also ActivityFeed.ReadDlp) of the Office 365 \
                     Management APIs as an application permission, with admin consent";

fn classify(
    operation: Operation,
    status: u16,
    code: Option<&str>,
    message: &str,
    retry_after: Option<Duration>,
) -> Class {
    let transient = Class::Transient { retry_after };
    let throttled = Class::Throttled { retry_after };
    if let Some(code) = code {
        match code {
            "AF429" => return throttled,
            "AF20022" | "AF20023" => return Class::NoSubscription,
            "AF20030" | "AF20055" => return Class::Window,
            "AF20031" => return Class::StalePage,
            "AF20050" | "AF20052" => return Class::Unusable,
            "AF20051" => return Class::Expired,
            "AF20001" | "AF20002" | "AF20053" | "AF20054" => return Class::Bug,
            _ if code.starts_with("AF5") => return transient,
            _ if code.starts_with("AF1") && status != 401 => return Class::Permission,
            // The tenant or the content type is not what we think.
            _ if ["AF2001", "AF2002", "StartSubscription"]
                .iter()
                .any(|known| code.starts_with(known)) =>
            {
                return Class::Permission;
            }
            _ if code.starts_with("AF2") && !matches!(status, 401 | 403) => return Class::Rejected,
            _ => {}
        }
    }
    match status {
        401 => Class::Unauthorized,
        403 if message.to_ascii_lowercase().contains("too many requests") => throttled,
        429 => throttled,
        408 | 500..=599 => transient,
        404 if operation == Operation::FetchBlob => Class::Unusable,
        405 | 411 | 414 | 415 | 300..=399 => Class::Bug,
        403 | 404 => Class::Permission,
        // 400 and what else there may be.
        _ => Class::Rejected,
    }
}

/// Text of the service as it may be logged: short, without control characters.
pub(crate) fn tidy(text: &str) -> String {
    let mut tidy: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_TEXT)
        .collect();
    if text.chars().nth(MAX_TEXT).is_some() {
        tidy.push('…');
    }
    tidy.trim().to_owned()
}

/// An error and everything below it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let part = error.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(operation: Operation, status: u16, code: &str, expect: Class) {
        let code = (!code.is_empty()).then_some(code);
        assert_eq!(
            classify(operation, status, code, "", None),
            expect,
            "{status} {code:?}"
        );
    }

    #[test]
    fn codes_win_over_status_and_both_are_classified() {
        use Operation::{FetchBlob, ListContent, StartSubscription};
        let transient = Class::Transient { retry_after: None };
        let throttled = Class::Throttled { retry_after: None };
        for (operation, status, code, expect) in [
            (FetchBlob, 403, "AF429", throttled),
            (FetchBlob, 429, "", throttled),
            (ListContent, 500, "AF50000", transient),
            (ListContent, 400, "AF50005", transient),
            (ListContent, 503, "", transient),
            (ListContent, 408, "", transient),
            (ListContent, 400, "AF20022", Class::NoSubscription),
            (FetchBlob, 400, "AF20023", Class::NoSubscription),
            (ListContent, 400, "AF20031", Class::StalePage),
            (ListContent, 400, "AF20055", Class::Window),
            (FetchBlob, 404, "AF20050", Class::Unusable),
            (FetchBlob, 404, "", Class::Unusable),
            (ListContent, 404, "", Class::Permission),
            (FetchBlob, 400, "AF20051", Class::Expired),
            (FetchBlob, 400, "AF20099", Class::Rejected),
            (FetchBlob, 400, "", Class::Rejected),
            (FetchBlob, 401, "", Class::Unauthorized),
            (FetchBlob, 401, "AF10001", Class::Unauthorized),
            (FetchBlob, 403, "AF10001", Class::Permission),
            (FetchBlob, 403, "", Class::Permission),
            (ListContent, 400, "AF20020", Class::Permission),
            (ListContent, 400, "AF29999", Class::Rejected),
            (
                StartSubscription,
                400,
                "StartSubscription [CorrId=1]",
                Class::Permission,
            ),
            (ListContent, 302, "", Class::Bug),
            (ListContent, 400, "AF20002", Class::Bug),
        ] {
            check(operation, status, code, expect);
        }
    }

    #[test]
    fn texts_of_the_service_are_tamed() {
        assert_eq!(tidy("a\r\nb\u{1b}[31m"), "a  b [31m");
        assert_eq!(tidy(&"x".repeat(5_000)).chars().count(), MAX_TEXT + 1);
    }
}

//! Words of the protocol, parsed once at the edge.

use std::{fmt, str::FromStr, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};

/// Whether `text` has the form of a GUID.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The directory id of a tenant: a GUID, kept in lower case. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

/// A text is no directory id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a GUID")]
pub struct InvalidTenantId(String);

impl TenantId {
    /// The GUID in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = InvalidTenantId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_guid(text) {
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(InvalidTenantId(text.to_owned()))
        }
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One of the five [content types](https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference#working-with-the-office-365-management-activity-api).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContentType {
    /// `Audit.AzureActiveDirectory`: directory changes and sign-ins of Entra ID.
    AzureActiveDirectory,
    /// `Audit.Exchange`: administration and mailboxes.
    Exchange,
    /// `Audit.SharePoint`: SharePoint and OneDrive.
    SharePoint,
    /// `Audit.General`: every workload that the others do not cover.
    General,
    /// `DLP.All`: data loss prevention of all workloads. Needs the role `ActivityFeed.ReadDlp`.
    Dlp,
}

/// A text is no content type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a content type")]
pub struct UnknownContentType(String);

impl ContentType {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AzureActiveDirectory,
        Self::Exchange,
        Self::SharePoint,
        Self::General,
        Self::Dlp,
    ];

    /// The name on the wire and in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AzureActiveDirectory => "Audit.AzureActiveDirectory",
            Self::Exchange => "Audit.Exchange",
            Self::SharePoint => "Audit.SharePoint",
            Self::General => "Audit.General",
            Self::Dlp => "DLP.All",
        }
    }
}

impl FromStr for ContentType {
    type Err = UnknownContentType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownContentType(text.to_owned()))
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One feed: what a tenant has of one content type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeedKey {
    /// The tenant.
    pub tenant: TenantId,
    /// The content type.
    pub content_type: ContentType,
}

impl fmt::Display for FeedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.tenant, self.content_type)
    }
}

/// A span of availability time: start inclusive, end exclusive, whole seconds, never empty, at most 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Window {
    /// The longest span that the service answers.
    pub const MAX: TimeDelta = TimeDelta::hours(24);

    /// A window, or nothing if the span is empty, too long or not of whole seconds.
    pub fn new(start: DateTime<Utc>, end: DateTime<Utc>) -> Option<Self> {
        let whole = start.timestamp_subsec_nanos() == 0 && end.timestamp_subsec_nanos() == 0;
        (whole && start < end && end - start <= Self::MAX).then_some(Self { start, end })
    }

    /// First instant.
    pub fn start(&self) -> DateTime<Utc> {
        self.start
    }

    /// First instant after it.
    pub fn end(&self) -> DateTime<Utc> {
        self.end
    }

    /// Two halves of whole minutes, if it is longer than a minute.
    pub(crate) fn halves(&self) -> Option<(Self, Self)> {
        let minutes = (self.end - self.start).num_minutes() / 2;
        let middle = self.start + TimeDelta::minutes(minutes);
        Some((Self::new(self.start, middle)?, Self::new(middle, self.end)?))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", bound(self.start), bound(self.end))
    }
}

/// An instant in the only form that the documentation knows: no suffix, no fraction.
pub(crate) fn bound(instant: DateTime<Utc>) -> impl fmt::Display {
    instant.format("%Y-%m-%dT%H:%M:%S")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn ids_are_guids_in_lower_case() {
        let id: TenantId = "41463F53-8812-40F4-890F-865BF6E35190".parse().unwrap();
        assert_eq!(id.as_str(), "41463f53-8812-40f4-890f-865bf6e35190");
        assert!("contoso.onmicrosoft.com".parse::<TenantId>().is_err());
    }

    #[test]
    fn content_types_are_read_without_case() {
        for content_type in ContentType::ALL {
            assert_eq!(content_type.as_str().to_lowercase().parse(), Ok(content_type));
        }
        assert!("Audit.Teams".parse::<ContentType>().is_err());
    }

    #[test]
    fn windows_are_never_empty_or_long_and_print_as_documented() {
        assert_eq!(Window::new(at(5), at(5)), None);
        assert_eq!(Window::new(at(0), at(86_401)), None);
        let window = Window::new(at(0), at(86_400)).unwrap();
        assert_eq!(window.to_string(), "1970-01-01T00:00:00..1970-01-02T00:00:00");
        let (first, second) = window.halves().unwrap();
        assert_eq!((first.end(), second.end()), (at(43_200), at(86_400)));
        assert_eq!(Window::new(at(0), at(60)).unwrap().halves(), None);
    }
}

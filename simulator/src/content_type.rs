//! The five feeds of the API.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of the five fixed feeds, written on the wire as in the serde names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ContentType {
    /// Entra ID directory changes and sign-ins.
    #[serde(rename = "Audit.AzureActiveDirectory")]
    AzureActiveDirectory,
    /// Exchange administration and mailbox auditing.
    #[serde(rename = "Audit.Exchange")]
    Exchange,
    /// SharePoint and OneDrive.
    #[serde(rename = "Audit.SharePoint")]
    SharePoint,
    /// Every workload without a feed of its own.
    #[serde(rename = "Audit.General")]
    General,
    /// Data loss prevention of all workloads; needs the role `ActivityFeed.ReadDlp`.
    #[serde(rename = "DLP.All")]
    Dlp,
}

/// A name that is none of the five content types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a content type of the Management Activity API")]
pub struct UnknownContentType(pub String);

impl ContentType {
    /// All five, in a fixed order.
    pub const ALL: [Self; 5] = [
        Self::AzureActiveDirectory,
        Self::Exchange,
        Self::SharePoint,
        Self::General,
        Self::Dlp,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AzureActiveDirectory => "Audit.AzureActiveDirectory",
            Self::Exchange => "Audit.Exchange",
            Self::SharePoint => "Audit.SharePoint",
            Self::General => "Audit.General",
            Self::Dlp => "DLP.All",
        }
    }

    /// The position in [`Self::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The two spellings inside a content id, joined as there.
    pub(crate) fn id_part(self) -> &'static str {
        match self {
            Self::AzureActiveDirectory => "audit_azureactivedirectory$Audit_AzureActiveDirectory",
            Self::Exchange => "audit_exchange$Audit_Exchange",
            Self::SharePoint => "audit_sharepoint$Audit_SharePoint",
            Self::General => "audit_general$Audit_General",
            Self::Dlp => "dlp_all$DLP_All",
        }
    }

    /// The feed to which the service routes a record of this type and workload.
    pub(crate) fn of_record(record_type: i64, workload: &str) -> Self {
        match record_type {
            11 | 13 | 33 | 63 | 99 | 100 | 107 => Self::Dlp,
            1..=3 | 50 => Self::Exchange,
            4 | 5 | 6 | 7 | 14 | 36 | 37 | 38 | 39 | 54 | 55 | 56 => Self::SharePoint,
            8 | 9 | 15 | 23 => Self::AzureActiveDirectory,
            _ => match workload {
                "AzureActiveDirectory" => Self::AzureActiveDirectory,
                "Exchange" => Self::Exchange,
                "SharePoint" | "OneDrive" => Self::SharePoint,
                _ => Self::General,
            },
        }
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for ContentType {
    type Err = UnknownContentType;

    /// Compares without case, as the service does.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|content_type| content_type.as_str().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownContentType(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_without_case() {
        for content_type in ContentType::ALL {
            assert_eq!(content_type.as_str().to_lowercase().parse(), Ok(content_type));
            assert_eq!(ContentType::ALL[content_type.index()], content_type);
            let json = serde_json::to_string(&content_type).unwrap();
            assert_eq!(json, format!("\"{content_type}\""));
        }
        assert!("Audit.Everything".parse::<ContentType>().is_err());
    }

    #[test]
    fn records_are_routed_by_type_then_by_workload() {
        assert_eq!(
            ContentType::of_record(15, "AzureActiveDirectory"),
            ContentType::AzureActiveDirectory
        );
        assert_eq!(ContentType::of_record(13, "Exchange"), ContentType::Dlp);
        assert_eq!(ContentType::of_record(25, "MicrosoftTeams"), ContentType::General);
        assert_eq!(ContentType::of_record(9999, "OneDrive"), ContentType::SharePoint);
    }
}

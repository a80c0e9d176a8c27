//! Which families of fields a record has at all: one look at each key spares most records most lookups.

use crate::json::Object;

/// A set of field families.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Survey(u16);

impl Survey {
    /// Hashes, paths, sizes (N05, X13).
    pub(crate) const FILES: Self = Self(1);
    /// Senders, recipients, subjects, message ids (N20).
    pub(crate) const MAIL: Self = Self(1 << 1);
    /// Dates that are written anew (N22).
    pub(crate) const DATES: Self = Self(1 << 2);
    /// Devices, sessions, applications (N26).
    pub(crate) const DEVICES: Self = Self(1 << 3);
    /// Destinations and labels of files (X13).
    pub(crate) const LABELS: Self = Self(1 << 4);
    /// `Item` of a mailbox record.
    pub(crate) const ITEM: Self = Self(1 << 5);

    /// Looks at the keys of a record.
    pub(crate) fn of(record: &Object<'_>) -> Self {
        record.iter().fold(Self::default(), |found, (key, _)| {
            Self(found.0 | family(key.wire()).0)
        })
    }

    /// Whether a family is among those found.
    pub(crate) fn has(self, family: Self) -> bool {
        self.0 & family.0 != 0
    }
}

fn family(key: &str) -> Survey {
    match key {
        "FileExtension" | "Sha1" | "Sha256" | "FilePath" | "TargetFilePath" | "FileSizeBytes"
        | "FileSize" | "Application" | "OriginatingDomain" => Survey::FILES,
        "InternetMessageId" | "NetworkMessageId" | "P1Sender" | "Recipients" | "SenderIp" | "SenderIP"
        | "Subject" => Survey::MAIL,
        "EndTimeUtc" | "LastUpdateTimeUtc" | "StartTimeUtc" | "StartTime" | "FilteringDate"
        | "RescanResult" => Survey::DATES,
        "AppAccessContext" | "ApplicationDisplayName" => Survey::DEVICES,
        "DestinationRelativeUrl"
        | "DestinationFileName"
        | "DestinationFileExtension"
        | "ListItemUniqueId"
        | "SourceLabel"
        | "DestinationLabel"
        | "SensitivityLabelId" => Survey::LABELS,
        "Item" => Survey::ITEM,
        // Spelled with an escape it may be any of them.
        key if key.contains('\\') => Survey(u16::MAX),
        _ => Survey::default(),
    }
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;

    use super::*;
    use crate::json::parse;

    #[track_caller]
    fn check(record: &str, family: Survey, expected: bool) {
        let bump = Bump::new();
        let record = parse(record, &bump).expect("JSON");
        assert_eq!(
            Survey::of(record.object().expect("an object")).has(family),
            expected
        );
    }

    #[test]
    fn families_are_found_however_they_are_spelled() {
        check(r#"{"Id":"1","Sha256":"x"}"#, Survey::FILES, true);
        check(r#"{"Id":"1","Sha256":"x"}"#, Survey::MAIL, false);
        check(r#"{"\u0053ubject":"x"}"#, Survey::MAIL, true);
        check("{}", Survey::ITEM, false);
    }
}

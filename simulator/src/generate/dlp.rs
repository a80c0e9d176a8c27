//! Data loss prevention in SharePoint and OneDrive (11) and in Exchange (13).

use super::{Actor, Event};
use crate::json::{self, Object};

/// Sensitive types as the service publishes them, also served as `dlpSensitiveTypes`.
pub(crate) const SENSITIVE_TYPES: [(&str, &str); 4] = [
    ("50842eb7-edc8-4019-85dd-5a5c1f2bb085", "Credit Card Number"),
    (
        "a44669fe-0d48-453d-a9b1-2cc83f2cba77",
        "U.S. Social Security Number (SSN)",
    ),
    ("cb353f78-2b72-4c3c-8827-92ebe4f69fdf", "ABA Routing Number"),
    (
        "e7dc4711-11b7-4cb0-b88b-2c394a771f0e",
        "International Banking Account Number (IBAN)",
    ),
];

/// `PolicyDetails`, and the exception that a user may have claimed.
fn policy(record: &mut Object<'_>, event: &mut Event<'_>, location: Option<&str>) {
    let (policy, rule) = (event.thing("dlp policy"), event.thing("dlp rule"));
    let (count, confidence) = (1 + event.random.below(20), *event.random.pick(&[65, 75, 85]));
    let severity = *event.random.pick(&["Low", "Medium", "High"]);
    let (id, name) = *event.random.pick(&SENSITIVE_TYPES);
    let count = i64::try_from(count).unwrap_or(1);
    record.array("PolicyDetails", |policies| {
        policies.object(|details| {
            details
                .str("PolicyId", &policy)
                .str("PolicyName", "Financial data")
                .array("Rules", |rules| {
                    rules.object(|entry| {
                        entry
                            .strings("ActionParameters", &["GenerateIncidentReport:SiteAdmin"])
                            .strings(
                                "Actions",
                                &["BlockAccess", "NotifyUser", "GenerateIncidentReport"],
                            )
                            .object("ConditionsMatched", |matched| {
                                matched.pairs("OtherConditions", &[("AccessScope", "IncludeExternalUsers")]);
                                matched.array("SensitiveInformation", |list| {
                                    list.object(|found| {
                                        found.int("Confidence", confidence).int("Count", count);
                                        if let Some(location) = location {
                                            found.str("Location", location);
                                        }
                                        found
                                            .str("SensitiveType", id)
                                            .str("SensitiveInformationTypeName", name)
                                            .int("UniqueCount", count);
                                    });
                                });
                            })
                            .str("RuleId", &rule)
                            .str("RuleMode", "Enable")
                            .str("RuleName", "Many card numbers at once")
                            .str("Severity", severity);
                    });
                });
        });
    });
    record.bool("SensitiveInfoDetectionIsIncluded", false);
    let incident = event.random.guid();
    record.str("IncidentId", &incident);
    // The same member is an object or JSON in a string, depending on who wrote it.
    let exception = |info: &mut Object<'_>| {
        info.str("Reason", "Override")
            .str("Justification", "The customer asked for it")
            .str("Rules", "");
    };
    match event.random.below(10) {
        0 => {
            record.str("ExceptionInfo", &json::text(exception));
        }
        1 => {
            record.object("ExceptionInfo", exception);
        }
        _ => {}
    }
}

/// Record type 11.
pub(super) fn sharepoint(record: &mut Object<'_>, event: &mut Event<'_>) {
    let (assistant, workload) = *event.random.pick(&[
        ("DlpPolicyEventBasedAssistantOneDriveForBusiness", "OneDrive"),
        ("DlpPolicyEventBasedAssistantSharePoint", "SharePoint"),
    ]);
    let operation = *event
        .random
        .weighted(&[(80, "DLPRuleMatch"), (10, "DLPRuleUndo"), (10, "DLPInfo")]);
    let actor = Actor {
        user_type: 4,
        user_key: assistant,
        user_id: assistant,
    };
    event.head(record, (11, workload, operation), None, &actor);
    let (item, host, slug) = (event.random.guid(), event.short_name(), &event.person.slug);
    let site = if workload == "OneDrive" {
        format!("https://{host}-my.sharepoint.example/personal/{slug}")
    } else {
        format!("https://{host}.sharepoint.example/sites/finance")
    };
    let modified = event.time - std::time::Duration::from_secs(90);
    record
        .str("ObjectId", &item)
        .object("SharePointMetaData", |data| {
            data.str("FileName", "Customers.xlsx")
                .str("FileOwner", &event.person.display)
                .str("FilePathUrl", &format!("{site}/Documents/Customers.xlsx"))
                .str("From", &event.person.upn.to_uppercase())
                .str("ItemCreationTime", &Event::stamp(modified))
                .str("ItemLastModifiedTime", &Event::stamp(event.time))
                .str("SiteCollectionGuid", &event.thing(&site))
                .str("SiteCollectionUrl", &site)
                .str("UniqueID", &item);
        });
    policy(record, event, None);
}

/// Record type 13.
pub(super) fn exchange(record: &mut Object<'_>, event: &mut Event<'_>) {
    let actor = Actor {
        user_type: 4,
        user_key: "DlpAgent",
        user_id: "DlpAgent",
    };
    event.head(record, (13, "Exchange", "DlpRuleMatch"), None, &actor);
    let message = format!("<AM6PR01MB{}@prod.mail.example>", event.random.hex(16));
    let colleague = event.people.pick(&mut event.random);
    let (size, unique) = (
        i64::try_from(event.random.below(200_000)).unwrap_or(0),
        event.random.guid(),
    );
    let sent = Event::stamp(event.time - std::time::Duration::from_secs(2));
    record
        .str("ObjectId", &message)
        .object("ExchangeMetaData", |mail| {
            mail.strings("BCC", &[])
                .strings("CC", &[&colleague.upn])
                .int("FileSize", size)
                .str("From", &event.person.upn)
                .str("MessageID", &message)
                .int("RecipientCount", 2)
                .str("Sent", &sent)
                .str("Subject", "The card numbers you wanted")
                .strings("To", &["buyer@fourthcoffee.example"])
                .str("UniqueID", &unique);
        });
    policy(record, event, Some("Message Body"));
}

//! The rest of `Audit.General`: Power BI (20), data insights (52), Yammer (22) and records that nobody has a name for.

use super::{Actor, Event, address};
use crate::json::{self, Object};

/// Record type 20.
pub(super) fn power_bi(record: &mut Object<'_>, event: &mut Event<'_>) {
    let operation = *event.random.pick(&[
        "ViewReport",
        "ViewDashboard",
        "ExportReport",
        "ShareReport",
        "DeleteDataset",
    ]);
    event.personal_head(record, (20, "PowerBI", operation), None);
    address::write(record, event, "ClientIP");
    let (report, workspace, activity) = (
        event.thing("report"),
        event.thing("workspace"),
        event.random.guid(),
    );
    record
        .str("Activity", operation)
        .str("ItemName", "Sales 2026")
        .str("WorkSpaceName", "Sales")
        .str("DatasetName", "Sales 2026")
        .str("ReportName", "Sales 2026")
        .str("WorkspaceId", &workspace)
        .str("ObjectId", "Sales 2026")
        .str("ReportId", &report)
        .str("UserAgent", event.person.agent.text)
        .bool("IsSuccess", event.random.chance(980))
        .str("RequestId", &activity)
        .str("ActivityId", &activity)
        .str("DistributionMethod", "Workspace");
    // Power BI writes the list of other workloads as JSON in a string.
    let properties = json::text(|properties| {
        properties.str("Name", "ReportType").str("Value", "PowerBIReport");
    });
    if event.random.chance(500) {
        record.str("OperationProperties", &format!("[{properties}]"));
    }
}

/// Record type 52.
pub(super) fn data_insights(record: &mut Object<'_>, event: &mut Event<'_>) {
    let id = &event.person.upn;
    let actor = Actor {
        user_type: 5,
        user_key: id,
        user_id: id,
    };
    event.head(
        record,
        (52, "SecurityComplianceCenter", "SearchDataInsightsSubscription"),
        None,
        &actor,
    );
    let url = format!(
        "/DataInsights/Simulated.svc/Find/DataInsightsSubscription?tenantid={}",
        event.tenant.id
    );
    record
        .str("AadAppId", &event.thing("compliance portal"))
        .str("DataType", "DataInsightsSubscription")
        .str("DatabaseType", "Directory")
        .str("RelativeUrl", &url)
        .str("ResultCount", "1");
}

/// Record type 22.
pub(super) fn yammer(record: &mut Object<'_>, event: &mut Event<'_>) {
    let operation = *event.random.pick(&[
        "MessageCreated",
        "GroupCreation",
        "FileCreated",
        "ThreadViewed",
        "UserSuspension",
    ]);
    event.personal_head(record, (22, "Yammer", operation), Some("TRUE"));
    address::write(record, event, "ClientIP");
    let target = event.people.pick(&mut event.random);
    // Identifiers of the network do not fit into 32 bits.
    let network = 5_846_000_000 + i64::try_from(event.random.below(999_999)).unwrap_or(0);
    let actor = 36_787_000_000 + i64::try_from(event.random.below(999_999)).unwrap_or(0);
    record
        .str("ActorUserId", &event.person.upn)
        .int("ActorYammerUserId", actor)
        .int("YammerNetworkId", network)
        .str("GroupName", "All company")
        .str("TargetUserId", &target.upn)
        .int("VersionId", 1);
}

/// A record type that appeared in the feed before it appeared in any documentation.
pub(super) fn unheard_of(record: &mut Object<'_>, event: &mut Event<'_>) {
    let record_type = 7_001 + i32::try_from(event.random.below(9)).unwrap_or(0);
    event.personal_head(
        record,
        (record_type, "ContosoPreview", "PreviewFeatureUsed"),
        Some("InProgress"),
    );
    record.object("PreviewPayload", |payload| {
        payload
            .array("Steps", |list| list.raw("[1,[2,[3]]]"))
            .null("Nothing");
    });
}

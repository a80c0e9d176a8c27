//! Sign-ins by the security token service (record type 15).

use super::{Actor, Event, address};
use crate::json::Object;

/// Error number and name of a failed sign-in, by how often people cause it.
const FAILURES: [(u64, (&str, &str)); 5] = [
    (50, ("50126", "InvalidUserNameOrPassword")),
    (20, ("50074", "UserStrongAuthClientAuthNRequiredInterrupt")),
    (15, ("50053", "IdsLocked")),
    (10, ("50057", "UserDisabled")),
    (5, ("53003", "BlockedByConditionalAccess")),
];

const APPLICATIONS: [&str; 4] = [
    "00000002-0000-0ff1-ce00-000000000000",
    "00000003-0000-0ff1-ce00-000000000000",
    "1fec8e78-bce4-4aaf-ab1b-5451cc387264",
    "4765445b-32c6-49b0-83e6-1d93765276ca",
];

pub(super) fn write(record: &mut Object<'_>, event: &mut Event<'_>) {
    let failure = event
        .random
        .chance(120)
        .then(|| *event.random.weighted(&FAILURES));
    let operation = if failure.is_some() {
        "UserLoginFailed"
    } else {
        "UserLoggedIn"
    };
    let (key, upn) = (&event.person.object_id, &event.person.upn);
    // An unknown account has no UPN to log.
    let user_id = if failure.is_some() && event.random.chance(60) {
        "Not Available"
    } else {
        upn
    };
    let actor = Actor {
        user_type: 0,
        user_key: key,
        user_id,
    };
    // The status reports the HTTP call, not the sign-in: also failures say Success.
    event.head(
        record,
        (15, "AzureActiveDirectory", operation),
        Some("Success"),
        &actor,
    );
    address::write(record, event, "ClientIP");
    let application = *event.random.pick(&APPLICATIONS);
    record
        .str("ObjectId", application)
        .int("AzureActiveDirectoryEventType", 1);
    let detail = if failure.is_some() { "Success" } else { "Redirect" };
    let request = *event
        .random
        .pick(&["OAuth2:Authorize", "Login:login", "SAS:EndAuth", "OAuth2:Token"]);
    record
        .pairs(
            "ExtendedProperties",
            &[
                ("ResultStatusDetail", detail),
                ("UserAgent", event.person.agent.text),
                ("RequestType", request),
            ],
        )
        .array("ModifiedProperties", |_| {});
    let (tenant, inter) = (&event.tenant.id, event.random.guid());
    record.array("Actor", |list| {
        for (id, kind) in [(key, 0), (upn, 5)] {
            list.object(|identity| {
                identity.str("ID", id).int("Type", kind);
            });
        }
    });
    record
        .str("ActorContextId", tenant)
        .str("ActorIpAddress", &event.person.ip)
        .str("InterSystemsId", &inter)
        .str("IntraSystemId", &event.id)
        .str("SupportTicketId", "")
        .array("Target", |list| {
            list.object(|identity| {
                identity.str("ID", application).int("Type", 0);
            });
        })
        .str("TargetContextId", tenant)
        .str("ApplicationId", application);
    let (device, session) = (event.thing(&event.person.upn), event.random.guid());
    let agent = event.person.agent;
    let managed = if event.random.chance(600) { "True" } else { "False" };
    record.pairs(
        "DeviceProperties",
        &[
            ("Id", &device),
            ("DisplayName", "LAPTOP-42"),
            ("OS", agent.system),
            ("BrowserType", agent.browser),
            ("IsCompliantAndManaged", managed),
            ("SessionId", &session),
        ],
    );
    match failure {
        Some((number, name)) => record.str("ErrorNumber", number).str("LogonError", name),
        None => record.str("ErrorNumber", "0"),
    };
}

//! Microsoft Teams (record type 25).

use super::{Actor, Event, address};
use crate::json::Object;

const OPERATIONS: [(u64, &str); 9] = [
    (20, "TeamsSessionStarted"),
    (20, "MessageSent"),
    (15, "MeetingParticipantDetail"),
    (10, "MemberAdded"),
    (6, "MemberRemoved"),
    (6, "ChatCreated"),
    (5, "TeamCreated"),
    (5, "TeamSettingChanged"),
    (3, "AppInstalled"),
];

pub(super) fn write(record: &mut Object<'_>, event: &mut Event<'_>) {
    let operation = *event.random.weighted(&OPERATIONS);
    let (key, id) = (&event.person.object_id, &event.person.upn);
    let guest = event.random.chance(30);
    event.head(
        record,
        (25, "MicrosoftTeams", operation),
        None,
        &Actor {
            user_type: if guest { 10 } else { 0 },
            user_key: key,
            user_id: if guest {
                "partner_fourthcoffee.example#EXT#@guests.example"
            } else {
                id
            },
        },
    );
    let team = *event
        .random
        .pick(&["Finance", "Sales", "Project Ätna", "All hands"]);
    let team_id = event.thing(team).replace('-', "");
    match operation {
        "TeamsSessionStarted" => {
            address::write(record, event, "ClientIP");
            record.str("ItemName", id);
        }
        "MessageSent" | "ChatCreated" => {
            address::write(record, event, "ClientIP");
            let (chat, version) = (event.random.hex(16).to_lowercase(), event.random.below(1 << 40));
            record
                .str("CommunicationType", "OneOnOne")
                .str("ChatThreadId", &format!("19:{chat}@unq.gbl.spaces"))
                .str("MessageId", &version.to_string())
                .str("MessageVersion", &version.to_string())
                .object("ExtraProperties", |_| {});
        }
        "MeetingParticipantDetail" => {
            let (meeting, minutes) = (event.random.guid(), 5 + event.random.below(90));
            let join = event.time - std::time::Duration::from_secs(minutes * 60);
            record.array("Attendees", |list| {
                list.object(|attendee| {
                    attendee
                        .str("OrganizationId", &event.tenant.id)
                        .str("UserObjectId", key)
                        .str("UPN", id);
                });
            });
            record
                .str("MeetingDetailId", &meeting)
                .str("JoinTime", &Event::stamp(join))
                .str("LeaveTime", &Event::stamp(event.time))
                .str("DeviceInformation", event.person.agent.system);
        }
        "MemberAdded" | "MemberRemoved" => {
            let member = event.people.pick(&mut event.random);
            let role = i32::try_from(event.random.below(3)).unwrap_or(0);
            record
                .array("Members", |list| {
                    list.object(|entry| {
                        entry
                            .str("DisplayName", &member.display)
                            .int("Role", role)
                            .str("UPN", &member.upn);
                    });
                })
                .str("CommunicationType", "Team");
            team_of(record, team, &team_id);
        }
        "TeamSettingChanged" => {
            record
                .array("ModifiedProperties", |list| {
                    list.object(|property| {
                        property
                            .str("Name", "AllowGuestCreateUpdateChannels")
                            .str("NewValue", "True")
                            .str("OldValue", "False");
                    });
                })
                .str("Name", "Guest settings");
            team_of(record, team, &team_id);
        }
        "AppInstalled" => {
            record
                .str("AddOnName", "Polls")
                .int("AddOnType", 1)
                .str("AddonGuid", &event.thing("polls app"))
                .str("OperationScope", "Team");
            team_of(record, team, &team_id);
        }
        _ => team_of(record, team, &team_id),
    }
}

fn team_of(record: &mut Object<'_>, name: &str, id: &str) {
    record
        .str("TeamName", name)
        .str("TeamGuid", &format!("19:{id}@thread.tacv2"));
}

//! Interactions with Copilot (record type 261).

use super::{Event, address};
use crate::json::Object;

pub(super) fn write(record: &mut Object<'_>, event: &mut Event<'_>) {
    event.personal_head(record, (261, "Copilot", "CopilotInteraction"), None);
    address::write(record, event, "ClientIP");
    let host = *event
        .random
        .pick(&["Word", "Teams", "BizChat", "Outlook", "Excel"]);
    let (thread, prompt, answer) = (event.random.guid(), event.random.guid(), event.random.guid());
    let site = event.short_name();
    let files = event.random.below(3);
    let (jailbreak, label) = (event.random.chance(15), event.thing("label confidential"));
    record
        .str("ClientRegion", "de")
        .str("CopilotLogVersion", "1.0.0.0")
        .object("CopilotEventData", |data| {
            data.str("AppHost", host)
                .str("ThreadId", &format!("19:{thread}@thread.v2"))
                .array("AISystemPlugin", |list| {
                    list.object(|plugin| {
                        plugin.str("Id", "BingWebSearch").str("Name", "BingWebSearch");
                    });
                })
                .array("AccessedResources", |list| {
                    for number in 0..files {
                        list.object(|resource| {
                            resource
                                .str("Action", "Read")
                                .str(
                                    "ID",
                                    &format!(
                                        "https://{site}.sharepoint.example/sites/finance/plan{number}.docx"
                                    ),
                                )
                                .str("Name", &format!("plan{number}.docx"))
                                .str("SensitivityLabelId", &label)
                                .str("Type", "docx");
                        });
                    }
                })
                .array("Contexts", |list| {
                    list.object(|context| {
                        context.str("Id", &thread).str("Type", host);
                    });
                })
                .array("Messages", |list| {
                    for (id, from_person) in [(&prompt, true), (&answer, false)] {
                        list.object(|message| {
                            message
                                .str("Id", id)
                                .bool("isPrompt", from_person)
                                .bool("JailbreakDetected", from_person && jailbreak);
                        });
                    }
                });
        });
}

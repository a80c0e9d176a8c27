//! Mail that Defender judged malicious (record type 28).

use super::{Actor, Event, address};
use crate::json::Object;

pub(super) fn write(record: &mut Object<'_>, event: &mut Event<'_>) {
    let actor = Actor {
        user_type: 4,
        user_key: "ThreatIntel",
        user_id: "ThreatIntel",
    };
    event.head(record, (28, "ThreatIntelligence", "TIMailData"), None, &actor);
    let verdict = *event.random.pick(&["Phish", "Malware", "Spam"]);
    let (message, network) = (event.random.hex(16), event.random.guid());
    let sender_ip = address::public_v4(&mut event.random);
    let received = Event::stamp(event.time - std::time::Duration::from_secs(8));
    let hash = format!(
        "{}{}{}{}",
        event.random.hex(16),
        event.random.hex(16),
        event.random.hex(16),
        event.random.hex(16)
    );
    record
        .str("ObjectId", &network)
        .str(
            "DeliveryAction",
            event.random.word(&["Blocked", "DeliveredAsSpam", "Delivered"]),
        )
        .str("DetectionMethod", "URL detonation")
        .str("DetectionType", "Inline")
        .str("Directionality", "Inbound")
        .str(
            "EventDeepLink",
            &format!("https://security.example/?hash=/threatexplorer?messageParams={network}"),
        )
        .str("InternetMessageId", &format!("<{message}@bulk.example>"))
        .str("LatestDeliveryLocation", "Quarantine")
        .str("MessageTime", &received)
        .str("NetworkMessageId", &network)
        .str("OriginalDeliveryLocation", "Quarantine")
        .str("P1Sender", "bounce@bulk.example")
        .str("P2Sender", "payroll@bulk.example")
        .str("Policy", "Anti-phishing")
        .str("PolicyAction", "Quarantine")
        .strings("Recipients", &[&event.person.upn])
        .str("SenderIp", &sender_ip)
        .str("Subject", "Your salary statement \u{2757}")
        .str("Verdict", verdict)
        .strings("ThreatsAndDetectionTech", &["Phish: [URL detonation]"])
        .array("SystemOverrides", |_| {});
    if verdict == "Malware" {
        record.array("AttachmentData", |list| {
            list.object(|attachment| {
                attachment
                    .str("FileName", "statement.html")
                    .str("FileType", "html")
                    .int("FileVerdict", 1)
                    .str("MalwareFamily", "Trojan_Simulated_A")
                    .str("SHA256", &hash);
            });
        });
    }
}

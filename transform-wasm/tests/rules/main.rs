//! The rules of the specification by small examples: what is written, and what is not.

use o365_ecs::{Context, Mapper, Outcome};
use serde_json::{Value, json};

mod odd;
mod records;

const OLD: &str = r#"{ "profile": "elastic-2.5", "extensions": false }"#;
const NEW: &str = r#"{ "extensions": false }"#;
const ALL: &str = "{}";

fn map(options: &str, event: &Value) -> Value {
    let mut out = Vec::new();
    let mapper = Mapper::configure(options).expect("good options");
    assert_eq!(
        mapper.map(&Context::default(), event.to_string().as_bytes(), &mut out),
        Outcome::Emit
    );
    serde_json::from_slice(&out).expect("the output is JSON")
}

/// Checks fields by their pointers; null stands for absent.
#[track_caller]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the examples below read better without ampersands"
)]
fn check(options: &str, event: Value, expected: Value) {
    let document = map(options, &event);
    for (pointer, expected) in expected.as_object().expect("an object of pointers") {
        let actual = document.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(actual, expected, "{pointer} of {document:#}");
    }
}

/// Appendix B.
#[test]
fn a_cmdlet() {
    check(
        OLD,
        json!({
            "RecordType": 1, "Operation": "Set-Mailbox", "ResultStatus": "True", "UserId": "ann@corp.example",
            "OriginatingServer": "EX1 (203.0.113.9)", "OrganizationName": "corp.example",
            "Parameters": [{ "Name": "Identity", "Value": "bob" }, { "Name": "Force", "Value": null }],
        }),
        json!({
            "/event/code": "ExchangeAdmin", "/event/action": "Set-Mailbox", "/event/outcome": "success",
            "/user": {
                "id": "ann@corp.example", "email": "ann@corp.example", "name": "ann", "domain": "corp.example"
            },
            "/server": { "domain": "EX1", "address": "203.0.113.9", "ip": "203.0.113.9" },
            "/destination/ip": "203.0.113.9", "/related/ip": ["203.0.113.9"], "/related/user": ["ann"],
            "/organization/name": "corp.example", "/host/name": "corp.example",
            "/o365/audit/Parameters": { "Identity": "bob" }, "/o365/audit/Operation": null, "/o365/ext": null,
        }),
    );
}

#[test]
fn a_new_user() {
    check(
        OLD,
        json!({ "RecordType": 8, "Operation": "Add user.", "ObjectId": "new@corp.example" }),
        json!({
            "/event/action": "added-user-account", "/event/category": ["web", "iam"],
            "/event/type": ["info", "user", "creation"], "/related/user": ["new"],
            "/user/target": {
                "id": "new@corp.example", "email": "new@corp.example", "name": "new", "domain": "corp.example"
            },
            "/o365/audit/ObjectId": "new@corp.example",
        }),
    );
}

#[test]
fn a_blocked_policy_match() {
    let rule = |severity: &str, actions: Value| json!({ "RuleId": severity, "RuleName": severity, "Severity": severity, "Actions": actions });
    let event = |operation: &str, exception: Value| {
        json!({
            "RecordType": 11, "Operation": operation, "ExceptionInfo": exception,
            "PolicyDetails": [{ "Rules": [rule("Low", json!(["BlockAccess"])), rule("High", json!([]))] }],
        })
    };
    check(
        OLD,
        event("DlpRuleMatch", Value::Null),
        json!({
            "/event/kind": "alert", "/event/category": ["web", "file"], "/event/type": ["info", "access"],
            "/event/severity": 4, "/event/outcome": "failure",
            "/rule": { "id": ["Low", "High"], "name": ["Low", "High"] },
        }),
    );
    check(
        OLD,
        event("DlpRuleUndo", Value::Null),
        json!({ "/event/outcome": "success" }),
    );
    check(
        OLD,
        event("DlpInfo", json!("Override")),
        json!({ "/event/outcome": "failure" }),
    );
    check(
        OLD,
        event("DlpRuleMatch", json!("Override")),
        json!({ "/event/outcome": "success" }),
    );
    check(
        OLD,
        event("DlpRuleMatch", json!({})),
        json!({ "/event/outcome": "failure" }),
    );
}

#[test]
fn record_types_without_a_name() {
    for (options, expected) in [
        (OLD, Value::Null),
        (NEW, Value::Null),
        (ALL, json!("CopilotInteraction")),
    ] {
        check(
            options,
            json!({ "RecordType": 261 }),
            json!({ "/event/code": expected }),
        );
    }
    check(ALL, json!({ "RecordType": 117 }), json!({ "/event/code": "117" }));
    check(ALL, json!({ "RecordType": -1 }), json!({ "/event/code": "-1" }));
    check(
        OLD,
        json!({ "RecordType": 8.0, "ObjectId": "" }),
        json!({ "/event/code": null }),
    );
    check(
        NEW,
        json!({ "RecordType": 8.0, "ObjectId": "x" }),
        json!({ "/event/code": "AzureActiveDirectory" }),
    );
}

#[test]
fn outcomes() {
    for (status, old, all) in [
        (json!("Succeeded"), "success", "success"),
        (json!("PartiallySucceeded"), "success", "success"),
        (json!("TRUE"), "success", "success"),
        (json!("False"), "failure", "failure"),
        (json!("failed"), "failure", "failure"),
        (json!("Failure"), "success", "failure"),
        (json!("Denied"), "success", "failure"),
        (json!("InProgress"), "success", "unknown"),
        (json!(""), "success", "success"),
        (Value::Null, "success", "success"),
    ] {
        let event = json!({ "RecordType": 1, "ResultStatus": status });
        check(OLD, event.clone(), json!({ "/event/outcome": old }));
        check(ALL, event, json!({ "/event/outcome": all, "/error": null }));
    }
    check(
        ALL,
        json!({ "ResultStatus": 2 }),
        json!({ "/event/outcome": "failure", "/error": null }),
    );
    let failed = json!({ "RecordType": 15, "Operation": "UserLoginFailed", "ResultStatus": "Success" });
    check(OLD, failed.clone(), json!({ "/event/outcome": "success" }));
    check(ALL, failed, json!({ "/event/outcome": "failure" }));
}

#[test]
fn an_error_ends_the_old_mapping_and_is_contained_in_the_new() {
    let event = json!({ "Id": "1", "CreationTime": "yesterday", "Operation": "X", "RecordType": 1 });
    check(
        OLD,
        event.clone(),
        json!({
            "/event/kind": "pipeline_error", "/error/message": ["CreationTime is not a date"],
            "/o365audit": { "Id": "1", "CreationTime": "yesterday", "Operation": "X", "RecordType": 1 },
            "/o365": null, "/event/action": null, "/tags": null,
        }),
    );
    check(
        NEW,
        event,
        json!({
            "/event/kind": "pipeline_error", "/error/message": ["CreationTime is not a date"],
            "/event/id": "1", "/event/action": "X", "/o365audit": null,
            "/o365/audit": { "CreationTime": "yesterday", "RecordType": "1" },
            "/tags": ["preserve_original_event"],
        }),
    );
}

#[test]
fn a_null_address_hides_the_next_one_from_the_old_mapping() {
    let event = json!({ "ClientIPAddress": null, "ClientIP": "192.0.2.7" });
    check(OLD, event.clone(), json!({ "/event/kind": "pipeline_error" }));
    check(
        NEW,
        event,
        json!({ "/event/kind": "event", "/client/ip": "192.0.2.7" }),
    );
}

#[test]
fn empties_stay_in_the_old_and_go_in_the_new() {
    let event =
        json!({ "ClientIP": "", "A": "", "B": [], "C": { "D": [{ "E": null }] }, "F": [0, false, ""] });
    check(
        OLD,
        event.clone(),
        json!({
            "/client": {}, "/o365/audit": { "A": "", "B": [], "C": { "D": [{ "E": null }] }, "F": [0, false, ""] }
        }),
    );
    check(
        NEW,
        event,
        json!({ "/client": null, "/o365/audit": { "F": [0, false] } }),
    );
}

#[test]
fn modified_properties() {
    let both = |name: &str| json!({ "Name": name, "NewValue": "Reader", "OldValue": "" });
    for (input, expected) in [
        (
            json!([both("Role.Display Name")]),
            json!({ "Role_Display_Name": { "NewValue": "Reader", "OldValue": "" } }),
        ),
        (json!([{ "Name": "A", "NewValue": "x" }]), Value::Null),
        (
            json!([{ "Name": "A", "NewValue": "x", "OldValue": null }, 7]),
            Value::Null,
        ),
        (json!(["Rec.Status"]), json!({ "Rec_Status": {} })),
        (json!([]), Value::Null),
        (json!("text"), json!({ "_raw": "text" })),
        (json!({ "x": 1 }), json!({ "x": 1 })),
    ] {
        check(
            OLD,
            json!({ "ModifiedProperties": input }),
            json!({ "/o365/audit/ModifiedProperties": expected }),
        );
    }
    check(
        ALL,
        json!({ "ModifiedProperties": [{ "Name": "A.B", "NewValue": "x" }] }),
        json!({ "/o365/ext/modified/A_B": { "NewValue": "x" }, "/o365/ext/modified_property_names": ["A.B"] }),
    );
}

#[test]
fn numbers_as_text() {
    for (number, old, new) in [
        (json!(3), "3", "3"),
        (json!(8.5), "8.5", "8"),
        (json!(1e9), "1.0E9", "1000000000"),
        (json!("5"), "5", "5"),
    ] {
        let event = json!({ "LogonType": number, "OperationCount": 2.5 });
        check(
            OLD,
            event.clone(),
            json!({ "/o365/audit/LogonType": old, "/o365/audit/OperationCount": 2.5 }),
        );
        check(
            NEW,
            event,
            json!({ "/o365/audit/LogonType": new, "/o365/audit/OperationCount": 2.5 }),
        );
    }
    check(
        NEW,
        json!({ "Version": "1E3" }),
        json!({ "/o365/audit/Version": "1000" }),
    );
    check(
        NEW,
        json!({ "LogonType": "Delegated" }),
        json!({ "/o365/audit/LogonType": "Delegated", "/error": null }),
    );
    check(
        NEW,
        json!({ "Version": "15E-1" }),
        json!({ "/event/kind": "pipeline_error" }),
    );
}

#[test]
fn mail_of_newer_references() {
    check(
        NEW,
        json!({
            "RecordType": 2, "NetworkMessageId": "n", "P1Sender": "a@b.example", "Recipients": ["c@d.example", ""],
            "SenderIp": "192.0.2.9",
            "Item": {
                "Subject": "s", "InternetMessageId": "<1>",
                "Attachments": "a.tar.gz (10b); noext (5b); b (x).txt (7b); c.txt (b); d.txt (1kb)",
            },
        }),
        json!({
            "/email": {
                "local_id": ["n"], "message_id": ["<1>"], "subject": ["s"],
                "sender": { "address": ["a@b.example"] }, "to": { "address": ["c@d.example"] },
                "attachments": [
                    { "file": { "name": "a.tar.gz", "extension": "gz", "size": 10 } },
                    { "file": { "name": "b (x).txt", "extension": "txt", "size": 7 } },
                ],
            },
            "/event/category": ["web", "email"], "/related/ip": ["192.0.2.9"],
        }),
    );
    check(
        NEW,
        json!({ "RecordType": 18, "Parameters": "-Identity \"abc\"" }),
        json!({ "/o365/audit/NetworkMessageId": "abc", "/email/local_id": ["abc"] }),
    );
}

#[test]
fn files_of_newer_references() {
    check(
        NEW,
        json!({
            "FileSize": 12.0, "Sha256": "00ff", "TargetFilePath": "C:\\x", "Application": "word.exe",
            "OriginatingDomain": "contoso.example", "FileExtension": "",
        }),
        json!({
            "/file": { "size": 12, "hash": { "sha256": "00ff" }, "path": "C:\\x" },
            "/process/name": "word.exe", "/url/domain": "contoso.example",
            "/related": { "hosts": ["contoso.example"], "hash": ["00ff"] }, "/o365/audit/FileSize": "12",
        }),
    );
}

#[test]
fn a_later_source_replaces_an_earlier_one_and_nothing_is_lost() {
    check(
        NEW,
        json!({ "RecordType": 6, "FileExtension": "old", "SourceFileExtension": "new" }),
        json!({ "/file/extension": "new", "/o365/ext/overwritten/file/extension": "old", "/error": null }),
    );
}

/// The reference would fail there.
#[test]
fn what_is_empty_replaces_nothing() {
    for empty in [json!(null), json!(""), json!([])] {
        check(
            NEW,
            json!({ "RecordType": 6, "FileExtension": "old", "SourceFileExtension": empty }),
            json!({ "/file/extension": "old", "/o365/ext/overwritten": null, "/error": null }),
        );
        check(
            NEW,
            json!({ "RecordType": 2, "Application": "app", "ClientProcessName": empty }),
            json!({ "/process/name": "app", "/o365/ext/overwritten": null, "/error": null }),
        );
    }
}

#[test]
fn the_dataset_is_written_by_the_extensions() {
    let event =
        json!({ "RecordType": 6, "OrganizationId": "ABC", "Workload": "SharePoint", "Operation": "X" });
    check(
        r#"{ "namespace": "prod", "tags": ["one"] }"#,
        event.clone(),
        json!({
            "/event/module": "o365", "/event/dataset": "o365.audit", "/tags": ["one"],
            "/data_stream": { "type": "logs", "dataset": "o365.audit", "namespace": "prod" },
            "/o365/audit/Operation": "X",
            "/cloud": { "account": { "id": "abc" }, "service": { "name": "SharePoint" } },
        }),
    );
    check(
        NEW,
        event,
        json!({ "/event/module": null, "/data_stream": null, "/o365/ext": null }),
    );
}

#[test]
fn related_holds_only_what_it_says() {
    check(
        ALL,
        json!({ "RecordType": 28, "UserId": "Not Available", "SenderIp": "unknown", "ClientIP": "a b" }),
        json!({ "/related": null, "/client/address": "a b", "/o365/ext/client_raw": "a b" }),
    );
    check(
        ALL,
        json!({ "RecordType": 4, "UserId": "S-1-5-18", "DeviceName": "my laptop" }),
        json!({ "/related": null, "/host/name": "my laptop", "/user/id": "S-1-5-18" }),
    );
}

#[test]
fn data_of_alerts() {
    let event = |data: Value| json!({ "RecordType": 40, "Name": "n", "Data": data });
    check(
        OLD,
        event(json!(
            r#"{"f3u":"a@b","suid":"@b","tsd":"x","at":"2020-01-01T00:00:00","unknown":1}"#
        )),
        json!({
            "/o365/audit/Data/at": "2020-01-01T00:00:00.000Z",
            "/o365/audit/Data/flattened/at": "2020-01-01T00:00:00",
            "/o365/audit/Data/unknown": null, "/o365/audit/Data/flattened/unknown": 1,
            "/related/user": ["a@b"],
        }),
    );
    for data in [
        json!("{"),
        json!({ "a": 1 }),
        json!(r#"{"sip":"x"}"#),
        json!(r#"{"at":"x"}"#),
    ] {
        check(OLD, event(data), json!({ "/event/kind": "pipeline_error" }));
    }
    check(
        NEW,
        event(json!("{")),
        json!({ "/event/kind": "alert", "/o365/audit/Data": null }),
    );
    check(
        OLD,
        event(Value::Null),
        json!({ "/o365/audit/Data": { "flattened": null } }),
    );
}

//! Values that no schema has: what can be said is said, and nothing is lost.

use serde_json::json;

use crate::{ALL, NEW, OLD, check};

#[test]
fn an_object_is_no_value_of_a_field_and_stays_in_the_record() {
    for options in [ALL, NEW] {
        check(
            options,
            json!({ "RecordType": 25, "Operation": { "a": 1 }, "TeamName": [{ "b": 2 }], "Members": [{ "UPN": {} }] }),
            json!({
                "/event/action": null, "/group": null, "/o365/audit/Operation": { "a": 1 },
                "/o365/audit/TeamName": [{ "b": 2 }], "/event/kind": "pipeline_error",
                "/error/message": [
                    "Operation is an object, not a value of event.action",
                    "TeamName is an object, not a value of group.name",
                ],
            }),
        );
    }
    check(
        OLD,
        json!({ "RecordType": 25, "Operation": { "a": 1 } }),
        json!({ "/event/action": { "a": 1 }, "/event/kind": "event" }),
    );
}

#[test]
fn an_address_that_is_an_object_leaves_the_place_to_the_next() {
    check(
        ALL,
        json!({ "ClientIPAddress": { "ip": "192.0.2.7" }, "ClientIP": "192.0.2.8" }),
        json!({ "/client/ip": "192.0.2.8", "/o365/audit/ClientIPAddress": { "ip": "192.0.2.7" } }),
    );
}

#[test]
fn no_index_takes_an_address_with_a_zone() {
    check(
        ALL,
        json!({ "ClientIP": "fe80::1%eth0" }),
        json!({
            "/client": { "address": "fe80::1%eth0", "ip": "fe80::1" }, "/source/ip": "fe80::1",
            "/related/ip": ["fe80::1"],
        }),
    );
}

#[test]
fn nor_does_it_from_a_server_or_a_sender() {
    check(
        ALL,
        json!({ "RecordType": 2, "OriginatingServer": "fe80::1%eth0" }),
        json!({ "/server": { "address": "fe80::1%eth0", "ip": "fe80::1" }, "/destination/ip": "fe80::1" }),
    );
    check(
        ALL,
        json!({ "RecordType": 28, "SenderIp": "fe80::1%eth0" }),
        json!({ "/source/ip": "fe80::1" }),
    );
    check(
        ALL,
        json!({ "RecordType": 41, "UserIp": "fe80::1%eth0" }),
        json!({ "/client/ip": "fe80::1", "/source/ip": "fe80::1", "/related/ip": ["fe80::1"] }),
    );
}

#[test]
fn the_first_link_that_there_is_leads_to_an_alert() {
    check(
        ALL,
        json!({
            "RecordType": 40, "Name": "n",
            "AlertLinks": [{ "AlertLinkHref": "" }, { "AlertLinkHref": "https://contoso.example/1" }],
        }),
        json!({ "/event/url": "https://contoso.example/1" }),
    );
}

#[test]
fn names_are_kept_with_and_without_values() {
    check(
        ALL,
        json!({
            "RecordType": 1,
            "Parameters": [{ "Name": "A", "Value": null }, { "Name": "B", "Value": "1" }, { "Name": "B", "Value": "2" }],
        }),
        json!({
            "/o365/ext/parameter_names": ["A", "B"], "/o365/ext/multi": { "Parameters": { "B": ["1", "2"] } },
            "/o365/audit/Parameters": { "B": "2" },
        }),
    );
    let change = |new: &str| json!({ "Name": "Twice", "NewValue": new, "OldValue": "" });
    check(
        ALL,
        json!({ "RecordType": 8, "ModifiedProperties": [change("1"), change("2")] }),
        json!({
            "/o365/ext/modified_property_names": ["Twice"],
            "/o365/ext/multi/ModifiedProperties/Twice": [{ "NewValue": "1" }, { "NewValue": "2" }],
        }),
    );
    check(
        ALL,
        json!({ "RecordType": 2, "ModifiedProperties": ["Plain name", "Other"] }),
        json!({ "/o365/ext/modified_property_names": ["Plain name", "Other"] }),
    );
}

#[test]
fn a_sign_in_with_any_error_has_failed() {
    for (field, error) in [
        ("LogonError", json!(7)),
        ("LogonError", json!({ "a": 1 })),
        ("ErrorNumber", json!({ "a": 1 })),
        ("ErrorNumber", json!(50126)),
        ("ErrorCode", json!("50126")),
    ] {
        check(
            ALL,
            json!({ "RecordType": 15, "Operation": "UserLoggedIn", field: error }),
            json!({ "/event/outcome": "failure" }),
        );
    }
    for (field, none) in [
        ("LogonError", json!("")),
        ("ErrorNumber", json!("0")),
        ("ErrorNumber", json!(0)),
    ] {
        check(
            ALL,
            json!({ "RecordType": 15, "Operation": "UserLoggedIn", field: none }),
            json!({ "/event/outcome": "success" }),
        );
    }
}

#[test]
fn what_is_no_text_is_kept_where_it_was() {
    check(
        ALL,
        json!({ "RecordType": 2, "UserId": "ann@contoso.example", "MailboxOwnerUPN": 7, "OriginatingServer": 8 }),
        json!({ "/o365/audit/MailboxOwnerUPN": 7, "/o365/audit/OriginatingServer": 8, "/server": null }),
    );
}

#[test]
fn a_name_may_be_called_a_key() {
    let event = json!({ "RecordType": 1, "Parameters": [{ "Key": "Identity", "Value": "x" }] });
    check(
        ALL,
        event.clone(),
        json!({ "/o365/audit/Parameters": { "Identity": "x" }, "/o365/ext/parameter_names": ["Identity"] }),
    );
    check(NEW, event, json!({ "/o365/audit/Parameters": null }));
}

//! Record types that the reference leaves to its general rules (X12 and table E of §8.4), by small examples.

use serde_json::json;

use crate::{ALL, check};

#[test]
fn mail_that_was_submitted_is_described_like_mail_that_was_detected() {
    for record_type in [28, 29] {
        check(
            ALL,
            json!({
                "RecordType": record_type, "Directionality": "Intra-org", "MessageTime": "2026-03-01T08:00:00",
                "AttachmentData": [{ "FileName": "a.docm", "SHA256": "00ff", "MalwareFamily": "Emotet" }],
            }),
            json!({
                "/email/direction": "internal", "/email/delivery_timestamp": "2026-03-01T08:00:00.000Z",
                "/email/attachments": [
                    { "file": { "name": "a.docm", "extension": "docm", "hash": { "sha256": "00ff" } } }
                ],
                "/threat/software/name": "Emotet",
            }),
        );
    }
}

#[test]
fn a_click_is_somebodys() {
    check(
        ALL,
        json!({
            "RecordType": 41, "URLClickAction": 2, "URL": "https://a.b.contoso.co.uk/x?y=1", "UserIp": "192.0.2.7",
            "TimeOfClick": "2026-03-01T08:00:00",
        }),
        json!({
            "/event/kind": "alert", "/event/type": ["info", "denied"], "/event/start": "2026-03-01T08:00:00.000Z",
            "/client": { "address": "192.0.2.7", "ip": "192.0.2.7" }, "/source/ip": "192.0.2.7",
            "/network/type": "ipv4", "/url/top_level_domain": "co.uk", "/url/registered_domain": "contoso.co.uk",
            "/url/subdomain": "a.b", "/url/query": "y=1",
        }),
    );
}

#[test]
fn numbers_of_what_happened_have_names() {
    let names = |event, expected| check(ALL, event, json!({ "/o365/ext/names": expected }));
    names(
        json!({ "RecordType": 65, "RequestType": 5 }),
        json!({ "RequestType": "ReleaseRequest" }),
    );
    names(json!({ "RecordType": 65, "RequestType": 6 }), json!(null));
    names(json!({ "RecordType": 65, "RequestType": -1 }), json!(null));
    names(
        json!({ "RecordType": 85, "AttackSimEventType": "8" }),
        json!({ "AttackSimEvent": "LinkClicked" }),
    );
    names(json!({ "RecordType": 85, "AttackSimEventType": 9 }), json!(null));
    names(
        json!({ "RecordType": 88, "UserTrainingEventType": 3 }),
        json!({ "AttackSimEvent": "TrainingCompleted" }),
    );
    names(
        json!({ "RecordType": 88, "UserTrainingEventType": 0 }),
        json!(null),
    );
    names(
        json!({ "RecordType": 218, "AttackSimAdminEventType": 0 }),
        json!({ "AttackSimEvent": "CampaignLaunched" }),
    );
    names(
        json!({ "RecordType": 25, "Members": [{ "UPN": "a@b", "Role": 1 }, { "UPN": "c@d", "Role": 2 }] }),
        json!({ "MemberRoleType": ["Owner", "Guest"] }),
    );
}

#[test]
fn a_risk_detection_says_where() {
    let detection = |location| {
        json!({
            "RecordType": 294, "RiskEventType": "unlikelyTravel", "RiskLevel": "high", "Location": location,
            "ActivityDateTime": "2026-03-01T08:00:00Z",
        })
    };
    let geo = json!({
        "city_name": "Berlin", "region_name": "Berlin", "country_iso_code": "DE", "location": { "lat": 52.5, "lon": 13.4 },
    });
    for location in [
        json!({
            "city": "Berlin", "state": "Berlin", "countryOrRegion": "DE",
            "geoCoordinates": { "latitude": 52.5, "longitude": 13.4 },
        }),
        json!({ "City": "Berlin", "State": "Berlin", "Country": "DE", "Latitude": 52.5, "Longitude": 13.4 }),
        json!(
            r#"{"city":"Berlin","state":"Berlin","countryOrRegion":"DE","latitude":52.5,"longitude":13.4}"#
        ),
    ] {
        check(
            ALL,
            detection(location),
            json!({
                "/event/kind": "alert", "/event/severity": 4, "/event/reason": "unlikelyTravel",
                "/event/start": "2026-03-01T08:00:00.000Z", "/rule/name": "unlikelyTravel", "/source/geo": geo,
            }),
        );
    }
    for location in [json!("DE"), json!(7), json!({ "city": "", "latitude": "x" })] {
        check(
            ALL,
            detection(location),
            json!({ "/source": null, "/error": null }),
        );
    }
}

#[test]
fn a_region_is_where_an_assistant_was_asked_from_unless_there_is_an_address() {
    let asked = |address| json!({ "RecordType": 261, "ClientRegion": "DE", "ClientIP": address });
    check(
        ALL,
        asked(""),
        json!({ "/source": { "geo": { "country_iso_code": "DE" } } }),
    );
    check(
        ALL,
        asked("192.0.2.7"),
        json!({ "/source": { "ip": "192.0.2.7" } }),
    );
}

#[test]
fn administration_of_teams_is_configuration() {
    let done = |operation, categories, types| {
        check(
            ALL,
            json!({ "RecordType": 57, "Operation": operation }),
            json!({ "/event/category": categories, "/event/type": types }),
        );
    };
    done(
        "SomethingNew",
        json!(["web", "configuration"]),
        json!(["info", "change"]),
    );
    done(
        "Get-CsTenant",
        json!(["web", "configuration"]),
        json!(["info", "access"]),
    );
    done(
        "TeamDeleted",
        json!(["web", "iam", "configuration"]),
        json!(["info", "group", "deletion"]),
    );
}

#[test]
fn a_report_of_a_message_is_json_in_a_text() {
    let report = |metadata| json!({ "RecordType": 462, "ReportMetadata": metadata });
    check(
        ALL,
        report(json!(r#"{"Reason":"spam"}"#)),
        json!({ "/o365/ext/report": { "Reason": "spam" }, "/error": null }),
    );
    check(
        ALL,
        report(json!({ "Reason": "spam" })),
        json!({ "/o365/ext/report": { "Reason": "spam" } }),
    );
    check(
        ALL,
        report(json!("{")),
        json!({ "/o365/ext/report": null, "/o365/audit/ReportMetadata": "{" }),
    );
}

#[test]
fn a_file_on_a_device_has_its_size() {
    check(
        ALL,
        json!({ "RecordType": 63, "EndpointMetaData": { "FileSize": "1234", "DeviceName": "pc1" } }),
        json!({ "/file/size": 1234, "/host/hostname": "pc1" }),
    );
    check(
        ALL,
        json!({ "RecordType": 47, "FileData": { "FileSize": 1.5 } }),
        json!({ "/file": null }),
    );
}

#[test]
fn an_address_names_a_user_in_all_its_parts() {
    let adele = json!({
        "id": "adele@contoso.example", "email": "adele@contoso.example", "name": "adele", "domain": "contoso.example"
    });
    check(
        ALL,
        json!({ "RecordType": 47, "FileData": { "FileName": "a.b" }, "LastModifiedBy": "adele@contoso.example" }),
        json!({ "/user": adele }),
    );
    check(
        ALL,
        json!({ "RecordType": 51, "EventValue": "adele@contoso.example" }),
        json!({
            "/user/target": { "email": "adele@contoso.example", "name": "adele", "domain": "contoso.example" }
        }),
    );
}

#[test]
fn junk_of_an_assistant_is_no_host() {
    check(
        ALL,
        json!({ "RecordType": 261, "ClientIP": "ffff:10.1.2.3" }),
        json!({ "/client": null, "/related": null, "/o365/ext/client_raw": "ffff:10.1.2.3" }),
    );
}

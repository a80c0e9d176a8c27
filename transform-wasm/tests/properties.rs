//! What holds for every input, however strange.

use o365_ecs::{Context, Mapper, Outcome, document_id};
use proptest::prelude::*;
use serde_json::{Map, Value};

const OPTIONS: [&str; 4] = [
    "{}",
    r#"{ "extensions": false, "preserve_original": false }"#,
    r#"{ "profile": "elastic-2.5", "extensions": false }"#,
    r#"{ "profile": "elastic-2.5", "tags": ["preserve_original_event"] }"#,
];

/// Maps with every set of options and checks what must always hold.
#[track_caller]
#[expect(clippy::panic, reason = "this is how a test fails")]
fn check(event: &[u8]) {
    for options in OPTIONS {
        let mapper = Mapper::configure(options).expect("good options");
        let mut out = b"before".to_vec();
        let outcome = mapper.map(&Context::default(), event, &mut out);
        let mut again = b"before".to_vec();
        assert_eq!(mapper.map(&Context::default(), event, &mut again), outcome);
        assert_eq!(out, again, "the same answer twice");
        match outcome {
            Outcome::Emit => {
                let document = std::str::from_utf8(&out)
                    .expect("UTF-8")
                    .strip_prefix("before")
                    .expect("appended");
                assert!(!document.contains(['\n', '\r']), "one line");
                let value: Value = match serde_json::from_str(document) {
                    Ok(value) => value,
                    // `1e999` is JSON, but nothing that this reader has room for.
                    Err(error) if error.to_string().starts_with("number out of range") => continue,
                    Err(error) => panic!("{error}: {document}"),
                };
                assert!(value.is_object());
                assert!(
                    value.pointer("/event/kind").is_some_and(Value::is_string),
                    "{document}"
                );
            }
            Outcome::Drop | Outcome::Fail(_) => assert_eq!(out, b"before"),
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        interesting_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((interesting_key(), inner), 0..6)
                .prop_map(|fields| Value::from(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn interesting_text() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        "true",
        "Failed",
        "ann@contoso.example",
        "a@b@c",
        "@",
        "192.0.2.7:4711",
        "::ffff:192.0.2.7:1",
        "[2001:db8::7]:1",
        "MAIL01 (192.0.2.7)",
        "a b",
        ",",
        "-",
        "{\"Entities\":[{\"Recipient\":[\"a@b\"]}]}",
        "[]",
        "{",
        "2021-02-29",
        "2021-05-18T21:13:33",
        "-Identity \"x\" -Force",
        "https://contoso.example/a.b?c#d",
        "a.txt (12b); b.pdf (1b)",
        "\u{0}",
        "\"",
        "\\",
        "\n",
        "é\u{1f600}",
        "Add user.",
        "MemberAdded",
        "DlpRuleMatch",
        "8",
        "1e3",
        "{\"QueryTime\":\"1/2/2021 3:04:05 AM\",\"a\":1}",
        "Group_",
    ])
    .prop_map(str::to_owned)
}

fn interesting_key() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "Id",
        "RecordType",
        "CreationTime",
        "Operation",
        "OrganizationId",
        "UserId",
        "UserType",
        "ClientIP",
        "ClientIPAddress",
        "ActorIpAddress",
        "ResultStatus",
        "Parameters",
        "ExtendedProperties",
        "Name",
        "Value",
        "ModifiedProperties",
        "OldValue",
        "NewValue",
        "Data",
        "PolicyDetails",
        "Rules",
        "Severity",
        "RuleId",
        "RuleName",
        "Actions",
        "ExchangeMetaData",
        "SharePointMetaData",
        "To",
        "CC",
        "UniqueId",
        "UniqueID",
        "From",
        "Members",
        "UPN",
        "Target",
        "Actor",
        "Type",
        "ID",
        "AlertLinks",
        "AlertLinkHref",
        "Item",
        "Attachments",
        "Subject",
        "UserAgent",
        "additionalDetails",
        "DeviceId",
        "Entities",
        "Platform",
        "AdditionalInfo",
        "OriginatingServer",
        "ObjectId",
        "Folders",
        "FolderItems",
        "AppAccessContext",
        "DeviceProperties",
        "FileSize",
        "StartTime",
        "Recipients",
        "MailboxOwnerUPN",
        "TargetYammerUserId",
        "o365audit",
        "event",
        "original",
        "tags",
        "_conf",
        "tenants",
        "organization",
        "o365",
        "related",
        "user",
        "client",
        "email",
        "CopilotEventData",
        "AccessedResources",
        "AttachmentData",
        "FileName",
        "Message",
        "Sender",
    ])
    .prop_map(str::to_owned);
    prop_oneof![8 => known, 1 => any::<String>()]
}

fn any_record() -> impl Strategy<Value = Value> {
    let record_type = prop_oneof![
        prop::sample::select(vec![
            1, 2, 3, 6, 8, 9, 11, 13, 14, 15, 18, 20, 22, 25, 28, 40, 41, 47, 50, 63, 64, 261
        ]),
        0..500i32
    ];
    (
        record_type,
        prop::collection::vec((interesting_key(), any_json()), 0..20),
    )
        .prop_map(|(number, fields)| {
            let mut record: Map<_, _> = fields.into_iter().collect();
            record.insert("RecordType".to_owned(), Value::from(number));
            Value::from(record)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(event in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&event);
    }

    #[test]
    fn any_document(value in any_json()) {
        check(value.to_string().as_bytes());
    }

    #[test]
    fn any_audit_record(record in any_record()) {
        check(record.to_string().as_bytes());
    }

    #[test]
    fn any_envelope(record in any_record(), envelope in any_record()) {
        let mut envelope = envelope;
        envelope["o365audit"] = record;
        check(envelope.to_string().as_bytes());
    }

    #[test]
    fn any_damage_to_a_record(record in any_record(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut event = record.to_string().into_bytes();
        let at = at.index(event.len());
        event[at] = byte;
        check(&event);
    }

    #[test]
    fn untouched_fields_keep_their_spelling(number in "-?[1-9][0-9]{0,40}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?") {
        let mapper = Mapper::default();
        let mut out = Vec::new();
        let event = format!(r#"{{"Unknown":{{"Number":{number}}}}}"#);
        prop_assert_eq!(mapper.map(&Context::default(), event.as_bytes(), &mut out), Outcome::Emit);
        let document = String::from_utf8(out).expect("UTF-8");
        let expected = format!(r#""Unknown":{{"Number":{number}}}"#);
        prop_assert!(document.contains(&expected), "{}", document);
    }

    #[test]
    fn any_id_has_a_document_id(id in any::<String>()) {
        prop_assert_eq!(document_id(&id).len(), 28);
    }

    #[test]
    fn any_options(value in any_json()) {
        let _ = Mapper::configure(&value.to_string());
    }
}

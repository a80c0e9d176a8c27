//! What counts as an event, and what is said of the rest.

use o365_ecs::{Context, Mapper, Outcome};
use serde_json::Value;

fn map(event: &[u8]) -> Result<Value, String> {
    let mut out = Vec::new();
    match Mapper::default().map(&Context::default(), event, &mut out) {
        Outcome::Emit => Ok(serde_json::from_slice(&out).expect("the output is JSON")),
        Outcome::Drop => Err("dropped".to_owned()),
        Outcome::Fail(reason) => Err(reason),
    }
}

#[track_caller]
fn refused(event: &str, reason: &str) {
    assert_eq!(map(event.as_bytes()), Err(reason.to_owned()), "{event}");
}

#[test]
fn what_is_no_object_fails_with_its_place() {
    refused("", "the event is empty: expected a JSON object at byte 0");
    refused("  [1]", "not a JSON object: expected `{` at byte 2");
    refused("null", "not a JSON object: expected `{` at byte 0");
    refused(r#"{"a":1"#, "the text ends inside an object at byte 6");
    refused(r#"{"a":1}x"#, "unexpected text after the value at byte 7");
    refused(r#"{"a":01}"#, "a number with a leading zero at byte 6");
    refused(r#"{"a":tru}"#, "expected a value at byte 5");
    refused(r#"{"a":"\x"}"#, "an unknown escape inside a string at byte 6");
    refused("{\"a\":\"\t\"}", "a control character inside a string at byte 6");
    refused(r#"{"a" 1}"#, "expected `:` after a key at byte 5");
    refused("{a:1}", "expected a key in quotes at byte 1");
    refused(r#"{"a":1,}"#, "expected a key in quotes at byte 7");
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    let mut out = Vec::new();
    let mapper = Mapper::configure(r#"{ "profile": "elastic-2.5" }"#).expect("good options");
    for levels in [127, 128, 191] {
        assert_eq!(
            mapper.map(&Context::default(), nested(levels).as_bytes(), &mut out),
            Outcome::Emit
        );
    }
    refused(
        &nested(192),
        "nested too deeply (more than 192 levels) at byte 196",
    );
    assert!(map(nested(1_000_000).as_bytes()).is_err());
}

#[test]
fn the_last_of_several_equal_keys_wins() {
    let document = map(br#"{"Id":"1","X":{"a":1,"b":2,"\u0061":3},"Id":"2"}"#).expect("mapped");
    assert_eq!(document["event"]["id"], "2");
    assert_eq!(document["o365"]["audit"]["X"].to_string(), r#"{"a":3,"b":2}"#);
    let many: String = (0..3000).map(|at| format!(r#""k{}":{at},"#, at % 2000)).collect();
    let document = map(format!("{{{many}\"Id\":\"1\"}}").as_bytes()).expect("mapped");
    assert_eq!(
        document["o365"]["audit"].as_object().map(serde_json::Map::len),
        Some(2000)
    );
    assert_eq!(document["o365"]["audit"]["k7"], 2007);
    assert_eq!(document["o365"]["audit"]["k1999"], 1999);
}

/// Names are told apart by a hash of their length, beginning and end.
#[test]
fn a_name_is_not_taken_for_one_that_looks_like_it() {
    let name = "AzureActiveDirectoryEventType";
    let other = format!("AzureAct{}ventType", "x".repeat(name.len() - 16));
    for event in [
        format!(r#"{{"{other}":5,"{name}":6}}"#),
        format!(r#"{{"{name}":6,"{other}":5}}"#),
    ] {
        let document = map(event.as_bytes()).expect("mapped");
        let audit = &document["o365"]["audit"];
        // The mapping makes a text of the one, and knows nothing of the other.
        assert_eq!(
            (&audit[name], &audit[&other]),
            (&"6".into(), &5.into()),
            "{event}"
        );
    }
    let alone = map(format!(r#"{{"{other}":5}}"#).as_bytes()).expect("mapped");
    assert_eq!(alone["o365"]["audit"][&other], 5);
}

#[test]
fn broken_text_is_mended() {
    let document = map(b"{\"UserId\":\"a\xff@contoso.example\"}").expect("mapped");
    assert_eq!(document["user"]["id"], "a\u{fffd}@contoso.example");
    let document =
        map(br#"{"A":"\ud800","B":"\udc00x\ud83d\ude00","\ud801":"\ud83d\ud83d\ude00"}"#).expect("mapped");
    let audit = &document["o365"]["audit"];
    assert_eq!(
        (&audit["A"], &audit["B"]),
        (&"\u{fffd}".into(), &"\u{fffd}x\u{1f600}".into())
    );
    assert_eq!(audit["\u{fffd}"], "\u{fffd}\u{1f600}");
}

#[test]
fn the_original_is_the_record_byte_for_byte() {
    let record = r#"{ "Id":"1", "Name": "a\"\\\u00e9é",  "N": 1.50, "List":[ 1 ,2] }"#;
    assert_eq!(
        map(record.as_bytes()).expect("mapped")["event"]["original"],
        record
    );
    let spaced = format!("\u{feff}\n  {record}\r\n");
    assert_eq!(
        map(spaced.as_bytes()).expect("mapped")["event"]["original"],
        record
    );
    let envelope = format!(r#"{{"agent":{{"id":"7"}},"o365audit": {record} }}"#);
    let document = map(envelope.as_bytes()).expect("mapped");
    assert_eq!(document["event"]["original"], record);
    assert_eq!(document["agent"]["id"], "7");
    let kept = format!(r#"{{"event":{{"original":"as it was"}},"o365audit":{record}}}"#);
    assert_eq!(
        map(kept.as_bytes()).expect("mapped")["event"]["original"],
        "as it was"
    );
}

#[test]
fn the_original_can_be_left_out() {
    let mapper = Mapper::configure(r#"{ "preserve_original": false }"#).expect("good options");
    let mut out = Vec::new();
    assert_eq!(
        mapper.map(&Context::default(), br#"{"Id":"1"}"#, &mut out),
        Outcome::Emit
    );
    let document: Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(document["event"].get("original"), None);
}

#[test]
fn unknown_options_are_named() {
    let error = |options| Mapper::configure(options).expect_err("refused").to_string();
    assert_eq!(
        error(r#"{ "profil": "current", "tag": [] }"#),
        "unknown options `profil`, `tag`; valid options are `profile`, `extensions`, `preserve_original`, \
         `tenants`, `namespace`, `tags`"
    );
    assert_eq!(
        error(r#"{ "profile": "2.5.2" }"#),
        "option `profile` must be one of `current`, `elastic-2.5`"
    );
    assert_eq!(
        error(r#"{ "extensions": "yes" }"#),
        "option `extensions` must be true or false"
    );
    assert_eq!(
        error(r#"{ "tags": "a" }"#),
        "option `tags` must be a list of strings"
    );
    assert_eq!(error("[]"), "expected a JSON object of options");
    assert_eq!(error("{"), "not JSON: expected a key in quotes at byte 1");
}

#[test]
fn tenants_are_named_by_the_event_the_options_or_the_batch() {
    const ID: &str = "11111111-2222-3333-4444-aaaaaaaaaaaa";
    let record = format!(r#"{{"OrganizationId":"{}"}}"#, ID.to_uppercase());
    let name = |options: &str, context: &str, event: &str| {
        let mut out = Vec::new();
        let mapper = Mapper::configure(options).expect("good options");
        assert_eq!(
            mapper.map(&Context::from_json(context), event.as_bytes(), &mut out),
            Outcome::Emit
        );
        let document: Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(document["organization"]["id"], ID);
        document["organization"]["name"].as_str().map(str::to_owned)
    };
    let options = format!(r#"{{ "tenants": {{ "{}": "options" }} }}"#, ID.to_uppercase());
    let context = format!(r#"{{ "tenant_id": "{ID}", "tenant_name": "batch", "new_key": 1 }}"#);
    let event = format!(r#"{{"_conf":{{"tenants":{{"{ID}":"event"}}}},"o365audit":{record}}}"#);
    assert_eq!(name(&options, &context, &event).as_deref(), Some("event"));
    assert_eq!(name(&options, &context, &record).as_deref(), Some("options"));
    assert_eq!(name("{}", &context, &record).as_deref(), Some("batch"));
    assert_eq!(
        name(
            "{}",
            r#"{ "tenant_id": "other", "tenant_name": "batch" }"#,
            &record
        ),
        None
    );
    assert_eq!(name("{}", "not json", &record), None);
}

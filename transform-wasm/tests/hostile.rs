//! Events that are made to be expensive: time and memory stay within a small multiple of their size.
//!
//! The bound on time is far above what a linear mapping needs, also unoptimised and on a busy machine, and far below what a
//! quadratic one needs.

use std::fmt::Write;
use std::time::{Duration, Instant};

use o365_ecs::{Context, Mapper, Outcome};

/// For an event of some megabytes.
const PATIENCE: Duration = Duration::from_secs(8);
/// A document holds a field up to four times: in the original, whose escapes are escaped again, in the record, and where
/// rules copy it to. The shortest attachment, `a.b (1b)`, becomes an object with three fields.
const GROWTH: usize = 8;
/// Of all these tests side by side, in bytes; alone they need 150 MB at most.
const MEMORY: u64 = 512 << 20;

#[track_caller]
fn check(name: &str, event: &[u8]) {
    for options in ["{}", r#"{ "profile": "elastic-2.5" }"#] {
        let mapper = Mapper::configure(options).expect("good options");
        let mut out = Vec::new();
        let began = Instant::now();
        let outcome = mapper.map(&Context::default(), event, &mut out);
        let took = began.elapsed();
        assert!(took < PATIENCE, "{name}: {took:?}");
        assert!(
            out.len() < event.len() * GROWTH + 10_000,
            "{name}: {} bytes of {}",
            out.len(),
            event.len()
        );
        assert_eq!(outcome, Outcome::Emit, "{name}");
        assert!(peak() < MEMORY, "{name}: {} bytes of memory", peak());
    }
}

/// The most memory that this process has had, where the system says so.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// A record of a type, with one more field.
fn record(record_type: u32, field: &str) -> Vec<u8> {
    format!(r#"{{"RecordType":{record_type},"Operation":"Add user.","Workload":"SharePoint",{field}}}"#)
        .into_bytes()
}

/// A list with this many members.
fn list(length: usize, member: impl Fn(usize) -> String) -> String {
    let mut list = "[".to_owned();
    for index in 0..length {
        let comma = if index == 0 { "" } else { "," };
        write!(list, "{comma}{}", member(index)).expect("a string takes anything");
    }
    list + "]"
}

const MANY: usize = 50_000;

#[test]
fn long_texts() {
    let long = "x".repeat(10_000_000);
    for key in ["UserId", "ClientIP", "OriginatingServer", "Unknown"] {
        check(key, &record(1, &format!(r#""{key}":"{long}""#)));
    }
    let escapes = r"\u0041".repeat(1_000_000);
    for key in ["UserId", "Data", "Parameters"] {
        check(key, &record(40, &format!(r#""{key}":"{escapes}""#)));
    }
    for (what, text) in [
        ("@", "@"),
        ("blanks", " "),
        (":", ":"),
        (".", "."),
        ("::ffff:", "::ffff:"),
        (", ", "1.1.1.1, "),
        (" (", "a ("),
        ("[", "["),
    ] {
        let text = text.repeat(100_000);
        for key in ["ClientIP", "OriginatingServer", "UserId", "ObjectId"] {
            check(
                &format!("{key} of {what}"),
                &record(6, &format!(r#""{key}":"{text}""#)),
            );
        }
    }
}

#[test]
fn long_numbers() {
    let long = "9".repeat(1_000_000);
    for key in [
        "UserType",
        "RecordType",
        "FileSize",
        "Unknown",
        "ErrorNumber",
        "Version",
    ] {
        check(key, format!(r#"{{"{key}":{long}}}"#).as_bytes());
        check(key, format!(r#"{{"{key}":-{long}.{long}e{long}}}"#).as_bytes());
        check(key, format!(r#"{{"{key}":"1e{long}"}}"#).as_bytes());
    }
}

#[test]
fn long_lists() {
    let name_value = |index| format!(r#"{{"Name":"n{index}","Value":"v{index}"}}"#);
    let same_name = |index| format!(r#"{{"Name":"n","Value":"v{index}"}}"#);
    let change = |index| format!(r#"{{"Name":"n{index}","NewValue":"a","OldValue":"b"}}"#);
    let half_a_change = |index| format!(r#"{{"Name":"n{index}","NewValue":"a"}}"#);
    let person = |index| {
        format!(r#"{{"UPN":"p{index}@contoso.example","Address":"p{index}@contoso.example","Role":1}}"#)
    };
    let address = |index| format!(r#""p{index}@contoso.example""#);
    let target = |index| format!(r#"{{"Type":5,"ID":"p{index}@contoso.example"}}"#);
    for (key, record_type) in [
        ("Parameters", 1),
        ("ExtendedProperties", 8),
        ("DeviceProperties", 15),
    ] {
        for members in [list(MANY, name_value), list(MANY, same_name)] {
            check(key, &record(record_type, &format!(r#""{key}":{members}"#)));
        }
    }
    for member in [change as fn(usize) -> String, half_a_change] {
        check(
            "ModifiedProperties",
            &record(8, &format!(r#""ModifiedProperties":{}"#, list(MANY, member))),
        );
    }
    check(
        "Members",
        &record(25, &format!(r#""Members":{}"#, list(MANY, person))),
    );
    check(
        "recipientList",
        &record(2, &format!(r#""recipientList":{}"#, list(MANY, person))),
    );
    check(
        "Target",
        &record(8, &format!(r#""Target":{}"#, list(MANY, target))),
    );
    for key in [
        "Recipients",
        "ReleaseTo",
        "MessageURLs",
        "InternetMessageId",
        "Subject",
    ] {
        for record_type in [25, 28, 65] {
            check(
                key,
                &record(record_type, &format!(r#""{key}":{}"#, list(MANY, address))),
            );
        }
    }
    let rule = |index| format!(r#"{{"RuleId":"{index}","RuleName":"r{index}","Severity":"Low"}}"#);
    check(
        "Rules",
        &record(
            11,
            &format!(r#""PolicyDetails":[{{"Rules":{}}}]"#, list(MANY, rule)),
        ),
    );
    let mail = format!(r#""ExchangeMetaData":{{"To":{}}}"#, list(MANY, address));
    check("To", &record(13, &mail));
    let entity =
        |index| format!(r#"{{\"Recipient\":\"p{index}@a\",\"Upn\":\"u{index}\",\"SenderIP\":\"1.1.1.1\"}}"#);
    check(
        "Entities",
        &record(
            64,
            &format!(r#""Data":"{{\"Entities\":{}}}""#, list(MANY, entity)),
        ),
    );
    let folder = |index| format!(r#"{{"FolderItems":[{{"InternetMessageId":"m{index}"}}]}}"#);
    check(
        "Folders",
        &record(50, &format!(r#""Folders":{}"#, list(MANY, folder))),
    );
    let resource = |index| format!(r#"{{"Name":"n{index}","SiteUrl":"u"}}"#);
    let message = |index| format!(r#"{{"Id":"m{index}","isPrompt":true}}"#);
    let assistant = format!(
        r#""CopilotEventData":{{"AccessedResources":{},"Messages":{}}}"#,
        list(MANY, resource),
        list(MANY, message)
    );
    check("CopilotEventData", &record(261, &assistant));
    let command_line = "-Name value ".repeat(MANY);
    check(
        "command line",
        &record(
            18,
            &format!(r#""Operation":"New-X","Parameters":"{command_line}""#),
        ),
    );
    let attachments = "a.b (1b); ".repeat(MANY);
    check(
        "Attachments",
        &record(2, &format!(r#""Item":{{"Attachments":"{attachments}"}}"#)),
    );
}

#[test]
fn many_keys() {
    let keys = |name: &dyn Fn(usize) -> String| {
        let mut fields = String::new();
        for index in 0..MANY {
            write!(fields, r#","{}":{index}"#, name(index)).expect("a string takes anything");
        }
        record(8, &format!(r#""A":1{fields}"#))
    };
    check("different keys", &keys(&|index| format!("k{index}")));
    check("the same key", &keys(&|_| "k".to_owned()));
    check("two keys in turn", &keys(&|index| format!("k{}", index % 2)));
    check("keys with escapes", &keys(&|index| format!(r"\u0053k{index}")));
}

#[test]
fn deep_nesting_fails_at_once() {
    let mapper = Mapper::default();
    for open in ["[", r#"{"a":"#] {
        let event = format!(r#"{{"a":{}"#, open.repeat(1_000_000));
        let mut out = Vec::new();
        let outcome = mapper.map(&Context::default(), event.as_bytes(), &mut out);
        assert!(matches!(outcome, Outcome::Fail(_)), "{outcome:?}");
        assert!(out.is_empty());
    }
}

#[test]
fn bytes_that_are_no_text() {
    let mut event = br#"{"UserId":""#.to_vec();
    event.extend(std::iter::repeat_n(0xff, 3_000_000));
    event.extend(br#""}"#);
    // Each becomes a replacement character of three bytes.
    let text = String::from_utf8_lossy(&event).into_owned();
    check("no UTF-8", text.as_bytes());
    let mut out = Vec::new();
    assert_eq!(
        Mapper::default().map(&Context::default(), &event, &mut out),
        Outcome::Emit
    );
}

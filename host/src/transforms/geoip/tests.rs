//! With `MaxMind`'s test databases, which are not ours to copy: they are read from beside the workspace.

use std::path::Path;

use bytes::Bytes;
use chrono::DateTime;
use o365_core::{ManualClock, config::Services, testing::transform_contract};
use serde_json::{Value as Json, json};

use super::*;

const CITY: &str = "GeoLite2-City-Test.mmdb";
const COUNTRY: &str = "GeoLite2-Country-Test.mmdb";
const ASN: &str = "GeoLite2-ASN-Test.mmdb";

/// The directory of the databases; without it a test says aloud that it checks nothing.
fn databases() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/geoip");
    if dir.is_dir() {
        return Some(dir);
    }
    eprintln!("\n*** SKIPPED: no test databases in {} ***\n", dir.display());
    None
}

fn clock() -> ManualClock {
    ManualClock::at(DateTime::UNIX_EPOCH)
}

fn context(dir: &Path, clock: ManualClock) -> ComponentContext {
    ComponentContext {
        key: "geo".into(),
        data_dir: dir.to_owned(),
        config_dir: dir.to_owned(),
        clock: Arc::new(clock),
        services: Services::default(),
    }
}

fn config(config: &Json) -> GeoipConfig {
    serde_json::from_value(config.clone()).unwrap()
}

async fn run(options: &Json, dir: &Path, documents: &[&'static str]) -> (Vec<Bytes>, usize) {
    let transform = config(options).build(&context(dir, clock())).await.unwrap();
    let documents = documents
        .iter()
        .map(|text| Bytes::from_static(text.as_bytes()))
        .collect();
    let (passed, mut outputs) = transform_contract(transform, [], documents).await;
    (passed, outputs.take_failed().len())
}

fn read(document: &Bytes) -> Json {
    serde_json::from_slice(document).unwrap()
}

#[tokio::test]
async fn a_known_address_gets_place_and_network_and_others_keep_their_bytes() {
    let Some(dir) = databases() else { return };
    let options = json!({"database": CITY, "asn_database": ASN});
    let unchanged = [
        r#"{"source": {"ip": "10.1.2.3"}}"#,
        r#"{"source": {"ip": "not an address"}}"#,
        r#"{"source": {"ip": 7}}"#,
        r#"{"source": "text"}"#,
        r#"{"client": {"ip": "81.2.69.144"}}"#,
        "{ }",
    ];
    let mut documents = vec![
        r#"{"source":{"ip":"81.2.69.144","geo":{"old":1}}}"#,
        r#"{"source":{"ip":"::ffff:81.2.69.144"}}"#,
        r#"{"source":{"ip":"1.128.0.1"}}"#,
        "oops",
    ];
    documents.extend(unchanged);
    let (passed, failed) = run(&options, &dir, &documents).await;
    assert_eq!(failed, 1);
    let place = json!({
        "continent_name": "Europe",
        "country_iso_code": "GB",
        "country_name": "United Kingdom",
        "region_iso_code": "GB-ENG",
        "region_name": "England",
        "city_name": "London",
        "location": {"lat": 51.5142, "lon": -0.0931},
    });
    assert_eq!(read(&passed[0])["source"]["geo"], place);
    assert_eq!(read(&passed[1])["source"]["geo"], place);
    assert_eq!(
        read(&passed[2])["source"]["as"],
        json!({"number": 1221, "organization": {"name": "Telstra Pty Ltd"}})
    );
    assert_eq!(passed[3..], unchanged);
}

#[tokio::test]
async fn any_field_any_target_lists_and_languages() {
    let Some(dir) = databases() else { return };
    let options = json!({
        "database": COUNTRY,
        "locale": "de",
        "fields": [{"from": "host.ip"}, {"from": "a", "geo": "b.c"}],
    });
    let documents = [
        r#"{"host":{"ip":["10.0.0.1","81.2.69.144"]},"a":"81.2.69.144"}"#,
        r#"{"a":"81.2.69.144","b":"mine"}"#,
    ];
    let (passed, _) = run(&options, &dir, &documents).await;
    let first = read(&passed[0]);
    let place = &first["host"]["geo"];
    assert_eq!(place["country_iso_code"], "GB");
    assert_ne!(place["country_name"], "United Kingdom");
    assert_eq!((place.get("city_name"), place), (None, &first["b"]["c"]));
    assert_eq!(passed[1], documents[1]);
}

#[tokio::test]
async fn mistakes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("text.mmdb"), "text").unwrap();
    let problems = async |dir: &Path, options: Json| {
        let failed = config(&options).build(&context(dir, clock())).await.unwrap_err();
        let lines = failed
            .problems
            .into_iter()
            .map(|problem| format!("{}: {}", problem.field, problem.message));
        lines.collect::<Vec<_>>().join("\n")
    };
    let found = problems(dir.path(), json!({"fields": [{"from": "a..b"}]})).await;
    assert!(
        found.contains("neither `database` nor") && found.contains("fields[0].from: `a..b`"),
        "{found}"
    );
    let found = problems(
        dir.path(),
        json!({"database": "none.mmdb", "asn_database": "text.mmdb"}),
    )
    .await;
    assert!(
        found.contains("database: cannot read") && found.contains("none.mmdb"),
        "{found}"
    );
    assert!(
        found.contains("asn_database: `") && found.contains("is not a MaxMind database"),
        "{found}"
    );
    let Some(dir) = databases() else { return };
    let found = problems(&dir, json!({"database": ASN, "asn_database": CITY})).await;
    assert!(
        found.contains("is a `GeoLite2-ASN` database, expected a City, Country or"),
        "{found}"
    );
    assert!(
        found.contains("is a `GeoLite2-City` database, expected an ASN"),
        "{found}"
    );
}

#[tokio::test]
async fn a_newer_file_is_taken_in_time_and_a_bad_one_is_refused() {
    let Some(shared) = databases() else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("geo.mmdb");
    std::fs::copy(shared.join(COUNTRY), &file).unwrap();
    let clock = clock();
    let database = Database::open(file.clone(), Kind::Place).unwrap();
    let databases = Databases::new(
        Some(database),
        None,
        Locale::English,
        TimeDelta::seconds(60),
        Arc::new(clock.clone()),
    );
    let has_city = || {
        let found = databases.find("81.2.69.144", "geo").expect("a known address");
        found
            .geo
            .as_ref()
            .unwrap()
            .as_object()
            .unwrap()
            .contains_key("city_name")
    };
    assert!(!has_city());
    std::fs::copy(shared.join(CITY), &file).unwrap();
    assert!(!has_city(), "looked at the file too early");
    clock.advance(TimeDelta::seconds(60));
    assert!(
        has_city(),
        "the newer file is not used, or its old answers are remembered"
    );
    for bad in ["text", "ASN"] {
        match bad {
            "ASN" => drop(std::fs::copy(shared.join(ASN), &file).unwrap()),
            text => std::fs::write(&file, text).unwrap(),
        }
        clock.advance(TimeDelta::seconds(60));
        assert!(has_city(), "{bad} was taken");
    }
    std::fs::remove_file(&file).unwrap();
    clock.advance(TimeDelta::seconds(60));
    assert!(has_city());
    std::fs::copy(shared.join(COUNTRY), &file).unwrap();
    clock.advance(TimeDelta::seconds(60));
    assert!(!has_city());
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let Some(dir) = databases() else { return };
    let database = Database::open(dir.join(ASN), Kind::Network).unwrap();
    let databases = Databases::new(
        None,
        Some(database),
        Locale::English,
        TimeDelta::MAX,
        Arc::new(clock()),
    );
    for number in 0..40_000_u32 {
        databases.find(&std::net::Ipv4Addr::from(number << 8).to_string(), "geo");
    }
    assert!(databases.remembered() <= 16_384, "{}", databases.remembered());
    assert!(databases.remembered() > 1_000);
}

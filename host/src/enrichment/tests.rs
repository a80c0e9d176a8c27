use std::{path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta};
use indexmap::IndexMap;
use o365_core::{ComponentKey, ManualClock, config::Problem};
use serde_json::{Value as Json, json};
use vrl::{
    compiler::{
        CompileConfig, Program, TargetValue, TimeZone, TypeState,
        runtime::{Runtime, Terminate},
    },
    diagnostic::Formatter,
    value::{Secrets, Value},
};

use super::*;

const PEOPLE: &str = "id,firstname,surname,born,staff\n\
    1,Bob,Smith,1985-03-01,true\n\
    2,Fred,Smith,1990-12-31,no\n\
    3,Ann,smith,1991-01-01,yes\n\
    4,*,Miller,2000-02-29,n\n";

fn clock() -> ManualClock {
    ManualClock::at(DateTime::UNIX_EPOCH)
}

/// Opens the tables of a configuration in JSON.
async fn open(dir: &Path, tables: Json, clock: &ManualClock) -> (Tables, Vec<(ComponentKey, Problem)>) {
    let Json::Object(tables) = tables else {
        panic!("not a map")
    };
    let config = |mut options: Json| -> Arc<dyn TableConfig> {
        let kind = options.as_object_mut().unwrap().remove("type").unwrap();
        match kind.as_str().unwrap() {
            "file" => Arc::new(serde_json::from_value::<FileTableConfig>(options).unwrap()),
            "mmdb" => Arc::new(serde_json::from_value::<MmdbTableConfig>(options).unwrap()),
            other => panic!("{other}"),
        }
    };
    let configs: IndexMap<ComponentKey, _> = tables
        .into_iter()
        .map(|(name, options)| (name.as_str().into(), config(options)))
        .collect();
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    Tables::open(&configs, dir, DefaultTimeZone::default(), &clock).await
}

/// The table `people`, with types.
async fn people(dir: &Path, clock: &ManualClock) -> Arc<Tables> {
    std::fs::write(dir.join("people.csv"), PEOPLE).unwrap();
    let schema = json!({"id": "integer", "born": "date", "staff": "boolean"});
    let table = json!({"type": "file", "file": {"path": "people.csv"}, "schema": schema});
    let (tables, problems) = open(dir, json!({"people": table}), clock).await;
    assert_eq!(problems, []);
    Arc::new(tables)
}

fn compile(tables: &Arc<Tables>, program: &str) -> Result<Program, String> {
    let mut all = vrl::stdlib::all();
    all.extend(functions());
    let mut config = CompileConfig::default();
    config.set_custom(Arc::clone(tables));
    let compiled = vrl::compiler::compile_with_state(program, &all, &TypeState::default(), config);
    compiled
        .map(|compiled| compiled.program)
        .map_err(|found| Formatter::new(program, found).to_string())
}

fn resolve(program: &Program, event: &Json) -> Result<Json, String> {
    let mut target = TargetValue {
        value: event.clone().into(),
        metadata: Value::Object([].into()),
        secrets: Secrets::default(),
    };
    match Runtime::default().resolve(&mut target, program, &TimeZone::default()) {
        Ok(value) => Ok(serde_json::to_value(value).unwrap()),
        Err(Terminate::Error(error) | Terminate::Abort(error)) => Err(error.to_string()),
        Err(Terminate::Interrupted) => Err("interrupted".to_owned()),
    }
}

#[track_caller]
fn run(tables: &Arc<Tables>, program: &str, event: &Json) -> Result<Json, String> {
    resolve(
        &compile(tables, program).unwrap_or_else(|error| panic!("{error}")),
        event,
    )
}

/// The ids of the people that a condition, and more arguments, find.
#[track_caller]
fn ids(tables: &Arc<Tables>, arguments: &str, event: &Json) -> Vec<i64> {
    let found = run(
        tables,
        &format!("find_enrichment_table_records!(\"people\", {arguments})"),
        event,
    )
    .unwrap();
    let rows = found.as_array().unwrap();
    rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn rows_are_found_by_what_their_columns_hold() {
    let dir = tempfile::tempdir().unwrap();
    let tables = people(dir.path(), &clock()).await;
    let event = json!({"name": "Smith", "first": "Fred", "range": {"to": null}});
    for (arguments, expected) in [
        (r#"{"surname": "Smith"}"#, vec![1, 2]),
        (r#"{"surname": "Smith"}, case_sensitive: true"#, vec![1, 2]),
        (r#"{"surname": "SMITH"}"#, vec![]),
        (r#"{"surname": "SMITH"}, case_sensitive: false"#, vec![1, 2, 3]),
        (r#"{"surname": .name, "firstname": .first}"#, vec![2]),
        (r#"{"id": 3}"#, vec![3]),
        // Types differ, as in Vector: the column holds integers.
        (r#"{"id": "3"}"#, vec![]),
        (r#"{"staff": true}"#, vec![1, 3]),
        ("{}", vec![1, 2, 3, 4]),
        // Both ends of a range belong to it; one of them is enough.
        (
            r#"{"born": {"from": t'1990-12-31T00:00:00Z', "to": t'1991-01-01T00:00:00Z'}}"#,
            vec![2, 3],
        ),
        (
            r#"{"surname": "Smith", "born": {"from": t'1986-01-01T00:00:00Z'}}"#,
            vec![2],
        ),
        (r#"{"born": {"to": t'1985-03-01T00:00:00Z'}}"#, vec![1]),
        (r#"{"id": {"from": t'1985-03-01T00:00:00Z'}}"#, vec![]),
        // The wildcard stands for what no row holds.
        (
            r#"{"surname": "Miller", "firstname": "Eve"}, wildcard: "*""#,
            vec![],
        ),
        (r#"{"firstname": "Eve"}, wildcard: "*""#, vec![4]),
        (r#"{"firstname": "Bob"}, wildcard: "*""#, vec![1]),
    ] {
        assert_eq!(ids(&tables, arguments, &event), expected, "{arguments}");
    }
}

#[tokio::test]
async fn a_range_that_shows_only_when_the_program_runs_is_searched_without_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let tables = people(dir.path(), &clock()).await;
    let program = "range = {\"from\": t'1990-01-01T00:00:00Z', \"to\": t'1990-12-31T00:00:00Z'}\n\
        find_enrichment_table_records!(\"people\", {\"born\": range, \"surname\": \"Smith\"}, select: [\"id\"])";
    assert_eq!(run(&tables, program, &json!({})), Ok(json!([{"id": 2}])));
}

#[tokio::test]
async fn one_record_must_be_the_only_one() {
    let dir = tempfile::tempdir().unwrap();
    let tables = people(dir.path(), &clock()).await;
    let get = |arguments: &str| {
        run(
            &tables,
            &format!("get_enrichment_table_record!(\"people\", {arguments})"),
            &json!({"when": 1}),
        )
    };
    assert_eq!(
        get(r#"{"id": 1}"#),
        Ok(
            json!({"id": 1, "firstname": "Bob", "surname": "Smith", "born": "1985-03-01T00:00:00Z", "staff": true})
        )
    );
    assert_eq!(
        get(r#"{"firstname": "Bob"}, select: ["surname", "id"]"#),
        Ok(json!({"id": 1, "surname": "Smith"}))
    );
    for (arguments, expected) in [
        (r#"{"id": 9}"#, "no rows found"),
        (r#"{"surname": "Smith"}"#, "more than one row found"),
        (
            r#"{"born": {"from": .when}}"#,
            "`from` in the condition must be a timestamp, found integer",
        ),
    ] {
        let error = get(arguments).unwrap_err();
        assert!(error.contains(expected), "{arguments}: {error}");
    }
    // A failed lookup can be handled like any error.
    assert_eq!(
        run(
            &tables,
            r#"get_enrichment_table_record("people", {"id": 9}) ?? {"id": 0}"#,
            &json!({})
        ),
        Ok(json!({"id": 0}))
    );
}

#[tokio::test]
async fn mistakes_are_found_when_a_program_is_compiled() {
    let dir = tempfile::tempdir().unwrap();
    let tables = people(dir.path(), &clock()).await;
    let columns = "the columns are `id`, `firstname`, `surname`, `born`, `staff`";
    for (call, expected) in [
        (
            r#"("persons", {"id": 1})"#,
            "there is no enrichment table `persons`, the tables are `people`".to_owned(),
        ),
        (
            r#"("people", {"name": 1})"#,
            format!("enrichment table `people`: there is no column `name`, {columns}"),
        ),
        (
            r#"("people", {"name": {"from": now()}})"#,
            format!("there is no column `name`, {columns}"),
        ),
        (
            r#"("people", {"id": 1}, select: ["id", "name"])"#,
            format!("there is no column `name`, {columns}"),
        ),
        (r#"(.table, {"id": 1})"#, r#"argument "table""#.to_owned()),
        (r#"("people", .condition)"#, r#"argument "condition""#.to_owned()),
        (
            r#"("people", {"id": 1}, case_sensitive: .case)"#,
            r#"argument "case_sensitive""#.to_owned(),
        ),
    ] {
        for function in ["get_enrichment_table_record", "find_enrichment_table_records"] {
            let report = compile(&tables, &format!(".x = {function}!{call}")).unwrap_err();
            assert!(report.contains(&expected), "{call}:\n{report}");
        }
    }
    let none = compile(
        &Arc::default(),
        r#".x = get_enrichment_table_record!("people", {"id": 1})"#,
    );
    let none = none.unwrap_err();
    assert!(
        none.contains("none is configured below `enrichment_tables`"),
        "{none}"
    );
}

#[tokio::test]
async fn files_are_read_as_they_are_described() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("a.csv"),
        "x;1.5;2024-01-02T03:04:05\n\"y;\nz\";2;2024-01-02T00:00:00\n",
    )
    .unwrap();
    let table = json!({
        "type": "file",
        "file": {"path": "a.csv", "encoding": {"type": "csv", "delimiter": ";", "include_headers": false}},
        "schema": {"1": "float", "2": "timestamp | %FT%T"},
    });
    let (tables, problems) = open(dir.path(), json!({"a": table}), &clock()).await;
    assert_eq!(problems, []);
    assert_eq!(
        run(
            &Arc::new(tables),
            r#"find_enrichment_table_records!("a", {})"#,
            &json!({})
        ),
        Ok(json!([
            {"0": "x", "1": 1.5, "2": "2024-01-02T03:04:05Z"},
            {"0": "y;\nz", "1": 2.0, "2": "2024-01-02T00:00:00Z"},
        ]))
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("ok.csv", "a,b\n1,2\n".as_bytes()),
        ("short.csv", b"a,b\n1,2\n3\n"),
        ("type.csv", b"a,b\n1,\"2\n\"\nx,4\n"),
        ("latin1.csv", b"a,b\n1,2\n3,\xe4\n"),
        ("empty.csv", b""),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let file = |path: &str, schema: Json| json!({"type": "file", "file": {"path": path}, "schema": schema});
    for (table, field, expected) in [
        (
            file("none.csv", json!({})),
            "file.path",
            "none.csv`: No such file",
        ),
        (
            file("short.csv", json!({})),
            "file.path",
            "short.csv`: line 3: there are 1 columns, but 2 in the first line",
        ),
        (
            file("type.csv", json!({"a": "integer"})),
            "file.path",
            "type.csv`: line 4: `x` in column `a` is not of the type `integer`",
        ),
        (
            file("latin1.csv", json!({})),
            "file.path",
            "latin1.csv`: line 3: this is not UTF-8",
        ),
        (file("empty.csv", json!({})), "file.path", "the file is empty"),
        (
            file("ok.csv", json!({"c": "integer"})),
            "schema.c",
            "there is no column `c`, the columns are `a`, `b`",
        ),
        (
            file("ok.csv", json!({"a": "number"})),
            "schema.a",
            "`number` is not a type of a column",
        ),
        (
            json!({"type": "file", "file": {"path": "ok.csv", "encoding": {"delimiter": "→"}}}),
            "file.encoding.delimiter",
            "'→' cannot stand between columns",
        ),
        (
            json!({"type": "mmdb", "path": "none.mmdb"}),
            "path",
            "cannot read",
        ),
        (
            json!({"type": "mmdb", "path": "ok.csv"}),
            "path",
            "ok.csv` is not a MaxMind database",
        ),
    ] {
        let (tables, problems) = open(dir.path(), json!({"t": table}), &clock()).await;
        let [(key, problem)] = problems.as_slice() else {
            panic!("{table}: {problems:?}");
        };
        assert_eq!((key.as_str(), problem.field.as_str()), ("t", field));
        assert!(problem.message.contains(expected), "{}", problem.message);
        // The program is not blamed for the table.
        let program = compile(
            &Arc::new(tables),
            r#".x = get_enrichment_table_record!("t", {"any": 1})"#,
        );
        assert!(program.is_ok(), "{:?}", program.err());
    }
}

#[tokio::test]
async fn addresses_are_found_in_databases_of_networks() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/geoip");
    if !dir.is_dir() {
        eprintln!("\n*** SKIPPED: no test databases in {} ***\n", dir.display());
        return;
    }
    let config = json!({
        "asn": {"type": "mmdb", "path": "GeoLite2-ASN-Test.mmdb"},
        "city": {"type": "mmdb", "path": "GeoLite2-City-Test.mmdb"},
    });
    let (tables, problems) = open(&dir, config, &clock()).await;
    assert_eq!(problems, []);
    let tables = Arc::new(tables);
    let telstra =
        json!({"autonomous_system_number": 1221, "autonomous_system_organization": "Telstra Pty Ltd"});
    for address in ["1.128.0.1", "::ffff:1.128.0.1"] {
        assert_eq!(
            run(
                &tables,
                r#"get_enrichment_table_record!("asn", {"ip": .ip})"#,
                &json!({"ip": address})
            ),
            Ok(telstra.clone())
        );
    }
    let london = r#"get_enrichment_table_record!("city", {"ip": .ip}, select: ["location.latitude", "city.names.en", "nothing"])"#;
    assert_eq!(
        run(&tables, london, &json!({"ip": "81.2.69.144"})),
        Ok(json!({"location": {"latitude": 51.5142}, "city": {"names": {"en": "London"}}, "nothing": null}))
    );
    let find = r#"find_enrichment_table_records!("asn", {"ip": .ip})"#;
    assert_eq!(run(&tables, find, &json!({"ip": "10.0.0.1"})), Ok(json!([])));
    for (ip, expected) in [
        (json!("here"), "\"here\" is not an IP address"),
        (json!(7), "7 is not an IP"),
    ] {
        let error = run(&tables, find, &json!({"ip": ip})).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    for condition in ["{}", r#"{"ip": .ip, "b": 1}"#, r#"{"ip": {"from": now()}}"#] {
        let report = compile(
            &tables,
            &format!(".x = get_enrichment_table_record!(\"asn\", {condition})"),
        )
        .unwrap_err();
        assert!(report.contains("is searched by one condition"), "{report}");
    }
}

#[tokio::test]
async fn a_newer_file_is_taken_in_time_and_a_bad_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let tables = people(dir.path(), &clock).await;
    let program = compile(
        &tables,
        r#"get_enrichment_table_record!("people", {"id": 1}, select: ["firstname"]).firstname"#,
    )
    .unwrap();
    let name = || resolve(&program, &json!({})).unwrap();
    let write = |text: &str| std::fs::write(dir.path().join("people.csv"), text).unwrap();
    assert_eq!(name(), "Bob");
    // Other columns, in another order.
    write("born,firstname,id,staff\n2001-01-01,Robert,1,true\n");
    assert_eq!(name(), "Bob", "looked at the file too early");
    clock.advance(TimeDelta::minutes(1));
    assert_eq!(name(), "Robert");
    for bad in [
        "id,firstname,born,staff\nx,Eve,2001-01-01,true\n",
        "firstname,born,staff\nEve,2001-01-01,true\n",
    ] {
        write(bad);
        clock.advance(TimeDelta::minutes(1));
        assert_eq!(name(), "Robert", "{bad} was taken");
    }
    std::fs::remove_file(dir.path().join("people.csv")).unwrap();
    clock.advance(TimeDelta::minutes(1));
    assert_eq!(name(), "Robert");
}

#[test]
fn an_index_finds_what_a_scan_finds() {
    use super::rows::{Case, IndexKey, Search, Wanted};
    let values = ["a", "A", "b", "ß", "SS", "*"];
    let rows: Vec<Box<[Value]>> = (0..600_usize)
        .map(|row| {
            [
                values[row % 6].into(),
                values[row / 7 % 6].into(),
                Value::from(row % 5),
            ]
            .into()
        })
        .collect();
    let rows = Rows::new(vec!["x".into(), "y".into(), "z".into()], rows).unwrap();
    for case in [Case::Sensitive, Case::Insensitive] {
        let key = IndexKey {
            case,
            columns: vec!["x".into(), "y".into()],
        };
        let indexed = rows.with_indexes(&[key]).unwrap();
        let mut found_any = 0;
        for (x, y) in (0..36).map(|pair| (values[pair / 6], values[pair % 6])) {
            let terms = [
                ("x".into(), Wanted::Equal(x.into())),
                ("y".into(), Wanted::Equal(y.into())),
            ];
            let search = |index| Search {
                case,
                terms: &terms,
                index,
                wildcard: None,
                select: None,
                limit: usize::MAX,
            };
            let scanned = rows.search(&search(None)).unwrap();
            assert_eq!(indexed.search(&search(Some(0))).unwrap(), scanned, "{x} {y}");
            found_any += scanned.len();
        }
        assert!(found_any >= 600, "{found_any}");
    }
}

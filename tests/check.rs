//! `check`: a doctor that says what is wrong and what to do, and changes nothing.

use std::time::Duration;

use o365_simulator::{Action, FaultPlan, FaultRule, Operation, SimulatorConfig};
use serde_json::Value;

use crate::support::{Lab, host, output, signal, stderr, wait_for};

const FILE: &str = "  out: { type: file, inputs: [ecs], path: out.ndjson }";

fn simulated(tenants: usize) -> SimulatorConfig {
    let mut config = SimulatorConfig::demo(21, tenants, 60);
    config.subscribed = true;
    config
}

/// What `check` ended with and its rows. It has changed nothing, and told no secret.
async fn check(lab: &Lab) -> (Option<i32>, Vec<Value>) {
    let before = lab.simulator.handle().report();
    let ended = output(&mut lab.command(&["check", "--json"], &[])).await;
    let told = stderr(&ended);
    let stdout = String::from_utf8(ended.stdout).unwrap();
    for secret in [lab.secret(), "eyJ"] {
        assert!(
            !told.contains(secret) && !stdout.contains(secret),
            "{told}{stdout}"
        );
    }
    let report = lab.simulator.handle().report();
    assert_eq!(report.starts.len(), before.starts.len());
    assert_eq!(
        report.requests.get(&Operation::FetchBlob),
        before.requests.get(&Operation::FetchBlob)
    );
    assert!(report.forbidden.is_empty(), "{:?}", report.forbidden.first());
    let rows: Vec<Value> = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    for row in &rows {
        assert_eq!(row["status"] != "ok", row["advice"].is_string(), "{row}");
    }
    (ended.status.code(), rows)
}

/// The rows that are not ok.
fn wrong(rows: &[Value]) -> Vec<&Value> {
    rows.iter().filter(|row| row["status"] != "ok").collect()
}

fn says(row: &Value, field: &str, text: &str) {
    assert!(row[field].as_str().unwrap().contains(text), "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_and_nothing_is_written() {
    let lab = Lab::new(simulated(2), FILE).await;
    let (code, rows) = check(&lab).await;
    assert_eq!((code, wrong(&rows).len()), (Some(0), 0), "{rows:#?}");
    // data_dir, ledger, the sink, and for each tenant login, tenant, roles, api, clock, and two rows a content type.
    assert_eq!(rows.len(), 3 + 2 * 15);
    let sink = rows.last().unwrap();
    assert_eq!((&sink["source"], &sink["check"]), (&"out".into(), &"sink".into()));
    says(sink, "found", "out.ndjson");
    assert_eq!(std::fs::read_dir(lab.dir.path()).unwrap().count(), 1);

    let ended = output(&mut lab.command(&["check"], &[])).await;
    let table = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(table.lines().count(), rows.len(), "{table}");
    assert!(!table.contains('\u{1b}'), "{table}");
    // Aligned: every status begins at the same column.
    let columns: std::collections::BTreeSet<_> = table.lines().map(|line| line.find("  ok  ")).collect();
    assert_eq!(columns.len(), 1, "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_fails_its_tenant_only() {
    let lab = Lab::new(simulated(2), FILE).await;
    let tenant = lab.simulator.handle().report().blobs[0].tenant.clone();
    lab.simulator.handle().set_faults(FaultPlan::new([FaultRule {
        tenant: Some(tenant.clone()),
        ..FaultRule::new(Operation::Token, Action::Aadsts { code: 7_000_215 })
    }]));
    let (code, rows) = check(&lab).await;
    assert_eq!(code, Some(1));
    let [row] = wrong(&rows)[..] else {
        panic!("{rows:#?}")
    };
    assert_eq!((&row["tenant"], &row["check"]), (&tenant.into(), &"login".into()));
    says(row, "advice", "not its id");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_role_is_named_with_the_type_that_needs_it() {
    let mut config = simulated(1);
    config.tenants[0].roles = vec!["ActivityFeed.Read".to_owned()];
    let lab = Lab::new(config, FILE).await;
    let (code, rows) = check(&lab).await;
    assert_eq!(code, Some(1));
    let row = wrong(&rows)[0];
    assert_eq!((&row["check"], &row["status"]), (&"roles".into(), &"fail".into()));
    says(
        row,
        "found",
        "ActivityFeed.ReadDlp is missing, which is needed for DLP.All",
    );
    says(row, "advice", "admin consent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_is_not_started_is_a_warning_and_stays_so() {
    let mut config = simulated(1);
    config.subscribed = false;
    let lab = Lab::new(config, FILE).await;
    let (code, rows) = check(&lab).await;
    assert_eq!(code, Some(0), "{rows:#?}");
    let rows = wrong(&rows);
    assert_eq!(rows.len(), 5);
    for row in rows {
        assert_eq!(row["status"], "warn");
        assert_eq!(row["found"], "not started yet");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_a_warning() {
    let lab = Lab::new(simulated(1), FILE).await;
    lab.simulator.handle().advance(Duration::from_mins(10));
    let (code, rows) = check(&lab).await;
    assert_eq!(code, Some(0), "{rows:#?}");
    let [row] = wrong(&rows)[..] else {
        panic!("{rows:#?}")
    };
    assert_eq!(row["check"], "clock");
    says(row, "found", " s behind the service's");
    says(row, "advice", "NTP");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_cannot_be_reached_is_explained() {
    let lab = Lab::new(simulated(1), FILE).await;
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let path = lab.path("pipeline.yaml");
    let config = std::fs::read_to_string(&path).unwrap();
    let url = lab.simulator.base_url();
    let endpoint = format!("authentication_endpoint: \"{url}\"");
    assert!(config.contains(&endpoint));
    let nowhere = format!("authentication_endpoint: \"http://127.0.0.1:{port}\"");
    std::fs::write(&path, config.replace(&endpoint, &nowhere)).unwrap();
    let (code, rows) = check(&lab).await;
    assert_eq!(code, Some(1));
    let [row] = wrong(&rows)[..] else {
        panic!("{rows:#?}")
    };
    assert_eq!(row["check"], "login");
    says(row, "advice", "nothing listens there");

    std::fs::write(&path, config).unwrap();
    lab.simulator.handle().set_faults(FaultPlan::new([FaultRule::new(
        Operation::ListSubscriptions,
        Action::Reset,
    )]));
    let (code, rows) = check(&lab).await;
    assert_eq!(code, Some(1));
    let [row] = wrong(&rows)[..] else {
        panic!("{rows:#?}")
    };
    assert_eq!(row["check"], "api");
    says(row, "advice", "`api.resource`");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_log_that_is_off_is_seen() {
    let lab = Lab::new(simulated(1), FILE).await;
    lab.simulator.handle().set_faults(FaultPlan::new([FaultRule::new(
        Operation::ListContent,
        Action::AuditLogOff,
    )]));
    let (code, rows) = check(&lab).await;
    assert_eq!(code, Some(1));
    let rows = wrong(&rows);
    assert_eq!(rows.len(), 5);
    for row in rows {
        says(row, "advice", "switch unified audit logging on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_collection_the_ledger_is_in_use_and_a_bad_configuration_is_refused() {
    let lab = Lab::new(simulated(1), FILE).await;
    let mut child = lab.run(&[]).spawn().unwrap();
    wait_for(
        || !lab.delivered("out.ndjson").is_empty(),
        || "nothing is written".to_owned(),
    )
    .await;
    let ended = output(&mut lab.command(&["check"], &[])).await;
    let table = String::from_utf8(ended.stdout).unwrap();
    assert!(table.contains("is in use: a collection runs"), "{table}");
    signal(&child, "TERM").await;
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    let (_, rows) = check(&lab).await;
    says(&rows[1], "found", "is free");

    let ended = output(host(lab.dir.path()).args(["check", "--config", "none.yaml"])).await;
    assert_eq!(ended.status.code(), Some(78), "{}", stderr(&ended));
}

/// Libraries log too.
#[tokio::test]
async fn a_proxy_is_named_and_its_password_reaches_no_log() {
    let lab = Lab::new(simulated(1), "  out: { type: blackhole, inputs: [ecs] }").await;
    let config = std::fs::read_to_string(lab.path("pipeline.yaml")).unwrap();
    let url = lab.simulator.base_url();
    // The simulator is no proxy: it refuses, after it has seen who asks.
    let proxy = url.replace("http://", "http://collector:hunter2@");
    let config = config
        .replace(&format!("\"{url}\""), "https://service.invalid")
        .replace(
            "    api: {",
            &format!(
                "    once_give_up_after: 1s\n    proxy: {{ https: \"{proxy}\", no_proxy: [] }}\n    api: {{"
            ),
        );
    std::fs::write(lab.path("pipeline.yaml"), config).unwrap();
    for command in [&["check"][..], &["run", "--once"]] {
        let mut command = lab.command(command, &[]);
        let output =
            output(command.env("O365_LOG", "trace,reqwest=trace,hyper=trace,hyper_util=trace")).await;
        let said = format!("{}{}", stderr(&output), String::from_utf8_lossy(&output.stdout));
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("TRACE"), "{said}");
        assert!(said.contains("the proxy refuses the way to this host"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        assert!(!said.contains("Y29sbGVjdG9yOmh1bnRlcjI"), "{said}");
    }
    let checked = output(&mut lab.command(&["check"], &[])).await;
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        said.contains(&format!("the proxy {url} (`proxy.https`)")),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_cannot_be_written_is_named() {
    let lab = Lab::new(
        simulated(1),
        "  out: { type: file, inputs: [ecs], path: blocked/out-%Y.ndjson }",
    )
    .await;
    // Who runs as root may write anywhere, but not below a file.
    std::fs::write(lab.path("blocked"), "").unwrap();
    let (code, rows) = check(&lab).await;
    assert_eq!(code, Some(1));
    let [sink] = wrong(&rows)[..] else {
        panic!("{rows:#?}");
    };
    assert_eq!(sink["check"], "sink");
    says(sink, "found", "blocked");
    assert!(lab.path("blocked").is_file());
}

/// The command line is wrong, or the configuration is: the same code whichever command is asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_there_is_wrong_usage_everywhere() {
    let lab = Lab::new(simulated(1), FILE).await;
    let backfill = ["backfill", "--from", "-2h", "--to", "-1h", "--source", "other"];
    for command in [&["state", "show", "--source", "other"][..], &backfill] {
        let ended = output(&mut lab.command(command, &[])).await;
        let told = stderr(&ended);
        assert_eq!(ended.status.code(), Some(2), "{command:?}: {told}");
        assert!(told.contains("--source other"), "{command:?}: {told}");
    }
    let path = lab.path("pipeline.yaml");
    std::fs::write(
        &path,
        "sources: { in: { type: stdin } }\nsinks: { out: { type: blackhole, inputs: [in] } }\n",
    )
    .unwrap();
    for command in [
        &["check"][..],
        &["state", "show"],
        &["backfill", "--from", "-2h", "--to", "-1h"],
    ] {
        let ended = output(&mut lab.command(command, &[])).await;
        let told = stderr(&ended);
        assert_eq!(ended.status.code(), Some(78), "{command:?}: {told}");
        assert!(told.contains("o365_audit"), "{command:?}: {told}");
    }
}

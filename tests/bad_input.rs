//! Bad input: a message with file, place, cause and remedy; exit code 78; nothing started.

use crate::support::{host, output, stderr};

const SOURCE: &str = "sources:\n  in: { type: file, path: in.ndjson }\n";
const SINK: &str = "sinks:\n  out: { type: file, inputs: [in], path: out.ndjson }\n";

struct Case {
    config: String,
    says: &'static [&'static str],
}

fn case(config: impl Into<String>, says: &'static [&'static str]) -> Case {
    Case {
        config: config.into(),
        says,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_has_a_message_with_place_cause_and_remedy() {
    let transform = |text: &str| format!("{SOURCE}transforms:\n  t: {{ inputs: [in], {text} }}\n{SINK}");
    let cases = [
        case(
            format!("{SOURCE}{SINK}colour: red\n"),
            &["colour", "pipeline.yaml:5"],
        ),
        case(
            "sources:\n  in: { type: file, path: in.ndjson, pathh: x }\n".to_owned() + SINK,
            &["pathh", "pipeline.yaml:2", "path"],
        ),
        case(
            format!("{SOURCE}{}", SINK.replace("out.ndjson", "${NO_SUCH_VARIABLE}")),
            &["NO_SUCH_VARIABLE", "pipeline.yaml:4"],
        ),
        case(
            format!("{SOURCE}{}", SINK.replace("[in]", "[inn]")),
            &["there is no output `inn`", "`in`", "pipeline.yaml:4"],
        ),
        case(
            transform("type: wasm, module: none.wasm"),
            &["none.wasm", "pipeline.yaml:4"],
        ),
        case(
            transform("type: wasm, module: core.wasm"),
            &["core WebAssembly module, not a component", "pipeline.yaml:4"],
        ),
        case(
            transform("type: wasm, module: other.wasm"),
            &["o365:transform/mapper@1.0.0", "pipeline.yaml:4"],
        ),
        case(
            transform("type: wasm, module: 'builtin:ecs', options: { colour: red }"),
            &["colour", "pipeline.yaml:4"],
        ),
        case(
            transform("type: remap, source: '.a = upcase('"),
            &["syntax error", "pipeline.yaml:4"],
        ),
        case(
            transform("type: remap, file: none.vrl"),
            &["none.vrl", "pipeline.yaml:4"],
        ),
        case(
            transform("type: geoip, database: none.mmdb"),
            &["none.mmdb", "geoipupdate", "pipeline.yaml:4"],
        ),
        case(
            transform("type: user_agent, regexes: none.yaml"),
            &["none.yaml", "pipeline.yaml:4"],
        ),
        case(transform("type: rename"), &["rename", "remap", "pipeline.yaml:4"]),
        case(
            SOURCE.replace("in.ndjson", "missing.ndjson") + SINK,
            &["missing.ndjson", "pipeline.yaml:2"],
        ),
        case("sources: [".to_owned(), &["pipeline.yaml:1"]),
        case(SINK, &["no source is configured"]),
    ];
    for Case { config, says } in cases {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("pipeline.yaml"), &config).unwrap();
        std::fs::write(home.path().join("in.ndjson"), "{}\n").unwrap();
        std::fs::write(home.path().join("core.wasm"), b"\0asm\x01\0\0\0").unwrap();
        std::fs::write(home.path().join("other.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
        for command in ["validate", "run"] {
            let output = output(host(home.path()).args([command, "--config", "pipeline.yaml"])).await;
            let told = stderr(&output);
            assert_eq!(
                output.status.code(),
                Some(78),
                "{command} of\n{config}\nsaid\n{told}"
            );
            for word in says {
                assert!(
                    told.contains(word),
                    "{command} does not say `{word}` of\n{config}\nbut\n{told}"
                );
            }
            assert!(!home.path().join("out.ndjson").exists(), "something was started");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_problems_are_told_at_once() {
    let home = tempfile::tempdir().unwrap();
    let config = "sources:\n  in: { type: file, path: a.ndjson }\ntransforms:\n  \
        a: { type: remap, inputs: [in], source: '.a = (' }\n  b: { type: wasm, inputs: [a], module: b.wasm }\n\
        sinks:\n  out: { type: file, inputs: [b], path: '%Q' }\n";
    std::fs::write(home.path().join("pipeline.yaml"), config).unwrap();
    let output = output(host(home.path()).args(["validate", "--config", "pipeline.yaml"])).await;
    let told = stderr(&output);
    for word in ["a.ndjson", "syntax error", "b.wasm", "%Q"] {
        assert!(told.contains(word), "`{word}` is missing in\n{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_and_a_wrong_argument() {
    let home = tempfile::tempdir().unwrap();
    let missing = output(host(home.path()).args(["run", "--config", "none.yaml"])).await;
    assert_eq!(missing.status.code(), Some(78));
    assert!(stderr(&missing).contains("none.yaml"), "{}", stderr(&missing));
    let usage = output(host(home.path()).args(["run", "--confg", "none.yaml"])).await;
    assert_eq!(usage.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_options_of_the_network_are_checked_where_they_stand_and_show_no_password() {
    let home = tempfile::tempdir().unwrap();
    let config = "sources:\n  in:\n    type: o365_audit\n    application_id: 11111111-1111-1111-1111-111111111111\n    \
                  tenant_id: contoso\n    client_secret: x\n    content_type: Audit.Teams\n    \
                  api: { connect_timeout: 0s }\n    tls: { ca_file: company-ca.pem }\n    \
                  proxy: { https: \"proxy://collector:${PASSWORD}@proxy.example\" }\n"
        .to_owned()
        + SINK;
    let told = async |config: &str| {
        std::fs::write(home.path().join("pipeline.yaml"), config).unwrap();
        let mut command = host(home.path());
        command.args(["validate", "--config", "pipeline.yaml"]);
        let output = output(command.env("PASSWORD", "hunter2")).await;
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
        told
    };
    let form = told(&config).await;
    for says in [
        "pipeline.yaml:5:16",
        "`contoso`",
        "pipeline.yaml:7:19",
        "Audit.Teams",
        "pipeline.yaml:8:29",
        "choose from 1s to 5m",
        "pipeline.yaml:10:21",
        "is not a URL of a proxy",
    ] {
        assert!(form.contains(says), "no {says} in\n{form}");
    }
    // Files are read once the rest makes sense.
    let config = config
        .replace("contoso", "22222222-2222-2222-2222-222222222222")
        .replace("Teams", "Exchange")
        .replace("0s", "5s")
        .replace("proxy://", "http://");
    let missing = told(&config).await;
    assert!(missing.contains("pipeline.yaml:9:21"), "{missing}");
    assert!(missing.contains("company-ca.pem cannot be read"), "{missing}");
    std::fs::write(home.path().join("company-ca.pem"), "").unwrap();
    let empty = told(&config).await;
    assert!(empty.contains("there is no certificate in"), "{empty}");
}

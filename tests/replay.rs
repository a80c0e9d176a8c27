//! Dead letters: kept whole and within their limit, and sent again from where they failed.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Output,
};

use o365_simulator::SimulatorConfig;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use crate::support::{Lab, PATIENCE, host, lines, output, signal, stderr, terminate, wait_for};

const BROKEN: &str = ".m = int!(.n)";
const REPAIRED: &str = ".m = to_string!(.n)";

/// `first` counts what goes through it and leaves a note; `tidy` runs `program`.
fn configuration(source: &str, program: &str, more: &str) -> String {
    format!(
        "data_dir: data\n{more}sources: {{ in: {source} }}\n\
         transforms:\n  first:\n    type: remap\n    inputs: [in]\n    source: |\n      .steps = (int(.steps) ?? 0) + 1\n      %note = \"kept\"\n  \
         tidy:\n    type: remap\n    inputs: [first]\n    drop_on_error: true\n    source: |\n      {program}\n      \
         .note = %note\n      .from = %source_id\n\
         sinks: {{ out: {{ type: file, inputs: [tidy], path: out.ndjson }} }}\n"
    )
}

const FILE: &str = "{ type: file, path: in.ndjson }";
const STDIN: &str = "{ type: stdin }";

/// A folder with a configuration.
struct Home(tempfile::TempDir);

impl Home {
    fn new(config: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.write("pipeline.yaml", config);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    async fn command(&self, arguments: &[&str]) -> Output {
        let mut command = host(self.0.path());
        output(command.args(arguments).args(["--config", "pipeline.yaml"])).await
    }

    fn documents(&self, name: &str) -> Vec<Value> {
        lines(&std::fs::read(self.path(name)).unwrap_or_default())
    }

    fn letters(&self) -> Vec<PathBuf> {
        letter_files(&self.path("data/dead-letters"))
    }
}

/// The files that wait, oldest first.
fn letter_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ndjson"))
        .collect();
    files.sort();
    files
}

fn all_letters(folder: &Path) -> Vec<Value> {
    let files = letter_files(folder).into_iter();
    files
        .flat_map(|file| lines(&std::fs::read(file).unwrap()))
        .collect()
}

/// Every third event fails in the broken program.
fn events(count: usize) -> String {
    let event = |number: usize| match number % 3 {
        0 => format!("{{\"n\":\"{number}\"}}\n"),
        _ => format!("{{\"n\":{number}}}\n"),
    };
    (0..count).map(event).collect()
}

fn numbers(documents: &[Value]) -> Vec<String> {
    let number = |document: &Value| document["n"].to_string().trim_matches('"').to_owned();
    documents.iter().map(number).collect()
}

fn replayed(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".replayed");
    name.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_delivered_once_when_the_program_is_repaired() {
    let home = Home::new(&configuration(FILE, BROKEN, ""));
    home.write("in.ndjson", &events(300));
    let run = home.command(&["run", "--once"]).await;
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert_eq!(home.documents("out.ndjson").len(), 200);
    let letters = home.letters();
    assert_eq!(letters.len(), 1);
    let letters = letters[0].clone();
    assert_eq!(lines(&std::fs::read(&letters).unwrap()).len(), 100);

    std::fs::remove_file(home.path("out.ndjson")).unwrap();
    std::fs::remove_file(home.path("in.ndjson")).unwrap();
    home.write("pipeline.yaml", &configuration(FILE, REPAIRED, ""));
    home.write("in.ndjson", "");
    let replay = home.command(&["replay", letters.to_str().unwrap()]).await;
    assert_eq!(replay.status.code(), Some(0), "{}", stderr(&replay));
    assert!(stderr(&replay).contains("100 letter(s) were sent again, none failed"));
    let documents = home.documents("out.ndjson");
    let expected: Vec<_> = (0..300).step_by(3).map(|number| number.to_string()).collect();
    assert_eq!(numbers(&documents), expected);
    for document in &documents {
        // Through `tidy` only, with what `first` had left and the source that it had come from.
        let what = (&document["steps"], &document["note"], &document["from"]);
        assert_eq!(what, (&1.into(), &"kept".into(), &"in".into()), "{document}");
    }
    assert!(!letters.exists() && replayed(&letters).exists());
    assert!(home.letters().is_empty());

    let nothing = home.command(&["replay", "data/dead-letters"]).await;
    assert_eq!(nothing.status.code(), Some(2), "{}", stderr(&nothing));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_again_is_a_new_letter_beside_the_file_that_is_done() {
    let home = Home::new(&configuration(FILE, BROKEN, ""));
    home.write("in.ndjson", &events(30));
    home.command(&["run", "--once"]).await;
    let first = home.letters()[0].clone();
    // Some are repaired: those below ten.
    let half = ".m = int(.n) ?? parse_regex!(string!(.n), r'^(?<one>[0-9])$').one";
    home.write("pipeline.yaml", &configuration(FILE, half, ""));
    let replay = home.command(&["replay", "data/dead-letters"]).await;
    assert_eq!(replay.status.code(), Some(1), "{}", stderr(&replay));
    let told = "10 letter(s) were sent again; 6 event(s) failed again and are new dead letters";
    assert!(stderr(&replay).contains(told), "{}", stderr(&replay));
    assert!(!first.exists());
    assert_eq!(home.letters().len(), 1);
    assert_eq!(all_letters(&home.path("data/dead-letters")).len(), 6);

    home.write("pipeline.yaml", &configuration(FILE, REPAIRED, ""));
    let replay = home.command(&["replay", "data/dead-letters"]).await;
    assert_eq!(replay.status.code(), Some(0), "{}", stderr(&replay));
    let all: BTreeSet<_> = numbers(&home.documents("out.ndjson")).into_iter().collect();
    assert_eq!((home.documents("out.ndjson").len(), all.len()), (30, 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_and_sends_nothing() {
    let home = Home::new(&configuration(FILE, REPAIRED, ""));
    home.write("in.ndjson", "");
    let letter = |component: &str, reason: &str| {
        format!(
            "{{\"component\":\"{component}\",\"kind\":\"vrl\",\"reason\":\"{reason}\",\"original\":\"{{}}\"}}\n"
        )
    };
    let text = [letter("tidy", "b"), letter("first", "a"), letter("tidy", "b")].concat();
    home.write("letters.ndjson", &text);
    let dry = home.command(&["replay", "letters.ndjson", "--dry-run"]).await;
    assert_eq!(dry.status.code(), Some(0), "{}", stderr(&dry));
    assert_eq!(
        String::from_utf8(dry.stdout).unwrap(),
        "         1  first  vrl  \"a\"\n         2  tidy  vrl  \"b\"\n         3  letter(s) in 1 file(s)\n"
    );
    assert!(home.path("letters.ndjson").exists() && !home.path("out.ndjson").exists());

    let gone = text + &letter("gone", "c");
    home.write("letters.ndjson", &gone);
    for arguments in [&["--dry-run"][..], &[]] {
        let refused = home
            .command(&[&["replay", "letters.ndjson"], arguments].concat())
            .await;
        assert_eq!(refused.status.code(), Some(2));
        let told = stderr(&refused);
        for part in ["letters.ndjson:4", "`gone`", "`first`, `tidy`, `out`", "--from"] {
            assert!(told.contains(part), "{told}");
        }
        assert!(!home.path("out.ndjson").exists());
    }
    let refused = home
        .command(&["replay", "letters.ndjson", "--from", "nowhere"])
        .await;
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    let sent = home
        .command(&["replay", "letters.ndjson", "--from", "out", "--keep"])
        .await;
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    assert_eq!(home.documents("out.ndjson"), vec![serde_json::json!({}); 4]);
    assert!(home.path("letters.ndjson").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_last_line_is_left_out_and_any_other_bad_line_stops_everything() {
    let home = Home::new(&configuration(FILE, BROKEN, ""));
    home.write("in.ndjson", &events(30));
    home.command(&["run", "--once"]).await;
    let text = std::fs::read_to_string(&home.letters()[0]).unwrap();
    std::fs::remove_file(home.path("out.ndjson")).unwrap();
    home.write("pipeline.yaml", &configuration(FILE, REPAIRED, ""));
    home.write("good.ndjson", &text);
    home.write("bad.ndjson", &format!("{text}{{\"compo\n{text}"));
    let bad = home.command(&["replay", "good.ndjson", "bad.ndjson"]).await;
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        stderr(&bad).contains("bad.ndjson:11: the line is not JSON"),
        "{}",
        stderr(&bad)
    );
    assert!(home.path("good.ndjson").exists() && !home.path("out.ndjson").exists());

    home.write("torn.ndjson", &format!("{text}{{\"compo"));
    let torn = home.command(&["replay", "torn.ndjson"]).await;
    assert_eq!(torn.status.code(), Some(0), "{}", stderr(&torn));
    assert!(
        stderr(&torn).contains("the last line is torn"),
        "{}",
        stderr(&torn)
    );
    assert_eq!(home.documents("out.ndjson").len(), 10);
    assert!(home.path("torn.ndjson.replayed").exists());

    let none = home.command(&["replay", "none.ndjson"]).await;
    assert_eq!(none.status.code(), Some(2), "{}", stderr(&none));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_stays_when_something_was_not_delivered() {
    let home = Home::new(&configuration(FILE, BROKEN, ""));
    home.write("in.ndjson", &events(30));
    home.command(&["run", "--once"]).await;
    let letters = home.letters()[0].clone();
    std::fs::remove_file(home.path("out.ndjson")).unwrap();
    std::fs::create_dir(home.path("out.ndjson")).unwrap();
    home.write("pipeline.yaml", &configuration(FILE, REPAIRED, ""));
    let failed = home.command(&["replay", letters.to_str().unwrap()]).await;
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        stderr(&failed).contains("stays as it is: replay it again"),
        "{}",
        stderr(&failed)
    );
    assert!(letters.exists());

    std::fs::remove_dir(home.path("out.ndjson")).unwrap();
    let again = home.command(&["replay", letters.to_str().unwrap()]).await;
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert_eq!(home.documents("out.ndjson").len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_leaves_whole_lines_and_the_next_one_goes_on() {
    let home = Home::new(&configuration(STDIN, BROKEN, ""));
    let folder = home.path("data/dead-letters");
    let written = || {
        let files = letter_files(&folder).into_iter();
        files
            .map(|file| std::fs::metadata(file).unwrap().len())
            .sum::<u64>()
    };
    for _ in 0..3 {
        let mut command = host(home.0.path());
        command.args(["run", "--config", "pipeline.yaml"]);
        let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A full pipe would stop the program.
        let mut log = child.stderr.take().unwrap();
        let (mut sink, before) = (Vec::new(), written());
        let feed = async {
            let events = events(3_000);
            while stdin.write_all(events.as_bytes()).await.is_ok() {}
        };
        let kill = async {
            wait_for(|| written() > before + 50_000, || "letters".to_owned()).await;
            child.start_kill().unwrap();
            child.wait().await.unwrap();
        };
        let all = futures_util::future::join3(feed, kill, log.read_to_end(&mut sink));
        tokio::time::timeout(PATIENCE, all).await.unwrap().2.unwrap();
        for file in letter_files(&folder) {
            let text = std::fs::read(file).unwrap();
            let end = text
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |end| end + 1);
            assert!(lines(&text[..end]).len() > 50, "whole lines but the last");
        }
    }
    // One more that ends well: what the last one has left torn is repaired.
    let mut command = host(home.0.path());
    command.args(["run", "--once", "--config", "pipeline.yaml"]);
    let last = crate::support::output_with_input(&mut command, b"{\"n\":\"last\"}\n".to_vec()).await;
    assert_eq!(last.status.code(), Some(0), "{}", stderr(&last));
    let letters = all_letters(&folder);
    assert!(
        letters.last().unwrap()["original"]
            .as_str()
            .unwrap()
            .contains("last")
    );
    home.write("pipeline.yaml", &configuration(STDIN, REPAIRED, ""));
    std::fs::remove_file(home.path("out.ndjson")).unwrap();
    let replay = home.command(&["replay", "data/dead-letters"]).await;
    assert_eq!(replay.status.code(), Some(0), "{}", stderr(&replay));
    assert_eq!(home.documents("out.ndjson").len(), letters.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_folder_ends_the_run_and_nothing_is_lost_when_there_is_room_again() {
    let sinks = "  out: { type: file, inputs: [broken], path: out.ndjson }";
    let lab = Lab::new(SimulatorConfig::demo(3, 1, 200), sinks).await;
    let config = std::fs::read_to_string(lab.path("pipeline.yaml")).unwrap();
    let configure = |limit: &str, program: &str| {
        let broken = format!(
            "transforms:\n  broken: {{ type: remap, inputs: [ecs], drop_on_error: true, source: '{program}' }}\n"
        );
        let section =
            format!("dead_letter: {{ path: letters, max_file_bytes: 20KiB, max_bytes: {limit} }}\n");
        let text = section + &config.replace("transforms:\n", &broken);
        std::fs::write(lab.path("pipeline.yaml"), text).unwrap();
    };
    let folder = lab.path("letters");
    configure("300KiB", ".m = int!(.event.id)");
    let full = output(&mut lab.run(&["--once"])).await;
    assert_eq!(full.status.code(), Some(1), "{}", stderr(&full));
    for part in [
        "dead letters",
        "dead_letter.max_bytes",
        "307200B",
        "o365-host replay letters",
    ] {
        assert!(stderr(&full).contains(part), "{}", stderr(&full));
    }
    let size = |file: &PathBuf| std::fs::metadata(file).unwrap().len();
    assert!(letter_files(&folder).iter().map(size).sum::<u64>() <= 300 << 10);
    let existing = lab.existing();
    let kept = || -> BTreeSet<String> {
        let id = |letter: Value| {
            let event: Value = serde_json::from_str(letter["original"].as_str().unwrap()).unwrap();
            event["event"]["id"].as_str().unwrap().to_owned()
        };
        all_letters(&folder).into_iter().map(id).collect()
    };
    let some = kept().len();
    assert!(0 < some && some < existing.len(), "{some} of {}", existing.len());

    configure("100MiB", ".m = int!(.event.id)");
    let run = output(&mut lab.run(&["--once"])).await;
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert_eq!(kept(), existing);
    assert!(letter_files(&folder).len() > 2, "20KiB and a batch a file");
    assert!(lab.delivered("out.ndjson").is_empty());

    configure("100MiB", ".m = .event.id");
    let replay = output(&mut lab.command(&["replay", "letters"], &[])).await;
    assert_eq!(replay.status.code(), Some(0), "{}", stderr(&replay));
    let delivered: BTreeSet<_> = lab.delivered("out.ndjson").into_keys().collect();
    assert_eq!(delivered, existing);
    assert!(letter_files(&folder).is_empty());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_runs_goes_on_with_a_new_file() {
    let home = Home::new(&configuration(STDIN, BROKEN, ""));
    home.write("repaired.yaml", &configuration(FILE, REPAIRED, ""));
    home.write("in.ndjson", "");
    let folder = home.path("data/dead-letters");
    let mut command = host(home.0.path());
    command.args(["run", "--config", "pipeline.yaml"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"{\"n\":\"a\"}\n{\"n\":\"b\"}\n").await.unwrap();
    wait_for(|| all_letters(&folder).len() == 2, || "two letters".to_owned()).await;

    let mut replay = host(home.0.path());
    let replay = output(replay.args(["replay", "data/dead-letters", "--config", "repaired.yaml"])).await;
    assert_eq!(replay.status.code(), Some(0), "{}", stderr(&replay));
    assert!(home.letters().is_empty());
    stdin.write_all(b"{\"n\":\"c\"}\n").await.unwrap();
    wait_for(
        || all_letters(&folder).len() == 1,
        || "the third letter".to_owned(),
    )
    .await;
    assert_eq!(terminate(&mut child).await, Some(0));
    assert_eq!(numbers(&home.documents("out.ndjson")), ["a", "b"]);
}

/// Replays letters to standard output: more than pipes and channels hold, so that it waits for the test to read.
struct Waiting {
    home: Home,
    child: tokio::process::Child,
    stdout: tokio::process::ChildStdout,
    /// What has been read.
    read: Vec<u8>,
}

const LETTERS: usize = 20_000;

fn padded(number: usize) -> String {
    let event = format!(
        "{{\\\"n\\\":{number},\\\"padding\\\":\\\"{}\\\"}}",
        "x".repeat(1_000)
    );
    format!("{{\"component\":\"tidy\",\"kind\":\"vrl\",\"reason\":\"r\",\"original\":\"{event}\"}}\n")
}

impl Waiting {
    /// It has begun to send.
    async fn start() -> Self {
        let config = configuration(FILE, REPAIRED, "").replace(
            "type: file, inputs: [tidy], path: out.ndjson",
            "type: console, inputs: [tidy]",
        );
        let home = Home::new(&config);
        home.write("in.ndjson", "");
        home.write("letters.ndjson", &(0..LETTERS).map(padded).collect::<String>());
        let mut command = host(home.0.path());
        command.args(["replay", "letters.ndjson", "--config", "pipeline.yaml"]);
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut read = vec![0];
        let begun = stdout.read_exact(&mut read);
        tokio::time::timeout(PATIENCE, begun).await.unwrap().unwrap();
        Self {
            home,
            child,
            stdout,
            read,
        }
    }

    /// Its exit code, its log, the documents, and where it ran.
    async fn finish(mut self) -> (Option<i32>, String, Vec<Value>, Home) {
        let read = self.stdout.read_to_end(&mut self.read);
        let all = futures_util::future::join(read, self.child.wait_with_output());
        let (read, ended) = tokio::time::timeout(PATIENCE, all).await.unwrap();
        read.unwrap();
        let ended = ended.unwrap();
        (ended.status.code(), stderr(&ended), lines(&self.read), self.home)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_appended_while_a_file_is_replayed_is_sent_too() {
    let replay = Waiting::start().await;
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(replay.home.path("letters.ndjson"))
        .unwrap();
    std::io::Write::write_all(&mut file, padded(LETTERS).as_bytes()).unwrap();
    let (code, log, documents, home) = replay.finish().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("appended letters meanwhile"), "{log}");
    let expected: Vec<_> = (0..=LETTERS).map(|number| number.to_string()).collect();
    assert_eq!(numbers(&documents), expected);
    assert!(home.path("letters.ndjson.replayed").exists());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_replay_says_how_far_it_came_and_can_be_repeated() {
    let mut replay = Waiting::start().await;
    let mut log = tokio::io::BufReader::new(replay.child.stderr.take().unwrap()).lines();
    signal(&replay.child, "TERM").await;
    loop {
        let line = log.next_line().await.unwrap().expect("it says that it ends");
        if line.contains("shutting down") {
            break;
        }
    }
    let mut told = String::new();
    let ((code, _, documents, home), ()) = futures_util::future::join(replay.finish(), async {
        while let Some(line) = log.next_line().await.unwrap() {
            told += &line;
        }
    })
    .await;
    assert_eq!(code, Some(1), "{told}");
    let sent = documents.len();
    assert!(0 < sent && sent < LETTERS, "{sent}");
    let expected = format!("interrupted, {sent} of {LETTERS} letters were sent");
    for part in [
        &expected,
        "letters.ndjson` stays as it is",
        "will be delivered again",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert!(home.path("letters.ndjson").exists());
}

//! The `file` sink: a full disk, and somebody who moves its files.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::support::{PATIENCE, host, signal, wait_for};

const EVENTS: usize = 20_000;

/// About a hundred bytes each.
fn event(number: usize) -> String {
    format!("{{\"n\":{number},\"filling\":\"{:x<80}\"}}\n", "")
}

fn configure(dir: &Path, sink: &str) {
    let config = format!(
        "sources: {{ in: {{ type: stdin }} }}\nsinks:\n  out: {{ type: file, inputs: [in], {sink} }}\n"
    );
    std::fs::write(dir.join("pipeline.yaml"), config).unwrap();
}

/// The numbers of the events in a text of whole lines.
fn numbers(text: &str) -> Vec<usize> {
    assert!(text.is_empty() || text.ends_with('\n'), "half a line at the end");
    text.lines()
        .map(|line| {
            let document: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            usize::try_from(document["n"].as_u64().unwrap()).unwrap()
        })
        .collect()
}

/// A file system of one MiB in memory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(&at)
            .output();
        let refused = match mounted {
            Ok(told) if told.status.success() => return Some(Self(at)),
            Ok(told) => String::from_utf8_lossy(&told.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        eprintln!("\n!!! SKIPPED: a full disk needs the right to mount one: {refused}\n");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[cfg(target_os = "linux")]
async fn a_full_disk(room: usize, sink: &str, name: &str, read: impl Fn(&Path) -> String) {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path().join("disk")) else {
        return;
    };
    let ballast = disk.0.join("ballast");
    std::fs::write(&ballast, vec![0; (1 << 20) - room]).unwrap();
    configure(dir.path(), sink);
    let input: String = (0..EVENTS / 4).map(event).collect();
    std::fs::write(dir.path().join("input"), input).unwrap();
    let mut child = host(dir.path())
        .args(["run", "--config", "pipeline.yaml"])
        .stdin(File::open(dir.path().join("input")).unwrap())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let path = disk.0.join(name);
    // Twice: the second attempt found it as the first has left it.
    for _ in 0..2 {
        let mut told = String::new();
        let full = async {
            while let Some(line) = log.next_line().await.unwrap() {
                told.push_str(&line);
                if line.contains("there is no room for the events") {
                    return true;
                }
            }
            false
        };
        let full = tokio::time::timeout(PATIENCE, full).await;
        assert!(full.unwrap_or_default(), "the disk was never full: {told}");
        let there = numbers(&read(&path));
        assert!(there.len() < EVENTS / 4, "all of it fits");
        assert_eq!(there, (0..there.len()).collect::<Vec<_>>());
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
    }
    std::fs::remove_file(&ballast).unwrap();
    let (mut rest, mut again) = (Vec::new(), false);
    while let Some(line) = log.next_line().await.unwrap() {
        again |= line.contains("there is room again");
        rest.push(line);
    }
    let ended = tokio::time::timeout(PATIENCE, child.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((ended.code(), again), (Some(0), true), "{}", rest.join("\n"));
    assert_eq!(numbers(&read(&path)), (0..EVENTS / 4).collect::<Vec<_>>());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_sink_and_room_lets_it_go_on() {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    a_full_disk(48 << 10, "path: disk/out.ndjson", "out.ndjson", read).await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_no_half_of_a_compressed_frame() {
    let read = |path: &Path| {
        let mut text = String::new();
        let bytes = std::fs::read(path).unwrap_or_default();
        let mut decoder = flate2::bufread::MultiGzDecoder::new(bytes.as_slice());
        if !bytes.is_empty() {
            decoder.read_to_string(&mut text).unwrap();
        }
        text
    };
    let sink = "path: disk/out.ndjson.gz, compression: gzip";
    a_full_disk(8 << 10, sink, "out.ndjson.gz", read).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_moved_under_load_lose_and_repeat_nothing() {
    const MOVES: usize = 20;
    let dir = tempfile::tempdir().unwrap();
    configure(
        dir.path(),
        "path: out.ndjson, rotation: { max_bytes: 64KiB }, fsync: false",
    );
    let mut child = host(dir.path())
        .args(["run", "--config", "pipeline.yaml"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let path = dir.path().join("out.ndjson");
    let (mut next, mut moved) = (0, 0);
    while next < EVENTS || moved < MOVES {
        let lines: String = (next..next + 100).map(event).collect();
        stdin.write_all(lines.as_bytes()).await.unwrap();
        next += 100;
        if next % 1_000 == 0 && moved < MOVES {
            let there = || std::fs::metadata(&path).is_ok_and(|file| file.len() > 0);
            wait_for(there, || format!("no file after {next} events")).await;
            // The sink may put it aside itself just now.
            if std::fs::rename(&path, dir.path().join(format!("moved-{moved}"))).is_ok() {
                if moved % 2 == 0 {
                    // logrotate's `create`. The sink may be faster.
                    let _ = File::create_new(&path);
                }
                signal(&child, "HUP").await;
                moved += 1;
            }
            // Something follows, so that there will be a file again.
            stdin.write_all(event(next).as_bytes()).await.unwrap();
            next += 1;
            let lines: String = (next..next + 99).map(event).collect();
            stdin.write_all(lines.as_bytes()).await.unwrap();
            next += 99;
        }
    }
    drop(stdin);
    let ended = tokio::time::timeout(PATIENCE, child.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.code(), Some(0));
    let (mut all, mut aside) = (Vec::new(), 0);
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with("out") || name.starts_with("moved") {
            all.extend(numbers(&std::fs::read_to_string(dir.path().join(&name)).unwrap()));
            aside += usize::from(name.starts_with("out.") && name != "out.ndjson");
        }
    }
    all.sort_unstable();
    assert_eq!(all, (0..next).collect::<Vec<_>>());
    assert!(aside > 0, "no file was ever full");
}

use std::{
    io::Read,
    process::{Command, Stdio},
    thread,
};

use super::*;
use crate::{sinks::Compression, wasm::ByteSize};

/// A disk with room for so many bytes.
struct Small {
    bytes: Vec<u8>,
    room: usize,
    cuts: bool,
}

impl Write for Small {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let fits = bytes.len().min(self.room - self.bytes.len());
        if fits == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Cut for Small {
    fn cut(&mut self, length: u64) -> Result<()> {
        if !self.cuts {
            return Err(ErrorKind::Other.into());
        }
        self.bytes.truncate(usize::try_from(length).unwrap());
        Ok(())
    }
}

#[test]
fn what_does_not_fit_is_not_there_by_half() {
    let mut disk = Small {
        bytes: b"1\n".to_vec(),
        room: 6,
        cuts: true,
    };
    let (error, end) = write_or_cut(&mut disk, &Pieces::from(b"22222\n".to_vec()), 2).unwrap_err();
    assert_eq!((error.kind(), end), (ErrorKind::StorageFull, Some(2)));
    assert_eq!(disk.bytes, b"1\n");
    disk.room = 8;
    write_or_cut(&mut disk, &Pieces::from(b"22222\n".to_vec()), 2).unwrap();
    assert_eq!(disk.bytes, b"1\n22222\n");
    disk.cuts = false;
    let (_, end) = write_or_cut(&mut disk, &Pieces::from(b"3\n".to_vec()), 8).unwrap_err();
    assert_eq!(end, None, "nobody knows how long it is");
}

fn manner(shape: Shape) -> Manner {
    Manner {
        shape,
        ..Manner::default()
    }
}

/// What the usual program makes of a file.
fn decompressed(how: Compression, path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    match how {
        Compression::None => text = String::from_utf8(bytes).unwrap(),
        Compression::Gzip => {
            flate2::read::MultiGzDecoder::new(bytes.as_slice())
                .read_to_string(&mut text)
                .unwrap();
            let zcat = Command::new("gzip")
                .arg("-dc")
                .stdin(File::open(path).unwrap())
                .stderr(Stdio::inherit())
                .output();
            match zcat {
                Ok(told) => assert_eq!(
                    (told.status.code(), told.stdout),
                    (Some(0), text.clone().into_bytes())
                ),
                Err(error) => eprintln!("\n!!! SKIPPED: gzip is not there ({error})\n"),
            }
        }
        Compression::Zstd => {
            let bytes = zstd::decode_all(bytes.as_slice()).unwrap();
            text = String::from_utf8(bytes).unwrap();
        }
    }
    text
}

#[test]
fn a_torn_frame_is_removed_wherever_it_was_torn() {
    let dir = tempfile::tempdir().unwrap();
    for how in [Compression::Gzip, Compression::Zstd] {
        let path = dir.path().join("out");
        let _ = std::fs::remove_file(&path);
        let manner = Arc::new(manner(Shape::Compressed(how)));
        let mut file = Appender::open_as(&path, Arc::clone(&manner)).unwrap();
        file.append(b"{\"n\":1}\n").unwrap();
        let one = std::fs::read(&path).unwrap();
        file.append(b"{\"n\":2}\n").unwrap();
        let two = std::fs::read(&path).unwrap();
        for torn in one.len()..two.len() {
            std::fs::write(&path, &two[..torn]).unwrap();
            let mut file = Appender::open_as(&path, Arc::clone(&manner)).unwrap();
            file.append(b"{\"n\":3}\n").unwrap();
            assert_eq!(
                decompressed_quietly(how, &path),
                "{\"n\":1}\n{\"n\":3}\n",
                "{how:?} {torn}"
            );
        }
        // Half a frame of a neighbour, behind a whole one of his.
        let mut file = Appender::open_as(&path, Arc::clone(&manner)).unwrap();
        file.append(b"{\"n\":4}\n").unwrap();
        let mut neighbour = OpenOptions::new().append(true).open(&path).unwrap();
        neighbour.write_all(&two[..two.len() - 1]).unwrap();
        file.append(b"{\"n\":5}\n").unwrap();
        assert_eq!(
            decompressed(how, &path),
            "{\"n\":1}\n{\"n\":3}\n{\"n\":4}\n{\"n\":1}\n{\"n\":5}\n"
        );
    }
}

fn decompressed_quietly(how: Compression, path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    match how {
        Compression::Gzip => flate2::read::MultiGzDecoder::new(bytes.as_slice())
            .read_to_string(&mut text)
            .map(drop),
        _ => {
            zstd::Decoder::new(bytes.as_slice()).and_then(|mut zstd| zstd.read_to_string(&mut text).map(drop))
        }
    }
    .unwrap();
    text
}

#[test]
fn a_damaged_file_is_put_aside_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    for (how, ending) in [(Compression::Gzip, "gz"), (Compression::Zstd, "zst")] {
        let path = dir.path().join(format!("out.{ending}"));
        std::fs::write(&path, "no frame at all, and long enough to be sure").unwrap();
        let mut file = Appender::open_as(&path, Arc::new(manner(Shape::Compressed(how)))).unwrap();
        file.append(b"1\n").unwrap();
        let aside = std::fs::read_to_string(dir.path().join(format!("out.1.{ending}"))).unwrap();
        assert_eq!(aside, "no frame at all, and long enough to be sure");
        assert_eq!(decompressed(how, &path), "1\n");
    }
}

#[test]
fn each_file_has_its_header_once_also_after_half_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.csv");
    std::fs::write(&path, "a,").unwrap();
    let manner = Arc::new(Manner {
        header: b"a,b\n".to_vec(),
        rotation: Rotation {
            max_bytes: Some(ByteSize(12)),
            max_age: None,
        },
        ..manner(Shape::Lines)
    });
    for line in ["1,2\n", "3,4\n", "5,6\n"] {
        // Another process each time. A number is a whole JSON document, and yet half a line.
        let mut file = Appender::open_as(&path, Arc::clone(&manner)).unwrap();
        file.append(line.as_bytes()).unwrap();
        drop(file);
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"9")
            .unwrap();
    }
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("out.1.csv"), "a,b\n1,2\n3,4\n");
    assert_eq!(read("out.csv"), "a,b\n5,6\n9");
}

#[test]
fn many_writers_rotate_and_lose_and_repeat_nothing() {
    const WRITERS: usize = 4;
    const LINES: usize = 60;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.ndjson");
    let manner = Arc::new(Manner {
        rotation: Rotation {
            max_bytes: Some(ByteSize(200)),
            max_age: None,
        },
        sync: false,
        ..Manner::default()
    });
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (path, manner) = (&path, &manner);
            scope.spawn(move || {
                let mut file = Appender::open_as(path, Arc::clone(manner)).unwrap();
                for line in 0..LINES {
                    file.append(format!("{}\n", writer * LINES + line).as_bytes())
                        .unwrap();
                }
            });
        }
    });
    let mut numbers = Vec::new();
    let mut files = 0;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.len() <= 200 && text.ends_with('\n'), "{text}");
        numbers.extend(text.lines().map(|line| line.parse::<usize>().unwrap()));
        files += 1;
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..WRITERS * LINES).collect::<Vec<_>>());
    assert!(files >= 4, "{files} files");
}

#[test]
fn an_old_file_is_put_aside_before_the_next_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.ndjson");
    let manner = Arc::new(Manner {
        rotation: Rotation {
            max_bytes: None,
            max_age: Some(std::time::Duration::from_hours(1)),
        },
        ..Manner::default()
    });
    let now = o365_core::Clock::now(&o365_core::SystemClock);
    let mut file = Appender::open_as(&path, manner).unwrap();
    file.append_at(&Pieces::from(b"1\n".to_vec()), now).unwrap();
    file.append_at(
        &Pieces::from(b"2\n".to_vec()),
        now + chrono::TimeDelta::minutes(59),
    )
    .unwrap();
    file.append_at(
        &Pieces::from(b"3\n".to_vec()),
        now + chrono::TimeDelta::minutes(61),
    )
    .unwrap();
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(
        (read("out.1.ndjson"), read("out.ndjson")),
        ("1\n2\n".into(), "3\n".into())
    );
}

#[test]
fn what_a_killed_neighbour_left_is_repaired_before_the_next_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.ndjson");
    let mut ours = Appender::open(&path).unwrap();
    ours.append(b"{\"n\":1}\n").unwrap();
    let mut neighbour = OpenOptions::new().append(true).open(&path).unwrap();
    neighbour.write_all(b"{\"n\":2}\n{\"n\":").unwrap();
    ours.append(b"{\"n\":3}\n").unwrap();
    // Longer than what is looked at first.
    neighbour.write_all(&vec![b'x'; 1_000_000]).unwrap();
    ours.append(b"{\"n\":4}\n").unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n"
    );
}

#[cfg(unix)]
#[test]
fn a_file_that_was_moved_or_deleted_gets_no_more_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.ndjson");
    let mut file = Appender::open(&path).unwrap();
    file.append(b"1\n").unwrap();
    std::fs::rename(&path, dir.path().join("moved")).unwrap();
    file.append(b"2\n").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"2\n");
    std::fs::remove_file(&path).unwrap();
    file.append(b"3\n").unwrap();
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!((read("moved"), read("out.ndjson")), ("1\n".into(), "3\n".into()));
}

#[test]
fn lines_of_any_length_stay_whole_among_many_writers() {
    const WRITERS: u8 = 4;
    const LINES: usize = 40;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.ndjson");
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let path = &path;
            scope.spawn(move || {
                let mut file = Appender::open(path).unwrap();
                for line in 0..LINES {
                    let mut text = vec![b'a' + writer; 1 + line * 5_000];
                    text.push(b'\n');
                    file.append(&text).unwrap();
                }
            });
        }
    });
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lengths: Vec<_> = text
        .lines()
        .map(|line| {
            let writer = line.as_bytes()[0];
            assert!(line.bytes().all(|byte| byte == writer), "mixed lines");
            (writer, line.len())
        })
        .collect();
    lengths.sort_unstable();
    lengths.dedup();
    assert_eq!(lengths.len(), LINES * usize::from(WRITERS));
}

/// The system is asked for bytes that it has in memory, and for no others.
#[cfg(target_os = "linux")]
#[test]
fn the_system_forgets_what_was_written_but_for_the_end() {
    use rustix::{
        fs::fstatfs,
        io::{Errno, ReadWriteFlags, preadv2},
    };

    const APPENDED: u64 = 4 << 20;
    const APPENDS: u64 = 16;
    const TMPFS: i64 = 0x0102_1994;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.ndjson");
    let mut file = Appender::open(&path).unwrap();
    let mut line = vec![b'x'; usize::try_from(APPENDED).unwrap()];
    *line.last_mut().unwrap() = b'\n';
    (0..APPENDS).for_each(|_| file.append(&line).unwrap());
    let in_memory = |at| {
        let mut byte = [0];
        let mut buffers = [std::io::IoSliceMut::new(&mut byte)];
        preadv2(
            File::open(&path).unwrap(),
            &mut buffers,
            at,
            ReadWriteFlags::NOWAIT,
        )
    };
    let length = APPENDED * APPENDS;
    if in_memory(length - 1).is_err() || fstatfs(&file.file).unwrap().f_type == TMPFS {
        eprintln!(
            "\n*** SKIPPED: the file system of {} has everything in memory, or does not say ***\n",
            path.display()
        );
        return;
    }
    assert_eq!(in_memory(0), Err(Errno::AGAIN));
    assert_eq!(in_memory(length / 2), Ok(1));
}

/// Dead letters hold whole records, whatever the folder is like that holds theirs.
#[cfg(unix)]
#[test]
fn letters_are_for_their_owner() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("letters").join("today.ndjson");
    Appender::open(&path).unwrap().append(b"{}\n").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&dir.path().join("letters")), 0o700);
}

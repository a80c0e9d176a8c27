//! A file whose letters are all dealt with gets another name.

use std::{
    fs::File,
    io::{Read, Result, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::Part;
use crate::{append, dead_letter::folder::REPLAYED};

/// Renames the file of a part to `FILE.replayed`, or to a name like it if that is taken. Nothing is renamed and nothing returned if
/// a pipeline that runs has appended letters to it since: they come first. A pipeline that has the file open goes on with a new
/// one.
///
/// # Errors
/// The file cannot be read or renamed.
pub fn put_aside(part: &Part) -> Result<Option<PathBuf>> {
    let mut file = File::open(&part.path)?;
    // Held until the end, so that nobody appends between the look and the renaming.
    append::lock(&file)?;
    if has_line_feed(&mut file, part.to)? {
        return Ok(None);
    }
    let aside = free_name(&part.path);
    std::fs::rename(&part.path, &aside)?;
    let folder = part.path.parent().filter(|folder| !folder.as_os_str().is_empty());
    append::sync_directory(folder.unwrap_or(Path::new(".")))?;
    Ok(Some(aside))
}

/// Whether a line ends after the byte. What is torn does not.
fn has_line_feed(file: &mut File, from: u64) -> Result<bool> {
    let mut chunk = [0; 8 * 1024];
    file.seek(SeekFrom::Start(from))?;
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(false),
            count => {
                if chunk.iter().take(count).any(|byte| *byte == b'\n') {
                    return Ok(true);
                }
            }
        }
    }
}

fn free_name(path: &Path) -> PathBuf {
    let named = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let mut free = named(REPLAYED);
    let mut number = 2;
    while free.exists() {
        free = named(&format!("{REPLAYED}-{number}"));
        number += 1;
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_has_grown_stays_and_a_name_that_is_taken_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ndjson");
        let text = "one\ntwo\nto";
        let part = |to| Part {
            path: path.clone(),
            from: 0,
            to,
            lines_before: 0,
            lines: 0,
        };
        std::fs::write(&path, text).unwrap();
        assert_eq!(put_aside(&part(4)).unwrap(), None);
        assert!(path.exists());
        assert_eq!(
            put_aside(&part(8)).unwrap(),
            Some(dir.path().join("a.ndjson.replayed"))
        );
        std::fs::write(&path, "more\n").unwrap();
        assert_eq!(
            put_aside(&part(5)).unwrap(),
            Some(dir.path().join("a.ndjson.replayed-2"))
        );
        let kept = std::fs::read_to_string(dir.path().join("a.ndjson.replayed")).unwrap();
        assert_eq!(kept, text);
        assert!(!path.exists());
    }
}

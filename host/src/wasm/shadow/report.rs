//! The report of a shadow run: the differences of each event, one line of JSON for each.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;
use serde_json::Value;
use tracing::warn;

use crate::{
    fixtures::diff,
    private,
    wasm::{answer, bindings::exports::o365::transform::mapper::Outcome},
};

/// The report grows no further.
const REPORT_BYTES: u64 = 100 << 20;

/// See the module. The file is made when there is a difference.
pub(super) struct Report {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    written: u64,
    ended: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    transform: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    differences: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    field: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<&'a Value>,
}

impl Report {
    /// Looks whether there can be one; nothing is written before there are events.
    pub(super) fn at(path: PathBuf) -> Result<Self, String> {
        let failed =
            |reason: &dyn std::fmt::Display| format!("{} cannot be written: {reason}", path.display());
        if path.is_dir() {
            return Err(failed(&"it is a folder"));
        }
        if !path.parent().is_none_or(Path::is_dir) {
            return Err(failed(&"there is no such folder"));
        }
        Ok(Self {
            path,
            file: None,
            written: 0,
            ended: false,
        })
    }

    fn file(&mut self) -> std::io::Result<&mut BufWriter<File>> {
        if self.file.is_none() {
            let mut options = File::options();
            options.create(true).append(true);
            // It holds parts of events.
            let file = private::owner_only(&mut options).open(&self.path)?;
            self.written += file.metadata()?.len();
            self.file = Some(BufWriter::new(file));
        }
        self.file
            .as_mut()
            .ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }

    pub(super) fn write(&mut self, transform: &str, running: &Outcome, differences: &[diff::Difference]) {
        if self.ended {
            return;
        }
        let document = answer::documents(running).ok();
        let event_id =
            document.and_then(|document| Some(document.pointer("/event/id")?.as_str()?.to_owned()));
        let line = Line {
            transform,
            event_id,
            differences: differences
                .iter()
                .map(|difference| Shown {
                    field: &difference.path,
                    running: difference.expected.as_ref(),
                    candidate: difference.got.as_ref(),
                })
                .collect(),
        };
        let Ok(mut line) = serde_json::to_vec(&line) else {
            return;
        };
        line.push(b'\n');
        self.written += line.len() as u64;
        let reason = if self.written > REPORT_BYTES {
            Some("it has reached 100 MiB".to_owned())
        } else {
            let written = self.file().and_then(|file| file.write_all(&line));
            written.err().map(|error| error.to_string())
        };
        if let Some(reason) = reason {
            self.end(&reason);
        }
    }

    pub(super) fn flush(&mut self) {
        if !self.ended
            && let Some(file) = &mut self.file
            && let Err(error) = file.flush()
        {
            self.end(&error.to_string());
        }
    }

    fn end(&mut self, reason: &str) {
        self.ended = true;
        warn!(path = %self.path.display(), reason, "the report of differences ends here; they are still counted");
    }
}

//! Audit records that the user brings along: NDJSON, one record a line.
//!
//! A file is read once at the start, to learn where each line begins and which feed it belongs to; the lines themselves stay
//! on disk until a blob with them is fetched. Lines are served byte for byte.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::content_type::ContentType;
use crate::error::SimulatorError;

/// Where a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    offset: u64,
    len: u32,
}

/// A line and the feed it belongs to.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) span: Span,
    pub(crate) content_type: ContentType,
    /// `OrganizationId`, if the record has one.
    pub(crate) organization: Option<String>,
}

/// The members by which a record is routed.
#[derive(Debug, Deserialize)]
struct Head {
    #[serde(rename = "RecordType", default)]
    record_type: serde_json::Value,
    #[serde(rename = "Workload", default)]
    workload: serde_json::Value,
    #[serde(rename = "OrganizationId", default)]
    organization: serde_json::Value,
}

/// Reads the file once and says of each record where it is. Blank lines are skipped.
pub(crate) fn index(path: &Path, mut each: impl FnMut(Line)) -> Result<(), SimulatorError> {
    let read = |source| SimulatorError::ReadFile {
        path: path.to_owned(),
        source,
    };
    let mut reader = BufReader::new(File::open(path).map_err(read)?);
    let (mut buffer, mut offset, mut number) = (Vec::new(), 0_u64, 0_u64);
    loop {
        buffer.clear();
        let taken = reader.read_until(b'\n', &mut buffer).map_err(read)?;
        if taken == 0 {
            return Ok(());
        }
        number += 1;
        let text = buffer.trim_ascii_end();
        if !text.trim_ascii_start().is_empty() {
            let head: Head = serde_json::from_slice(text).map_err(|source| SimulatorError::ParseLine {
                path: path.to_owned(),
                line: number,
                source,
            })?;
            let len = u32::try_from(text.len()).map_err(|_| {
                read(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a line longer than 4 GiB",
                ))
            })?;
            each(Line {
                span: Span { offset, len },
                content_type: ContentType::of_record(
                    head.record_type.as_i64().unwrap_or(-1),
                    head.workload.as_str().unwrap_or_default(),
                ),
                organization: head.organization.as_str().map(str::to_owned),
            });
        }
        offset += taken as u64;
    }
}

/// Reads the lines at `spans`. Blocks.
pub(crate) fn read(path: &PathBuf, spans: &[Span]) -> io::Result<Vec<Vec<u8>>> {
    let mut file = File::open(path)?;
    spans
        .iter()
        .map(|span| {
            file.seek(SeekFrom::Start(span.offset))?;
            let mut line = vec![0; span.len as usize];
            file.read_exact(&mut line)?;
            Ok(line)
        })
        .collect()
}

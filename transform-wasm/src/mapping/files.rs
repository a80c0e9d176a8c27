//! Files: their hashes, paths and sizes (N05).

use crate::document::{Document, Step};
use crate::json::{Value, key, path};

/// N05. The sources stay in the record.
pub(super) fn file_fields(doc: &mut Document<'_>) -> Step {
    doc.copy_if_filled(path!("FileExtension"), path!("file.extension"))?;
    doc.copy_if_filled(path!("Sha1"), path!("file.hash.sha1"))?;
    doc.copy_if_filled(path!("Sha256"), path!("file.hash.sha256"))?;
    doc.copy_if_filled(path!("FilePath"), path!("file.path"))?;
    doc.copy_if_unset(path!("TargetFilePath"), path!("file.path"))?;
    file_size(doc)?;
    doc.copy_if_filled(path!("Application"), path!("process.name"))?;
    doc.copy_if_filled(path!("OriginatingDomain"), path!("url.domain"))
}

/// `file.size` is a number in the index: what is no whole number is left out.
pub(crate) fn file_size(doc: &mut Document<'_>) -> Step {
    for key in [key!("FileSizeBytes"), key!("FileSize")] {
        let size = match doc.src.get(key) {
            Some(Value::Number(number)) => Some(*number),
            Some(Value::Text(text)) => Some(text.wire()),
            _ => None,
        };
        if let Some(size) = size.and_then(whole_number) {
            let size = doc.number(size);
            doc.set_if_unset(path!("file.size"), size)?;
        }
    }
    Ok(())
}

pub(crate) fn whole_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits {
        text.parse().ok().filter(|size| i64::try_from(*size).is_ok())
    } else {
        None
    }
}

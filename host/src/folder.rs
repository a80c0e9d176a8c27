//! Whether files can be made in a folder, without leaving one.

use std::{io, path::Path};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// It is there.
    There,
    /// It is not there, and can be made.
    CanBeMade,
}

/// Looks at a folder, or at the nearest one above it that is there.
///
/// # Errors
/// Why no file can be made, and where it was tried.
pub fn writable(folder: &Path) -> Result<Folder, (&Path, io::Error)> {
    let there = folder
        .ancestors()
        .map(|folder| {
            if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            }
        })
        .find(|folder| folder.exists())
        .unwrap_or(folder);
    // A file without a name where the system has such, else it is gone at once.
    tempfile::tempfile_in(there).map_err(|error| (there, error))?;
    Ok(
        if there == folder || (folder.as_os_str().is_empty() && there == Path::new(".")) {
            Folder::There
        } else {
            Folder::CanBeMade
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_or_can_be_made_or_neither() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(writable(dir.path()).unwrap(), Folder::There);
        assert_eq!(writable(&dir.path().join("a/b")).unwrap(), Folder::CanBeMade);
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let (at, _) = writable(&file).unwrap_err();
        assert_eq!(at, file);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

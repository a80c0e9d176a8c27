//! Blobs that make no sense, kept as they came, so that a person can look at them.
//!
//! Each has two files: `NAME.body` with the bytes of the answer, if there were any within `max_blob_size`, and `NAME.json`
//! with what it is and why it is here. Both are written under another name, synced and renamed, so that a file that is
//! there is whole. Only their owner may read them: a body is audit data.

use std::{
    collections::HashSet,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::types::FeedKey;

/// Characters of the content id that go into the name of a file; a hash makes it unique.
const READABLE: usize = 80;

/// The folder. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Quarantine(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Bytes that all files together may have.
    limit: u64,
    /// One writer at a time, so that the limit holds.
    writing: Mutex<()>,
}

/// What is known of a blob that is set aside.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Label {
    pub(crate) tenant: String,
    pub(crate) tenant_name: Option<String>,
    pub(crate) content_type: String,
    pub(crate) content_id: String,
    pub(crate) content_created: DateTime<Utc>,
    pub(crate) content_expiration: Option<DateTime<Utc>>,
    pub(crate) reason: String,
    pub(crate) attempts: u32,
    pub(crate) set_aside: DateTime<Utc>,
    /// Size of the body, if there was one.
    pub(crate) body_bytes: Option<usize>,
}

/// Why nothing was kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error(
        "{} would exceed quarantine_max_size ({limit} bytes): raise it or remove what has been looked at", path.display()
    )]
    Full { path: PathBuf, limit: u64 },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the writing thread died")]
    Died,
}

impl Quarantine {
    pub(crate) fn new(path: PathBuf, limit: u64) -> Self {
        Self(Arc::new(Folder {
            path,
            limit,
            writing: Mutex::default(),
        }))
    }

    /// Keeps a blob, in place of what was kept of it before. Returns the name of its files.
    pub(crate) async fn keep(
        &self,
        key: &FeedKey,
        label: Label,
        body: Option<Bytes>,
    ) -> Result<String, KeepError> {
        let name = name(key, &label.content_id);
        let folder = Arc::clone(&self.0);
        let keep = move || {
            let kept = folder.keep(&name, &label, body.as_deref());
            kept.map(|()| name)
        };
        tokio::task::spawn_blocking(keep)
            .await
            .unwrap_or(Err(KeepError::Died))
    }

    /// Removes what was kept of a blob.
    pub(crate) async fn remove(&self, name: String) -> Result<(), KeepError> {
        let folder = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || folder.remove(&name))
            .await
            .unwrap_or(Err(KeepError::Died))
    }

    /// Removes what belongs to no blob that the ledger knows: left by a crash, or forgotten.
    pub(crate) async fn tidy(&self, known: Vec<String>) -> Result<(), KeepError> {
        let folder = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || folder.tidy(&known.into_iter().collect()))
            .await
            .unwrap_or(Err(KeepError::Died))
    }
}

impl Folder {
    fn keep(&self, name: &str, label: &Label, body: Option<&[u8]>) -> Result<(), KeepError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |source| self.failed(source);
        fs::create_dir_all(&self.path).map_err(failed)?;
        let label = serde_json::to_vec_pretty(label).map_err(|error| failed(error.into()))?;
        let files = [("json", Some(label.as_slice())), ("body", body)];
        let size: usize = files
            .iter()
            .filter_map(|(_, content)| *content)
            .map(<[u8]>::len)
            .sum();
        if self.size_without(name).map_err(failed)? + size as u64 > self.limit {
            return Err(KeepError::Full {
                path: self.path.clone(),
                limit: self.limit,
            });
        }
        for (extension, content) in files {
            let Some(content) = content else { continue };
            self.write(&format!("{name}.{extension}"), content)
                .map_err(failed)?;
        }
        sync_folder(&self.path).map_err(failed)
    }

    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        // Made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(self.path.join(name)).map_err(|error| error.error)?;
        Ok(())
    }

    fn size_without(&self, name: &str) -> io::Result<u64> {
        let mut size = 0;
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if stem(&entry.path()) != Some(name) {
                size += entry.metadata()?.len();
            }
        }
        Ok(size)
    }

    fn remove(&self, name: &str) -> Result<(), KeepError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        for extension in ["body", "json"] {
            match fs::remove_file(self.path.join(format!("{name}.{extension}"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.failed(error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn tidy(&self, known: &HashSet<String>) -> Result<(), KeepError> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(|error| self.failed(error))?,
        };
        for entry in entries {
            let path = entry.map_err(|error| self.failed(error))?.path();
            // Ours, and nothing that a person may have put beside them.
            let ours = path.extension().is_some_and(|end| end == "body" || end == "json")
                || path
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with(".tmp"));
            if ours && stem(&path).is_none_or(|stem| !known.contains(stem)) {
                fs::remove_file(&path).map_err(|error| self.failed(error))?;
            }
        }
        Ok(())
    }

    fn failed(&self, source: io::Error) -> KeepError {
        KeepError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

fn stem(path: &Path) -> Option<&str> {
    path.file_stem()?.to_str()
}

/// A rename is safe only when the folder has it.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::File::open(path)?.sync_all()?;
    Ok(())
}

/// A name that is safe on every file system, readable, and different for every blob.
fn name(key: &FeedKey, content_id: &str) -> String {
    let readable: String = content_id
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .take(READABLE)
        .collect();
    let hash = digest(
        &SHA256,
        format!("{}\n{}\n{content_id}", key.tenant, key.content_type).as_bytes(),
    );
    let hash: String = hash.as_ref()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{readable}-{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ContentType;

    fn key() -> FeedKey {
        FeedKey {
            tenant: "41463f53-8812-40f4-890f-865bf6e35190".parse().unwrap(),
            content_type: ContentType::Exchange,
        }
    }

    fn label(content_id: &str) -> Label {
        Label {
            tenant: key().tenant.to_string(),
            tenant_name: None,
            content_type: key().content_type.to_string(),
            content_id: content_id.to_owned(),
            content_created: DateTime::UNIX_EPOCH,
            content_expiration: None,
            reason: "no array".to_owned(),
            attempts: 5,
            set_aside: DateTime::UNIX_EPOCH,
            body_bytes: Some(1),
        }
    }

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_blob_is_kept_as_it_came_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quarantine");
        let quarantine = Quarantine::new(path.clone(), 1 << 20);
        let id = "../../etc/passwd$\u{0}é";
        let body = Bytes::from_static(b"\xff<html>");
        let name = quarantine
            .keep(&key(), label(id), Some(body.clone()))
            .await
            .unwrap();
        // Again: in place of the first.
        assert_eq!(
            quarantine.keep(&key(), label(id), Some(body)).await.unwrap(),
            name
        );
        assert_eq!(names(&path), [format!("{name}.body"), format!("{name}.json")]);
        assert_eq!(
            fs::read(path.join(format!("{name}.body"))).unwrap(),
            b"\xff<html>"
        );
        let json: serde_json::Value =
            serde_json::from_slice(&fs::read(path.join(format!("{name}.json"))).unwrap()).unwrap();
        assert_eq!(
            (&json["content_id"], &json["reason"]),
            (&id.into(), &"no array".into())
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(path.join(format!("{name}.body")))
                .unwrap()
                .permissions();
            assert_eq!(mode.mode() & 0o777, 0o600);
        }
        quarantine.remove(name.clone()).await.unwrap();
        quarantine.remove(name).await.unwrap();
        assert_eq!(names(&path), Vec::<String>::new());
    }

    #[tokio::test]
    async fn the_folder_has_a_limit_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let quarantine = Quarantine::new(folder.path().to_owned(), 2_000);
        let body = Bytes::from(vec![b'x'; 1_000]);
        let first = quarantine
            .keep(&key(), label("a"), Some(body.clone()))
            .await
            .unwrap();
        let error = quarantine
            .keep(&key(), label("b"), Some(body.clone()))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("quarantine_max_size"), "{error}");
        assert_eq!(names(folder.path()).len(), 2);
        // What replaces itself has room, and so has another when it is gone.
        quarantine
            .keep(&key(), label("a"), Some(body.clone()))
            .await
            .unwrap();
        quarantine.remove(first).await.unwrap();
        quarantine.keep(&key(), label("b"), Some(body)).await.unwrap();
    }

    #[tokio::test]
    async fn what_belongs_to_no_blob_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let quarantine = Quarantine::new(folder.path().to_owned(), 1 << 20);
        let kept = quarantine.keep(&key(), label("a"), None).await.unwrap();
        quarantine
            .keep(&key(), label("b"), Some(Bytes::new()))
            .await
            .unwrap();
        for name in [".tmpAbc", "notes.txt"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        quarantine.tidy(vec![kept.clone()]).await.unwrap();
        assert_eq!(
            names(folder.path()),
            [format!("{kept}.json"), "notes.txt".to_owned()]
        );
    }
}

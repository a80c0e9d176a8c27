//! The thread that writes.

use std::{
    fs::{File, TryLockError},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{BACKFILL, LedgerError, health, listed::Unwritten, lock_path, schema};

/// Requests that may wait for the thread.
const QUEUE: usize = 1_024;
/// Requests that share a commit.
const GROUP: usize = 256;
/// How long the previous owner of the ledger may take to let go of it.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_RETRY: Duration = Duration::from_millis(20);

type Finish = Box<dyn FnOnce(Result<(), LedgerError>) + Send>;
/// Besides the answer: why the whole transaction is gone, if it is.
type Job = Box<dyn FnOnce(Begun<'_>) -> (Finish, Option<LedgerError>) + Send>;
/// A transaction, or why there is none.
type Begun<'a> = Result<&'a Connection, LedgerError>;

/// A handle on the ledger. Clones share the thread, which ends with the last of them.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    jobs: mpsc::Sender<Job>,
    path: Arc<Path>,
    pub(super) unwritten: Arc<Unwritten>,
}

impl Ledger {
    /// Opens the ledger, or makes it, and says nothing.
    #[cfg(test)]
    pub(crate) async fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::open_and_say(path, None).await
    }

    /// Opens the ledger, or makes it, and says to others how many requests per minute its owner will make.
    pub(crate) async fn open_and_say(
        path: &Path,
        requests_per_minute: Option<u32>,
    ) -> Result<Self, LedgerError> {
        let lock = lock(path).await?;
        say(&lock, requests_per_minute).map_err(|error| io(&lock_path(path), &error))?;
        let (jobs, receiver) = mpsc::channel(QUEUE);
        let (opened, outcome) = oneshot::channel();
        let path = path.to_owned();
        thread::Builder::new()
            .name("o365-ledger".to_owned())
            .spawn({
                let path = path.clone();
                move || {
                    match open(&path) {
                        Ok(connection) => {
                            // Nobody waits any more: then nobody holds a sender either.
                            let _ = opened.send(Ok(()));
                            serve(connection, receiver);
                        }
                        Err(error) => {
                            let _ = opened.send(Err(error));
                        }
                    }
                    // Only now, with the database closed, may somebody else have it.
                    drop(lock);
                }
            })
            .map_err(|error| io(&path, &error))?;
        outcome.await.map_err(|_| LedgerError::Closed)??;
        Ok(Self {
            jobs,
            path: path.into(),
            unwritten: Arc::default(),
        })
    }

    /// Runs `work` within a transaction and answers when it is committed. If `work` fails, nothing of it remains.
    ///
    /// # Cancel safety
    /// What was handed over is done, whether somebody waits for it or not.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (answer, outcome) = oneshot::channel();
        let unwritten = Arc::clone(&self.unwritten);
        let job: Job = Box::new(move |begun| {
            let connection = match begun {
                Ok(connection) => connection,
                Err(error) => {
                    let finish: Finish = Box::new(move |_| {
                        let _ = answer.send(Err(error));
                    });
                    return (finish, None);
                }
            };
            // First, since it was said first.
            let written = unwritten.write(connection);
            let result = written
                .and_then(|()| isolated(connection, work))
                .map_err(LedgerError::from);
            // A full disk, for example, takes back what others have done in the same transaction too.
            let fatal = result
                .as_ref()
                .err()
                .filter(|_| connection.is_autocommit())
                .cloned();
            let finish: Finish = Box::new(move |committed| {
                // The asker may have gone; the work is done all the same.
                let _ = answer.send(result.and_then(|value| committed.map(|()| value)));
            });
            (finish, fatal)
        });
        self.jobs.send(job).await.map_err(|_| LedgerError::Closed)?;
        let outcome = outcome.await.map_err(|_| LedgerError::Closed)?;
        outcome.map_err(|error: LedgerError| error.at(&self.path))
    }
}

/// Deletes a ledger that nobody has open.
pub(crate) fn remove(path: &Path) -> Result<(), LedgerError> {
    if !path.exists() {
        return Ok(());
    }
    let (file, lock_path) = lock_file(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(LedgerError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => return Err(io(&lock_path, &error)),
    }
    // The database last: as long as it is there, what is left of it is deleted at the next attempt.
    for extension in ["sqlite-wal", "sqlite-shm", "sqlite"] {
        let file = path.with_extension(extension);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(&file, &error)),
            _ => {}
        }
    }
    Ok(())
}

fn io(path: &Path, error: &std::io::Error) -> LedgerError {
    LedgerError::Io {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// Whether a process has the ledger open. Nothing is created; a process that starts meanwhile waits for a moment only.
///
/// # Errors
/// The lock's file cannot be opened.
pub fn ledger_in_use(path: &Path) -> Result<bool, LedgerError> {
    let lock_path = lock_path(path);
    let file = match File::open(&lock_path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io(&lock_path, &error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(io(&lock_path, &error)),
    }
}

fn say(mut lock: &File, requests_per_minute: Option<u32>) -> std::io::Result<()> {
    lock.set_len(0)?;
    match requests_per_minute {
        Some(rate) => lock.write_all(rate.to_string().as_bytes()),
        None => Ok(()),
    }
}

/// How many requests per minute each backfill makes that runs beside the collection with this ledger.
pub(crate) fn backfills_in_use(path: &Path) -> Result<Vec<u32>, LedgerError> {
    let Some(folder) = path.parent() else {
        return Ok(Vec::new());
    };
    let mut rates = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| io(folder, &error))? {
        let lock_path = entry.map_err(|error| io(folder, &error))?.path();
        let name = lock_path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(BACKFILL) && name.ends_with(".lock") && ledger_in_use(&lock_path)? {
            let text = std::fs::read_to_string(&lock_path).map_err(|error| io(&lock_path, &error))?;
            // It is about to say so, and waits for longer than the next look.
            rates.push(text.trim().parse().unwrap_or(0));
        }
    }
    Ok(rates)
}

/// Opens the file beside the database whose lock says who owns it, or makes it.
fn lock_file(path: &Path) -> Result<(File, PathBuf), LedgerError> {
    let lock_path = lock_path(path);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(|error| io(&lock_path, &error))?;
    Ok((file, lock_path))
}

/// Takes the lock beside the database; the system gives it back whatever becomes of this process.
pub(super) async fn lock(path: &Path) -> Result<File, LedgerError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| io(folder, &error))?;
    }
    let (file, lock_path) = lock_file(path)?;
    let in_use = LedgerError::InUse(path.to_owned());
    tokio::task::spawn_blocking(move || {
        wait_for(file).map_err(|error| error.map_or(in_use, |error| io(&lock_path, &error)))
    })
    .await
    .map_err(|_| LedgerError::Closed)?
}

/// Waits in the machine's time, whatever time the runtime has: the other one is a thread or a process. No error means
/// that it did not let go.
fn wait_for(file: File) -> Result<File, Option<std::io::Error>> {
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_PATIENCE => {
                thread::park_timeout(LOCK_RETRY);
            }
            Err(TryLockError::WouldBlock) => return Err(None),
            Err(TryLockError::Error(error)) => return Err(Some(error)),
        }
    }
}

fn open(path: &Path) -> Result<Connection, LedgerError> {
    let open = || {
        let mut connection = Connection::open(path)?;
        schema::configure(&connection)?;
        health::check(&connection, path)?;
        schema::migrate(&mut connection)?;
        Ok(connection)
    };
    open().map_err(|error: LedgerError| error.at(path))
}

fn serve(mut connection: Connection, mut jobs: mpsc::Receiver<Job>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut finished = Vec::new();
        let outcome = group(&mut connection, first, &mut jobs, &mut finished);
        for finish in finished {
            finish(outcome.clone());
        }
    }
}

fn group(
    connection: &mut Connection,
    first: Job,
    jobs: &mut mpsc::Receiver<Job>,
    finished: &mut Vec<Finish>,
) -> Result<(), LedgerError> {
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => {
            let (finish, _) = first(Err(error.into()));
            finished.push(finish);
            return Ok(());
        }
    };
    let mut next = Some(first);
    while let Some(job) = next {
        let (finish, fatal) = job(Ok(&transaction));
        finished.push(finish);
        if let Some(fatal) = fatal {
            return Err(fatal);
        }
        next = if finished.len() < GROUP {
            jobs.try_recv().ok()
        } else {
            None
        };
    }
    Ok(transaction.commit()?)
}

/// A failure of one request takes back that request, not those that share its commit.
fn isolated<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.prepare_cached("SAVEPOINT request")?.execute([])?;
    let result = work(connection);
    if result.is_err() {
        if connection.is_autocommit() {
            // SQLite has taken back the whole transaction, and the savepoint with it.
            return result;
        }
        connection.prepare_cached("ROLLBACK TO request")?.execute([])?;
    }
    connection.prepare_cached("RELEASE request")?.execute([])?;
    result
}

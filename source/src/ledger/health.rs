//! Whether the file is what it should be. Looked at once, when the ledger is opened, and for a limited time.

use std::{path::Path, sync::mpsc, thread, time::Duration};

use rusqlite::{Connection, ErrorCode};

use super::LedgerError;

/// A large ledger is not checked to its end: a start must not take minutes. What is damaged behind it is noticed when
/// it is read.
const PATIENCE: Duration = Duration::from_secs(5);

/// Fails with [`LedgerError::Damaged`] if SQLite finds pages or rows that cannot be.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    let interrupt = connection.get_interrupt_handle();
    let (finished, waiting) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        if waiting.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    let answer = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    drop(finished);
    // It only waits and interrupts; joined, so that a late interrupt meets no other statement.
    let _ = watch.join();
    match answer {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok(reason) => Err(LedgerError::Damaged {
            path: path.to_owned(),
            reason,
        }),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

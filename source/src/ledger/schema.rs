//! The tables, and how older ones become these.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};

use super::LedgerError;

/// Format of the file. A change of the tables appends a step to [`STEPS`].
const NEWEST: u32 = 4;

/// What makes each format of the one before.
const STEPS: [&str; NEWEST as usize] = [
    r"
CREATE TABLE tenants (
    id INTEGER PRIMARY KEY,
    guid TEXT NOT NULL UNIQUE
) STRICT;
-- Times are milliseconds since 1970, UTC.
CREATE TABLE feeds (
    id INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenants (id),
    content_type TEXT NOT NULL,
    origin INTEGER,
    cursor INTEGER,
    last_sweep INTEGER,
    last_listed INTEGER,
    start_attempt INTEGER,
    last_error TEXT,
    UNIQUE (tenant, content_type)
) STRICT;
CREATE TABLE blobs (
    feed INTEGER NOT NULL REFERENCES feeds (id),
    content_id TEXT NOT NULL,
    uri TEXT,
    created INTEGER NOT NULL,
    expiration INTEGER,
    found INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'expired', 'quarantined')),
    finished INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt INTEGER NOT NULL DEFAULT 0,
    unusable INTEGER NOT NULL DEFAULT 0,
    unusable_since INTEGER,
    last_error TEXT,
    event_count INTEGER,
    PRIMARY KEY (feed, content_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX blobs_pending ON blobs (feed, expiration, created) WHERE state = 'pending';
CREATE INDEX blobs_final ON blobs (feed, created) WHERE state <> 'pending';
CREATE TABLE events (
    tenant INTEGER NOT NULL REFERENCES tenants (id),
    key BLOB NOT NULL,
    seen INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX events_seen ON events (seen);
CREATE TABLE gaps (
    id INTEGER PRIMARY KEY,
    feed INTEGER NOT NULL REFERENCES feeds (id),
    from_time INTEGER NOT NULL,
    to_time INTEGER NOT NULL,
    reason TEXT NOT NULL,
    recorded INTEGER NOT NULL
) STRICT;
",
    r"
ALTER TABLE tenants ADD COLUMN name TEXT;
-- Whether the configuration of the last start had the feed, and the look-back that it had.
ALTER TABLE feeds ADD COLUMN active INTEGER NOT NULL DEFAULT 1;
ALTER TABLE feeds ADD COLUMN lookback INTEGER NOT NULL DEFAULT 21600000;
-- Counters of the feed's whole life.
ALTER TABLE feeds ADD COLUMN blobs_delivered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE feeds ADD COLUMN events_delivered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE feeds ADD COLUMN duplicates_dropped INTEGER NOT NULL DEFAULT 0;
ALTER TABLE feeds ADD COLUMN late_by_lookback INTEGER NOT NULL DEFAULT 0;
ALTER TABLE feeds ADD COLUMN late_by_sweep INTEGER NOT NULL DEFAULT 0;
ALTER TABLE feeds ADD COLUMN max_lateness INTEGER NOT NULL DEFAULT 0;
ALTER TABLE feeds ADD COLUMN blobs_expired INTEGER NOT NULL DEFAULT 0;
-- Whether the feed was up to date when the blob was found: only then does created -> found tell the service's lag.
ALTER TABLE blobs ADD COLUMN watched INTEGER NOT NULL DEFAULT 0;
-- Name of its files in the quarantine folder, without their extension.
ALTER TABLE blobs ADD COLUMN kept TEXT;
CREATE INDEX blobs_quarantined ON blobs (feed, next_attempt) WHERE state = 'quarantined';
UPDATE feeds SET
    blobs_delivered = (SELECT count(*) FROM blobs WHERE feed = feeds.id AND state = 'done'),
    events_delivered = (SELECT coalesce(sum(event_count), 0) FROM blobs WHERE feed = feeds.id AND state = 'done'),
    blobs_expired = (SELECT count(*) FROM blobs WHERE feed = feeds.id AND state = 'expired');
",
    r"
-- Keys of events begin with the hour from now on. One row: until when ids were kept without it, nothing if none is left.
CREATE TABLE old_keys (until INTEGER) STRICT;
INSERT INTO old_keys SELECT max(seen) FROM events;
",
    r"
-- Events of about the same time in one row from now on. `events` keeps what it has until it is forgotten; `until` is when the last
-- of it was delivered.
UPDATE old_keys SET until = (SELECT max(seen) FROM events);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenants (id),
    -- Seconds since 1970.
    first_second INTEGER NOT NULL,
    last_second INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    events INTEGER NOT NULL,
    ids BLOB NOT NULL
) STRICT;
CREATE INDEX runs_time ON runs (tenant, first_second, last_second);
CREATE INDEX runs_seen ON runs (seen);
",
];

/// What made the formats before the newest, for tests.
#[cfg(test)]
pub(super) const OLDER: [&str; 3] = [STEPS[0], STEPS[1], STEPS[2]];

/// Settings of every writing connection.
pub(super) fn configure(connection: &Connection) -> Result<(), LedgerError> {
    // With WAL, only FULL keeps a commit that was answered through a power failure.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Kilobytes. What is not in it the operating system has in its memory of files; 4 MB took no less CPU.
    connection.pragma_update(None, "cache_size", -1_024)?;
    // Pages. The same page is changed by many commits before it is copied into the database.
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(64);
    keep_plans(connection)
}

/// Plans do not depend on what is bound: SQLite would otherwise make a statement anew for each new value that it might
/// have compared with the condition of a partial index.
fn keep_plans(connection: &Connection) -> Result<(), LedgerError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Opens a ledger that exists and has the newest format, for whoever does not own it.
pub(super) fn open_existing(
    path: &Path,
    access: OpenFlags,
    configure: impl FnOnce(&Connection) -> Result<(), LedgerError>,
) -> Result<Connection, LedgerError> {
    if !path.exists() {
        return Err(LedgerError::Io {
            path: path.to_owned(),
            reason: "there is no ledger yet: the source has not run with this data_dir".to_owned(),
        });
    }
    let open = || {
        let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        keep_plans(&connection)?;
        configure(&connection)?;
        require_newest(&connection)?;
        Ok(connection)
    };
    open().map_err(|error: LedgerError| error.at(path))
}

/// Brings the tables up to [`NEWEST`].
pub(super) fn migrate(connection: &mut Connection) -> Result<(), LedgerError> {
    let found = version(connection)?;
    let done = usize::try_from(found).unwrap_or_default();
    if found == i64::from(NEWEST) {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in STEPS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", NEWEST)?;
    transaction.commit()?;
    Ok(())
}

/// The format of a file, if this version knows it.
pub(super) fn version(connection: &Connection) -> Result<i64, LedgerError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > NEWEST.into() {
        return Err(LedgerError::Newer {
            found,
            known: NEWEST.into(),
        });
    }
    Ok(found)
}

/// For readers, who change nothing: the format must be the newest.
pub(super) fn require_newest(connection: &Connection) -> Result<(), LedgerError> {
    let found = version(connection)?;
    if found < i64::from(NEWEST) {
        return Err(LedgerError::Older { found });
    }
    Ok(())
}

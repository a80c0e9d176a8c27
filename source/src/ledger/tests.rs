use std::time::Duration;

use chrono::TimeDelta;
use tempfile::TempDir;

use super::*;
use crate::{
    plan::{Gap, Progress},
    types::{ContentType, FeedKey},
};

pub(super) fn at(hours: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::hours(hours)
}

pub(super) fn progress(cursor: i64) -> Progress {
    Progress {
        origin: at(-100),
        cursor: at(cursor),
        last_sweep: None,
    }
}

pub(super) fn blob(content_id: &str, created: i64) -> NewBlob {
    NewBlob {
        content_id: content_id.to_owned(),
        uri: Some(format!("https://manage.office.com/{content_id}")),
        created: at(created),
        expiration: Some(at(created + 168)),
        refusal: None,
    }
}

fn key() -> FeedKey {
    FeedKey {
        tenant: "41463f53-8812-40f4-890f-865bf6e35190".parse().unwrap(),
        content_type: ContentType::Exchange,
    }
}

pub(super) struct Fixture {
    pub(super) folder: TempDir,
    pub(super) ledger: Ledger,
    pub(super) row: FeedRow,
}

impl Fixture {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&Self::path(&folder)).await.unwrap();
        let row = ledger.feed(&key()).await.unwrap();
        Self { folder, ledger, row }
    }

    pub(super) fn path(folder: &TempDir) -> PathBuf {
        ledger_path(folder.path(), &ComponentKey::from("o365"))
    }

    async fn record(&self, cursor: i64, blobs: &[NewBlob]) -> blobs::Recorded {
        let feed = self.row.feed;
        self.ledger
            .record(feed, progress(cursor), blobs.to_vec(), None, at(cursor))
            .await
            .unwrap()
    }

    async fn due(&self, now: i64) -> Vec<String> {
        let due = self.ledger.due(self.row.feed, at(now), 10).await.unwrap();
        due.blobs.into_iter().map(|blob| blob.content_id).collect()
    }

    pub(super) fn read(&self) -> FeedRecord {
        let reader = LedgerReader::open(&Self::path(&self.folder)).unwrap();
        reader.feeds(at(0)).unwrap().remove(0)
    }

    /// What a crash leaves: the files as they are now, without the process that had them open.
    pub(super) async fn crash(self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (Self::path(&self.folder), Self::path(&folder));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        for file in ["ledger.sqlite", "ledger.sqlite-wal"] {
            let from = from.with_file_name(file);
            if from.exists() {
                std::fs::copy(from, to.with_file_name(file)).unwrap();
            }
        }
        let ledger = Ledger::open(&to).await.unwrap();
        let row = ledger.feed(&key()).await.unwrap();
        Self { folder, ledger, row }
    }
}

pub(super) fn sent(keys: Vec<EventKey>, events: u64) -> Delivered {
    Delivered {
        keys,
        events,
        duplicates: 0,
    }
}

#[tokio::test]
async fn blobs_and_cursor_survive_together() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.row.progress, None);
    let recorded = fixture.record(-1, &[blob("b", -2), blob("a", -3)]).await;
    assert_eq!((recorded.new, recorded.moved), (2, 0));
    let fixture = fixture.crash().await;
    assert_eq!(fixture.row.progress, Some(progress(-1)));
    assert_eq!(fixture.due(0).await, ["a", "b"]);
    assert_eq!(fixture.record(0, &[blob("a", -3), blob("c", -1)]).await.new, 1);
}

#[tokio::test]
async fn what_fails_halfway_leaves_nothing_and_spoils_nothing_else() {
    let fixture = Fixture::new().await;
    let feed = fixture.row.feed;
    let failing = fixture.ledger.call(move |connection| {
        connection.execute("UPDATE feeds SET cursor = 1, origin = 1 WHERE id = ?1", [feed])?;
        connection.execute("INSERT INTO nonsense VALUES (1)", [])
    });
    // Both share a commit, or not: the outcome is the same.
    let (failed, recorded) = futures_util::future::join(failing, fixture.record(-1, &[blob("a", -2)])).await;
    assert!(matches!(failed, Err(LedgerError::Database(_))));
    assert_eq!(recorded.new, 1);
    let fixture = fixture.crash().await;
    assert_eq!(fixture.row.progress, Some(progress(-1)));
}

#[tokio::test]
async fn an_uncommitted_transaction_is_gone_after_a_crash() {
    let fixture = Fixture::new().await;
    fixture.record(-2, &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let from = Fixture::path(&fixture.folder);
    let to = folder.path().join("ledger.sqlite");
    let copy = to.clone();
    let feed = fixture.row.feed;
    // The files are copied in the midst of a transaction, when the write-ahead log may already have some of it.
    fixture
        .ledger
        .call(move |connection| {
            connection.pragma_update(None, "cache_spill", 1)?;
            connection.pragma_update(None, "cache_size", 10)?;
            for number in 0..2_000 {
                connection.execute(
                    "INSERT INTO blobs (feed, content_id, created, found, state) VALUES (?1, ?2, 0, 0, 'pending')",
                    rusqlite::params![feed, format!("blob {number}")],
                )?;
            }
            for suffix in ["", "-wal"] {
                let name = |path: &Path| path.with_file_name(format!("ledger.sqlite{suffix}"));
                std::fs::copy(name(&from), name(&copy)).unwrap();
            }
            Ok(())
        })
        .await
        .unwrap();
    let crashed = Ledger::open(&to).await.unwrap();
    let row = crashed.feed(&key()).await.unwrap();
    assert_eq!(row.progress, Some(progress(-2)));
    assert_eq!(crashed.pending(row.feed).await.unwrap(), 0);
    assert_eq!(fixture.ledger.pending(feed).await.unwrap(), 2_000);
}

#[tokio::test]
async fn a_delivered_blob_and_its_ids_are_remembered_together() {
    let fixture = Fixture::new().await;
    fixture.record(0, &[blob("a", -1)]).await;
    let (row, ledger) = (fixture.row, &fixture.ledger);
    let keys = ["A", "b"].map(|id| EventKey::new(id, None).unwrap()).to_vec();
    ledger
        .delivered(row.feed, row.tenant, "a".to_owned(), sent(keys, 2), at(0))
        .await
        .unwrap();
    let asked = ["a", "c"].map(|id| EventKey::new(id, None).unwrap()).to_vec();
    let fixture = fixture.crash().await;
    assert_eq!(
        fixture.ledger.known(row.tenant, asked.clone()).await.unwrap(),
        [true, false]
    );
    assert!(fixture.due(1).await.is_empty());
    assert_eq!(fixture.record(0, &[blob("a", -1)]).await.new, 0);
    assert_eq!(fixture.read().done, 1);

    // After its time nobody knows it any more.
    assert_eq!(
        fixture
            .ledger
            .evict(at(24 * 8), TimeDelta::days(14))
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        fixture
            .ledger
            .evict(at(24 * 15), TimeDelta::days(14))
            .await
            .unwrap(),
        3
    );
    assert_eq!(
        fixture.ledger.known(row.tenant, asked).await.unwrap(),
        [false, false]
    );
}

#[tokio::test]
async fn a_failed_blob_waits_for_its_turn_and_a_restart_is_one() {
    let fixture = Fixture::new().await;
    fixture.record(0, &[blob("a", -1)]).await;
    let retry = Retry {
        not_before: at(5),
        error: "no".to_owned(),
        unusable_at: Some(at(0)),
    };
    fixture
        .ledger
        .retry(fixture.row.feed, "a".to_owned(), retry)
        .await
        .unwrap();
    let due = fixture.ledger.due(fixture.row.feed, at(4), 10).await.unwrap();
    assert_eq!((due.blobs.len(), due.next), (0, Some(at(5))));
    let fixture = fixture.crash().await;
    let due = fixture.ledger.due(fixture.row.feed, at(4), 10).await.unwrap();
    assert_eq!((due.blobs[0].attempts, due.blobs[0].unusable), (1, 1));
    assert_eq!(due.blobs[0].unusable_since, Some(at(0)));
}

#[tokio::test]
async fn what_is_lost_is_named() {
    let fixture = Fixture::new().await;
    let refused = NewBlob {
        refusal: Some("foreign".to_owned()),
        ..blob("foreign", -1)
    };
    let recorded = fixture
        .record(0, &[blob("old", -2), refused, blob("bad", -1)])
        .await;
    assert_eq!(recorded.refused, [("foreign".to_owned(), "foreign".to_owned())]);
    let (ledger, feed) = (&fixture.ledger, fixture.row.feed);
    ledger
        .lost(feed, "old".to_owned(), true, "AF20051".to_owned(), at(0))
        .await
        .unwrap();
    ledger
        .lost(feed, "bad".to_owned(), false, "no array".to_owned(), at(0))
        .await
        .unwrap();
    let gap = Gap {
        from: at(-200),
        to: at(-100),
    };
    ledger
        .record(feed, progress(0), Vec::new(), Some(gap), at(0))
        .await
        .unwrap();
    let record = fixture.read();
    assert_eq!((record.pending, record.expired, record.quarantined), (0, 1, 2));
    assert_eq!((record.gaps[0].from, record.gaps[0].to), (at(-200), at(-100)));
    assert_eq!(record.lag_seconds, Some(0));
    let reader = LedgerReader::open(&Fixture::path(&fixture.folder)).unwrap();
    let bad = reader.blobs(BlobState::Quarantined, 10).unwrap();
    let reasons: Vec<_> = bad
        .iter()
        .map(|blob| blob.last_error.as_deref().unwrap())
        .collect();
    assert_eq!(reasons, ["no array", "foreign"]);

    // Another address is worth a fresh try; the same one is not.
    assert_eq!(fixture.record(0, &[blob("bad", -1)]).await.moved, 0);
    let moved = NewBlob {
        uri: Some("https://manage.office.com/new".to_owned()),
        ..blob("bad", -1)
    };
    assert_eq!(fixture.record(0, &[moved]).await.moved, 1);
    assert_eq!(fixture.due(0).await, ["bad"]);
}

#[tokio::test]
async fn the_most_urgent_blob_comes_first() {
    let fixture = Fixture::new().await;
    let urgent = NewBlob {
        expiration: Some(at(1)),
        ..blob("urgent", -1)
    };
    fixture
        .record(0, &[blob("young", -1), blob("old", -5), urgent])
        .await;
    assert_eq!(fixture.due(0).await, ["urgent", "old", "young"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_owner_is_refused_and_a_later_one_is_not() {
    let fixture = Fixture::new().await;
    let path = Fixture::path(&fixture.folder);
    let error = Ledger::open(&path).await.unwrap_err();
    assert!(matches!(error, LedgerError::InUse(_)));
    assert!(error.to_string().contains("data_dir"), "{error}");
    drop(fixture.ledger);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while Ledger::open(&path).await.is_err() {
        assert!(
            std::time::Instant::now() < deadline,
            "the ledger is never released"
        );
    }
}

#[tokio::test]
async fn a_ledger_of_the_future_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    rusqlite::Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let error = Ledger::open(&path).await.unwrap_err();
    assert!(matches!(error, LedgerError::Newer { found: 99, .. }), "{error}");
    assert!(LedgerReader::open(&folder.path().join("nothing")).is_err());
}

#[tokio::test]
async fn a_ledger_of_the_first_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(schema::OLDER[0]).unwrap();
    old.execute_batch(
        "INSERT INTO tenants VALUES (1, '41463f53-8812-40f4-890f-865bf6e35190');
         INSERT INTO feeds (id, tenant, content_type, origin, cursor, last_listed) VALUES (1, 1, 'Audit.Exchange', 1, 2, 2);
         INSERT INTO blobs (feed, content_id, uri, created, found, state, finished, event_count)
             VALUES (1, 'done', NULL, 1, 1, 'done', 2, 7), (1, 'bad', 'u', 1, 1, 'quarantined', 2, NULL),
                    (1, 'waits', 'u', 1, 1, 'pending', NULL, NULL), (1, 'gone', 'u', 1, 1, 'expired', 2, NULL);
         INSERT INTO gaps VALUES (1, 1, 0, 1, 'down', 1);
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(old);
    let error = LedgerReader::open(&path).unwrap_err();
    assert!(matches!(error, LedgerError::Older { found: 1 }), "{error}");
    let ledger = Ledger::open(&path).await.unwrap();
    let row = ledger.feed(&key()).await.unwrap();
    assert!(row.has_delivered && row.progress.is_some());
    let record = LedgerReader::open(&path).unwrap().feeds(at(0)).unwrap().remove(0);
    assert_eq!((record.blobs_delivered, record.events_delivered), (1, 7));
    assert_eq!(
        (record.pending, record.quarantined, record.blobs_expired),
        (1, 1, 1)
    );
    assert_eq!(record.gaps.len(), 1);
    let due = ledger.due(row.feed, at(0), 10).await.unwrap().blobs;
    let due: Vec<_> = due
        .iter()
        .map(|blob| (blob.content_id.as_str(), blob.quarantined))
        .collect();
    assert_eq!(due, [("waits", false), ("bad", true)]);
}

#[tokio::test]
async fn a_damaged_file_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    std::fs::write(
        &path,
        "this is no database, and long enough to be looked at as one".repeat(20),
    )
    .unwrap();
    let error = Ledger::open(&path).await.unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { .. }), "{error}");
    for said in [
        "ledger.sqlite",
        "not a database",
        "move it away",
        "delivered again",
    ] {
        assert!(error.to_string().contains(said), "{error}");
    }
    assert!(matches!(
        LedgerReader::open(&path).unwrap_err(),
        LedgerError::Damaged { .. }
    ));

    // Pages in the middle that are not what they were.
    let fixture = Fixture::new().await;
    let many: Vec<_> = (0..500)
        .map(|number| blob(&format!("blob {number}"), -1))
        .collect();
    fixture.record(0, &many).await;
    let from = Fixture::path(&fixture.folder);
    drop(fixture.ledger);
    let connection = rusqlite::Connection::open(&from).unwrap();
    connection
        .pragma_update(None, "wal_checkpoint", "TRUNCATE")
        .unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&from).unwrap();
    let end = bytes.len();
    bytes[8_192..end].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    let error = Ledger::open(&path).await.unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_named_and_leaves_the_ledger_usable() {
    let fixture = Fixture::new().await;
    // The same answer of SQLite as that of a full disk.
    let pages = |pages: i64| {
        fixture
            .ledger
            .call(move |connection| connection.pragma_update(None, "max_page_count", pages))
    };
    pages(1).await.unwrap();
    let many: Vec<_> = (0..2_000)
        .map(|number| blob(&format!("blob {number}"), -1))
        .collect();
    let feed = fixture.row.feed;
    let error = fixture
        .ledger
        .record(feed, progress(0), many, None, at(0))
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::Full(_)), "{error}");
    assert!(error.to_string().contains("ledger.sqlite"), "{error}");
    pages(1_000_000).await.unwrap();
    assert_eq!(fixture.record(0, &[blob("a", -1)]).await.new, 1);
}

#[tokio::test]
async fn the_watermark_waits_for_blobs_and_late_ones_are_counted() {
    let fixture = Fixture::new().await;
    let (ledger, row) = (&fixture.ledger, fixture.row);
    ledger
        .configured(vec![Configured {
            feed: row.feed,
            tenant: row.tenant,
            tenant_name: Some("contoso".to_owned()),
            lookback: TimeDelta::hours(6),
        }])
        .await
        .unwrap();
    fixture.record(0, &[blob("a", -20), blob("b", -1)]).await;
    let record = fixture.read();
    assert_eq!(record.low_watermark, Some(at(-20)));
    assert_eq!((record.late_by_lookback, record.late_by_sweep), (0, 0));
    for (content_id, duplicates) in [("a", 5), ("b", 0)] {
        let delivered = Delivered {
            duplicates,
            ..sent(Vec::new(), 3)
        };
        ledger
            .delivered(row.feed, row.tenant, content_id.to_owned(), delivered, at(1))
            .await
            .unwrap();
    }
    // Blobs may still become visible within the look-back.
    assert_eq!(fixture.read().low_watermark, Some(at(-6)));
    fixture
        .record(1, &[blob("late", -3), blob("very late", -50), blob("new", 1)])
        .await;
    let record = fixture.read();
    assert_eq!(record.name(), "contoso Audit.Exchange");
    assert_eq!((record.late_by_lookback, record.late_by_sweep), (1, 1));
    assert_eq!(record.max_lateness_seconds, 51 * 3_600);
    assert_eq!(record.low_watermark, Some(at(-50)));
    assert_eq!(
        (
            record.blobs_delivered,
            record.events_delivered,
            record.duplicates_dropped
        ),
        (2, 6, 5)
    );
    assert_eq!(record.lag.own_max_seconds, Some(3_600));
    // The first listing was no listing of a feed that was up to date.
    assert_eq!(record.lag.service_max_seconds, None);
}

#[tokio::test]
async fn what_is_set_aside_comes_back_when_asked_for_and_expires_in_the_end() {
    let fixture = Fixture::new().await;
    let (ledger, feed) = (&fixture.ledger, fixture.row.feed);
    fixture.record(0, &[blob("bad", -1)]).await;
    let aside = SetAside {
        not_before: at(1),
        reason: "no array".to_owned(),
        kept: Some("bad-1".to_owned()),
    };
    ledger
        .set_aside(feed, "bad".to_owned(), aside.clone(), at(0))
        .await
        .unwrap();
    assert_eq!(fixture.read().low_watermark, Some(at(-6)));
    assert_eq!(ledger.kept().await.unwrap(), ["bad-1"]);
    let due = ledger.due(feed, at(0), 10).await.unwrap();
    assert_eq!((due.next, due.next_quarantined), (None, Some(at(1))));
    assert_eq!(fixture.due(2).await, ["bad"]);

    let path = Fixture::path(&fixture.folder);
    let before = ledger.foreign_version().await.unwrap();
    let mut editor = LedgerEditor::beside(&path).unwrap();
    let filter = |tenant: &str| FeedFilter {
        tenant: Some(tenant.to_owned()),
        content_type: Some("audit.exchange".to_owned()),
    };
    assert_eq!(editor.retry(&filter("other"), None).unwrap(), 0);
    assert_eq!(
        editor
            .retry(&filter("41463F53-8812-40F4-890F-865BF6E35190"), Some("bad"))
            .unwrap(),
        1
    );
    assert_ne!(ledger.foreign_version().await.unwrap(), before);
    assert_eq!(fixture.due(0).await, ["bad"]);
    assert!(matches!(
        editor.reset(&FeedFilter::default(), false),
        Err(LedgerError::InUse(_))
    ));

    // What is due is tried first; what waits beyond its time is lost.
    assert!(ledger.expire(at(200)).await.unwrap().is_empty());
    let aside = SetAside {
        not_before: at(300),
        ..aside
    };
    ledger
        .set_aside(feed, "bad".to_owned(), aside, at(0))
        .await
        .unwrap();
    assert_eq!(ledger.expire(at(200)).await.unwrap()[0][2], "bad");
    let record = fixture.read();
    assert_eq!(
        (record.expired, record.quarantined, record.blobs_expired),
        (1, 0, 1)
    );
    let reader = LedgerReader::open(&path).unwrap();
    let verdict = Verdict::of(&reader, &FeedFilter::default(), &[record]).unwrap();
    assert!(
        verdict.line().contains("expired blob bad of"),
        "{}",
        verdict.line()
    );
}

/// A tool that writes, for example.
#[tokio::test]
async fn who_keeps_the_ledger_locked_is_to_blame_and_not_that_it_is_closed() {
    let fixture = Fixture::new().await;
    let at_once = |connection: &rusqlite::Connection| connection.busy_timeout(Duration::ZERO);
    fixture.ledger.call(at_once).await.unwrap();
    let other = rusqlite::Connection::open(Fixture::path(&fixture.folder)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = fixture.ledger.call(|_| Ok(())).await.unwrap_err();
    let error = crate::error::chain(&error);
    assert!(error.contains("database is locked"), "{error}");
    // Nothing is closed.
    other.execute_batch("ROLLBACK").unwrap();
    fixture.ledger.call(|_| Ok(())).await.unwrap();
}

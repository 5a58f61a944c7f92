use rusqlite::ffi;

use super::*;

async fn fail(spool: &SqliteSpool, code: i32) -> Result<(), SpoolError> {
    let fail = move |_: &Connection| {
        let error = ffi::Error::new(code);
        Err(rusqlite::Error::SqliteFailure(error, None))
    };
    spool.ask(Inject::<_, true>(fail)).await
}

async fn limit_pages(spool: &SqliteSpool, pages: i64) {
    let limit = move |conn: &Connection| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        conn.query_row(&sql, [], |row| row.get::<_, i64>(0))
    };
    spool.ask(Inject::<_, false>(limit)).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_takes_nothing_and_heals_by_itself() {
    let mut store = Store::new();
    let spool = store.spool();
    accept(spool, "1").await;
    limit_pages(spool, 1).await;
    let mut failed = 0;
    for id in 2..200 {
        match spool.accept(batch(vec![message(&id.to_string())], None)).await {
            Err(SpoolError::Unavailable { .. }) => failed += 1,
            Err(error) => panic!("{error}"),
            Ok(_) => assert_eq!(failed, 0),
        }
    }
    assert!(failed > 0);
    let held = pending(spool).await.len();
    assert_eq!(held, 199 - failed);
    limit_pages(spool, 1_000_000).await;
    accept(spool, "after").await;
    store.crash();
    assert_eq!(pending(store.spool()).await.len(), held + 1);
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_any_more() {
    let mut store = Store::new();
    let spool = store.spool();
    accept(spool, "1").await;
    let failed = fail(spool, ffi::SQLITE_IOERR_FSYNC).await;
    assert!(matches!(failed, Err(SpoolError::Fatal { .. })));
    let refused = spool.accept(batch(vec![message("2")], None)).await;
    assert!(matches!(refused, Err(SpoolError::Fatal { .. })));
    assert!(matches!(spool.pending(0, 1).await, Err(SpoolError::Fatal { .. })));
    assert!(matches!(spool.close().await, Err(SpoolError::Fatal { .. })));
    store.crash();
    assert!(!store.opened().clean);
    assert_eq!(pending(store.spool()).await.len(), 1);
}

#[tokio::test]
async fn a_bad_request_does_not_spoil_its_neighbours() {
    let store = Store::new();
    let spool = store.spool();
    let (release, held) = hold(spool);
    let before = spool.accept(batch(vec![message("1")], None));
    let twice = |conn: &Connection| conn.execute("INSERT INTO meta SELECT * FROM meta", []);
    let bad = spool.ask(Inject::<_, true>(twice));
    let after = spool.accept(batch(vec![message("2")], None));
    release.send(()).unwrap();
    held.await.unwrap();
    assert!(matches!(before.await.unwrap()[..], [Admission::Accepted(_)]));
    assert!(matches!(bad.await, Err(SpoolError::Refused { .. })));
    assert!(matches!(after.await.unwrap()[..], [Admission::Accepted(_)]));
    assert_eq!(pending(spool).await.len(), 2);
}

#[tokio::test]
async fn a_panic_of_the_writer_leaves_nobody_waiting() {
    let store = Store::new();
    let spool = store.spool();
    let panic = |_: &Connection| -> rusqlite::Result<()> { panic!("on purpose") };
    let panicked = spool.ask(Inject::<_, true>(panic));
    let behind = spool.upkeep();
    assert!(matches!(panicked.await, Err(SpoolError::Fatal { .. })));
    assert!(behind.await.is_err());
    assert!(spool.upkeep().await.is_err());
}

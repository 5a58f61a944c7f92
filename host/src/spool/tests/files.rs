use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

fn refusal(dir: &Path) -> String {
    match SqliteSpool::open(dir) {
        Err(error @ SpoolError::Refused { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("opened"),
    }
}

#[tokio::test]
async fn the_files_are_private_to_their_owner() {
    let store = Store::new();
    accept(store.spool(), "1").await;
    for file in fs::read_dir(store.dir.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_clean_stop_leaves_no_log_and_nothing_can_be_asked_afterwards() {
    let store = Store::new();
    accept(store.spool(), "1").await;
    store.spool().close().await.unwrap();
    assert!(matches!(store.spool().upkeep().await, Err(SpoolError::Closed)));
    assert!(matches!(store.spool().close().await, Err(SpoolError::Closed)));
    let files = fs::read_dir(store.dir.path()).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["boot", "spool.db"]);
}

#[test]
fn what_is_no_database_is_refused_and_not_touched() {
    let mut valid = vec![0; 4096];
    valid[..16].copy_from_slice(b"SQLite format 3\0");
    for content in [b"".as_slice(), b"SQLite format 3\0", &[b'x'; 5000], &valid] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool.db");
        fs::write(&path, content).unwrap();
        let refusal = refusal(dir.path());
        assert!(
            refusal.contains("spool.db") && refusal.contains("move it"),
            "{refusal}"
        );
        assert_eq!(fs::read(&path).unwrap(), content);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_not_touched() {
    let store = Store::new();
    for id in 0..100 {
        accept(store.spool(), &id.to_string()).await;
    }
    store.spool().close().await.unwrap();
    let path = store.dir.path().join("spool.db");
    let mut content = fs::read(&path).unwrap();
    let middle = content.len() / 2;
    content[middle..middle + 4096].fill(0xab);
    fs::write(&path, &content).unwrap();
    let refusal = refusal(store.dir.path());
    assert!(
        refusal.contains("damaged") && refusal.contains("move it"),
        "{refusal}"
    );
    assert!(fs::read(&path).unwrap() == content);
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_both_versions() {
    let store = Store::new();
    store.spool().close().await.unwrap();
    let path = store.dir.path().join("spool.db");
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch("PRAGMA user_version = 9").unwrap();
    conn.close().unwrap();
    let content = fs::read(&path).unwrap();
    let refusal = refusal(store.dir.path());
    assert!(
        refusal.contains("version 9") && refusal.contains("knows versions up to "),
        "{refusal}"
    );
    assert!(fs::read(&path).unwrap() == content);
    assert!(SpoolReader::open(store.dir.path()).is_err());
}

#[test]
fn a_spool_that_cannot_be_made_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let refusal = refusal(&dir.path().join("missing"));
    assert!(refusal.contains("No such file"), "{refusal}");
}

#[tokio::test]
async fn a_log_without_its_database_is_refused() {
    let mut store = Store::new();
    accept(store.spool(), "1").await;
    store.opened = None;
    fs::remove_file(store.dir.path().join("spool.db")).unwrap();
    let refusal = refusal(store.dir.path());
    assert!(refusal.contains("spool.db-wal is there"), "{refusal}");
    assert!(!store.dir.path().join("spool.db").exists());
}

#[tokio::test]
async fn a_database_that_cannot_be_read_is_not_called_damaged() {
    let store = Store::new();
    store.spool().close().await.unwrap();
    fs::create_dir(store.dir.path().join("spool.db-shm")).unwrap();
    let refusal = refusal(store.dir.path());
    assert!(!refusal.contains("damaged"), "{refusal}");
}

#[test]
fn a_half_made_spool_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("spool.db.new"), "half").unwrap();
    assert!(SqliteSpool::open(dir.path()).unwrap().clean);
    assert!(!dir.path().join("spool.db.new").exists());
}

#[tokio::test]
async fn another_process_can_read_while_the_gateway_runs_and_after_it() {
    let store = Store::new();
    assert!(
        SpoolReader::open(&store.dir.path().join("missing"))
            .unwrap()
            .is_none()
    );
    let seq = store
        .spool()
        .finish(&turn(&[], 0, 1))
        .await
        .unwrap()
        .journal_seq()
        .unwrap();
    let check = || {
        let reader = SpoolReader::open(store.dir.path()).unwrap().unwrap();
        let journal = reader.journal(&session("t_7"), 0).unwrap();
        assert_eq!(
            (journal.generation, journal.rows[0].seq, journal.rows.len()),
            (0, seq, 1)
        );
        assert_eq!(journal.rows[0].entries, [entry("question"), entry("answer")]);
        assert_eq!(reader.journaled().unwrap(), [session("t_7")]);
        assert_eq!((reader.id(), reader.dead().unwrap()), (store.spool().id(), 0));
    };
    check();
    store.spool().close().await.unwrap();
    check();
}

#[tokio::test]
async fn the_file_shrinks_when_its_rows_are_gone() {
    let store = Store::new();
    let spool = store.spool();
    let text = "x".repeat(100_000);
    for chat in 0..40 {
        let mut turn = turn(&[], 0, 0);
        turn.session = session(&chat.to_string());
        turn.entries = vec![entry(&text)];
        spool.finish(&turn).await.unwrap();
    }
    let pages = "PRAGMA page_count";
    let before = number(spool, pages).await;
    for chat in 0..40 {
        spool.raise_generation(session(&chat.to_string())).await.unwrap();
    }
    // Each call gives a share back.
    spool.upkeep().await.unwrap();
    assert!(number(spool, pages).await <= before - 200);
}

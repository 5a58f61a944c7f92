use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;
use crate::spool::{Salvaged, check_folder, salvage};

const PAGE: usize = 4_096;

/// A spool of some hundred pages, closed or not, with a bit of everything.
async fn filled(close: bool) -> Store {
    let store = Store::new();
    let spool = store.spool();
    for chat in 0..40 {
        let mut ids = Vec::new();
        for number in 0..6 {
            ids.push(accept(spool, &format!("{chat}-{number}")).await.seq);
        }
        let mut done = turn(&ids[..3], 0, 2);
        done.session = session(&format!("t_{chat}"));
        done.entries = vec![entry(&"question ".repeat(100))];
        spool.finish(&done).await.unwrap();
        if chat % 3 == 0 {
            spool.raise_generation(done.session.clone()).await.unwrap();
            done.generation = 1;
            done.inbound.clear();
            spool.finish(&done).await.unwrap();
        }
        let mut batch = batch(Vec::new(), Some("17"));
        batch.account = format!("bot {chat}");
        spool.accept(batch).await.unwrap();
    }
    let mut long = turn(&[], 0, 1);
    long.chunks = vec![OutboundMessage::new(ChatRef::new("7"), "long ".repeat(10_000))];
    spool.finish(&long).await.unwrap();
    if close {
        spool.close().await.unwrap();
    }
    store
}

/// Everything that must not be lost, as text.
fn content(dir: &Path) -> BTreeSet<String> {
    let conn = Connection::open(dir.join("spool.db")).unwrap();
    let queries = [
        "SELECT 'inbound ' || seq || key || state || coalesce(body, '') FROM inbound",
        "SELECT 'outbox ' || id || channel || session || state || coalesce(body, '') FROM outbox",
        "SELECT 'journal ' || seq || session || generation || body FROM journal",
        "SELECT 'session ' || key || generation FROM sessions",
        "SELECT 'cursor ' || channel || account || cursor FROM cursors",
        "SELECT 'meta ' || id FROM meta",
    ];
    let rows = |sql: &str| {
        let mut select = conn.prepare(sql).unwrap();
        let rows = select.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<Vec<String>, _>>().unwrap()
    };
    queries.iter().flat_map(|sql| rows(sql)).collect()
}

/// Salvages what is in `dir` and opens it.
fn saved(dir: &Path) -> (Salvaged, BTreeSet<String>) {
    let other = tempfile::tempdir().unwrap();
    let counts = salvage(dir, &other.path().join("spool.db"), None).unwrap();
    let found = content(other.path());
    assert_eq!(check_folder(other.path()).unwrap(), Some(Vec::new()));
    assert!(SqliteSpool::open(other.path()).is_ok());
    (counts, found)
}

/// A copy of a spool's files, some of them changed.
fn copy(store: &Store, change: impl FnOnce(&mut Vec<u8>)) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["spool.db", "spool.db-wal"] {
        let from = store.dir.path().join(name);
        if from.exists() {
            fs::copy(from, dir.path().join(name)).unwrap();
        }
    }
    let path = dir.path().join("spool.db");
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
    dir
}

#[tokio::test]
async fn a_sound_spool_is_saved_completely_with_its_log_and_without() {
    for close in [true, false] {
        let store = filled(close).await;
        let dir = copy(&store, |_| {});
        let (counts, found) = saved(dir.path());
        let lost = (
            counts.lost_inbound,
            counts.lost_outbox,
            counts.unreadable_messages,
        );
        assert_eq!((lost, counts.broken_rows, counts.broken_pages), ((0, 0, 0), 0, 0));
        assert_eq!(found, content(store.dir.path()));
    }
}

#[tokio::test]
async fn a_page_of_garbage_costs_what_stood_on_it_and_nothing_else() {
    let store = filled(true).await;
    let whole = content(store.dir.path());
    let bytes = fs::read(store.dir.path().join("spool.db")).unwrap();
    for page in 0..bytes.len() / PAGE {
        let on_page = &bytes[page * PAGE..(page + 1) * PAGE];
        let garbage = [if page % 2 == 0 { 0xab } else { 0 }; PAGE];
        let dir = copy(&store, |bytes| {
            bytes[page * PAGE..(page + 1) * PAGE].copy_from_slice(&garbage)
        });
        let (counts, found) = saved(dir.path());
        let text = String::from_utf8_lossy(on_page);
        let mut lost = 0;
        for row in whole.difference(&found) {
            lost += 1;
            // Texts of the row must stand on the page, or the page be one of the long message's.
            let word = row.rsplit(['{', '\u{1f}']).next().unwrap();
            let word: String = word.chars().take(20).collect();
            let part = word.split_whitespace().next_back().unwrap_or_default();
            assert!(
                text.contains(part) || row.contains("long long"),
                "page {page}: {row}"
            );
        }
        assert!(lost <= 64, "page {page}: {lost} rows");
        assert!(
            lost == 0 || counts.broken_pages + counts.broken_rows + counts.unreadable_messages > 0,
            "page {page}"
        );
    }
}

#[tokio::test]
async fn a_lost_message_that_waited_is_a_dead_letter_and_is_not_taken_again() {
    let store = filled(true).await;
    let bytes = fs::read(store.dir.path().join("spool.db")).unwrap();
    // Bodies stand on the rows' own pages alone.
    let page = bytes.chunks(PAGE).position(|page| {
        let text = String::from_utf8_lossy(page);
        text.contains("\"text\":\"text 30-") && page[0] == 13
    });
    let page = page.unwrap();
    let dir = copy(&store, |bytes| bytes[page * PAGE..(page + 1) * PAGE].fill(0xab));
    let other = tempfile::tempdir().unwrap();
    let counts = salvage(dir.path(), &other.path().join("spool.db"), None).unwrap();
    assert!(counts.lost_inbound > 0, "{counts:?}");
    let opened = SqliteSpool::open(other.path()).unwrap();
    assert_eq!(opened.dead, counts.lost_inbound);
    for number in 0..6 {
        let again = batch(vec![message(&format!("30-{number}"))], None);
        let admission = opened.spool.accept(again).await.unwrap().remove(0);
        assert!(matches!(admission, Admission::Duplicate), "{admission:?}");
    }
}

#[tokio::test]
async fn a_ruined_header_costs_nothing_and_a_ruined_first_page_neither() {
    let store = filled(true).await;
    for length in [16, 100, PAGE] {
        let dir = copy(&store, |bytes| bytes[..length].fill(0x5a));
        assert_eq!(saved(dir.path()).1, content(store.dir.path()), "{length} bytes");
    }
}

#[tokio::test]
async fn a_file_that_was_cut_off_keeps_what_is_left() {
    let store = filled(true).await;
    let whole = content(store.dir.path());
    let mut before = 0;
    for eighth in 0..=8 {
        let dir = copy(&store, |bytes| bytes.truncate(bytes.len() * eighth / 8));
        let found = saved(dir.path()).1;
        let kept = whole.intersection(&found).count();
        assert!(kept >= before, "{eighth}: {kept} after {before}");
        before = kept;
    }
    assert_eq!(before, whole.len());
}

#[tokio::test]
async fn a_spool_without_its_log_keeps_what_was_moved_out_of_it() {
    let store = filled(false).await;
    let dir = copy(&store, |_| {});
    fs::remove_file(dir.path().join("spool.db-wal")).unwrap();
    saved(dir.path());
}

#[tokio::test]
async fn a_log_without_its_database_still_has_what_was_written_last() {
    let store = Store::new();
    accept(store.spool(), "1").await;
    let dir = copy(&store, |_| {});
    fs::remove_file(dir.path().join("spool.db")).unwrap();
    assert!(saved(dir.path()).1.iter().any(|row| row.contains("text 1")));
}

#[tokio::test]
async fn a_message_that_cannot_be_read_becomes_a_dead_letter_with_the_reason() {
    let store = filled(true).await;
    let conn = Connection::open(store.dir.path().join("spool.db")).unwrap();
    conn.execute_batch(
        "UPDATE inbound SET body = '{' WHERE seq = (SELECT max(seq) FROM inbound);
         UPDATE outbox SET body = '[]' WHERE id = (SELECT max(id) FROM outbox);
         UPDATE journal SET body = '' WHERE seq = (SELECT max(seq) FROM journal)",
    )
    .unwrap();
    conn.close().unwrap();
    let (counts, _) = saved(store.dir.path());
    assert_eq!((counts.unreadable_messages, counts.lost_inbound), (3, 0));
}

#[tokio::test]
async fn random_damage_never_ends_in_a_panic_or_an_unsound_spool() {
    use proptest::test_runner::{Config, TestRunner};
    let store = filled(true).await;
    let config = Config {
        cases: 24,
        failure_persistence: None,
        ..Config::default()
    };
    let bytes = fs::metadata(store.dir.path().join("spool.db")).unwrap().len();
    let places = proptest::collection::vec(
        (0..usize::try_from(bytes).unwrap(), proptest::num::u8::ANY),
        1..2_000,
    );
    TestRunner::new(config)
        .run(&places, |places| {
            let dir = copy(&store, |bytes| {
                for (at, value) in places {
                    bytes[at] = value;
                }
            });
            saved(dir.path());
            Ok(())
        })
        .unwrap();
}

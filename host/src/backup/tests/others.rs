use rusqlite::Connection;

use super::*;

fn pairing(home: &Home) -> PathBuf {
    home.places.state.join("pairing.json")
}

fn put(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// A database in use, whose last rows are in its log alone.
fn chats(home: &Home) -> Connection {
    std::fs::create_dir_all(home.places.data.join("web")).unwrap();
    let conn = Connection::open(home.places.data.join("web/chats.db")).unwrap();
    let sql = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE said (text TEXT);
        INSERT INTO said VALUES ('hello');";
    conn.execute_batch(sql).unwrap();
    conn
}

fn said(home: &Home) -> String {
    let conn = Connection::open(home.places.data.join("web/chats.db")).unwrap();
    conn.query_row("SELECT group_concat(text) FROM said", [], |row| row.get(0))
        .unwrap()
}

async fn home_with_a_turn() -> (Home, Arc<dyn Spool>) {
    let home = Home::new();
    let (spool, sessions) = home.start();
    turn(&*spool, &sessions, 0, 1).await;
    sessions.checkpoint().await;
    (home, spool)
}

#[tokio::test]
async fn who_was_let_in_and_what_plugins_keep_is_put_back() {
    let (home, _spool) = home_with_a_turn().await;
    put(&pairing(&home), "let in");
    let _open = chats(&home);
    put(&home.places.data.join("notes/a/b.txt"), "deep");
    std::fs::create_dir(home.places.data.join("empty")).unwrap();
    let made = make(&home.places, &home.backup(), false).unwrap();
    assert!(made.others.pairing && made.others.left_out.is_empty());
    assert_eq!(made.others.data, ["notes", "web"]);
    let beside = home.backup().parent().unwrap().read_dir().unwrap();
    assert!(
        beside
            .flatten()
            .all(|entry| !entry.file_name().to_string_lossy().contains("tmp"))
    );

    let other = Home::new();
    put(&pairing(&other), "somebody else");
    put(&other.places.data.join("notes/old.txt"), "old");
    put(&other.places.data.join("alone/own.txt"), "own");
    let restored = restore(&other.places, &home.backup(), false).unwrap();
    assert_eq!(restored.others.data, made.others.data);
    assert_eq!(read(&pairing(&other)), "let in");
    let mode = pairing(&other).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(said(&other), "hello");
    assert_eq!(read(&other.places.data.join("notes/a/b.txt")), "deep");
    // What no backup replaces stays, and what one does is kept.
    assert_eq!(read(&other.places.data.join("alone/own.txt")), "own");
    assert!(!other.places.data.join("notes/old.txt").exists());
    let [state, data] = &restored.moved_aside[..] else {
        panic!("{restored:?}")
    };
    assert_eq!(read(&state.join("pairing.json")), "somebody else");
    assert_eq!(read(&data.join("notes/old.txt")), "old");
    SqliteSpool::open(&other.places.state).unwrap();
}

#[tokio::test]
async fn data_that_are_too_large_or_lead_elsewhere_are_left_out_and_named() {
    let (home, _spool) = home_with_a_turn().await;
    put(&home.places.data.join("large/file"), "");
    let large = File::options()
        .write(true)
        .open(home.places.data.join("large/file"));
    large.unwrap().set_len((128 << 20) + 1).unwrap();
    put(&home.places.data.join("small/file"), "small");
    std::os::unix::fs::symlink("/etc/passwd", home.places.data.join("small/passwd")).unwrap();
    std::os::unix::fs::symlink("/etc", home.places.data.join("etc")).unwrap();
    let made = make(&home.places, &home.backup(), false).unwrap();
    assert_eq!(made.others.data, ["small"]);
    let [left] = &made.others.left_out[..] else {
        panic!("{made:?}")
    };
    assert_eq!(
        (&*left.plugin, &*left.reason),
        ("large", "they are larger than 128 MiB")
    );
    let other = Home::new();
    restore(&other.places, &home.backup(), false).unwrap();
    assert!(!other.places.data.join("small/passwd").exists());
    assert!(!pairing(&other).exists());
}

#[tokio::test]
async fn a_backup_from_before_leaves_pairing_and_data_as_they_are() {
    let (home, _spool) = home_with_a_turn().await;
    put(&pairing(&home), "in the backup");
    make(&home.places, &home.backup(), false).unwrap();
    let conn = Connection::open(home.backup()).unwrap();
    conn.execute_batch("DROP TABLE other_files").unwrap();
    conn.close().unwrap();
    let other = Home::new();
    put(&pairing(&other), "let in");
    // What a restore that was cut short left is not of this backup.
    put(&other.places.state.join("pairing.json.restored"), "leftover");
    put(&other.places.data.join("web/file"), "kept");
    restore(&other.places, &home.backup(), false).unwrap();
    assert_eq!(read(&pairing(&other)), "let in");
    assert_eq!(read(&other.places.data.join("web/file")), "kept");
}

#[tokio::test]
async fn a_backup_that_names_other_places_is_refused() {
    for path in [
        "data/../evil",
        "data/x",
        "/etc/evil",
        "data//etc/evil",
        "lock",
        "data/web/../../evil",
    ] {
        let (home, _spool) = home_with_a_turn().await;
        make(&home.places, &home.backup(), false).unwrap();
        let conn = Connection::open(home.backup()).unwrap();
        let sql = "INSERT INTO other_files VALUES (?1, x'00')";
        conn.execute(sql, [path]).unwrap();
        conn.close().unwrap();
        let other = Home::new();
        let error = restore(&other.places, &home.backup(), false).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("outside"), "{path}: {cause}");
        assert!(!other.places.state.join("spool.db").exists());
    }
}

#[tokio::test]
async fn a_spool_that_kept_the_table_of_a_later_backup_can_be_backed_up() {
    let (home, spool) = home_with_a_turn().await;
    spool.close().await.unwrap();
    let conn = Connection::open(home.places.state.join("spool.db")).unwrap();
    conn.execute_batch(
        "CREATE TABLE other_files (path TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;
        INSERT INTO other_files VALUES ('pairing.json', x'00');",
    )
    .unwrap();
    conn.close().unwrap();
    let made = make(&home.places, &home.backup(), false).unwrap();
    assert!(!made.others.pairing);
}

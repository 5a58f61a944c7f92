use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::wal::Damage;

/// Marks the file as a spool of miniclaw (`PRAGMA application_id`): "mcsp".
pub(super) const APPLICATION: u32 = 0x6d63_7370;

/// Step `n` brings a file of schema version `n` to `n + 1`; version 0 is an empty file.
const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2, super::aliases::SCHEMA, super::usage::SCHEMA];

/// Later columns of a table stay small: a finished row keeps no body. `state` is 0 waiting, 1 finished, 2 dead.
const VERSION_1: &str = "
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    clean INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    activity INTEGER NOT NULL,
    wall_ms INTEGER NOT NULL,
    next_id INTEGER NOT NULL
) STRICT;
CREATE TABLE inbound (
    seq INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    session TEXT NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    suspect INTEGER NOT NULL DEFAULT 0,
    started INTEGER NOT NULL DEFAULT 0,
    body TEXT,
    received_ms INTEGER NOT NULL,
    received_activity INTEGER NOT NULL,
    done_ms INTEGER,
    reason TEXT
) STRICT;
CREATE INDEX inbound_waiting ON inbound (seq) WHERE state = 0;
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    session TEXT NOT NULL,
    reply INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    sending INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    ambiguous INTEGER NOT NULL DEFAULT 0,
    not_before_ms INTEGER NOT NULL DEFAULT 0,
    body TEXT,
    message_ids TEXT,
    error TEXT,
    created_ms INTEGER NOT NULL,
    created_activity INTEGER NOT NULL,
    finished_ms INTEGER
) STRICT;
CREATE INDEX outbox_waiting ON outbox (channel, id) WHERE state = 0;
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    session TEXT NOT NULL,
    generation INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX journal_session ON journal (session);
CREATE TABLE sessions (key TEXT PRIMARY KEY, generation INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE cursors (
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    cursor TEXT NOT NULL,
    PRIMARY KEY (channel, account)
) STRICT, WITHOUT ROWID;
";

/// `story` is JSON text of what a turn did, `kills` the times that a row's send ended its plugin, `outage` whether its
/// last attempt failed for the platform's sake.
const VERSION_2: &str = "
ALTER TABLE inbound ADD COLUMN story TEXT;
ALTER TABLE outbox ADD COLUMN kills INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN outage INTEGER NOT NULL DEFAULT 0;
CREATE INDEX inbound_dead ON inbound (seq) WHERE state = 2;
CREATE INDEX outbox_dead ON outbox (id) WHERE state = 2;
";

/// What to do about a file that cannot be used.
pub(super) const ADVICE: &str = "run `miniclaw spool salvage`, which keeps what can be read, or `miniclaw restore` a backup, or move it (and its -wal file) aside";

/// Refuses where the file is missing and its log is not: SQLite would play that into the next one.
pub(super) fn orphaned_log(path: &Path) -> Result<(), String> {
    let log = with_suffix(path, "-wal");
    if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(format!(
            "it is missing, but its log {} is there: run `miniclaw spool salvage`, which keeps what can be read, or \
             move the log aside",
            log.display()
        ));
    }
    Ok(())
}

/// Makes an empty spool, whole or not at all.
pub(super) fn create(path: &Path, wall_ms: i64) -> Result<(), String> {
    orphaned_log(path)?;
    let unfinished = with_suffix(path, ".new");
    for leftover in [
        &unfinished,
        &with_suffix(&unfinished, "-wal"),
        &with_suffix(&unfinished, "-shm"),
    ] {
        match std::fs::remove_file(leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("cannot remove {}: {error}", leftover.display()));
            }
            _ => {}
        }
    }
    let made = private_file(&unfinished)
        .map_err(|error| error.to_string())
        .and_then(|file| {
            fill(&unfinished, wall_ms)
                .map_err(|error| format!("{error}{}", advice_of(&error)))
                .map(|()| file)
        })
        .and_then(|file| settle(&file, &unfinished, path).map_err(|error| error.to_string()));
    made.map_err(|error| format!("cannot create it: {error}"))
}

fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // The umask may have taken more than it should.
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn fill(path: &Path, wall_ms: i64) -> rusqlite::Result<()> {
    let mut conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Nothing is synced before the file is complete: until then it has another name.
    pragmas(
        &conn,
        "PRAGMA synchronous = OFF; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;",
    )?;
    conn.pragma_update(None, "application_id", APPLICATION)?;
    migrate(&mut conn, MIGRATIONS)?;
    // A wall clock's time to start with, so that the clocks of a spool and of its successor are comparable.
    conn.execute(
        "INSERT INTO meta VALUES (1, lower(hex(randomblob(8))), 1, 0, ?1 / 1000, ?1, 1)",
        [wall_ms.max(0)],
    )?;
    conn.close().map_err(|(_, error)| error)
}

fn settle(file: &File, unfinished: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    std::fs::rename(unfinished, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Refuses what is not a spool of a version that this code knows, by reading alone.
pub(super) fn inspect(path: &Path) -> Result<(), String> {
    inspect_as(path, APPLICATION, "a database of another program")
}

/// As [`inspect`], for a file that is marked as `application`; one that is not is called `foreign`.
pub(super) fn inspect_as(path: &Path, application: u32, foreign: &str) -> Result<(), String> {
    // A pipe would never come to its end.
    if std::fs::metadata(path).is_ok_and(|file| file.is_dir() || file.file_type().is_fifo()) {
        return Err("it is no file".into());
    }
    let mut header = Vec::with_capacity(100);
    File::open(path)
        .and_then(|file| file.take(100).read_to_end(&mut header))
        .map_err(|error| format!("cannot read it: {error}"))?;
    let word = |at: usize| {
        let bytes = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_be_bytes)
    };
    if !header.starts_with(b"SQLite format 3\0") || header.len() < 100 {
        return Err(format!("it is damaged or no database at all; {ADVICE}"));
    }
    if word(68) != application {
        return Err(format!("it is {foreign}; {ADVICE}"));
    }
    check_version(i64::from(word(60)))
}

fn check_version(found: i64) -> Result<(), String> {
    let known = MIGRATIONS.len();
    if usize::try_from(found).is_ok_and(|found| found <= known) {
        return Ok(());
    }
    Err(format!(
        "its schema has version {found}, this miniclaw knows versions up to {known}; run the newer miniclaw that wrote it"
    ))
}

/// Checks what only the database itself can tell: the version in its log, and whether its pages are sound.
pub(super) fn verify(conn: &Connection, all_pages: bool) -> Result<(), String> {
    let version = conn.query_row("PRAGMA user_version", [], |row| row.get(0));
    check_version(version.map_err(|error| unreadable(&error))?)?;
    if !all_pages {
        return Ok(());
    }
    let found = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match found.map_err(|error| unreadable(&error))?.as_str() {
        "ok" => Ok(()),
        found => Err(damaged(&found.replace('\n', " "))),
    }
}

const SEE_DISK: &str = "; see whether its disk is full, read-only or failing";

/// What an error of reading or opening means for whoever runs the gateway.
pub(super) fn unreadable(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(&error.to_string()),
        _ => format!("cannot read it: {error}{}", advice_of(error)),
    }
}

/// SQLite tells no more of a disk that is full or read-only, which even a reader writes to.
fn advice_of(error: &rusqlite::Error) -> &'static str {
    use ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
    match error.sqlite_error_code() {
        Some(SystemIoFailure | CannotOpen | DiskFull | ReadOnly) => SEE_DISK,
        _ => "",
    }
}

/// Whether a reason is one of the system's, which says nothing of what is in the file.
pub(super) fn is_of_the_disk(reason: &str) -> bool {
    reason.ends_with(SEE_DISK) || reason.contains("(os error ")
}

/// What is wrong with a log that is damaged before its end: SQLite would take that for the end, and write over what is behind.
pub(super) fn damaged_log(path: &Path, damage: &Damage) -> String {
    damaged(&format!(
        "its log {} {damage}",
        with_suffix(path, "-wal").display()
    ))
}

/// What is wrong with a log that cannot be read.
pub(super) fn unreadable_log(path: &Path, error: &io::Error) -> String {
    format!(
        "cannot read its log {}: {error}",
        with_suffix(path, "-wal").display()
    )
}

fn damaged(what: &str) -> String {
    format!("it is damaged ({what}); {ADVICE}")
}

/// Brings the schema up to this code's version, each step whole or not at all.
pub(super) fn upgrade(conn: &mut Connection) -> rusqlite::Result<()> {
    migrate(conn, MIGRATIONS)
}

fn migrate(conn: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or_default();
    for (step, sql) in steps.iter().enumerate().skip(done) {
        let transaction = conn.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", i64::try_from(step + 1).unwrap_or_default())?;
        transaction.commit()?;
    }
    Ok(())
}

/// Runs pragmas that may or may not return a row.
pub(super) fn pragmas(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.execute_batch(sql)
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn an_error_that_a_full_disk_gives_says_to_look_at_the_disk() {
        let told = |code| unreadable(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        for code in [
            ffi::SQLITE_IOERR_SHMSIZE,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_FULL,
            ffi::SQLITE_READONLY,
        ] {
            assert!(
                told(code).contains("its disk is full") && is_of_the_disk(&told(code)),
                "{code}"
            );
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_BUSY] {
            assert!(!is_of_the_disk(&told(code)), "{code}");
        }
    }

    #[test]
    fn a_file_of_an_older_version_is_brought_up_step_by_step() {
        let mut conn = Connection::open_in_memory().unwrap();
        let steps = [
            "CREATE TABLE a (x)",
            "ALTER TABLE a ADD COLUMN y; INSERT INTO a VALUES (1, 2)",
        ];
        migrate(&mut conn, &steps[..1]).unwrap();
        migrate(&mut conn, &steps).unwrap();
        migrate(&mut conn, &steps).unwrap();
        let rows: i64 = conn
            .query_row("SELECT count(y) FROM a", [], |row| row.get(0))
            .unwrap();
        let version: i64 = conn
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        assert_eq!((rows, version), (1, 2));
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_before_it() {
        let mut conn = Connection::open_in_memory().unwrap();
        assert!(migrate(&mut conn, &["CREATE TABLE a (x)", "CREATE TABLE b (x); nonsense"]).is_err());
        let version: i64 = conn
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        let tables: i64 = conn
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!((version, tables), (1, 1));
    }
}

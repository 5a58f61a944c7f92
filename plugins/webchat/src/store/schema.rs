//! The file and its tables.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use miniclaw_plugin_api::{Error, Result};
use rusqlite::{Connection, ErrorCode};

/// Version of the tables.
const VERSION: i64 = 1;
/// How long the other instance may write, while one takes over from the other.
const PATIENCE: Duration = Duration::from_secs(2);

/// `run`: the instance that handed a message over and has no verdict yet, which is why it is not shown. `key`: the
/// host's own of a message, the same in every attempt. `closed`: deleted chats, in which late answers are not shown.
const TABLES: &str = "
    CREATE TABLE counter (rev INTEGER NOT NULL);
    INSERT INTO counter VALUES (0);
    CREATE TABLE messages (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        rev INTEGER NOT NULL,
        chat TEXT NOT NULL,
        id TEXT,
        agent INTEGER NOT NULL,
        text TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        deleted INTEGER NOT NULL DEFAULT 0,
        run TEXT,
        key TEXT
    );
    CREATE INDEX messages_by_rev ON messages (rev);
    CREATE INDEX messages_by_chat ON messages (chat, seq);
    CREATE UNIQUE INDEX messages_by_id ON messages (chat, id) WHERE id IS NOT NULL;
    CREATE UNIQUE INDEX messages_by_key ON messages (key) WHERE key IS NOT NULL;
    CREATE TABLE closed (chat TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE logins (digest BLOB PRIMARY KEY, born_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    PRAGMA user_version = 1;
";

/// Opens the file in the folder, or one in memory.
///
/// # Errors
/// Permanent where it is none of ours, or damaged; transient where it cannot be read now.
pub(super) fn open(folder: Option<&Path>) -> Result<Connection> {
    let Some(folder) = folder else {
        return Connection::open_in_memory()
            .and_then(prepare)
            .map_err(super::failed);
    };
    let path = folder.join("chats.db");
    private(&path).map_err(|error| Error::transient(format!("cannot open {}: {error}", path.display())))?;
    Connection::open(&path)
        .and_then(prepare)
        .map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::SchemaChanged) => {
                Error::config(format!(
                    "{} is damaged or of a newer miniclaw ({error}); move it away to begin anew",
                    path.display()
                ))
            }
            _ => Error::transient(format!("cannot open {}: {error}", path.display())),
        })
}

/// SQLite gives the files beside it the same mode.
fn private(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

fn prepare(mut db: Connection) -> rusqlite::Result<Connection> {
    db.busy_timeout(PATIENCE)?;
    db.pragma_update(None, "cache_size", -512)?;
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    match transaction.query_row("PRAGMA user_version", [], |row| row.get(0))? {
        0 => transaction.execute_batch(TABLES)?,
        VERSION => {}
        _ => return Err(newer()),
    }
    transaction.commit()?;
    Ok(db)
}

fn newer() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_SCHEMA);
    rusqlite::Error::SqliteFailure(code, Some("its tables are of a later version".into()))
}

use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, params};

use super::reader::SpoolReader;
use super::schema::{self, ADVICE, APPLICATION};
use super::work::Ids;
use super::{SpoolError, open};

/// Marks a backup (`PRAGMA application_id`): "mcbk". It is no spool, and no gateway starts on it.
const BACKUP: u32 = 0x6d63_626b;

/// A look at the spool as it is at one moment, from another process than the gateway's: see [`SpoolReader`].
pub(crate) struct SpoolSnapshot(SpoolReader);

/// What a spool holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Holdings {
    /// Messages that wait for their turn.
    pub(crate) pending: u64,
    /// Replies that wait to be sent.
    pub(crate) outbox: u64,
    pub(crate) dead: u64,
}

impl SpoolSnapshot {
    /// Begins a look; what is committed from here on is not in it. `None` where there is no spool yet.
    ///
    /// # Errors
    /// [`SpoolError::Refused`] where this version cannot read the file.
    pub(crate) fn begin(dir: &Path) -> Result<Option<Self>, SpoolError> {
        let Some(reader) = SpoolReader::open(dir)? else {
            return Ok(None);
        };
        let begun = reader
            .conn
            .execute_batch("BEGIN")
            .and_then(|()| reader.conn.query_row("SELECT one FROM meta", [], |_| Ok(())));
        reader.readable(begun)?;
        Ok(Some(Self(reader)))
    }

    /// Makes `to`, an empty database, a copy that is marked as a backup.
    ///
    /// # Errors
    /// What SQLite says.
    pub(crate) fn copy_to(&self, to: &mut Connection) -> rusqlite::Result<Holdings> {
        let step = Backup::new(&self.0.conn, to)?.step(-1)?;
        if step != StepResult::Done {
            return Err(rusqlite::Error::InvalidQuery);
        }
        schema::pragmas(to, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF;")?;
        to.pragma_update(None, "application_id", BACKUP)?;
        holdings(to)
    }
}

/// Whether a file says that it is a backup.
pub(crate) fn is_backup(path: &Path) -> bool {
    schema::inspect_as(path, BACKUP, "no backup of miniclaw").is_ok()
}

/// Opens a backup and reads all of it: what is returned is whole and of a version that this code knows.
pub(crate) fn open_backup(path: &Path) -> Result<Connection, String> {
    let plain = |reason: String| match reason.strip_suffix(ADVICE) {
        Some(reason) => reason.trim_end_matches("; ").to_owned(),
        None => reason,
    };
    schema::inspect_as(path, BACKUP, "no backup of miniclaw").map_err(plain)?;
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| format!("cannot open it: {error}"))?;
    schema::verify(&conn, true).map_err(plain)?;
    let found = super::check::check(&conn).map_err(|error| format!("cannot read it: {error}"))?;
    match found.first() {
        None => Ok(conn),
        Some(first) => Err(format!("it is damaged: {first}")),
    }
}

/// Makes a copy of a backup the spool that a gateway starts on: `extra` tables go, the rest is marked as restored.
///
/// The spool keeps its name: replies that waited keep their idempotency keys, and session files their place. Numbers
/// go on where none was ever given out: at the seconds since 1970 times 2^20, more than a spool uses in that time.
/// A reply that waited at the backup may have been sent since, which is what `ambiguous` says.
pub(crate) fn make_spool(path: &Path, extra: &[&str], wall_ms: i64) -> rusqlite::Result<Holdings> {
    let mut conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    schema::pragmas(&conn, "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;")?;
    let transaction = conn.transaction()?;
    for table in extra {
        transaction.execute_batch(&format!("DROP TABLE IF EXISTS {table}"))?;
    }
    transaction.execute("UPDATE outbox SET ambiguous = 1, sending = 0 WHERE state = 0", [])?;
    transaction.execute("UPDATE inbound SET started = 0 WHERE state = 0", [])?;
    transaction.execute(
        "UPDATE meta SET clean = 1, next_id = max(next_id + ?1, ?2)",
        params![Ids::BLOCK, fresh_id(wall_ms)],
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.commit()?;
    schema::pragmas(&conn, "PRAGMA incremental_vacuum; PRAGMA journal_mode = WAL;")?;
    let held = holdings(&conn)?;
    conn.close().map_err(|(_, error)| error)?;
    Ok(held)
}

/// A number that no spool has given out before this time.
pub(super) fn fresh_id(wall_ms: i64) -> i64 {
    (wall_ms.max(0) / 1_000) << 20
}

/// Removes a spool that was not finished, with its log: one that is left behind would be played into the next.
pub(crate) fn remove_spool(path: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        match std::fs::remove_file(schema::with_suffix(path, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Whether there is a spool in a state folder, or a part of one.
pub(crate) fn any_spool(dir: &Path) -> bool {
    let path = dir.join(open::FILE);
    path.exists() || schema::with_suffix(&path, "-wal").exists()
}

fn holdings(conn: &Connection) -> rusqlite::Result<Holdings> {
    let count = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let number = |sql| count(sql).map(super::work::from_sql);
    Ok(Holdings {
        pending: number("SELECT count(*) FROM inbound WHERE state = 0")?,
        outbox: number("SELECT count(*) FROM outbox WHERE state = 0")?,
        dead: super::upkeep::dead_letters(conn)?,
    })
}

//! Backups: one SQLite file with a copy of the spool, the session files, who was let in and what plugins keep, made
//! beside a running gateway or without one.

mod others;
mod restore;
mod salvage;

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};
use serde::Serialize;

pub(crate) use self::others::{LeftOut, Others};
pub(crate) use self::restore::{finish, restore};
pub(crate) use self::salvage::salvage;
use crate::sessions::{SessionCopies, SessionError};
use crate::spool::{Holdings, SpoolError, SpoolSnapshot, is_backup, open_backup, wall_ms};

/// The tables that a backup has beside those of the spool.
const EXTRA: &[&str] = &["backup", "session_files", "other_files"];

const TABLES: &str = "
CREATE TABLE backup (made_ms INTEGER NOT NULL, miniclaw TEXT NOT NULL) STRICT;
CREATE TABLE session_files (stem TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;";

/// Rounds in which sessions may be checkpointed faster than they are copied. Each copies only what changed.
const ROUNDS: usize = 50;

/// Where a gateway keeps what is worth a backup.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) state: PathBuf,
    pub(crate) sessions: PathBuf,
    /// A folder for each plugin that keeps something.
    pub(crate) data: PathBuf,
}

/// A backup that was made.
#[derive(Debug, Serialize)]
pub(crate) struct Made {
    pub(crate) bytes: u64,
    pub(crate) sessions: usize,
    #[serde(flatten)]
    pub(crate) spool: Holdings,
    #[serde(flatten)]
    pub(crate) others: Others,
}

/// Why a backup cannot be made or restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    #[error("{} exists; choose another name, or replace it with --force", .0.display())]
    Exists(PathBuf),
    #[error("{} is a place of the gateway's own files, which a backup would replace; choose one elsewhere", .0.display())]
    Misplaced(PathBuf),
    #[error("{} is no backup of miniclaw, and --force replaces nothing else; choose another name", .0.display())]
    NoBackup(PathBuf),
    #[error("what was copied is damaged and no backup was made ({reason}); run `miniclaw spool check`")]
    Damaged { reason: String },
    #[error("a restore of {} was cut short; start the gateway once, which finishes it", .0.display())]
    Unfinished(PathBuf),
    #[error("there is no spool in {}, since nothing was accepted yet: there is nothing to do", .0.display())]
    Nothing(PathBuf),
    #[error("the sessions in {} change faster than they can be copied; try again when less is going on", .0.display())]
    Restless(PathBuf),
    #[error("cannot {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot {doing} {}", path.display())]
    Database {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("cannot salvage the spool in {}: {reason}", path.display())]
    Salvage { path: PathBuf, reason: String },
    #[error("cannot restore {}: {reason}", path.display())]
    Refused { path: PathBuf, reason: String },
    #[error(
        "{} holds messages or conversations already; `--force` moves them aside and restores the backup in their place",
        .0.display()
    )]
    Occupied(PathBuf),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { doing, path, source }
}

fn database_error(doing: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Database { doing, path, source }
}

/// Makes a backup: whole under its name, or not there. Not for the gateway's own process.
///
/// # Errors
/// Where there is nothing to back up, the file exists (without `force`), or something cannot be read or written.
pub(crate) fn make(places: &Places, target: &Path, force: bool) -> Result<Made, BackupError> {
    if restore::is_unfinished(&places.state) {
        return Err(BackupError::Unfinished(places.state.clone()));
    }
    check_target(places, target, force)?;
    crate::spool::sound_log(&places.state)?;
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".tmp-{}", std::process::id()));
    let unfinished = target.with_file_name(name);
    let made = fill(places, &unfinished).and_then(|made| {
        // The one before it may be the last good one.
        open_backup(&unfinished).map_err(|reason| BackupError::Damaged { reason })?;
        settle(&unfinished, target).map(|()| made)
    });
    if made.is_err() {
        // What could not be written whole is of no use.
        let _ = std::fs::remove_file(&unfinished);
    }
    made
}

/// Keeps a backup from what is not one: the gateway's own files above all.
fn check_target(places: &Places, target: &Path, force: bool) -> Result<(), BackupError> {
    let folder = target.parent().and_then(|folder| folder.canonicalize().ok());
    let own = [&places.state, &places.sessions, &places.data].map(|own| own.canonicalize().ok());
    let inside = |own: &Option<PathBuf>| matches!((&folder, own), (Some(folder), Some(own)) if folder.starts_with(own));
    if own.iter().any(inside) {
        return Err(BackupError::Misplaced(target.to_owned()));
    }
    match target.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(_) if !force => Err(BackupError::Exists(target.to_owned())),
        Ok(_) if is_backup(target) => Ok(()),
        Ok(_) => Err(BackupError::NoBackup(target.to_owned())),
    }
}

fn fill(places: &Places, unfinished: &Path) -> Result<Made, BackupError> {
    let failed = |source| database_error("write", unfinished)(source);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(unfinished)
        .map_err(io_error("create", unfinished))?;
    let (stage, sessions, snapshot) = gather(places)?;
    let mut conn =
        Connection::open_with_flags(unfinished, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    let spool = snapshot.copy_to(&mut conn).map_err(failed)?;
    drop(snapshot);
    write_extra(&mut conn, &stage).map_err(failed)?;
    // After the spool: what a plugin was told to be accepted is there.
    let others = write_others(&mut conn, places, unfinished)?;
    conn.close().map_err(|(_, error)| failed(error))?;
    let bytes = unfinished
        .metadata()
        .map_err(io_error("look at", unfinished))?
        .len();
    Ok(Made {
        bytes,
        sessions,
        spool,
        others,
    })
}

fn write_others(conn: &mut Connection, places: &Places, unfinished: &Path) -> Result<Others, BackupError> {
    let failed = |source| database_error("write", unfinished)(source);
    let transaction = conn.transaction().map_err(failed)?;
    let mut scratch = unfinished.as_os_str().to_owned();
    scratch.push("-data");
    let others = others::write(&transaction, places, Path::new(&scratch))
        .map_err(|error| error.at("copy the data of plugins beside", &places.state))?;
    transaction.commit().map_err(failed)?;
    Ok(others)
}

/// Copies the session files first and looks at the spool afterwards: files of later checkpoints would know turns
/// that the spool does not. [`SessionCopies`] tells whether the two belong together.
fn gather(places: &Places) -> Result<(Connection, usize, SpoolSnapshot), BackupError> {
    let failed = |source| database_error("copy the sessions of", &places.sessions)(source);
    // A nameless file of SQLite's own: sessions may need more room than memory has.
    let stage = Connection::open("").map_err(failed)?;
    stage.execute_batch(TABLES).map_err(failed)?;
    let keep = |stem: &str, content: Vec<u8>| {
        let sql = "INSERT OR REPLACE INTO session_files VALUES (?1, ?2)";
        stage
            .execute(sql, params![stem, content])
            .map(drop)
            .map_err(failed)
    };
    let forget = |stem: &str| {
        let sql = "DELETE FROM session_files WHERE stem = ?1";
        stage.execute(sql, [stem]).map(drop).map_err(failed)
    };
    let mut copies = SessionCopies::default();
    for _ in 0..ROUNDS {
        stage.execute_batch("BEGIN").map_err(failed)?;
        copies.update(&places.sessions, keep, forget)?;
        stage.execute_batch("COMMIT").map_err(failed)?;
        let Some(snapshot) = SpoolSnapshot::begin(&places.state)? else {
            return Err(BackupError::Nothing(places.state.clone()));
        };
        if copies.hold(&places.sessions)? {
            return Ok((stage, copies.len(), snapshot));
        }
    }
    Err(BackupError::Restless(places.sessions.clone()))
}

fn write_extra(conn: &mut Connection, stage: &Connection) -> rusqlite::Result<()> {
    let transaction = conn.transaction()?;
    // A miniclaw that did not know one of them may have left it in the spool that it restored.
    for table in EXTRA {
        transaction.execute_batch(&format!("DROP TABLE IF EXISTS {table}"))?;
    }
    transaction.execute_batch(TABLES)?;
    transaction.execute_batch(others::TABLE)?;
    transaction.execute(
        "INSERT INTO backup VALUES (?1, ?2)",
        params![wall_ms(), env!("CARGO_PKG_VERSION")],
    )?;
    {
        let mut insert = transaction.prepare("INSERT INTO session_files VALUES (?1, ?2)")?;
        let mut select = stage.prepare("SELECT stem, content FROM session_files")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            insert.execute(params![row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?])?;
        }
    }
    transaction.commit()
}

fn settle(unfinished: &Path, target: &Path) -> Result<(), BackupError> {
    let file = File::open(unfinished).map_err(io_error("open", unfinished))?;
    file.sync_all().map_err(io_error("sync", unfinished))?;
    std::fs::rename(unfinished, target).map_err(io_error("put in place", target))?;
    sync_parent(target)
}

/// Makes a rename in the folder of `path` durable.
fn sync_parent(path: &Path) -> Result<(), BackupError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error("sync", parent))
}

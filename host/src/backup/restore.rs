use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::{BackupError, EXTRA, Others, Places, database_error, io_error, others, sync_parent};
use crate::sessions::{any_files, file_name};
use crate::spool::{Holdings, any_spool, make_spool, open_backup, remove_spool, wall_ms};

/// Names what is left to be done of a restore; while it is there, the new state is complete beside the old one.
const NOTE: &str = "restore.json";
/// The new spool until it takes its place.
const SPOOL: &str = "spool.db.restored";

/// A restore that has begun to move things: from here on it can only be finished.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// Where the session files belong, where there are new ones.
    sessions: Option<PathBuf>,
    /// Where the data of plugins belong, where there may be new ones.
    #[serde(default)]
    data: Option<PathBuf>,
    /// The name that what was there before is kept under.
    aside: String,
}

/// A backup that was restored.
#[derive(Debug, Serialize)]
pub(crate) struct Restored {
    pub(crate) sessions: usize,
    #[serde(flatten)]
    pub(crate) spool: Holdings,
    #[serde(flatten)]
    pub(crate) others: Others,
    /// Where the state that was there before is kept.
    pub(crate) moved_aside: Vec<PathBuf>,
}

/// Puts a backup in the place of the state. The caller holds the lock of the state folder. A kill leaves the old
/// state or, once the note is written, what [`finish`] makes the new one of.
///
/// # Errors
/// Where the backup is damaged, or state is there already (without `force`); nothing was touched then.
pub(crate) fn restore(places: &Places, backup: &Path, force: bool) -> Result<Restored, BackupError> {
    let occupied = any_spool(&places.state) || any_files(&places.sessions)?;
    if occupied && !force {
        return Err(BackupError::Occupied(places.state.clone()));
    }
    let conn = open_backup(backup).map_err(|reason| BackupError::Refused {
        path: backup.to_owned(),
        reason,
    })?;
    let sessions = write_sessions(&conn, &beside(&places.sessions, "restored"))
        .map_err(|error| error.at("write the restored sessions of", &places.sessions))?;
    let others = others::unpack(&conn, places)
        .map_err(|error| error.at("write the restored data of plugins to", &places.data))?;
    drop(conn);
    let spool = write_spool(backup, &places.state.join(SPOOL))?;
    let moved_aside = replace(
        &places.state,
        Note {
            sessions: Some(places.sessions.clone()),
            data: Some(places.data.clone()),
            aside: format!("before-restore-{}", wall_ms()),
        },
    )?;
    Ok(Restored {
        sessions,
        spool,
        others,
        moved_aside,
    })
}

/// Whether a restore was cut short and not finished yet.
pub(super) fn is_unfinished(state: &Path) -> bool {
    state.join(NOTE).exists()
}

/// Where a spool is made that is to take the place of the one that is there: see [`replace_spool`].
pub(super) fn new_spool(state: &Path) -> PathBuf {
    state.join(SPOOL)
}

/// Puts the spool that stands in [`new_spool`] in place; answers where the one before it is kept.
pub(super) fn replace_spool(state: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let note = Note {
        sessions: None,
        data: None,
        aside: format!("spool.db.damaged-{}", wall_ms()),
    };
    replace(state, note)
}

fn replace(state: &Path, note: Note) -> Result<Vec<PathBuf>, BackupError> {
    write_note(state, &note)?;
    finish(state)
}

/// Finishes a restore that was cut short, where there is one; answers where the state before it is kept. The caller
/// holds the lock of the state folder.
///
/// # Errors
/// Where a file cannot be moved; it can be tried again.
pub(crate) fn finish(state: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let path = state.join(NOTE);
    let note: Note = match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| io_error("read", &path)(error.into()))?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read", &path)(error)),
    };
    let old = state.join(&note.aside);
    let mut kept = vec![old.clone()];
    let new_spool = new_spool(state);
    if new_spool.exists() {
        // The log first: a log without its database is noticed, a foreign log beside a database may not be.
        for name in ["spool.db-wal", "spool.db-shm", "spool.db"] {
            move_aside(&state.join(name), &old, name)?;
        }
        move_to(&new_spool, &state.join("spool.db"))?;
    }
    if let Some(sessions) = &note.sessions {
        let (new, old) = (beside(sessions, "restored"), beside(sessions, &note.aside));
        if new.exists() {
            if sessions.exists() {
                move_to(sessions, &old)?;
            }
            move_to(&new, sessions)?;
        }
        kept.push(old);
    }
    if let Some(data) = &note.data {
        kept.push(others::settle(state, data, &note.aside)?);
    }
    kept.retain(|path| path.exists());
    fs::remove_file(&path).map_err(io_error("remove", &path))?;
    sync_parent(&path)?;
    Ok(kept)
}

pub(super) fn move_aside(path: &Path, folder: &Path, name: impl AsRef<Path>) -> Result<(), BackupError> {
    if !path.exists() {
        return Ok(());
    }
    private_folder(folder).map_err(io_error("make", folder))?;
    sync_parent(folder)?;
    move_to(path, &folder.join(name))
}

pub(super) fn move_to(from: &Path, to: &Path) -> Result<(), BackupError> {
    fs::rename(from, to).map_err(io_error("put in place", to))?;
    sync_parent(to)?;
    sync_parent(from)
}

/// `workspace/sessions.restored` for `workspace/sessions`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

fn write_spool(backup: &Path, path: &Path) -> Result<Holdings, BackupError> {
    remove_spool(path).map_err(io_error("remove", path))?;
    let mut to = private_file(path).map_err(io_error("create", path))?;
    let mut from = File::open(backup).map_err(io_error("read", backup))?;
    io::copy(&mut from, &mut to).map_err(io_error("copy", backup))?;
    let held = make_spool(path, EXTRA, wall_ms()).map_err(database_error("restore", path))?;
    to.sync_all().map_err(io_error("sync", path))?;
    Ok(held)
}

/// What stands in the way of a session on its way back.
pub(super) enum Obstacle {
    Database(rusqlite::Error),
    Io(io::Error),
}

impl Obstacle {
    pub(super) fn at(self, doing: &'static str, path: &Path) -> BackupError {
        match self {
            Self::Database(error) => database_error(doing, path)(error),
            Self::Io(error) => io_error(doing, path)(error),
        }
    }
}

impl From<rusqlite::Error> for Obstacle {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<io::Error> for Obstacle {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn write_sessions(conn: &Connection, folder: &Path) -> Result<usize, Obstacle> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    private_folder(folder)?;
    let mut select = conn.prepare("SELECT stem, content FROM session_files")?;
    let mut rows = select.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let stem: String = row.get(0)?;
        let name = file_name(&stem)
            .ok_or_else(|| io::Error::other(format!("the backup names a file outside the folder: {stem}")))?;
        let content: Vec<u8> = row.get(1)?;
        private_file(&folder.join(name))?.write_all(&content)?;
        count += 1;
    }
    // One sync of the file system instead of one for each of many small files.
    rustix::fs::syncfs(File::open(folder)?).map_err(io::Error::from)?;
    Ok(count)
}

fn write_note(state: &Path, note: &Note) -> Result<(), BackupError> {
    let (path, unfinished) = (state.join(NOTE), state.join("restore.json.new"));
    remove_leftover(&unfinished)?;
    let text = serde_json::to_vec(note).map_err(|error| io_error("write", &path)(error.into()))?;
    private_file(&unfinished)
        .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
        .map_err(io_error("write", &unfinished))?;
    move_to(&unfinished, &path)
}

fn remove_leftover(path: &Path) -> Result<(), BackupError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

pub(super) fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Ends after the note and this many of the moves that follow it.
#[cfg(test)]
pub(super) fn cut_short(places: &Places, backup: &Path, steps: usize) -> Result<(), BackupError> {
    let conn = open_backup(backup).map_err(|reason| BackupError::Refused {
        path: backup.to_owned(),
        reason,
    })?;
    write_sessions(&conn, &beside(&places.sessions, "restored"))
        .map_err(|error| error.at("write", &places.sessions))?;
    others::unpack(&conn, places).map_err(|error| error.at("write", &places.data))?;
    write_spool(backup, &places.state.join(SPOOL))?;
    let aside = "before-restore-1".to_owned();
    let (sessions, data) = (Some(places.sessions.clone()), Some(places.data.clone()));
    write_note(
        &places.state,
        &Note {
            sessions,
            data,
            aside: aside.clone(),
        },
    )?;
    let old = places.state.join(&aside);
    let moves: [&dyn Fn() -> Result<(), BackupError>; 5] = [
        &|| move_aside(&places.state.join("spool.db-wal"), &old, "spool.db-wal"),
        &|| move_aside(&places.state.join("spool.db"), &old, "spool.db"),
        &|| move_to(&places.state.join(SPOOL), &places.state.join("spool.db")),
        &|| move_to(&places.sessions, &beside(&places.sessions, &aside)),
        &|| move_to(&beside(&places.sessions, "restored"), &places.sessions),
    ];
    moves.iter().take(steps).try_for_each(|step| step())
}

//! What a backup holds beside messages and conversations: who was let in by pairing, and what plugins keep.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, params};
use serde::Serialize;

use super::restore::{Obstacle, beside, move_aside, move_to, private_file, private_folder};
use super::{BackupError, Places, io_error};
use crate::pairing;

/// The names say where each belongs: `pairing.json`, or `data/` and a path in the folder of the plugins' data.
pub(super) const TABLE: &str =
    "CREATE TABLE other_files (path TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;";
const DATA: &str = "data/";
/// A plugin whose folder holds more is left out.
const MAX_BYTES: u64 = 128 << 20;
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 8;
/// How long a plugin's database may be locked.
const PATIENCE: Duration = Duration::from_secs(5);
const DATABASE: &[u8] = b"SQLite format 3\0";

/// What of it is in a backup.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Others {
    pub(crate) pairing: bool,
    /// Whose data are in it.
    pub(crate) data: Vec<String>,
    pub(crate) left_out: Vec<LeftOut>,
}

/// A plugin whose data are not in a backup.
#[derive(Debug, Serialize)]
pub(crate) struct LeftOut {
    pub(crate) plugin: String,
    pub(crate) reason: String,
}

/// Adds them to a backup; `scratch` is a file that may be made meanwhile.
pub(super) fn write(conn: &Connection, places: &Places, scratch: &Path) -> Result<Others, Obstacle> {
    let mut insert = conn.prepare("INSERT INTO other_files VALUES (?1, ?2)")?;
    let mut others = Others::default();
    if let Some(content) = found(fs::read(pairing::path(&places.state)))? {
        insert.execute(params![pairing::FILE, content])?;
        others.pairing = true;
    }
    for entry in found(fs::read_dir(&places.data))?.into_iter().flatten() {
        let entry = entry?;
        // What plugins have is a folder for each.
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let plugin = entry.file_name().to_string_lossy().into_owned();
        let mut gathered = Gathered::new(scratch);
        match gathered.folder(&entry.path(), &format!("{DATA}{plugin}"), 0) {
            Ok(()) if gathered.files.is_empty() => {}
            Ok(()) => {
                for (path, content) in gathered.files {
                    insert.execute(params![path, content])?;
                }
                others.data.push(plugin);
            }
            Err(error) => others.left_out.push(LeftOut {
                plugin,
                reason: error.to_string(),
            }),
        }
    }
    others.data.sort();
    Ok(others)
}

fn found<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The files of one plugin.
struct Gathered<'a> {
    files: Vec<(String, Vec<u8>)>,
    bytes: u64,
    scratch: &'a Path,
}

impl<'a> Gathered<'a> {
    fn new(scratch: &'a Path) -> Self {
        let (files, bytes) = (Vec::new(), 0);
        Self {
            files,
            bytes,
            scratch,
        }
    }

    /// Follows no link: a plugin may have made it, to have read what it may not.
    fn folder(&mut self, folder: &Path, path: &str, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(io::Error::other(format!(
                "its folders are more than {MAX_DEPTH} deep"
            )));
        }
        for entry in found(fs::read_dir(folder))?.into_iter().flatten() {
            let entry = entry?;
            let (kind, name) = (entry.file_type()?, entry.file_name());
            let Some(name) = name.to_str() else {
                return Err(io::Error::other("the name of one of its files is no text"));
            };
            let path = format!("{path}/{name}");
            if kind.is_dir() {
                self.folder(&entry.path(), &path, depth + 1)?;
            } else if kind.is_file() && !is_log(name) {
                self.file(&entry.path(), path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, file: &Path, path: String) -> io::Result<()> {
        let Some(mut content) = found(self.read(file))? else {
            return Ok(());
        };
        if content.starts_with(DATABASE) {
            // As it is, it may be without its last commits, or with half of one.
            let copied = copy(file, self.scratch).and_then(|()| self.read(self.scratch));
            let removed = found(fs::remove_file(self.scratch));
            content = copied?;
            removed?;
        }
        self.bytes += content.len() as u64;
        self.files.push((path, content));
        if self.files.len() > MAX_FILES {
            return Err(io::Error::other(format!("it has more than {MAX_FILES} files")));
        }
        Ok(())
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.cast_signed())
            .open(file)?;
        let room = MAX_BYTES.saturating_sub(self.bytes);
        let mut content = Vec::new();
        file.take(room + 1).read_to_end(&mut content)?;
        if content.len() as u64 > room {
            let most = MAX_BYTES >> 20;
            return Err(io::Error::other(format!("they are larger than {most} MiB")));
        }
        Ok(content)
    }
}

/// What SQLite keeps beside a database, which goes into the copy of that.
fn is_log(name: &str) -> bool {
    ["-wal", "-shm", "-journal"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
}

/// Copies a database, with what is committed at this moment.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let copy = || -> rusqlite::Result<StepResult> {
        let from = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        from.busy_timeout(PATIENCE)?;
        // Whoever writes to it in between makes no part of it old.
        from.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")?;
        let mut to = Connection::open(to)?;
        Backup::new(&from, &mut to)?.step(-1)
    };
    found(fs::remove_file(to))?;
    private_file(to)?;
    match copy().map_err(io::Error::other)? {
        StepResult::Done => Ok(()),
        _ => Err(io::Error::other("one of its databases is locked")),
    }
}

/// Writes what a backup holds beside the places where it belongs; nothing of an older one.
pub(super) fn unpack(conn: &Connection, places: &Places) -> Result<Others, Obstacle> {
    let (pairing, data) = (new_pairing(&places.state), beside(&places.data, "restored"));
    found(fs::remove_file(&pairing))?;
    found(fs::remove_dir_all(&data))?;
    let mut others = Others::default();
    let table = "SELECT count(*) FROM sqlite_schema WHERE name = 'other_files'";
    if conn.query_row(table, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(others);
    }
    let mut select = conn.prepare("SELECT path, content FROM other_files ORDER BY path")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (path, content): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let target = match path.strip_prefix(DATA) {
            None if path == pairing::FILE => {
                others.pairing = true;
                pairing.clone()
            }
            Some(inside) if is_plain(inside) => {
                let plugin = inside.split('/').next().unwrap_or(inside).to_owned();
                if others.data.last() != Some(&plugin) {
                    others.data.push(plugin);
                }
                data.join(inside)
            }
            _ => {
                return Err(
                    io::Error::other(format!("the backup names a file outside the folder: {path}")).into(),
                );
            }
        };
        private_folder(target.parent().unwrap_or(&data))?;
        let mut file = private_file(&target)?;
        file.write_all(&content)?;
        if target == pairing {
            file.sync_all()?;
        }
    }
    if data.exists() {
        // As for the sessions: once, instead of for each file.
        rustix::fs::syncfs(File::open(&data)?).map_err(io::Error::from)?;
    }
    Ok(others)
}

/// The path of a file in a folder of a folder.
fn is_plain(path: &str) -> bool {
    let path = Path::new(path);
    let plain = |component| matches!(component, Component::Normal(_));
    path.components().count() > 1 && path.components().all(plain)
}

fn new_pairing(state: &Path) -> PathBuf {
    state.join(format!("{}.restored", pairing::FILE))
}

/// Puts in place what [`unpack`] wrote; answers where the data that were there before are kept. Can be done again.
pub(super) fn settle(state: &Path, data: &Path, aside: &str) -> Result<PathBuf, BackupError> {
    let pairing = new_pairing(state);
    if pairing.exists() {
        move_aside(&pairing::path(state), &state.join(aside), pairing::FILE)?;
        move_to(&pairing, &pairing::path(state))?;
    }
    let (new, old) = (beside(data, "restored"), beside(data, aside));
    let entries = found(fs::read_dir(&new)).map_err(io_error("read", &new))?;
    for entry in entries.into_iter().flatten() {
        let name = entry.map_err(io_error("read", &new))?.file_name();
        move_aside(&data.join(&name), &old, &name)?;
        private_folder(data).map_err(io_error("make", data))?;
        move_to(&new.join(&name), &data.join(&name))?;
    }
    found(fs::remove_dir(&new)).map_err(io_error("remove", &new))?;
    Ok(old)
}

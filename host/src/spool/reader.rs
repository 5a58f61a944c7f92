use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use rustix::fs::StatVfsMountFlags;

use super::journal::RawJournal;
use super::{Journal, Spent, SpoolError, open, schema, usage};
use crate::sessions::SessionKey;
use crate::telemetry::percent_encoded;

/// A look into the spool from another process, also while the gateway runs. All calls block.
///
/// Not for the gateway's own process: there, closing the file would release the locks of its [`super::SqliteSpool`],
/// as POSIX has it.
pub(crate) struct SpoolReader {
    pub(super) conn: Connection,
    path: String,
    id: String,
}

impl SpoolReader {
    /// Opens the spool in `dir` for reading; `None` where there is none yet.
    ///
    /// # Errors
    /// [`SpoolError::Refused`] where this version cannot read the file.
    pub(crate) fn open(dir: &Path) -> Result<Option<Self>, SpoolError> {
        let path = dir.join(open::FILE);
        let name = path.display().to_string();
        let refused = |reason: String| SpoolError::Refused {
            path: name.clone(),
            reason,
        };
        if !path
            .try_exists()
            .map_err(|error| refused(format!("cannot reach it: {error}")))?
        {
            schema::orphaned_log(&path).map_err(refused)?;
            return Ok(None);
        }
        schema::inspect(&path).map_err(refused)?;
        let (conn, id) = connect(&path).map_err(|error| refused(schema::unreadable(&error)))?;
        schema::verify(&conn, false).map_err(refused)?;
        Ok(Some(Self { conn, path: name, id }))
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// As [`super::Spool::journal`].
    ///
    /// # Errors
    /// [`SpoolError::Refused`] where it cannot be read.
    pub(crate) fn journal(&self, session: &SessionKey, after: u64) -> Result<Journal, SpoolError> {
        let sql = "SELECT generation FROM sessions WHERE key = ?1";
        let generation = self
            .conn
            .query_row(sql, [&*session.0], |row| row.get(0))
            .optional();
        let raw =
            generation.and_then(|found| RawJournal::read(&self.conn, &session.0, found.unwrap_or(0), after));
        Ok(self.readable(raw)?.parse())
    }

    /// Sessions that have journal rows; ones that no checkpoint holds yet are among them.
    ///
    /// # Errors
    /// [`SpoolError::Refused`] where it cannot be read.
    pub(crate) fn journaled(&self) -> Result<Vec<SessionKey>, SpoolError> {
        let keys = self
            .conn
            .prepare("SELECT DISTINCT session FROM journal")
            .and_then(|mut select| {
                let keys = select.query_map([], |row| row.get::<_, Arc<str>>(0).map(SessionKey))?;
                keys.collect()
            });
        self.readable(keys)
    }

    /// As [`super::Spool::spent`]; nothing where the file is of an earlier version, which is read and not brought up.
    ///
    /// # Errors
    /// [`SpoolError::Refused`] where it cannot be read.
    pub(crate) fn spent(
        &self,
        session: Option<&SessionKey>,
        since_day: i64,
    ) -> Result<Vec<Spent>, SpoolError> {
        let known = self
            .conn
            .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'usage'", [], |_| Ok(()))
            .optional();
        match self.readable(known)? {
            Some(()) => self.readable(usage::spent(&self.conn, session.map(|key| &*key.0), since_day)),
            None => Ok(Vec::new()),
        }
    }

    /// Number of dead letters, in and out.
    #[cfg(test)]
    pub(crate) fn dead(&self) -> Result<u64, SpoolError> {
        self.readable(super::upkeep::dead_letters(&self.conn))
    }

    pub(super) fn readable<T>(&self, found: rusqlite::Result<T>) -> Result<T, SpoolError> {
        found.map_err(|error| self.refused(schema::unreadable(&error)))
    }

    fn refused(&self, reason: String) -> SpoolError {
        SpoolError::Refused {
            path: self.path.clone(),
            reason,
        }
    }
}

fn connect(path: &Path) -> rusqlite::Result<(Connection, String)> {
    // As SQLite does it, which looks for the log beside what a link leads to.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let conn = match rests(&path) {
        // SQLite would make a log even to read.
        true => open_resting(&path)?,
        false => Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
    };
    conn.busy_timeout(Duration::from_secs(2))?;
    let id = conn.query_row("SELECT id FROM meta", [], |row| row.get(0))?;
    Ok((conn, id))
}

/// Whether nobody writes the file: it is on a read-only disk, and all of it is in it. A gateway that runs elsewhere on the
/// same disk has a log.
fn rests(path: &Path) -> bool {
    let read_only =
        rustix::fs::statvfs(path).is_ok_and(|disk| disk.f_flag.contains(StatVfsMountFlags::RDONLY));
    let nothing = |suffix| match std::fs::metadata(schema::with_suffix(path, suffix)) {
        Ok(file) => file.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    read_only && nothing("-wal") && nothing("-shm")
}

/// Reads a file as one that nobody writes.
fn open_resting(path: &Path) -> rusqlite::Result<Connection> {
    let address = format!(
        "file:{}?immutable=1",
        percent_encoded(path.as_os_str().as_bytes())
    );
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(address, flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_has_an_address() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("50% of #1? \u{e4}.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE t (x)")
            .unwrap();
        let conn = open_resting(&path).unwrap();
        let tables: i64 = conn
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 1);
    }
}

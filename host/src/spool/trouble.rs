use rusqlite::{Connection, Error, ffi};

/// What an error of SQLite means for the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The disk takes no more at the moment; what was tried is rolled back.
    Unavailable,
    /// What is on disk is not known any more.
    Fatal,
    /// The one request cannot be done; the store is well.
    Request,
}

/// Sorts an error that `conn` just returned.
pub(super) fn classify(conn: &Connection, error: &Error) -> Trouble {
    match error {
        Error::SqliteFailure(failure, _) => by_code(failure.extended_code, system_errno(conn)),
        _ => Trouble::Request,
    }
}

fn by_code(extended: i32, errno: i32) -> Trouble {
    match extended {
        // A write says nothing of what was written before, so a full or read-only disk harms nothing.
        ffi::SQLITE_IOERR_WRITE if disk_takes_no_more(errno) => return Trouble::Unavailable,
        ffi::SQLITE_IOERR_SHMOPEN
        | ffi::SQLITE_IOERR_SHMSIZE
        | ffi::SQLITE_IOERR_SHMMAP
        | ffi::SQLITE_IOERR_LOCK
        | ffi::SQLITE_IOERR_RDLOCK
        | ffi::SQLITE_IOERR_NOMEM => return Trouble::Unavailable,
        _ => {}
    }
    match extended & 0xff {
        ffi::SQLITE_FULL
        | ffi::SQLITE_READONLY
        | ffi::SQLITE_BUSY
        | ffi::SQLITE_LOCKED
        | ffi::SQLITE_PROTOCOL
        | ffi::SQLITE_NOMEM
        | ffi::SQLITE_CANTOPEN => Trouble::Unavailable,
        ffi::SQLITE_IOERR | ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Trouble::Fatal,
        _ => Trouble::Request,
    }
}

fn disk_takes_no_more(errno: i32) -> bool {
    use rustix::io::Errno;
    [Errno::NOSPC, Errno::ROFS, Errno::DQUOT, Errno::FBIG]
        .iter()
        .any(|full| full.raw_os_error() == errno)
}

fn system_errno(conn: &Connection) -> i32 {
    // SAFETY: `handle` is open as long as `conn` lives, and the call only reads a number from it.
    unsafe { ffi::sqlite3_system_errno(conn.handle()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_heals_and_a_failed_sync_does_not() {
        let nospc = rustix::io::Errno::NOSPC.raw_os_error();
        let io = rustix::io::Errno::IO.raw_os_error();
        assert_eq!(by_code(ffi::SQLITE_FULL, 0), Trouble::Unavailable);
        assert_eq!(by_code(ffi::SQLITE_IOERR_WRITE, nospc), Trouble::Unavailable);
        assert_eq!(by_code(ffi::SQLITE_READONLY, 0), Trouble::Unavailable);
        assert_eq!(by_code(ffi::SQLITE_IOERR_WRITE, io), Trouble::Fatal);
        assert_eq!(by_code(ffi::SQLITE_IOERR_FSYNC, nospc), Trouble::Fatal);
        assert_eq!(by_code(ffi::SQLITE_IOERR_DIR_FSYNC, io), Trouble::Fatal);
        assert_eq!(by_code(ffi::SQLITE_CORRUPT_INDEX, 0), Trouble::Fatal);
        assert_eq!(by_code(ffi::SQLITE_CONSTRAINT_UNIQUE, 0), Trouble::Request);
    }
}

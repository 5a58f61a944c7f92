//! What was said, and who is logged in: one SQLite file of the instance's own.
//!
//! Every change of a message gives it the next revision, so that a page that was away asks for what is later than the
//! last one that it saw. All happens on the instance's thread: a change takes as long as one write to the disk.

mod logins;
mod messages;
mod schema;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use miniclaw_plugin_api::{Cause, Error, Result};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use tokio::sync::watch;

use crate::{lock, random};

pub(crate) use logins::LASTS;
pub(crate) use messages::Message;

/// The store of one instance; two may have it open while one takes over from the other.
pub(crate) struct Store {
    db: Mutex<Connection>,
    /// The last revision.
    rev: watch::Sender<i64>,
    /// Which instance this is.
    own: String,
}

/// What a change survives once it returned.
#[derive(Clone, Copy)]
enum Survives {
    /// The end of the process: for what is changed again soon.
    Process,
    /// The end of the machine.
    Machine,
}

impl Store {
    /// Opens the file in this folder, or one in memory.
    ///
    /// # Errors
    /// Permanent where it is none of ours, or damaged; transient where it cannot be read now.
    pub(crate) fn open(folder: Option<PathBuf>) -> Result<Self> {
        let db = schema::open(folder.as_deref())?;
        let store = Self {
            db: Mutex::new(db),
            rev: watch::channel(0).0,
            own: random::secret()?,
        };
        store.refresh()?;
        Ok(store)
    }

    /// Tells of every new revision.
    pub(crate) fn revisions(&self) -> watch::Receiver<i64> {
        self.rev.subscribe()
    }

    /// The last revision.
    pub(crate) fn rev(&self) -> i64 {
        *self.rev.borrow()
    }

    /// Looks whether another instance changed something.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn refresh(&self) -> Result<()> {
        let rev = self.read(|db| db.query_row("SELECT rev FROM counter", [], |row| row.get(0)))?;
        self.rev
            .send_if_modified(|known| std::mem::replace(known, rev) != rev);
        Ok(())
    }

    /// Says that this instance is the one that serves from here on.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn claim(&self) -> Result<()> {
        self.note("newest", &self.own)
    }

    /// Whether another instance took this one's place.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn is_succeeded(&self) -> Result<bool> {
        Ok(self.noted("newest")?.is_some_and(|newest| newest != self.own))
    }

    /// Keeps a datum of the instance.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn note(&self, name: &str, value: &str) -> Result<()> {
        self.read(|db| {
            let sql = "INSERT INTO notes (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2";
            db.execute(sql, params![name, value])
        })?;
        Ok(())
    }

    /// # Errors
    /// The disk's.
    pub(crate) fn noted(&self, name: &str) -> Result<Option<String>> {
        self.read(|db| {
            let sql = "SELECT value FROM notes WHERE name = ?1";
            db.query_row(sql, [name], |row| row.get(0)).optional()
        })
    }

    /// Moves the log into the file.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn close(&self) -> Result<()> {
        self.read(|db| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        read(&lock(&self.db)).map_err(failed)
    }

    /// One transaction, which is handed the next revision and returns the last that it used.
    fn change<T>(
        &self,
        survives: Survives,
        change: impl FnOnce(&Transaction<'_>, i64) -> rusqlite::Result<(T, i64)>,
    ) -> Result<T> {
        let (value, rev) = write(&mut lock(&self.db), survives, change).map_err(failed)?;
        self.rev
            .send_if_modified(|known| std::mem::replace(known, rev) != rev);
        Ok(value)
    }
}

fn write<T>(
    db: &mut Connection,
    survives: Survives,
    change: impl FnOnce(&Transaction<'_>, i64) -> rusqlite::Result<(T, i64)>,
) -> rusqlite::Result<(T, i64)> {
    let synchronous = match survives {
        Survives::Process => "NORMAL",
        Survives::Machine => "FULL",
    };
    db.pragma_update(None, "synchronous", synchronous)?;
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let rev: i64 = transaction.query_row("SELECT rev FROM counter", [], |row| row.get(0))?;
    let (value, rev) = change(&transaction, rev + 1)?;
    transaction.execute("UPDATE counter SET rev = max(rev, ?1)", [rev])?;
    transaction.commit()?;
    Ok((value, rev))
}

fn failed(error: rusqlite::Error) -> Error {
    Error::transient(format!("cannot use the web chat's `chats.db`: {error}")).because(Cause::Unavailable)
}

/// Whether the text can be the id of a chat, or of a message of the page's.
pub(crate) fn is_id(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(valid)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

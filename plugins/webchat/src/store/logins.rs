//! Who is logged in: of each browser's cookie the digest alone.

use std::time::Duration;

use miniclaw_plugin_api::Result;
use rusqlite::params;

use super::{Store, Survives, now_ms};
use crate::random::Digest;

/// How long a login lasts that is not used.
pub(crate) const LASTS: Duration = Duration::from_secs(30 * 24 * 3600);
/// Logins that are kept; a further one ends the one that was not used for longest.
const MOST: i64 = 32;

impl Store {
    /// Keeps a login.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn log_in(&self, digest: &Digest) -> Result<()> {
        self.change(Survives::Machine, |db, rev| {
            let sql = "INSERT INTO logins (digest, born_ms, seen_ms) VALUES (?1, ?2, ?2)";
            db.execute(sql, params![digest, now_ms()])?;
            db.execute("DELETE FROM logins WHERE seen_ms <= ?1", [expired()])?;
            let sql = "DELETE FROM logins WHERE digest NOT IN (
                SELECT digest FROM logins ORDER BY digest = ?2 DESC, seen_ms DESC LIMIT ?1)";
            db.execute(sql, params![MOST, digest])?;
            Ok(((), rev - 1))
        })
    }

    /// Whether there is such a login.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn is_logged_in(&self, digest: &Digest) -> Result<bool> {
        self.read(|db| {
            let sql = "SELECT count(*) FROM logins WHERE digest = ?1 AND seen_ms > ?2";
            db.query_row(sql, params![digest, expired()], |row| row.get(0))
        })
    }

    /// Notes that a login is used, which lets it last.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn used(&self, digest: &Digest) -> Result<()> {
        self.read(|db| {
            let sql = "UPDATE logins SET seen_ms = max(seen_ms, ?2) WHERE digest = ?1";
            db.execute(sql, params![digest, now_ms()])
        })?;
        Ok(())
    }

    /// Ends a login.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn log_out(&self, digest: &Digest) -> Result<()> {
        self.change(Survives::Machine, |db, rev| {
            db.execute("DELETE FROM logins WHERE digest = ?1", params![digest])?;
            Ok(((), rev - 1))
        })
    }
}

fn expired() -> i64 {
    now_ms().saturating_sub(i64::try_from(LASTS.as_millis()).unwrap_or(i64::MAX))
}

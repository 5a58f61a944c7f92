use rusqlite::{OptionalExtension, params};

use super::usage::day_of;
use super::work::{Need, Tx, Work, from_sql};

/// How long a finished row is kept for de-duplication and tracing, in seconds of the activity clock.
const FINISHED_SECONDS: i64 = 72 * 3_600;
/// How long a dead letter is kept.
const DEAD_SECONDS: i64 = 30 * 86_400;
/// How long it is known what answers cost, in days.
const USAGE_DAYS: i64 = 400;
/// Rows in one go, so that messages need not wait for a large clean-up.
const CHUNK: i64 = 1_000;
/// Free pages that stay in the file for what comes next, and how many go at a time.
const SPARE_PAGES: i64 = 256;

/// One step of cleaning up; the answer is the number of rows that went, 0 at the end.
pub(super) struct Upkeep;

impl Work for Upkeep {
    type Answer = u64;
    const NEED: Need = Need::Written;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<u64> {
        let mut rows = 0;
        rows += tx.expire("inbound", "seq", "received_activity", 1, FINISHED_SECONDS)?;
        rows += tx.expire("inbound", "seq", "received_activity", 2, DEAD_SECONDS)?;
        rows += tx.expire("outbox", "id", "created_activity", 1, FINISHED_SECONDS)?;
        rows += tx.expire("outbox", "id", "created_activity", 2, DEAD_SECONDS)?;
        rows += tx.forget_usage()?;
        tx.shrink()?;
        Ok(rows)
    }
}

impl Tx<'_, '_> {
    /// Numbers and the activity clock only ascend, so that old rows are found at the table's beginning, without an index.
    fn expire(&self, table: &str, id: &str, activity: &str, state: i64, keep: i64) -> rusqlite::Result<u64> {
        let young = format!("SELECT {id} FROM {table} WHERE {activity} >= ?1 ORDER BY {id} LIMIT 1");
        let kept_from = self.activity - keep;
        let young = self
            .conn
            .query_row(&young, [kept_from], |row| row.get(0))
            .optional()?;
        let delete = format!(
            "DELETE FROM {table} WHERE {id} IN
               (SELECT {id} FROM {table} WHERE {id} < ?1 AND state = ?2 ORDER BY {id} LIMIT ?3)"
        );
        let gone = self
            .conn
            .execute(&delete, params![young.unwrap_or(i64::MAX), state, CHUNK])?;
        Ok(gone as u64)
    }

    fn forget_usage(&self) -> rusqlite::Result<u64> {
        let sql = "DELETE FROM usage WHERE day < ?1";
        let gone = self.conn.execute(sql, [day_of(self.now_ms) - USAGE_DAYS])?;
        Ok(gone as u64)
    }

    fn shrink(&self) -> rusqlite::Result<()> {
        let free: i64 = self
            .conn
            .query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
        if free < 2 * SPARE_PAGES {
            return Ok(());
        }
        // Each step of the statement frees a page.
        let mut vacuum = self
            .conn
            .prepare(&format!("PRAGMA incremental_vacuum({SPARE_PAGES})"))?;
        let mut pages = vacuum.query([])?;
        while pages.next()?.is_some() {}
        Ok(())
    }
}

/// The mark of a clean stop.
pub(super) struct Close;

impl Work for Close {
    type Answer = ();
    const NEED: Need = Need::Synced;
    const LAST: bool = true;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<()> {
        tx.conn.execute("UPDATE meta SET clean = 1", []).map(drop)
    }
}

/// Numbers of rows, for who asks.
pub(super) fn dead_letters(conn: &rusqlite::Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT (SELECT count(*) FROM inbound WHERE state = 2) + (SELECT count(*) FROM outbox WHERE state = 2)";
    conn.query_row(sql, [], |row| row.get(0)).map(from_sql)
}

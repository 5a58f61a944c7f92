use std::sync::Arc;

use rusqlite::{OptionalExtension, Row, params};

use super::InboundRow;
use super::work::{Need, Tx, Work, from_sql, parse_body, text, to_sql};
use crate::sessions::SessionKey;

/// Rows that wait for their turn.
pub(super) struct Pending {
    pub(super) after: u64,
    pub(super) limit: usize,
}

impl Work for Pending {
    type Answer = Vec<RawInbound>;
    const NEED: Need = Need::Read;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<Vec<RawInbound>> {
        let mut select = tx.conn.prepare(
            "SELECT seq, channel, session, body, attempts, suspect, received_ms, draft
             FROM inbound INDEXED BY inbound_waiting
             WHERE state = 0 AND seq > ?1 ORDER BY seq LIMIT ?2",
        )?;
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let rows = select.query_map([to_sql(self.after), limit], RawInbound::read)?;
        rows.collect()
    }
}

/// A row of the inbound table, its message still JSON text: parsing is not the writer's work.
pub(super) struct RawInbound {
    pub(super) seq: u64,
    channel: Arc<str>,
    session: Arc<str>,
    /// `None` where it is no text.
    body: Option<String>,
    attempts: u32,
    suspect: bool,
    received_ms: i64,
    draft: Option<String>,
}

impl RawInbound {
    /// Reads `seq, channel, session, body, attempts, suspect, received_ms, draft`.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: from_sql(row.get(0)?),
            channel: row.get(1)?,
            session: row.get(2)?,
            body: text(row, 3)?,
            attempts: row.get(4)?,
            suspect: row.get(5)?,
            received_ms: row.get(6)?,
            draft: text(row, 7)?,
        })
    }

    pub(super) fn parse(self) -> Result<InboundRow, String> {
        let message = parse_body(self.body.as_deref())
            .map_err(|error| format!("row {} of its inbound cannot be read: {error}", self.seq))?;
        Ok(InboundRow {
            seq: self.seq,
            channel: self.channel,
            session: SessionKey(self.session),
            message: Arc::new(message),
            attempts: self.attempts,
            suspect: self.suspect,
            received_ms: self.received_ms,
            draft: self.draft,
        })
    }
}

/// A suspect's turn starts.
pub(super) struct MarkStarted(pub(super) u64);

impl Work for MarkStarted {
    type Answer = ();
    const NEED: Need = Need::Written;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<()> {
        tx.statements.start.execute([to_sql(self.0)]).map(drop)
    }
}

/// The cursor of a channel's account.
pub(super) struct Cursor {
    pub(super) channel: Arc<str>,
    pub(super) account: String,
}

impl Work for Cursor {
    type Answer = Option<String>;
    const NEED: Need = Need::Read;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<Option<String>> {
        let sql = "SELECT cursor FROM cursors WHERE channel = ?1 AND account = ?2";
        tx.conn
            .query_row(sql, params![&*self.channel, self.account], |row| row.get(0))
            .optional()
    }
}

use std::sync::Arc;

use miniclaw_plugin_api::OutboundMessage;
use rusqlite::{Row, params};

use super::work::{Need, Sending, Tx, Work, from_sql, parse_body, text, to_sql};
use super::{OutboxRow, SendEvent};
use crate::sessions::{Entry, SessionKey};

/// T3, T4 and their like.
pub(super) struct Record(pub(super) SendEvent);

impl Work for Record {
    type Answer = usize;
    const NEED: Need = Need::Written;

    fn need(&self) -> Need {
        if matches!(self.0, SendEvent::Sending { .. }) {
            Need::Synced
        } else {
            Self::NEED
        }
    }

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<usize> {
        Ok(match &self.0 {
            SendEvent::Sending { .. } if tx.collapsed => 0,
            SendEvent::Sending { id } => tx.statements.sending.execute([to_sql(*id)])?,
            SendEvent::Sent { id, message_ids } => {
                let message_ids = serde_json::to_string(message_ids).unwrap_or_default();
                tx.statements
                    .sent
                    .execute(params![to_sql(*id), message_ids, tx.now_ms])?
            }
            SendEvent::Retry {
                id,
                attempts,
                not_before_ms,
                error,
                killed,
                outage,
            } => tx.statements.retry.execute(params![
                to_sql(*id),
                attempts,
                not_before_ms,
                error,
                killed,
                outage
            ])?,
            SendEvent::Dead { id, error, note } => tx.bury(to_sql(*id), error, note.as_ref())?,
        })
    }

    fn send(&self) -> Option<Sending> {
        Some(match &self.0 {
            SendEvent::Sending { id } => Sending::Begins(*id),
            SendEvent::Sent { id, .. } | SendEvent::Retry { id, .. } | SendEvent::Dead { id, .. } => {
                Sending::Ends(*id)
            }
        })
    }
}

impl Tx<'_, '_> {
    /// Finished at different times, a reply's chunks are found through the index of waiting rows.
    fn bury(&mut self, id: i64, error: &str, note: Option<&Entry>) -> rusqlite::Result<usize> {
        let buried = self.conn.execute(
            "UPDATE outbox SET state = 2, sending = 0, attempts = attempts + 1, error = ?2, finished_ms = ?3
             WHERE state = 0 AND id >= ?1
               AND (channel, reply) = (SELECT channel, reply FROM outbox WHERE id = ?1)",
            params![id, error, self.now_ms],
        )?;
        let note = note.filter(|_| buried > 0);
        if let Some(note) = note.and_then(|note| serde_json::to_string(&[note]).ok()) {
            let sql = "SELECT session FROM outbox WHERE id = ?1";
            let session: String = self.conn.query_row(sql, [id], |row| row.get(0))?;
            let generation = self.generation(&session)?;
            self.append_journal(&session, generation, &note)?;
        }
        Ok(buried)
    }
}

/// Waiting rows of a channel, of one session or of all.
pub(super) struct Outbox {
    pub(super) channel: Arc<str>,
    pub(super) session: Option<Arc<str>>,
    pub(super) after: u64,
    pub(super) limit: usize,
}

impl Work for Outbox {
    type Answer = Vec<RawOutbox>;
    const NEED: Need = Need::Read;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<Vec<RawOutbox>> {
        let mut select = tx.conn.prepare(
            "SELECT id, session, reply, body, attempts, kills, ambiguous, not_before_ms, created_activity, outage,
               (SELECT received_ms FROM inbound WHERE seq = reply)
             FROM outbox INDEXED BY outbox_waiting
             WHERE state = 0 AND channel = ?1 AND id > ?2 AND (?4 IS NULL OR session = ?4) ORDER BY id LIMIT ?3",
        )?;
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let rows = select.query_map(
            params![&*self.channel, to_sql(self.after), limit, self.session.as_deref()],
            RawOutbox::read,
        )?;
        rows.collect()
    }
}

/// A row of the outbox, its message still JSON text: parsing is not the writer's work.
pub(super) struct RawOutbox {
    pub(super) id: u64,
    session: Arc<str>,
    reply: u64,
    /// `None` where it is no text.
    body: Option<String>,
    attempts: u32,
    kills: u32,
    outage: bool,
    ambiguous: bool,
    not_before_ms: i64,
    created: u64,
    asked_ms: Option<i64>,
}

impl RawOutbox {
    /// Reads `id, session, reply, body, attempts, kills, ambiguous, not_before_ms, created_activity,
    /// outage, received_ms` of the message that it answers.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: from_sql(row.get(0)?),
            session: row.get(1)?,
            reply: from_sql(row.get(2)?),
            body: text(row, 3)?,
            attempts: row.get(4)?,
            kills: row.get(5)?,
            ambiguous: row.get(6)?,
            not_before_ms: row.get(7)?,
            created: from_sql(row.get(8)?),
            outage: row.get(9)?,
            asked_ms: row.get(10)?,
        })
    }

    pub(super) fn parse(self, spool: &str, channel: &Arc<str>) -> Result<OutboxRow, String> {
        let message: OutboundMessage = parse_body(self.body.as_deref())
            .map_err(|error| format!("row {} of its outbox cannot be read: {error}", self.id))?;
        Ok(OutboxRow {
            attempts: self.attempts,
            kills: self.kills,
            outage: self.outage,
            ambiguous: self.ambiguous,
            not_before_ms: self.not_before_ms,
            asked_ms: self.asked_ms,
            ..fresh(
                spool,
                self.id,
                channel,
                SessionKey(self.session),
                self.reply,
                message,
                self.created,
            )
        })
    }
}

/// A row that was not tried yet, its message with its idempotency key.
pub(super) fn fresh(
    spool: &str,
    id: u64,
    channel: &Arc<str>,
    session: SessionKey,
    reply: u64,
    mut message: OutboundMessage,
    created: u64,
) -> OutboxRow {
    message.idempotency_key = format!("{spool}-{id}");
    message.meta.insert("inbound".into(), reply.into());
    OutboxRow {
        id,
        channel: Arc::clone(channel),
        session,
        reply,
        message: Arc::new(message),
        attempts: 0,
        kills: 0,
        outage: false,
        ambiguous: false,
        not_before_ms: 0,
        created,
        asked_ms: None,
    }
}

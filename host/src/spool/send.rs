use std::sync::Arc;

use miniclaw_plugin_api::OutboundMessage;
use rusqlite::{Row, params};

use super::work::{Need, Sending, Tx, Work, from_sql, to_sql};
use super::{OutboxRow, SendEvent};
use crate::sessions::SessionKey;

/// T3, T4 and their like.
pub(super) struct Record(pub(super) SendEvent);

impl Work for Record {
    type Answer = ();
    const NEED: Need = Need::Written;

    fn need(&self) -> Need {
        if matches!(self.0, SendEvent::Sending { .. }) {
            Need::Synced
        } else {
            Self::NEED
        }
    }

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<()> {
        match &self.0 {
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
            } => tx
                .statements
                .retry
                .execute(params![to_sql(*id), attempts, not_before_ms, error])?,
            // Finished at different times, a reply's chunks are found through the index of waiting rows.
            SendEvent::Dead { id, error } => tx.conn.execute(
                "UPDATE outbox SET state = 2, sending = 0, error = ?2, finished_ms = ?3
                 WHERE state = 0 AND id >= ?1
                   AND (channel, reply) = (SELECT channel, reply FROM outbox WHERE id = ?1)",
                params![to_sql(*id), error, tx.now_ms],
            )?,
        };
        Ok(())
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

/// Waiting rows of a channel.
pub(super) struct Outbox {
    pub(super) channel: Arc<str>,
    pub(super) after: u64,
    pub(super) limit: usize,
}

impl Work for Outbox {
    type Answer = Vec<RawOutbox>;
    const NEED: Need = Need::Read;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<Vec<RawOutbox>> {
        let mut select = tx.conn.prepare(
            "SELECT id, session, reply, body, attempts, ambiguous, not_before_ms, created_activity
             FROM outbox INDEXED BY outbox_waiting
             WHERE state = 0 AND channel = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
        )?;
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let rows = select.query_map(
            params![&*self.channel, to_sql(self.after), limit],
            RawOutbox::read,
        )?;
        rows.collect()
    }
}

/// A row of the outbox, its message still JSON text: parsing is not the writer's work.
pub(super) struct RawOutbox {
    id: u64,
    session: Arc<str>,
    reply: u64,
    body: String,
    attempts: u32,
    ambiguous: bool,
    not_before_ms: i64,
    created: u64,
}

impl RawOutbox {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: from_sql(row.get(0)?),
            session: row.get(1)?,
            reply: from_sql(row.get(2)?),
            body: row.get(3)?,
            attempts: row.get(4)?,
            ambiguous: row.get(5)?,
            not_before_ms: row.get(6)?,
            created: from_sql(row.get(7)?),
        })
    }

    pub(super) fn parse(self, spool: &str, channel: &Arc<str>) -> Result<OutboxRow, String> {
        let message: OutboundMessage = serde_json::from_str(&self.body)
            .map_err(|error| format!("row {} of its outbox cannot be read: {error}", self.id))?;
        Ok(OutboxRow {
            attempts: self.attempts,
            ambiguous: self.ambiguous,
            not_before_ms: self.not_before_ms,
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
    OutboxRow {
        id,
        channel: Arc::clone(channel),
        session,
        reply,
        message: Arc::new(message),
        attempts: 0,
        ambiguous: false,
        not_before_ms: 0,
        created,
    }
}

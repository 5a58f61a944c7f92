//! What an operator does with what waits and with dead letters, and what a watchdog counts.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::inbound::RawInbound;
use super::send::RawOutbox;
use super::work::{Need, Tx, Work, from_sql, to_sql};
use super::{InboundRow, OutboxRow, SpoolError, SqliteSpool};

/// What became of a request to try something again.
#[derive(Debug)]
pub(crate) enum Requeued {
    /// A dead message waits for its turn again.
    Message(InboundRow),
    /// A dead reply waits to be sent again, with the chunks that died with it.
    Reply(Vec<OutboxRow>),
    /// It waits already, and where it is a reply, for this channel.
    Waits {
        channel: Option<Arc<str>>,
    },
    /// It is over: answered, sent or dropped.
    Finished,
    Unknown,
    /// Its text is gone or cannot be read; it stays dead.
    Unreadable(String),
}

/// What became of a request to drop something.
#[derive(Debug)]
pub(crate) enum Withdrawn {
    Message,
    /// A reply of this channel, which waited or was dead.
    Reply {
        channel: Arc<str>,
        waited: bool,
    },
    Finished,
    Unknown,
}

/// What the store holds unfinished.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) messages: u64,
    /// When the oldest of them was accepted, in milliseconds since 1970.
    pub(crate) oldest_message_ms: Option<i64>,
    /// Replies by channel, with the milliseconds since 1970 of the oldest one.
    pub(crate) replies: Vec<(Arc<str>, u64, i64)>,
    /// Dead letters, in and out.
    pub(crate) dead: u64,
    /// Rows have ids up to this one.
    pub(crate) up_to: u64,
}

impl Unfinished {
    /// Replies of a channel.
    pub(crate) fn replies_of(&self, channel: &str) -> u64 {
        let found = self.replies.iter().find(|(of, ..)| **of == *channel);
        found.map_or(0, |(_, count, _)| *count)
    }
}

impl SqliteSpool {
    /// Lets a dead letter wait again, with all attempts before it.
    ///
    /// # Errors
    /// As all of [`super::Spool`].
    pub(crate) async fn requeue(&self, id: u64) -> Result<Requeued, SpoolError> {
        let spool = self.spool_id().to_owned();
        self.ask(Requeue { id, spool }).await
    }

    /// Ends what waits, and dead letters, without an answer; they stay known as duplicates.
    ///
    /// # Errors
    /// As all of [`super::Spool`].
    pub(crate) async fn withdraw(&self, id: u64) -> Result<Withdrawn, SpoolError> {
        self.ask(Withdraw(id)).await
    }

    /// Counts what is not finished.
    ///
    /// # Errors
    /// As all of [`super::Spool`].
    pub(crate) async fn unfinished(&self) -> Result<Unfinished, SpoolError> {
        self.ask(Count).await
    }
}

/// Rows whose body cannot be read become dead letters, so that they stop nobody.
pub(super) struct Unreadable {
    pub(super) inbound: bool,
    pub(super) rows: Vec<(u64, String)>,
}

impl Work for Unreadable {
    type Answer = ();
    const NEED: Need = Need::Written;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<()> {
        let sql = if self.inbound {
            "UPDATE inbound SET state = 2, done_ms = ?2, reason = ?3 WHERE seq = ?1 AND state = 0"
        } else {
            "UPDATE outbox SET state = 2, finished_ms = ?2, error = ?3 WHERE id = ?1 AND state = 0"
        };
        for (id, reason) in &self.rows {
            tx.conn.execute(sql, params![to_sql(*id), tx.now_ms, reason])?;
        }
        Ok(())
    }
}

struct Requeue {
    id: u64,
    /// The spool's name, for idempotency keys.
    spool: String,
}

const WAITING: i64 = 0;
const DEAD: i64 = 2;

impl Work for Requeue {
    type Answer = Requeued;
    const NEED: Need = Need::Synced;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<Requeued> {
        let id = to_sql(self.id);
        match tx.state_of_message(id)? {
            Some(WAITING) => return Ok(Requeued::Waits { channel: None }),
            Some(DEAD) => {
                return Ok(match tx.dead_message(id)?.parse() {
                    Err(reason) => Requeued::Unreadable(reason),
                    Ok(_) => tx.revive_message(id)?,
                });
            }
            Some(_) => return Ok(Requeued::Finished),
            None => {}
        }
        Ok(match tx.state_of_reply(id)? {
            Some((WAITING, channel)) => Requeued::Waits {
                channel: Some(channel),
            },
            Some((DEAD, channel)) => {
                let rows = tx.dead_replies(id)?;
                let rows = rows.into_iter().map(|row| row.parse(&self.spool, &channel));
                match rows.collect::<Result<Vec<_>, _>>() {
                    Err(reason) => Requeued::Unreadable(reason),
                    Ok(rows) => tx.revive_replies(rows)?,
                }
            }
            Some(_) => Requeued::Finished,
            None => Requeued::Unknown,
        })
    }
}

struct Withdraw(u64);

impl Work for Withdraw {
    type Answer = Withdrawn;
    const NEED: Need = Need::Synced;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<Withdrawn> {
        let id = to_sql(self.0);
        match tx.state_of_message(id)? {
            Some(WAITING | DEAD) => {
                let sql = "UPDATE inbound SET state = 1, body = NULL, done_ms = ?2, reason = 'dropped by the operator'
                           WHERE seq = ?1";
                tx.conn.execute(sql, [id, tx.now_ms])?;
                return Ok(Withdrawn::Message);
            }
            Some(_) => return Ok(Withdrawn::Finished),
            None => {}
        }
        Ok(match tx.state_of_reply(id)? {
            Some((state @ (WAITING | DEAD), channel)) => {
                let sql = "UPDATE outbox SET state = 1, body = NULL, finished_ms = ?2, error = 'dropped by the operator'
                           WHERE id = ?1";
                tx.conn.execute(sql, [id, tx.now_ms])?;
                Withdrawn::Reply {
                    channel,
                    waited: state == WAITING,
                }
            }
            Some(_) => Withdrawn::Finished,
            None => Withdrawn::Unknown,
        })
    }
}

impl Tx<'_, '_> {
    fn state_of_message(&self, seq: i64) -> rusqlite::Result<Option<i64>> {
        let sql = "SELECT state FROM inbound WHERE seq = ?1";
        self.conn.query_row(sql, [seq], |row| row.get(0)).optional()
    }

    fn state_of_reply(&self, id: i64) -> rusqlite::Result<Option<(i64, Arc<str>)>> {
        let sql = "SELECT state, channel FROM outbox WHERE id = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.conn.query_row(sql, [id], read).optional()
    }

    fn dead_message(&self, seq: i64) -> rusqlite::Result<RawInbound> {
        let sql = "SELECT seq, channel, session, body, attempts, suspect, received_ms, draft FROM inbound WHERE seq = ?1";
        self.conn.query_row(sql, [seq], RawInbound::read)
    }

    fn revive_message(&self, seq: i64) -> rusqlite::Result<Requeued> {
        self.conn.execute(
            "UPDATE inbound SET state = 0, attempts = 0, suspect = 0, started = 0, done_ms = NULL, reason = NULL
             WHERE seq = ?1",
            [seq],
        )?;
        Ok(match self.dead_message(seq)?.parse() {
            Ok(row) => Requeued::Message(row),
            Err(reason) => Requeued::Unreadable(reason),
        })
    }

    /// A dead row with the later chunks that died with it.
    fn dead_replies(&self, id: i64) -> rusqlite::Result<Vec<RawOutbox>> {
        let mut select = self.conn.prepare(
            "SELECT id, session, reply, body, attempts, kills, ambiguous, not_before_ms, created_activity, outage, NULL
             FROM outbox
             WHERE state = 2 AND id >= ?1
               AND (channel, reply) = (SELECT channel, reply FROM outbox WHERE id = ?1)
             ORDER BY id",
        )?;
        let rows = select.query_map([id], RawOutbox::read)?;
        rows.collect()
    }

    /// Their age starts anew, or they would be dead again at once. The clean-up of the rows after them waits for them.
    fn revive_replies(&self, rows: Vec<OutboxRow>) -> rusqlite::Result<Requeued> {
        for row in &rows {
            self.conn.execute(
                "UPDATE outbox SET state = 0, attempts = 0, kills = 0, outage = 0, ambiguous = 0, not_before_ms = 0,
                   created_activity = ?2, finished_ms = NULL
                 WHERE id = ?1",
                [to_sql(row.id), self.activity],
            )?;
        }
        let anew = |row| OutboxRow {
            attempts: 0,
            kills: 0,
            outage: false,
            ambiguous: false,
            not_before_ms: 0,
            created: from_sql(self.activity),
            ..row
        };
        Ok(Requeued::Reply(rows.into_iter().map(anew).collect()))
    }
}

struct Count;

impl Work for Count {
    type Answer = Unfinished;
    const NEED: Need = Need::Read;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<Unfinished> {
        let sql = "SELECT count(*), min(received_ms) FROM inbound INDEXED BY inbound_waiting WHERE state = 0";
        let (messages, oldest_message_ms) = tx
            .conn
            .query_row(sql, [], |row| Ok((from_sql(row.get(0)?), row.get(1)?)))?;
        let mut select = tx.conn.prepare(
            "SELECT channel, count(*), min(created_ms) FROM outbox INDEXED BY outbox_waiting
             WHERE state = 0 GROUP BY channel",
        )?;
        let replies = select.query_map([], |row| Ok((row.get(0)?, from_sql(row.get(1)?), row.get(2)?)))?;
        Ok(Unfinished {
            messages,
            oldest_message_ms,
            replies: replies.collect::<rusqlite::Result<_>>()?,
            dead: super::upkeep::dead_letters(tx.conn)?,
            up_to: from_sql(tx.ids.next - 1),
        })
    }
}

//! The spool as an operator sees it: what waits, what is dead, a message's whole story.

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;
use serde_json::Value;

use super::reader::SpoolReader;
use super::work::{from_sql, to_sql};
use super::{SpoolError, accept};

/// A message or a reply that waits or is dead.
#[derive(Debug, Serialize)]
pub(crate) struct Letter {
    pub(crate) id: u64,
    /// `message` or `reply`.
    pub(crate) kind: String,
    /// `waiting` or `dead`.
    pub(crate) state: String,
    pub(crate) channel: String,
    pub(crate) session: String,
    /// The message that it belongs to.
    pub(crate) inbound: u64,
    pub(crate) attempts: u32,
    /// When it came, in milliseconds since 1970.
    pub(crate) since_ms: i64,
    /// Not tried before, in milliseconds since 1970; 0 for at once.
    pub(crate) not_before_ms: i64,
    /// Why it is dead, or what its last attempt said.
    pub(crate) reason: Option<String>,
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Dead letters or what waits; `None` for both.
    pub(crate) dead: Option<bool>,
    pub(crate) channel: Option<String>,
    /// At most so many.
    pub(crate) limit: usize,
}

/// A message's story as the spool has it.
#[derive(Debug, Serialize)]
pub(crate) struct Story {
    /// 0 where no message is answered: the operator had it sent.
    pub(crate) inbound: u64,
    pub(crate) channel: String,
    pub(crate) account: String,
    pub(crate) chat: String,
    /// The platform's id of the message.
    pub(crate) message: String,
    pub(crate) revision: String,
    pub(crate) session: String,
    /// `waiting`, `done`, `dead`, `dropped` or `refused`.
    pub(crate) state: &'static str,
    pub(crate) attempts: u32,
    pub(crate) received_ms: i64,
    pub(crate) done_ms: Option<i64>,
    pub(crate) reason: Option<String>,
    /// Questions to providers, as [`Tried`](crate::agent::Tried) writes them.
    pub(crate) asked: Vec<Value>,
    pub(crate) replies: Vec<Reply>,
}

/// One message to the platform.
#[derive(Debug, Serialize)]
pub(crate) struct Reply {
    pub(crate) id: u64,
    /// `waiting`, `sent`, `dead` or `dropped`.
    pub(crate) state: &'static str,
    pub(crate) attempts: u32,
    pub(crate) message_ids: Vec<String>,
    pub(crate) created_ms: i64,
    pub(crate) finished_ms: Option<i64>,
    pub(crate) error: Option<String>,
}

const LETTERS: &str = "
SELECT id, kind, state, channel, session, inbound, attempts, since_ms, not_before_ms, reason FROM (
    SELECT seq AS id, 'message' AS kind, state, channel, session, seq AS inbound, attempts, received_ms AS since_ms,
           0 AS not_before_ms, reason
    FROM inbound WHERE state = 0 OR state = 2
    UNION ALL
    SELECT id, 'reply', state, channel, session, reply, attempts, created_ms, not_before_ms, error
    FROM outbox WHERE state = 0 OR state = 2)
WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR channel = ?2)";

impl SpoolReader {
    /// What waits and what is dead, oldest first, and how many there are in all.
    ///
    /// # Errors
    /// [`SpoolError::Refused`] where it cannot be read.
    pub(crate) fn letters(&self, filter: &Filter) -> Result<(Vec<Letter>, u64), SpoolError> {
        let state = filter.dead.map(|dead| if dead { 2 } else { 0 });
        let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
        let read = || {
            let count = format!("SELECT count(*) FROM ({LETTERS})");
            let all = self
                .conn
                .query_row(&count, params![state, filter.channel], |row| row.get(0))?;
            let mut select = self.conn.prepare(&format!("{LETTERS} ORDER BY id LIMIT ?3"))?;
            let letters = select.query_map(params![state, filter.channel, limit], Letter::read)?;
            Ok((letters.collect::<rusqlite::Result<_>>()?, from_sql(all)))
        };
        self.readable(read())
    }

    /// One of them, with its body as JSON.
    ///
    /// # Errors
    /// [`SpoolError::Refused`] where it cannot be read.
    pub(crate) fn letter(&self, id: u64) -> Result<Option<(Letter, Option<Value>)>, SpoolError> {
        let read = || {
            let sql = format!("{LETTERS} AND id = ?3");
            let none = (None::<i64>, None::<String>);
            let letter = self
                .conn
                .query_row(&sql, params![none.0, none.1, to_sql(id)], Letter::read)
                .optional()?;
            let Some(letter) = letter else { return Ok(None) };
            let sql = if letter.kind == "message" {
                "SELECT body FROM inbound WHERE seq = ?1"
            } else {
                "SELECT body FROM outbox WHERE id = ?1"
            };
            let body: Option<String> = self.conn.query_row(sql, [to_sql(id)], |row| row.get(0))?;
            Ok(Some((
                letter,
                body.and_then(|body| serde_json::from_str(&body).ok()),
            )))
        };
        self.readable(read())
    }

    /// The story of a message, or of the message that a reply answers; `None` where there is none, or where it is
    /// so old that its rows are gone.
    ///
    /// # Errors
    /// [`SpoolError::Refused`] where it cannot be read.
    pub(crate) fn story(&self, id: u64) -> Result<Option<Story>, SpoolError> {
        let read = || {
            let sql = "SELECT reply FROM outbox WHERE id = ?1";
            let reply = self
                .conn
                .query_row(sql, [to_sql(id)], |row| row.get(0))
                .optional()?;
            let seq: i64 = reply.unwrap_or_else(|| to_sql(id));
            let sql =
                "SELECT seq, channel, key, session, state, attempts, received_ms, done_ms, reason, story
                       FROM inbound WHERE seq = ?1";
            let story = self.conn.query_row(sql, [seq], Story::read).optional()?;
            let mut story = match story {
                Some(story) => story,
                None => match self.unasked(seq)? {
                    Some(story) => story,
                    None => return Ok(None),
                },
            };
            let mut select = self.conn.prepare(
                "SELECT id, state, attempts, message_ids, created_ms, finished_ms, error FROM outbox
                 WHERE id >= ?1 AND reply = ?1 ORDER BY id",
            )?;
            story.replies = select
                .query_map([seq], Reply::read)?
                .collect::<rusqlite::Result<_>>()?;
            Ok(Some(story))
        };
        self.readable(read())
    }

    /// The story of what answers no message, as what `miniclaw send` sends.
    fn unasked(&self, id: i64) -> rusqlite::Result<Option<Story>> {
        let sql = "SELECT channel, session, created_ms FROM outbox WHERE id = ?1 AND reply = ?1";
        let read = |row: &Row<'_>| {
            Ok(Story {
                inbound: 0,
                channel: row.get(0)?,
                account: String::new(),
                chat: String::new(),
                message: String::new(),
                revision: String::new(),
                session: row.get(1)?,
                state: "done",
                attempts: 0,
                received_ms: row.get(2)?,
                done_ms: None,
                reason: None,
                asked: Vec::new(),
                replies: Vec::new(),
            })
        };
        self.conn.query_row(sql, [id], read).optional()
    }
}

impl Letter {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let state: i64 = row.get(2)?;
        Ok(Self {
            id: from_sql(row.get(0)?),
            kind: row.get(1)?,
            state: if state == 0 { "waiting" } else { "dead" }.into(),
            channel: row.get(3)?,
            session: row.get(4)?,
            inbound: from_sql(row.get(5)?),
            attempts: row.get(6)?,
            since_ms: row.get(7)?,
            not_before_ms: row.get(8)?,
            reason: row.get(9)?,
        })
    }
}

impl Story {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let key: String = row.get(2)?;
        let [_, account, chat, message, revision] = accept::key_parts(&key);
        let (state, reason): (i64, Option<String>) = (row.get(4)?, row.get(8)?);
        let story: Option<String> = row.get(9)?;
        Ok(Self {
            inbound: from_sql(row.get(0)?),
            channel: row.get(1)?,
            account,
            chat,
            message,
            revision,
            session: row.get(3)?,
            state: match (state, reason.as_deref()) {
                (0, _) => "waiting",
                (2, _) => "dead",
                (_, Some(accept::REFUSED)) => "refused",
                (_, Some(_)) => "dropped",
                (_, None) => "done",
            },
            attempts: row.get(5)?,
            received_ms: row.get(6)?,
            done_ms: row.get(7)?,
            reason,
            asked: story
                .and_then(|story| serde_json::from_str(&story).ok())
                .unwrap_or_default(),
            replies: Vec::new(),
        })
    }
}

impl Reply {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (state, ids): (i64, Option<String>) = (row.get(1)?, row.get(3)?);
        Ok(Self {
            id: from_sql(row.get(0)?),
            state: match (state, &ids) {
                (0, _) => "waiting",
                (2, _) => "dead",
                (_, None) => "dropped",
                (_, Some(_)) => "sent",
            },
            attempts: row.get(2)?,
            message_ids: ids
                .and_then(|ids| serde_json::from_str(&ids).ok())
                .unwrap_or_default(),
            created_ms: row.get(4)?,
            finished_ms: row.get(5)?,
            error: row.get(6)?,
        })
    }
}

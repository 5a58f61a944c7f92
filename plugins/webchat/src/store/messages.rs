//! The transcript.

use miniclaw_plugin_api::{OutboundMessage, Result, TextFormat};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;

use super::{Store, Survives, now_ms};

/// Messages that a page is given at once of a chat: the latest.
const MESSAGES: i64 = 2_000;
/// Chats that are listed: the latest.
const CHATS: i64 = 500;
/// Letters of a title.
const TITLE: usize = 60;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// A message, as the page sees it.
#[derive(Debug, Serialize)]
pub(crate) struct Message {
    pub(crate) seq: i64,
    pub(crate) rev: i64,
    pub(crate) id: String,
    pub(crate) role: &'static str,
    pub(crate) text: String,
    pub(crate) at_ms: i64,
    pub(crate) deleted: bool,
    #[serde(skip)]
    pub(crate) chat: String,
}

/// A conversation, as the page lists it.
#[derive(Debug, Serialize)]
pub(crate) struct Chat {
    chat: String,
    title: String,
    at_ms: i64,
    messages: i64,
}

impl Store {
    /// Takes a person's message in, unseen until its verdict.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn hear(&self, chat: &str, id: &str, text: &str) -> Result<()> {
        self.change(Survives::Process, |db, rev| {
            let sql = "INSERT INTO messages (rev, chat, id, agent, text, at_ms, run) VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6)
                ON CONFLICT (chat, id) WHERE id IS NOT NULL DO UPDATE SET run = ?6 WHERE run IS NOT NULL";
            db.execute(sql, params![rev, chat, id, text, now_ms(), self.own])?;
            Ok(((), rev))
        })
    }

    /// Shows a message that the host has.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn show(&self, chat: &str, id: &str) -> Result<()> {
        self.change(Survives::Machine, |db, rev| {
            let sql =
                "UPDATE messages SET run = NULL, rev = ?1 WHERE chat = ?2 AND id = ?3 AND run IS NOT NULL";
            if db.execute(sql, params![rev, chat, id])? > 0 {
                db.execute("DELETE FROM closed WHERE chat = ?1", [chat])?;
            }
            Ok(((), rev))
        })
    }

    /// Forgets a message that the host does not have, or refused.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn forget(&self, chat: &str, id: &str) -> Result<()> {
        self.read(|db| {
            let sql = "DELETE FROM messages WHERE chat = ?1 AND id = ?2 AND run IS NOT NULL";
            db.execute(sql, [chat, id])
        })?;
        Ok(())
    }

    /// Takes the agent's message in and returns its number, which is the same in every attempt to say it.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn say(&self, chat: &str, message: &OutboundMessage) -> Result<i64> {
        let key = Some(&message.idempotency_key).filter(|key| !key.is_empty());
        self.change(Survives::Machine, |db, rev| {
            let rev = show_orphans(db, chat, rev, &self.own)?;
            let text = text_of(message);
            let sql = "SELECT seq, text FROM messages WHERE key = ?1";
            let known = db.query_row(sql, [key], |row| Ok((row.get(0)?, row.get(1)?)));
            let known: Option<(i64, String)> = known.optional()?;
            match known {
                Some((seq, before)) if before == text => Ok((seq, rev - 1)),
                Some((seq, _)) => {
                    let sql = "UPDATE messages SET text = ?1, rev = ?2 WHERE seq = ?3 AND deleted = 0";
                    db.execute(sql, params![text, rev, seq])?;
                    Ok((seq, rev))
                }
                None => insert(db, chat, &text, key, rev).map(|seq| (seq, rev)),
            }
        })
    }

    /// Changes the agent's message; `false` where it is gone. In a deleted chat nothing is shown any more.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn edit(&self, chat: &str, seq: i64, message: &OutboundMessage) -> Result<bool> {
        // Without a key it is an answer that is being written, which changes again.
        let survives = if message.idempotency_key.is_empty() {
            Survives::Process
        } else {
            Survives::Machine
        };
        self.change(survives, |db, rev| {
            let sql = "UPDATE messages SET text = ?1, rev = ?2 WHERE seq = ?3 AND chat = ?4 AND agent AND deleted = 0";
            let changed = db.execute(sql, params![text_of(message), rev, seq, chat])? > 0;
            Ok((changed || is_closed(db, chat)?, rev))
        })
    }

    /// Takes the agent's message back; `false` where it is gone.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn remove(&self, chat: &str, seq: i64) -> Result<bool> {
        self.change(Survives::Machine, |db, rev| {
            let sql = "UPDATE messages SET text = '', deleted = 1, rev = ?1 WHERE seq = ?2 AND chat = ?3 AND agent AND deleted = 0";
            let changed = db.execute(sql, params![rev, seq, chat])? > 0;
            Ok((changed || is_closed(db, chat)?, rev))
        })
    }

    /// Takes a chat back; every one of its messages gets a revision, so that no page shows it any more.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn delete(&self, chat: &str) -> Result<()> {
        self.change(Survives::Machine, |db, rev| {
            let mut select = db.prepare("SELECT seq FROM messages WHERE chat = ?1 AND deleted = 0")?;
            let seqs: Vec<i64> = select
                .query_map([chat], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let mut next = rev;
            for seq in seqs {
                let sql = "UPDATE messages SET text = '', deleted = 1, run = NULL, rev = ?1 WHERE seq = ?2";
                db.execute(sql, [next, seq])?;
                next += 1;
            }
            let sql = "INSERT INTO closed (chat, at_ms) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET at_ms = ?2";
            db.execute(sql, params![chat, now_ms()])?;
            Ok(((), next.max(rev + 1) - 1))
        })
    }

    /// The chats that have messages, the latest first.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn chats(&self) -> Result<Vec<Chat>> {
        self.read(|db| {
            let sql = "SELECT chat, max(at_ms), count(*), (
                    SELECT substr(text, 1, 200) FROM messages AS said
                    WHERE said.chat = messages.chat AND deleted = 0 AND run IS NULL ORDER BY agent, seq LIMIT 1
                ) FROM messages WHERE deleted = 0 AND run IS NULL GROUP BY chat ORDER BY max(seq) DESC LIMIT ?1";
            let mut select = db.prepare(sql)?;
            let chats = select.query_map([CHATS], |row| {
                Ok(Chat {
                    chat: row.get(0)?,
                    at_ms: row.get(1)?,
                    messages: row.get(2)?,
                    title: title(&row.get::<_, String>(3)?),
                })
            })?;
            chats.collect()
        })
    }

    /// The messages of a chat after this revision in the order of their numbers, and the last revision of all.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn messages(&self, chat: &str, after: i64) -> Result<(i64, Vec<Message>)> {
        self.read(|db| {
            let rev = db.query_row("SELECT rev FROM counter", [], |row| row.get(0))?;
            // Whoever sees the chat for the first time has nothing that would have to be taken back.
            let sql = "SELECT * FROM (
                    SELECT seq, rev, id, agent, text, at_ms, deleted, chat FROM messages
                    WHERE chat = ?1 AND rev > ?2 AND run IS NULL AND (deleted = 0 OR ?2 > 0)
                    ORDER BY seq DESC LIMIT ?3
                ) ORDER BY seq";
            Ok((rev, select(db, sql, params![chat, after, MESSAGES])?))
        })
    }

    /// The next messages of all chats after this revision, in the order of revisions.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn changes(&self, after: i64, most: i64) -> Result<Vec<Message>> {
        self.read(|db| {
            let sql = "SELECT seq, rev, id, agent, text, at_ms, deleted, chat FROM messages
                WHERE rev > ?1 AND run IS NULL ORDER BY rev LIMIT ?2";
            select(db, sql, params![after, most])
        })
    }

    /// Forgets what is older than that.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn sweep(&self, days: u32) -> Result<()> {
        let before = now_ms() - i64::from(days) * DAY_MS;
        self.read(|db| {
            db.execute("DELETE FROM messages WHERE at_ms < ?1", [before])?;
            db.execute("DELETE FROM closed WHERE at_ms < ?1", [before])
        })?;
        Ok(())
    }
}

/// What an earlier process handed over and heard no verdict of is shown by the next thing that the agent says there.
fn show_orphans(db: &Transaction<'_>, chat: &str, rev: i64, own: &str) -> rusqlite::Result<i64> {
    let sql = "SELECT seq FROM messages WHERE chat = ?1 AND run <> ?2";
    let mut select = db.prepare(sql)?;
    let seqs: Vec<i64> = select
        .query_map([chat, own], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut next = rev;
    for seq in seqs {
        db.execute(
            "UPDATE messages SET run = NULL, rev = ?1 WHERE seq = ?2",
            [next, seq],
        )?;
        next += 1;
    }
    Ok(next)
}

fn insert(
    db: &Transaction<'_>,
    chat: &str,
    text: &str,
    key: Option<&String>,
    rev: i64,
) -> rusqlite::Result<i64> {
    let closed = is_closed(db, chat)?;
    let sql = "INSERT INTO messages (rev, chat, agent, text, at_ms, deleted, key) VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6)";
    let text = if closed { "" } else { text };
    db.execute(sql, params![rev, chat, text, now_ms(), closed, key])?;
    Ok(db.last_insert_rowid())
}

fn is_closed(db: &Connection, chat: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM closed WHERE chat = ?1";
    db.query_row(sql, [chat], |row| row.get(0))
}

fn select(db: &Connection, sql: &str, of: impl rusqlite::Params) -> rusqlite::Result<Vec<Message>> {
    let mut select = db.prepare(sql)?;
    select.query_map(of, read)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Message> {
    let seq: i64 = row.get(0)?;
    let id: Option<String> = row.get(2)?;
    Ok(Message {
        seq,
        rev: row.get(1)?,
        id: id.unwrap_or_else(|| format!("m-{seq}")),
        role: if row.get(3)? { "agent" } else { "user" },
        text: row.get(4)?,
        at_ms: row.get(5)?,
        deleted: row.get(6)?,
        chat: row.get(7)?,
    })
}

/// As Markdown, whatever it was.
fn text_of(message: &OutboundMessage) -> String {
    let text = message.text();
    if message.format == TextFormat::Markdown {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_ascii_punctuation() {
            plain.push('\\');
        }
        plain.push(char);
    }
    plain
}

/// First words.
fn title(text: &str) -> String {
    let words = text.split_whitespace();
    let mut title = String::new();
    for word in words {
        let length = title.chars().count() + word.chars().count();
        if length > TITLE && !title.is_empty() {
            title.push('…');
            break;
        }
        if !title.is_empty() {
            title.push(' ');
        }
        title.extend(word.chars().take(TITLE));
    }
    title
}

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use tracing::error;

use super::usage;
use super::work::{Need, Tx, Work, from_sql, to_sql};
use super::{Appended, Choice, Journal, JournalRow};

/// What a session's file does not hold yet.
pub(super) struct ReadJournal {
    pub(super) session: Arc<str>,
    pub(super) after: u64,
}

/// A journal, its entries still JSON text: parsing is not the writer's work.
pub(super) struct RawJournal {
    generation: u64,
    choice: Choice,
    rows: Vec<(u64, String)>,
}

impl Work for ReadJournal {
    type Answer = RawJournal;
    const NEED: Need = Need::Read;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<RawJournal> {
        let generation = tx.generation(&self.session)?;
        RawJournal::read(tx.conn, &self.session, generation, self.after)
    }
}

impl RawJournal {
    pub(super) fn read(
        conn: &Connection,
        session: &str,
        generation: i64,
        after: u64,
    ) -> rusqlite::Result<Self> {
        let mut select = conn.prepare(
            "SELECT seq, body FROM journal
             WHERE session = ?1 AND seq > ?2 AND generation = ?3 ORDER BY seq",
        )?;
        let choice = usage::choice(conn, session)?;
        let rows = select.query_map(params![session, to_sql(after), generation], |row| {
            Ok((from_sql(row.get(0)?), row.get(1)?))
        })?;
        Ok(Self {
            generation: from_sql(generation),
            choice,
            rows: rows.collect::<rusqlite::Result<_>>()?,
        })
    }

    /// A row that cannot be read costs its own messages of the history and no others.
    pub(super) fn parse(self) -> Journal {
        let parse = |(seq, body): (u64, String)| match serde_json::from_str(&body) {
            Ok(entries) => Some(JournalRow { seq, entries }),
            Err(error) => {
                error!(seq, %error, "Row of a session's journal cannot be read and is left out");
                None
            }
        };
        Journal {
            generation: self.generation,
            choice: self.choice,
            rows: self.rows.into_iter().filter_map(parse).collect(),
        }
    }
}

/// Starts a session's next generation.
pub(super) struct RaiseGeneration(pub(super) Arc<str>);

impl Work for RaiseGeneration {
    type Answer = u64;
    const NEED: Need = Need::Synced;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<u64> {
        tx.raise_generation(&self.0).map(from_sql)
    }
}

/// Removes journal rows that are in checkpoints.
pub(super) struct TrimJournal {
    pub(super) session: Arc<str>,
    pub(super) through: u64,
}

impl Work for TrimJournal {
    type Answer = ();
    const NEED: Need = Need::Written;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<()> {
        tx.statements
            .trim
            .execute(params![&*self.session, to_sql(self.through)])
            .map(drop)
    }
}

impl Tx<'_, '_> {
    /// Appends entries, as JSON text, to a session of this generation.
    pub(super) fn append_journal(
        &mut self,
        session: &str,
        generation: i64,
        entries: &str,
    ) -> rusqlite::Result<Appended> {
        let previous: Option<i64> = self
            .statements
            .last_journal
            .query_row([session], |row| row.get(0))?;
        let seq = self.ids.take();
        self.statements
            .journal
            .execute(params![seq, session, generation, entries])?;
        Ok(Appended {
            seq: from_sql(seq),
            previous: previous.map_or(0, from_sql),
        })
    }

    /// A session that was never raised has no row.
    pub(super) fn generation(&mut self, session: &str) -> rusqlite::Result<i64> {
        let found = self
            .statements
            .generation
            .query_row([session], |row| row.get(0))
            .optional()?;
        Ok(found.unwrap_or(0))
    }

    pub(super) fn raise_generation(&mut self, session: &str) -> rusqlite::Result<i64> {
        self.conn
            .execute("DELETE FROM journal WHERE session = ?1", [session])?;
        self.conn.query_row(
            "INSERT INTO sessions (key, generation) VALUES (?1, 1)
             ON CONFLICT (key) DO UPDATE SET generation = generation + 1 RETURNING generation",
            [session],
            |row| row.get(0),
        )
    }
}

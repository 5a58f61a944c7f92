use std::sync::Arc;

use rusqlite::params;

use super::work::{Need, Tx, Work, from_sql, to_sql};
use super::{Appended, Usage};

/// T2: the end of a turn.
pub(super) struct Finish {
    pub(super) session: Arc<str>,
    pub(super) generation: u64,
    pub(super) new_generation: bool,
    pub(super) inbound: Vec<u64>,
    /// JSON text of the journal row; `None` where there is nothing to append.
    pub(super) entries: Option<String>,
    pub(super) channel: Arc<str>,
    /// JSON text of each chunk.
    pub(super) chunks: Vec<String>,
    /// JSON text of what the turn did.
    pub(super) story: Option<String>,
    pub(super) usage: Vec<Usage>,
    /// JSON text.
    pub(super) choice: Option<String>,
}

pub(super) struct Finished {
    /// Of the outbox rows, in the order of the chunks.
    pub(super) ids: Vec<u64>,
    pub(super) reply: u64,
    pub(super) created: u64,
    pub(super) journal: Option<Appended>,
}

impl Work for Finish {
    type Answer = Finished;
    const NEED: Need = Need::Synced;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<Finished> {
        let journal = self.append(tx)?;
        if self.new_generation {
            tx.raise_generation(&self.session)?;
        }
        for &seq in &self.inbound {
            tx.statements
                .done
                .execute(params![to_sql(seq), tx.now_ms, self.story])?;
        }
        tx.spend(&self.session, &self.usage)?;
        if let Some(choice) = &self.choice {
            tx.choose(&self.session, choice)?;
        }
        let reply = self.inbound.first().map_or(tx.ids.next, |&seq| to_sql(seq));
        let insert = |chunk| {
            tx.insert_outbox(&self.channel, &self.session, reply, chunk)
                .map(from_sql)
        };
        let ids = self
            .chunks
            .iter()
            .map(|chunk| chunk.as_str())
            .map(insert)
            .collect::<Result<_, _>>()?;
        Ok(Finished {
            ids,
            reply: from_sql(reply),
            created: from_sql(tx.activity),
            journal,
        })
    }
}

impl Finish {
    /// Entries of a generation that is over, or ends with this turn, are not worth a row.
    fn append(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<Option<Appended>> {
        let Some(entries) = self.entries.as_ref().filter(|_| !self.new_generation) else {
            return Ok(None);
        };
        let generation = tx.generation(&self.session)?;
        if generation != to_sql(self.generation) {
            return Ok(None);
        }
        tx.append_journal(&self.session, generation, entries).map(Some)
    }
}

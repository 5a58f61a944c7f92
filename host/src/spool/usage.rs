use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::work::{Need, Tx, Work, from_sql, to_sql};
use super::{Choice, Spent, Usage};

/// What answers cost by session, day and model (empty where none is named; what single answers cost stands in their
/// stories), what people chose for their conversations (JSON text), and the message of a channel that shows an
/// answer while it is written.
pub(super) const SCHEMA: &str = "
CREATE TABLE usage (
    session TEXT NOT NULL,
    day INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    requests INTEGER NOT NULL,
    input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    cost_micros INTEGER,
    estimated INTEGER NOT NULL,
    PRIMARY KEY (session, day, provider, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_day ON usage (day);
CREATE TABLE choices (session TEXT PRIMARY KEY, choice TEXT NOT NULL) STRICT, WITHOUT ROWID;
ALTER TABLE inbound ADD COLUMN draft TEXT;
";

const DAY_MS: i64 = 86_400_000;
/// No answer costs more. A provider may claim anything, and the sum of all claims must still be a number of SQLite's.
const MOST: u64 = 1 << 40;

/// The day of a moment in milliseconds since 1970, in UTC.
pub(crate) fn day_of(wall_ms: i64) -> i64 {
    wall_ms.div_euclid(DAY_MS)
}

impl Tx<'_, '_> {
    pub(super) fn spend(&mut self, session: &str, usage: &[Usage]) -> rusqlite::Result<()> {
        for one in usage {
            self.statements.spend.execute(params![
                session,
                day_of(self.now_ms),
                one.provider,
                one.model.as_deref().unwrap_or_default(),
                to_sql(one.input.min(MOST)),
                to_sql(one.output.min(MOST)),
                one.cost_micros.map(|cost| to_sql(cost.min(MOST))),
                one.estimated
            ])?;
        }
        Ok(())
    }

    pub(super) fn choose(&mut self, session: &str, choice: &str) -> rusqlite::Result<()> {
        let sql = "INSERT INTO choices (session, choice) VALUES (?1, ?2)
                   ON CONFLICT (session) DO UPDATE SET choice = excluded.choice";
        self.conn.execute(sql, [session, choice]).map(drop)
    }
}

/// What was spent from a day on, by one session or by all.
pub(super) struct ReadSpent {
    pub(super) session: Option<Arc<str>>,
    pub(super) since_day: i64,
}

impl Work for ReadSpent {
    type Answer = Vec<Spent>;
    const NEED: Need = Need::Read;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<Vec<Spent>> {
        spent(tx.conn, self.session.as_deref(), self.since_day)
    }
}

/// Sums by day, provider and model, ascending.
pub(super) fn spent(
    conn: &Connection,
    session: Option<&str>,
    since_day: i64,
) -> rusqlite::Result<Vec<Spent>> {
    let mut select = conn.prepare(
        "SELECT day, provider, nullif(model, ''), sum(requests), sum(input), sum(output), sum(cost_micros), max(estimated)
         FROM usage WHERE day >= ?1 AND (?2 IS NULL OR session = ?2)
         GROUP BY day, provider, model ORDER BY day, provider, model",
    )?;
    let rows = select.query_map(params![since_day, session], |row| {
        Ok(Spent {
            day: row.get(0)?,
            provider: row.get(1)?,
            model: row.get(2)?,
            requests: from_sql(row.get(3)?),
            input: from_sql(row.get(4)?),
            output: from_sql(row.get(5)?),
            cost_micros: row.get::<_, Option<i64>>(6)?.map(from_sql),
            estimated: row.get(7)?,
        })
    })?;
    rows.collect()
}

/// What people chose for a session; one that cannot be read is none.
pub(super) fn choice(conn: &Connection, session: &str) -> rusqlite::Result<Choice> {
    let mut select = match conn.prepare("SELECT choice FROM choices WHERE session = ?1") {
        Ok(select) => select,
        // A file of an earlier version, which is read and not brought up.
        Err(_) => return Ok(Choice::default()),
    };
    let found: Option<String> = select.query_row([session], |row| row.get(0)).optional()?;
    Ok(found
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default())
}

/// The message of the channel that shows a row's answer while it is written.
pub(super) struct NoteDraft {
    pub(super) seq: u64,
    pub(super) message: String,
}

impl Work for NoteDraft {
    type Answer = ();
    const NEED: Need = Need::Written;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<()> {
        let sql = "UPDATE inbound SET draft = ?2 WHERE seq = ?1";
        tx.conn
            .execute(sql, params![to_sql(self.seq), self.message])
            .map(drop)
    }
}

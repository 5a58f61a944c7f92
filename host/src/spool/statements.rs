use rusqlite::{Connection, PrepFlags, Result, Statement};

/// The statements that every message needs, prepared once.
pub(super) struct Statements<'c> {
    pub(super) begin: Statement<'c>,
    pub(super) commit: Statement<'c>,
    pub(super) meta: Statement<'c>,
    pub(super) accept: Statement<'c>,
    pub(super) cursor: Statement<'c>,
    pub(super) generation: Statement<'c>,
    pub(super) journal: Statement<'c>,
    pub(super) last_journal: Statement<'c>,
    pub(super) trim: Statement<'c>,
    pub(super) start: Statement<'c>,
    pub(super) done: Statement<'c>,
    pub(super) outbox: Statement<'c>,
    pub(super) spend: Statement<'c>,
    pub(super) sending: Statement<'c>,
    pub(super) sent: Statement<'c>,
    pub(super) retry: Statement<'c>,
}

impl<'c> Statements<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> Result<Self> {
        let prepare = |sql| conn.prepare_with_flags(sql, PrepFlags::SQLITE_PREPARE_PERSISTENT);
        Ok(Self {
            begin: prepare("BEGIN IMMEDIATE")?,
            commit: prepare("COMMIT")?,
            meta: prepare("UPDATE meta SET activity = ?1, wall_ms = ?2, next_id = ?3")?,
            accept: prepare(
                "INSERT INTO inbound (seq, key, channel, session, state, body, received_ms, received_activity, done_ms, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (key) DO NOTHING",
            )?,
            cursor: prepare(
                "INSERT INTO cursors (channel, account, cursor) VALUES (?1, ?2, ?3)
                 ON CONFLICT (channel, account) DO UPDATE SET cursor = excluded.cursor",
            )?,
            generation: prepare("SELECT generation FROM sessions WHERE key = ?1")?,
            journal: prepare("INSERT INTO journal (seq, session, generation, body) VALUES (?1, ?2, ?3, ?4)")?,
            last_journal: prepare("SELECT max(seq) FROM journal WHERE session = ?1")?,
            trim: prepare("DELETE FROM journal WHERE session = ?1 AND seq <= ?2")?,
            start: prepare("UPDATE inbound SET started = 1 WHERE seq = ?1 AND state = 0")?,
            done: prepare(
                "UPDATE inbound SET state = 1, started = 0, body = NULL, done_ms = ?2, story = ?3
                 WHERE seq = ?1 AND state = 0",
            )?,
            outbox: prepare(
                "INSERT INTO outbox (id, channel, session, reply, body, created_ms, created_activity)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?,
            spend: prepare(
                "INSERT INTO usage (session, day, provider, model, requests, input, output, cost_micros, estimated)
                 VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8)
                 ON CONFLICT DO UPDATE SET requests = requests + 1,
                   input = input + excluded.input, output = output + excluded.output,
                   cost_micros = coalesce(cost_micros + excluded.cost_micros, cost_micros, excluded.cost_micros),
                   estimated = max(estimated, excluded.estimated)",
            )?,
            sending: prepare("UPDATE outbox SET sending = 1 WHERE id = ?1 AND state = 0")?,
            sent: prepare(
                "UPDATE outbox SET state = 1, sending = 0, attempts = attempts + 1, body = NULL, message_ids = ?2,
                   finished_ms = ?3
                 WHERE id = ?1",
            )?,
            retry: prepare(
                "UPDATE outbox SET sending = 0, attempts = ?2, not_before_ms = ?3, error = ?4, kills = kills + ?5,
                   outage = ?6
                 WHERE id = ?1 AND state = 0",
            )?,
        })
    }
}

//! Reads what can be read of a damaged spool, page by page and without trusting any of them, into a sound one.

mod cells;
mod model;
mod pages;
mod scan;

use std::fs::File;
use std::path::Path;

use miniclaw_plugin_api::{InboundMessage, OutboundMessage};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OpenFlags, ToSql, Transaction, params, params_from_iter};
use serde::Serialize;

use self::cells::Value;
use self::model::{Model, Table};
use self::pages::Pages;
use self::scan::{Found, scan};
use super::{open, schema, snapshot, wall_ms};
use crate::sessions::Entry;

/// What was saved of a damaged spool.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Salvaged {
    pub(crate) inbound: u64,
    pub(crate) outbox: u64,
    pub(crate) journal: u64,
    pub(crate) sessions: u64,
    pub(crate) cursors: u64,
    pub(crate) aliases: u64,
    pub(crate) usage: u64,
    pub(crate) choices: u64,
    /// Messages that waited for their turn and are lost, but for a dead letter that names their chat.
    pub(crate) lost_inbound: u64,
    /// Replies that waited to be sent and are lost, but for a dead letter.
    pub(crate) lost_outbox: u64,
    /// Rows whose message cannot be read: dead letters, or, of a history, left out.
    pub(crate) unreadable_messages: u64,
    pub(crate) broken_rows: u64,
    pub(crate) broken_pages: u64,
    /// Of the log: what the rows on them were before may stand in their place.
    pub(crate) broken_frames: u64,
}

/// Writes a sound spool to `path` with everything that can be read of the one in `dir`, which is left as it is.
/// `known` is the name of the spool, where the session files tell it: used where its own row is lost.
///
/// # Errors
/// Where the one file cannot be read at all or the other not be written; never for what is in the file.
pub(crate) fn salvage(dir: &Path, path: &Path, known: Option<&str>) -> Result<Salvaged, String> {
    let damaged =
        Pages::read(&dir.join(open::FILE)).map_err(|error| format!("cannot read the spool: {error}"))?;
    snapshot::remove_spool(path).map_err(|error| format!("cannot remove {}: {error}", path.display()))?;
    schema::create(path, wall_ms())?;
    let written = write(&damaged, path, known);
    let salvaged = written.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|error| format!("cannot sync {}: {error}", path.display()))?;
    Ok(salvaged)
}

fn write(damaged: &Pages, path: &Path, known: Option<&str>) -> rusqlite::Result<Salvaged> {
    let mut conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let model = Model::of(&conn)?;
    let found = scan(damaged, &model);
    let mut salvaged = Salvaged {
        broken_pages: found.broken_pages,
        broken_frames: damaged.broken_frames,
        broken_rows: found.broken_rows,
        ..Salvaged::default()
    };
    let transaction = conn.transaction()?;
    name(&transaction, &found, &model, known)?;
    for table in &model.tables {
        salvaged.insert(&transaction, table, &found)?;
    }
    salvaged.lost(&transaction, &found)?;
    settle(&transaction)?;
    transaction.commit()?;
    conn.close().map_err(|(_, error)| error)?;
    Ok(salvaged)
}

/// The spool keeps its name, which session files and idempotency keys have in them.
fn name(tx: &Transaction<'_>, found: &Found, model: &Model, known: Option<&str>) -> rusqlite::Result<()> {
    let row = found.rows.get("meta").and_then(|rows| rows.values().next());
    let meta = model.tables.iter().find(|table| table.name == "meta");
    if let (Some(row), Some(meta)) = (row, meta)
        && take_over(tx, meta, row)? == 1
    {
        return Ok(());
    }
    let sql = "UPDATE meta SET id = coalesce(?1, id), clean = 0";
    tx.execute(sql, [known]).map(drop)
}

/// Puts a row in the place of the one that the table has; 0 where damage made it one that the table does not take.
fn take_over(tx: &Transaction<'_>, table: &Table, row: &[Value]) -> rusqlite::Result<usize> {
    let columns = table.columns.iter().take(row.len());
    let names: Vec<&str> = columns.map(|column| &*column.name).collect();
    let marks = vec!["?"; names.len()].join(", ");
    let sql = format!(
        "UPDATE OR IGNORE {} SET ({}) = ({marks})",
        table.name,
        names.join(", ")
    );
    tx.prepare(&sql)?.execute(params_from_iter(row))
}

fn insert_row(tx: &Transaction<'_>, table: &Table, row: &[Value]) -> rusqlite::Result<usize> {
    let names: Vec<_> = table
        .columns
        .iter()
        .take(row.len())
        .map(|column| &*column.name)
        .collect();
    let marks = vec!["?"; names.len()].join(", ");
    let sql = format!(
        "INSERT OR IGNORE INTO {} ({}) VALUES ({marks})",
        table.name,
        names.join(", ")
    );
    tx.prepare(&sql)?.execute(params_from_iter(row))
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Null | Self::Foreign => Ok(rusqlite::types::Null.into()),
            Self::Integer(number) => number.to_sql(),
            Self::Text(text) => text.to_sql(),
        }
    }
}

impl Salvaged {
    fn insert(&mut self, tx: &Transaction<'_>, table: &Table, found: &Found) -> rusqlite::Result<()> {
        let rows = found
            .rows
            .get(&table.name)
            .into_iter()
            .flat_map(|rows| rows.values());
        for row in rows.filter(|_| table.name != "meta") {
            let reason = reason(table, row);
            if reason.is_some() {
                self.unreadable_messages += 1;
            }
            if reason.is_some() && table.name == "journal" {
                continue;
            }
            let kept = insert_row(tx, table, row)?;
            if let (1, Some(reason), Some(Value::Integer(id))) = (kept, reason, row.first()) {
                bury(tx, &table.name, *id, &reason)?;
            }
            *self.count(&table.name) += u64::try_from(kept).unwrap_or_default();
        }
        Ok(())
    }

    fn count(&mut self, table: &str) -> &mut u64 {
        match table {
            "inbound" => &mut self.inbound,
            "outbox" => &mut self.outbox,
            "journal" => &mut self.journal,
            "sessions" => &mut self.sessions,
            "aliases" => &mut self.aliases,
            "usage" => &mut self.usage,
            "choices" => &mut self.choices,
            _ => &mut self.cursors,
        }
    }

    /// Indexes name rows whose own page is gone: a message that was seen is not taken again, and one that waited
    /// is not gone without a word.
    fn lost(&mut self, tx: &Transaction<'_>, found: &Found) -> rusqlite::Result<()> {
        let entries = |name: &str| found.entries.get(name).map(Vec::as_slice).unwrap_or_default();
        let waiting: std::collections::HashSet<i64> = entries("inbound_waiting")
            .iter()
            .filter_map(|entry| number(entry))
            .collect();
        for entry in entries("sqlite_autoindex_inbound_1") {
            let (Some(Value::Text(key)), Some(seq)) = (entry.first(), number(entry)) else {
                continue;
            };
            let channel = key.split('\u{1f}').next().unwrap_or_default();
            let waited = waiting.contains(&seq);
            let lost = tx.execute(
                "INSERT OR IGNORE INTO inbound
                   (seq, key, channel, session, state, received_ms, received_activity, done_ms, reason)
                 SELECT ?1, ?2, ?3, '', iif(?4, 2, 1), ?5, activity, ?5, iif(?4, ?6, NULL) FROM meta",
                params![seq, key, channel, waited, wall_ms(), LOST],
            )?;
            self.lost_inbound += if waited && lost == 1 { 1 } else { 0 };
        }
        for entry in entries("outbox_waiting") {
            let (Some(Value::Text(channel)), Some(id)) = (entry.first(), number(entry)) else {
                continue;
            };
            let lost = tx.execute(
                "INSERT OR IGNORE INTO outbox
                   (id, channel, session, reply, state, error, created_ms, created_activity, finished_ms)
                 SELECT ?1, ?2, '', ?1, 2, ?3, ?4, activity, ?4 FROM meta",
                params![id, channel, LOST, wall_ms()],
            )?;
            self.lost_outbox += u64::try_from(lost).unwrap_or_default();
        }
        Ok(())
    }
}

const LOST: &str = "it stood on a damaged page of the spool";

/// The row's number is the last value of an entry.
fn number(entry: &[Value]) -> Option<i64> {
    match entry.last() {
        Some(&Value::Integer(number)) if number > 0 => Some(number),
        _ => None,
    }
}

/// Why a row cannot be used as it is.
fn reason(table: &Table, row: &[Value]) -> Option<String> {
    let value = |column: &str| table.position(column).and_then(|at| row.get(at));
    let state = value("state");
    if !matches!(state, None | Some(Value::Integer(0..=2))) {
        return Some("its state was damaged".into());
    }
    let body = match value("body")? {
        Value::Text(body) => body,
        Value::Null if state != Some(&Value::Integer(0)) => return None,
        _ => return Some("its message was damaged".into()),
    };
    let parsed = match (&*table.name, state) {
        ("inbound", Some(Value::Integer(0))) => serde_json::from_str::<InboundMessage>(body).err(),
        ("outbox", Some(Value::Integer(0))) => serde_json::from_str::<OutboundMessage>(body).err(),
        ("journal", _) => serde_json::from_str::<Vec<Entry>>(body).err(),
        _ => None,
    };
    parsed.map(|error| format!("its message was damaged: {error}"))
}

fn bury(tx: &Transaction<'_>, table: &str, id: i64, reason: &str) -> rusqlite::Result<()> {
    let sql = match table {
        "inbound" => "UPDATE inbound SET state = 2, reason = ?2, done_ms = ?3 WHERE seq = ?1",
        _ => "UPDATE outbox SET state = 2, error = ?2, finished_ms = ?3 WHERE id = ?1",
    };
    tx.execute(sql, params![id, reason, wall_ms()]).map(drop)
}

/// Numbers go on where none was ever given out, and no journal is ahead of its session.
fn settle(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO sessions SELECT session, max(generation) FROM journal WHERE generation > 0 GROUP BY session
         ON CONFLICT (key) DO UPDATE SET generation = max(generation, excluded.generation)",
        [],
    )?;
    tx.execute(
        "UPDATE meta SET next_id = max(next_id, ?1, 1 + (SELECT max(id) FROM (
           SELECT max(seq) id FROM inbound UNION ALL SELECT max(id) FROM outbox
           UNION ALL SELECT max(seq) FROM journal UNION ALL SELECT 0)))",
        [snapshot::fresh_id(wall_ms())],
    )
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_row_of_its_name_leaves_the_spool_with_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(open::FILE);
        schema::create(&path, 0).unwrap();
        let mut conn = Connection::open(&path).unwrap();
        let model = Model::of(&conn).unwrap();
        let damaged = [
            vec![Value::Integer(1), Value::Null],
            vec![Value::Integer(7), Value::Text("a".into())],
        ];
        for row in damaged {
            let mut found = Found::default();
            found
                .rows
                .entry("meta".into())
                .or_default()
                .insert("1".into(), row);
            let tx = conn.transaction().unwrap();
            name(&tx, &found, &model, Some("known")).unwrap();
            let id: String = tx.query_row("SELECT id FROM meta", [], |row| row.get(0)).unwrap();
            assert_eq!(id, "known");
        }
    }
}

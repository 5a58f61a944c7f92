use std::path::Path;

use miniclaw_plugin_api::{InboundMessage, OutboundMessage};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde::de::Error;

use super::reader::SpoolReader;
use super::{SpoolError, open, schema};
use crate::sessions::Entry;

/// Findings that are told; a ruined file would have one for each row.
const FINDINGS: usize = 100;

/// Queries for what must not be, each with the words for a row of it.
const RULES: &[(&str, &str)] = &[
    (
        "has a state that does not exist",
        "SELECT 'inbound ' || seq FROM inbound WHERE state NOT IN (0, 1, 2)",
    ),
    (
        "has a state that does not exist",
        "SELECT 'outbox ' || id FROM outbox WHERE state NOT IN (0, 1, 2)",
    ),
    (
        "waits without a message",
        "SELECT 'inbound ' || seq FROM inbound WHERE state = 0 AND body IS NULL",
    ),
    (
        "waits without a message",
        "SELECT 'outbox ' || id FROM outbox WHERE state = 0 AND body IS NULL",
    ),
    (
        "has a number that was not given out yet",
        "SELECT name || ' ' || id FROM (SELECT 'inbound' name, seq id FROM inbound UNION ALL
           SELECT 'outbox', id FROM outbox UNION ALL SELECT 'journal', seq FROM journal)
         WHERE id >= (SELECT next_id FROM meta)",
    ),
    (
        "is of a generation that its session has not reached",
        "SELECT 'journal ' || seq FROM journal
         WHERE generation > coalesce((SELECT generation FROM sessions WHERE key = session), 0)",
    ),
    (
        "does not have exactly one row",
        "SELECT 'meta' FROM (SELECT count(*) n FROM meta) WHERE n <> 1",
    ),
    ("has no name", "SELECT 'meta' FROM meta WHERE id = ''"),
];

/// Checks the spool of a state folder without changing it, also beside a running gateway; `None` where there is none.
/// Each finding is one line; none means that it is sound.
///
/// # Errors
/// Where it cannot be read for a reason that says nothing of its content.
pub(crate) fn check_folder(dir: &Path) -> Result<Option<Vec<String>>, SpoolError> {
    let reader = match open::sound_log(dir).and_then(|()| SpoolReader::open(dir)) {
        Ok(Some(reader)) => reader,
        Ok(None) => return Ok(None),
        // That says nothing of what is in it.
        Err(SpoolError::Refused { path, reason }) if schema::is_of_the_disk(&reason) => {
            return Err(SpoolError::Refused { path, reason });
        }
        Err(SpoolError::Refused { reason, .. }) => return Ok(Some(vec![reason])),
        Err(error) => return Err(error),
    };
    let found = reader
        .conn
        .execute_batch("BEGIN")
        .and_then(|()| check(&reader.conn));
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) => Ok(Some(vec![format!("{}: {error}", open::FILE)])),
    }
}

/// Checks pages first; what a file with broken pages says of its rows is not worth much.
pub(super) fn check(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut found = lines(conn, &format!("PRAGMA integrity_check({FINDINGS})"))?;
    found.retain(|line| line != "ok");
    if !found.is_empty() {
        return Ok(found.iter().map(|line| line.replace('\n', " ")).collect());
    }
    for (what, sql) in RULES {
        found.extend(lines(conn, sql)?.iter().map(|row| format!("{row} {what}")));
    }
    found.extend(unreadable::<InboundMessage>(
        conn,
        "inbound",
        "seq",
        "WHERE state = 0",
    )?);
    found.extend(unreadable::<OutboundMessage>(
        conn,
        "outbox",
        "id",
        "WHERE state = 0",
    )?);
    found.extend(unreadable::<Vec<Entry>>(conn, "journal", "seq", "")?);
    found.truncate(FINDINGS);
    Ok(found)
}

fn lines(conn: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut select = conn.prepare(sql)?;
    let rows = select.query_map([], |row| row.get(0))?;
    rows.take(FINDINGS).collect()
}

fn unreadable<T: serde::de::DeserializeOwned>(
    conn: &Connection,
    table: &str,
    id: &str,
    which: &str,
) -> rusqlite::Result<Vec<String>> {
    let mut select = conn.prepare(&format!("SELECT {id}, body FROM {table} {which} ORDER BY {id}"))?;
    let mut rows = select.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let ValueRef::Text(body) = row.get_ref(1)? else {
            continue;
        };
        // As the spool itself reads them.
        let text = str::from_utf8(body).map_err(Error::custom);
        let read = text.and_then(serde_json::from_str::<T>);
        if let Err(error) = read {
            found.push(format!(
                "{table} {} cannot be read: {error}",
                row.get::<_, i64>(0)?
            ));
        }
    }
    Ok(found)
}

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use miniclaw_plugin_api::OutboundMessage;
use rusqlite::config::DbConfig;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, OpenFlags, Row, TransactionBehavior, params};
use rustix::fs::Access;
use tracing::warn;

use super::clock::{at_start, wall_ms};
use super::inbound::RawInbound;
use super::upkeep::dead_letters;
use super::wal::{self, Damage};
use super::work::{Ids, from_sql, to_sql};
use super::{InboundRow, SpoolError, boot, schema};

/// The spool's name in the state folder.
pub(super) const FILE: &str = "spool.db";

/// Ends of the process during its turn that a message survives.
const MAX_ATTEMPTS: i64 = 5;

/// A start must not grow with 72 hours of traffic: larger files are checked page by page only after a crash, and very
/// large ones not at all. There, damage shows when it is touched, which ends the gateway, and by `miniclaw spool check`.
const ALWAYS_CHECKED_BYTES: u64 = 2 << 20;
const EVER_CHECKED_BYTES: u64 = 32 << 20;

/// What a start finds and leaves.
pub(super) struct Started {
    pub(super) conn: Connection,
    pub(super) id: String,
    pub(super) clean: bool,
    pub(super) epoch: u64,
    pub(super) activity: u64,
    pub(super) ids: Ids,
    pub(super) pending: u64,
    pub(super) outbox: u64,
    pub(super) dead: u64,
    pub(super) buried: Vec<InboundRow>,
}

/// Opens the file, or makes it, and takes note of how the process before this one ended.
pub(super) fn start(path: &Path) -> Result<Started, SpoolError> {
    let refused = |reason: String| SpoolError::Refused {
        path: path.display().to_string(),
        reason,
    };
    // SQLite opens what it cannot write, and says so late and without the reason.
    let dir = path.parent().unwrap_or(Path::new("."));
    rustix::fs::access(dir, Access::WRITE_OK)
        .map_err(|error| refused(format!("cannot write to its folder: {error}")))?;
    let exists = path
        .try_exists()
        .map_err(|error| refused(format!("cannot reach it: {error}")))?;
    if !exists {
        schema::create(path, wall_ms()).map_err(refused)?;
    }
    schema::inspect(path).map_err(refused)?;
    let torn = judge(path, wal::damage(path)).map_err(refused)?;
    let mut conn = connect(path).map_err(|error| refused(schema::unreadable(&error)))?;
    check(path, &conn).map_err(refused)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))
        .map_err(|error| refused(format!("cannot make it private to its owner: {error}")))?;
    boot::note(dir);
    if let Some(torn) = torn {
        // What is behind the tear must not stand behind later commits.
        conn.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE)
            .map_err(|error| refused(format!("cannot empty its torn log: {error}")))?;
        warn!(
            spool = %path.display(),
            "The spool's log {torn}. A power cut leaves that of the last second before it; of what is behind, nothing is used"
        );
    }
    schema::upgrade(&mut conn).map_err(|error| refused(format!("cannot upgrade it: {error}")))?;
    take_note(conn, wall_ms()).map_err(|error| refused(format!("cannot take it over: {error}")))
}

/// For who goes through all of a spool, also beside its gateway.
///
/// # Errors
/// [`SpoolError::Refused`] where the log is damaged before its end, or cannot be read.
pub(crate) fn sound_log(dir: &Path) -> Result<(), SpoolError> {
    let path = dir.join(FILE);
    let judged = judge(&path, wal::lasting_damage(&path));
    judged.map(drop).map_err(|reason| SpoolError::Refused {
        path: path.display().to_string(),
        reason,
    })
}

/// How the log is broken before its end, where a power cut may have done that.
///
/// # Errors
/// Where nothing but damage can have done it.
fn judge(path: &Path, found: io::Result<Option<Damage>>) -> Result<Option<Damage>, String> {
    match found.map_err(|error| schema::unreadable_log(path, &error))? {
        Some(damage) if path.parent().is_some_and(boot::is_noted) => Err(schema::damaged_log(path, &damage)),
        found => Ok(found),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    // Only a clean stop may touch the database file on its way out.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    schema::pragmas(
        &conn,
        "PRAGMA cache_size = -1024; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;
         PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 8388608; PRAGMA synchronous = FULL;",
    )?;
    Ok(conn)
}

fn check(path: &Path, conn: &Connection) -> Result<(), String> {
    let bytes = std::fs::metadata(path).map_or(u64::MAX, |file| file.len());
    let clean = conn.query_row("SELECT clean FROM meta", [], |row| row.get(0));
    let limit = if clean == Ok(true) {
        ALWAYS_CHECKED_BYTES
    } else {
        EVER_CHECKED_BYTES
    };
    schema::verify(conn, bytes <= limit || clean.is_err())
}

fn take_note(mut conn: Connection, wall_ms: i64) -> rusqlite::Result<Started> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let meta = transaction.query_row(
        "SELECT id, clean, epoch, activity, wall_ms, next_id FROM meta",
        [],
        Meta::read,
    )?;
    let epoch = meta.epoch + 1;
    let activity = at_start(meta.activity, meta.wall_ms, wall_ms);
    let mut ids = Ids {
        next: meta.next_id,
        reserved: meta.next_id,
    };
    let buried = if meta.clean {
        Vec::new()
    } else {
        suspect(&transaction, wall_ms)?
    };
    tell_senders(&transaction, &buried, &mut ids, activity)?;
    ids.reserved = ids.next + Ids::BLOCK;
    transaction.execute(
        "UPDATE inbound SET started = 0 WHERE state = 0 AND started = 1",
        [],
    )?;
    transaction.execute(
        "UPDATE outbox SET ambiguous = 1, sending = 0 WHERE state = 0 AND sending = 1",
        [],
    )?;
    transaction.execute(
        "UPDATE meta SET clean = 0, epoch = ?1, activity = ?2, wall_ms = ?3, next_id = ?4",
        params![to_sql(epoch), to_sql(activity), wall_ms, ids.reserved],
    )?;
    let pending = count(&transaction, "SELECT count(*) FROM inbound WHERE state = 0")?;
    let outbox = count(&transaction, "SELECT count(*) FROM outbox WHERE state = 0")?;
    let dead = dead_letters(&transaction)?;
    transaction.commit()?;
    Ok(Started {
        conn,
        id: meta.id,
        clean: meta.clean,
        epoch,
        activity,
        ids,
        pending,
        outbox,
        dead,
        buried,
    })
}

struct Meta {
    id: String,
    clean: bool,
    epoch: u64,
    activity: u64,
    wall_ms: i64,
    next_id: i64,
}

impl Meta {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            clean: row.get(1)?,
            epoch: from_sql(row.get(2)?),
            activity: from_sql(row.get(3)?),
            wall_ms: row.get(4)?,
            next_id: row.get(5)?,
        })
    }
}

fn count(conn: &Connection, sql: &str) -> rusqlite::Result<u64> {
    conn.query_row(sql, [], |row| row.get(0)).map(from_sql)
}

/// After a crash every waiting message is a suspect and has one attempt behind it; which turns had started is not
/// known, since nobody waits for a mark in ordinary times. From then on only a suspect whose turn had started counts
/// a crash: repeated kills from outside then bury no innocent message.
fn suspect(conn: &Connection, wall_ms: i64) -> rusqlite::Result<Vec<InboundRow>> {
    conn.execute(
        "UPDATE inbound SET attempts = iif(suspect, attempts + started, 1), suspect = 1, started = 0
         WHERE state = 0",
        [],
    )?;
    let mut select = conn.prepare(
        "SELECT seq, channel, session, body, attempts, suspect, received_ms, draft FROM inbound
         WHERE state = 0 AND attempts >= ?1 ORDER BY seq",
    )?;
    let buried = select
        .query_map([MAX_ATTEMPTS], RawInbound::read)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    conn.execute(
        "UPDATE inbound SET state = 2, done_ms = ?2,
           reason = 'the process ended ' || attempts || ' times during its turn'
         WHERE state = 0 AND attempts >= ?1",
        params![MAX_ATTEMPTS, wall_ms],
    )?;
    // A body that cannot be read is no reason to keep the dead letter's file from opening.
    Ok(buried.into_iter().filter_map(|row| row.parse().ok()).collect())
}

/// What a sender is told whose message is a dead letter. It waits in the outbox with the same commit.
const SET_ASIDE: &str =
    "One of your messages crashed me each time that I tried to answer it, so I have set it aside.";

fn tell_senders(
    conn: &Connection,
    buried: &[InboundRow],
    ids: &mut Ids,
    activity: u64,
) -> rusqlite::Result<()> {
    for row in buried {
        let note = OutboundMessage::new(row.message.chat.clone(), SET_ASIDE);
        let body = serde_json::to_string(&note).unwrap_or_default();
        conn.execute(
            "INSERT INTO outbox (id, channel, session, reply, body, created_ms, created_activity)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                ids.take(),
                &*row.channel,
                &*row.session.0,
                to_sql(row.seq),
                body,
                wall_ms(),
                to_sql(activity)
            ],
        )?;
    }
    Ok(())
}

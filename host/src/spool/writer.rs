use std::collections::HashSet;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::wal::CheckpointMode;
use tracing::{error, info};

use super::SpoolError;
use super::clock::wall_ms;
use super::shared::Shared;
use super::statements::Statements;
use super::trouble::{Trouble, classify};
use super::work::{Ids, Need, Sending, Task, Tx, to_sql};

/// Tasks in one commit at most.
const GROUP: usize = 512;
/// What was written is synced after this time at the latest; callers are promised 1 s.
const SYNC_WITHIN: Duration = Duration::from_millis(800);
/// Log pages that lead to a checkpoint, and commits between two looks at their number.
const CHECKPOINT_PAGES: i32 = 1_000;
const COMMITS_A_LOOK: u32 = 16;

/// The writer thread: takes what waits, commits it as one, answers; until the store is closed or dropped.
pub(super) fn run(conn: Connection, ids: Ids, shared: &Shared) {
    let _end = End(shared);
    let last = match Statements::prepare(&conn) {
        Ok(statements) => Writer::new(&conn, statements, ids, shared).serve(),
        Err(error) => {
            shared.fail(error.to_string());
            None
        }
    };
    let closed = conn
        .close()
        .map_err(|(_, error)| shared.fail(error.to_string()))
        .and_then(|()| shared.sound());
    if let Some(last) = last {
        last.settle(closed);
    }
}

/// Leaves nobody waiting, however the thread ends.
struct End<'s>(&'s Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("its writer panicked".into());
        }
        self.0.queue.refuse(&self.0.ended());
    }
}

struct Writer<'c> {
    conn: &'c Connection,
    statements: Statements<'c>,
    ids: Ids,
    shared: &'c Shared,
    /// Whether the connection syncs at each commit.
    syncs: bool,
    /// When the oldest commit was made that is not synced.
    unsynced: Option<Instant>,
    /// The activity clock as it is on disk.
    stored_activity: i64,
    commits: u32,
    /// The disk takes no more.
    down: bool,
}

impl<'c> Writer<'c> {
    fn new(conn: &'c Connection, statements: Statements<'c>, ids: Ids, shared: &'c Shared) -> Self {
        Self {
            conn,
            statements,
            ids,
            shared,
            syncs: true,
            unsynced: None,
            stored_activity: -1,
            commits: 0,
            down: false,
        }
    }

    /// Returns the task that closed the store, committed and not answered yet.
    fn serve(&mut self) -> Option<Box<dyn Task>> {
        let mut tasks = Vec::new();
        loop {
            let until = self.unsynced.map(|since| since + SYNC_WITHIN);
            if !self.shared.queue.take(&mut tasks, GROUP, until) {
                self.sync();
                return None;
            }
            if tasks.is_empty() {
                self.sync();
                continue;
            }
            let (reads, writes) = tasks.drain(..).partition(|task| task.need() == Need::Read);
            let last = self.write(writes);
            self.read(reads);
            if last.is_some() {
                return last;
            }
            self.checkpoint();
        }
    }

    /// Commits tasks as one and answers them; one by one where a task spoils it for the others.
    fn write(&mut self, mut tasks: Vec<Box<dyn Task>>) -> Option<Box<dyn Task>> {
        if tasks.is_empty() {
            return None;
        }
        let fate = self.commit(&mut tasks);
        let Err(failure) = fate else {
            let at = tasks.iter().position(|task| task.is_last());
            let last = at.map(|at| tasks.swap_remove(at));
            tasks.into_iter().for_each(|task| task.settle(Ok(())));
            return last.map(|last| self.close(last));
        };
        let (trouble, error) = failure;
        if trouble == Trouble::Request && tasks.len() > 1 {
            return tasks.into_iter().filter_map(|task| self.write(vec![task])).last();
        }
        tasks.into_iter().for_each(|task| task.settle(Err(error.clone())));
        None
    }

    fn read(&mut self, tasks: Vec<Box<dyn Task>>) {
        for mut task in tasks {
            let fate = self.shared.sound().and_then(|()| {
                let read = self.apply(std::slice::from_mut(&mut task));
                read.map_err(|error| self.judge(&error).1)
            });
            task.settle(fate);
        }
    }

    /// Makes what was written durable where nothing else did.
    fn sync(&mut self) {
        if self.unsynced.is_none() {
            return;
        }
        if let Err((trouble, _)) = self.commit(&mut []) {
            let again = trouble == Trouble::Unavailable;
            self.unsynced = again.then(Instant::now);
        }
    }

    fn commit(&mut self, tasks: &mut [Box<dyn Task>]) -> Result<(), (Trouble, SpoolError)> {
        self.shared.sound().map_err(|error| (Trouble::Fatal, error))?;
        let overdue = self.unsynced.is_some_and(|since| since.elapsed() >= SYNC_WITHIN);
        let synced = tasks.is_empty() || overdue || tasks.iter().any(|task| task.need() == Need::Synced);
        let began = Instant::now();
        match self.transact(tasks, synced) {
            Ok(()) => {
                let times = &self.shared.commits;
                let time = if synced { &times.synced } else { &times.written };
                time.observe(began.elapsed());
                self.unsynced = if synced {
                    None
                } else {
                    self.unsynced.or(Some(Instant::now()))
                };
                self.commits += 1;
                if std::mem::take(&mut self.down) {
                    self.shared.trouble.send_replace(None);
                    info!(spool = self.shared.path, "Spool takes messages again");
                }
                Ok(())
            }
            Err(error) => Err(self.judge(&error)),
        }
    }

    fn transact(&mut self, tasks: &mut [Box<dyn Task>], synced: bool) -> rusqlite::Result<()> {
        if self.syncs != synced {
            let level = if synced { "FULL" } else { "NORMAL" };
            self.conn
                .execute_batch(&format!("PRAGMA synchronous = {level}"))?;
            self.syncs = synced;
        }
        self.statements.begin.execute([])?;
        let next = self.ids.next;
        let done = self.apply(tasks).and_then(|()| {
            // Only a commit that changes a page syncs the log; rows with numbers of their own surely do.
            let must_write = synced && self.unsynced.is_some() && self.ids.next == next;
            let stored = self.store_meta(must_write || tasks.is_empty())?;
            self.statements.commit.execute([])?;
            Ok(stored)
        });
        match done {
            Ok((activity, reserved)) => {
                (self.stored_activity, self.ids.reserved) = (activity, reserved);
                Ok(())
            }
            Err(error) => {
                // The first error is the one that counts; a transaction that it ended itself needs no end.
                if !self.conn.is_autocommit() {
                    let _ = self.conn.execute_batch("ROLLBACK");
                }
                Err(error)
            }
        }
    }

    fn apply(&mut self, tasks: &mut [Box<dyn Task>]) -> rusqlite::Result<()> {
        let collapsed = collapsed(tasks);
        let mut tx = Tx {
            conn: self.conn,
            statements: &mut self.statements,
            ids: &mut self.ids,
            now_ms: wall_ms(),
            activity: to_sql(self.shared.clock.now()),
            collapsed: false,
        };
        for (at, task) in tasks.iter_mut().enumerate() {
            tx.collapsed = collapsed.contains(&at);
            task.run(&mut tx)?;
        }
        Ok(())
    }

    /// Stores the clock where it moved and the numbers where they ran out, or without fail.
    fn store_meta(&mut self, always: bool) -> rusqlite::Result<(i64, i64)> {
        let activity = to_sql(self.shared.clock.now());
        let reserved = self.ids.to_reserve();
        if always || activity != self.stored_activity || reserved != self.ids.reserved {
            self.statements.meta.execute([activity, wall_ms(), reserved])?;
        }
        Ok((activity, reserved))
    }

    /// Says what an error means for whoever asked, and logs what the operator must know, once.
    fn judge(&mut self, error: &rusqlite::Error) -> (Trouble, SpoolError) {
        let (path, reason) = (self.shared.path.clone(), error.to_string());
        let trouble = classify(self.conn, error);
        let error = match trouble {
            Trouble::Unavailable => {
                if !std::mem::replace(&mut self.down, true) {
                    self.shared.trouble.send_replace(Some(reason.clone()));
                    error!(
                        spool = path,
                        error = reason,
                        "Spool takes no more messages; it goes on by itself"
                    );
                }
                SpoolError::Unavailable { path, reason }
            }
            Trouble::Fatal => {
                error!(spool = path, error = reason, "Spool cannot be trusted any more");
                self.shared.fail(reason)
            }
            Trouble::Request => SpoolError::Refused { path, reason },
        };
        (trouble, error)
    }

    /// Moves the log into the database in time. SQLite's own way to do that hides failed syncs.
    fn checkpoint(&mut self) {
        if self.commits < COMMITS_A_LOOK {
            return;
        }
        self.commits = 0;
        let look = self.conn.wal_checkpoint_v2(None::<&str>, CheckpointMode::NOOP);
        let moved = look.and_then(|(pages, done)| match pages - done {
            waiting if waiting < CHECKPOINT_PAGES => Ok((0, 0)),
            _ => self.conn.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE),
        });
        // A full disk shows at the next commit; the log keeps what could not be moved.
        if let Err(error) = moved
            && classify(self.conn, &error) == Trouble::Fatal
        {
            self.judge(&error);
        }
    }

    /// Empties the log. Where a reader or a full disk is in the way it stays, and nothing is lost.
    fn close(&mut self, last: Box<dyn Task>) -> Box<dyn Task> {
        self.shared.queue.close();
        // Refused only for an unknown setting; the log file would then stay, empty.
        let _ = self
            .conn
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        if let Err(error) = self
            .conn
            .wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE)
            && classify(self.conn, &error) == Trouble::Fatal
        {
            self.judge(&error);
        }
        last
    }
}

/// Positions of sends that end in the same commit in which they begin: the end says it all.
fn collapsed(tasks: &[Box<dyn Task>]) -> HashSet<usize> {
    let mut ended = HashSet::new();
    let mut collapsed = HashSet::new();
    for (at, task) in tasks.iter().enumerate().rev() {
        match task.send() {
            Some(Sending::Ends(id)) => drop(ended.insert(id)),
            Some(Sending::Begins(id)) if ended.contains(&id) => drop(collapsed.insert(at)),
            _ => {}
        }
    }
    collapsed
}

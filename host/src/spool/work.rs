use rusqlite::{Connection, Row};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::SpoolError;
use super::statements::Statements;

/// What a piece of work asks of the disk before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: it reads.
    Read,
    /// Written to the log: survives the process.
    Written,
    /// Synced: survives the machine.
    Synced,
}

/// One request to the writer thread.
pub(super) trait Work: Send + 'static {
    type Answer: Send + 'static;
    const NEED: Need;
    /// The last request: the writer ends once it is committed.
    const LAST: bool = false;

    /// What this very piece asks, where that differs.
    fn need(&self) -> Need {
        Self::NEED
    }

    /// Does it inside a transaction. It is run again where the transaction had to be rolled back.
    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<Self::Answer>;

    /// The outbox row that it speaks of.
    fn send(&self) -> Option<Sending> {
        None
    }
}

/// What a request says about a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    Begins(u64),
    Ends(u64),
}

/// What a request finds on the writer thread.
pub(super) struct Tx<'a, 'c> {
    pub(super) conn: &'c Connection,
    pub(super) statements: &'a mut Statements<'c>,
    pub(super) ids: &'a mut Ids,
    /// Milliseconds since 1970.
    pub(super) now_ms: i64,
    /// Seconds on the activity clock.
    pub(super) activity: i64,
    /// The send that begins here ends in the same commit.
    pub(super) collapsed: bool,
}

/// Gives out numbers that are never given out again, not even when their rows are long gone: those of
/// messages are idempotency keys, those of journal rows are compared with what session files say.
#[derive(Debug)]
pub(super) struct Ids {
    pub(super) next: i64,
    /// Numbers below it are reserved on disk.
    pub(super) reserved: i64,
}

impl Ids {
    /// A crash skips at most as many numbers.
    pub(super) const BLOCK: i64 = 4_096;

    pub(super) fn take(&mut self) -> i64 {
        let id = self.next;
        self.next += 1;
        id
    }

    /// What must be reserved on disk together with the numbers that were taken.
    pub(super) fn to_reserve(&self) -> i64 {
        if self.next > self.reserved {
            self.next + Self::BLOCK
        } else {
            self.reserved
        }
    }
}

/// A [`Work`] with the one who waits for its answer.
pub(super) struct Ask<W: Work> {
    work: W,
    answer: Option<W::Answer>,
    reply: oneshot::Sender<Result<W::Answer, SpoolError>>,
}

/// An [`Ask`] of any type.
pub(super) trait Task: Send {
    fn need(&self) -> Need;
    fn is_last(&self) -> bool;
    fn send(&self) -> Option<Sending>;
    /// Runs the work and keeps its answer.
    fn run(&mut self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<()>;
    /// Answers: with what the work said, or with the error.
    fn settle(self: Box<Self>, fate: Result<(), SpoolError>);
}

impl<W: Work> Ask<W> {
    pub(super) fn new(work: W, reply: oneshot::Sender<Result<W::Answer, SpoolError>>) -> Box<Self> {
        Box::new(Self {
            work,
            answer: None,
            reply,
        })
    }
}

impl<W: Work> Task for Ask<W> {
    fn need(&self) -> Need {
        self.work.need()
    }

    fn is_last(&self) -> bool {
        W::LAST
    }

    fn send(&self) -> Option<Sending> {
        self.work.send()
    }

    fn run(&mut self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<()> {
        self.answer = Some(self.work.run(tx)?);
        Ok(())
    }

    fn settle(self: Box<Self>, fate: Result<(), SpoolError>) {
        let answer = match (fate, self.answer) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(answer)) => Ok(answer),
            (Ok(()), None) => Err(SpoolError::Closed),
        };
        // Whoever asked may have gone: what was asked is done all the same.
        let _ = self.reply.send(answer);
    }
}

pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Numbers that this module stored are never negative.
pub(super) fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// A body as text; `None` for what is none, so that one damaged row does not spoil a page.
pub(super) fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    let value = row.get_ref(column)?;
    Ok(value.as_str().ok().map(str::to_owned))
}

/// Reads a body, or says why it cannot be read.
pub(super) fn parse_body<T: DeserializeOwned>(body: Option<&str>) -> Result<T, String> {
    let body = body.ok_or("it has no text")?;
    serde_json::from_str(body).map_err(|error| error.to_string())
}

//! Everything that must not be lost: inbound messages, journals of sessions, replies on their way out.
//!
//! T1 [`Spool::accept`], T2 [`Spool::finish`], T3 and T4 [`Spool::record`].

mod accept;
mod aliases;
mod boot;
mod check;
mod clock;
mod finish;
mod inbound;
mod journal;
mod letters;
mod open;
mod probe;
mod queue;
mod reader;
mod salvage;
mod schema;
mod send;
mod shared;
mod snapshot;
mod sqlite;
mod statements;
mod trouble;
mod upkeep;
mod usage;
mod view;
mod wal;
mod work;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use miniclaw_plugin_api::{InboundMessage, OutboundMessage};
use serde::{Deserialize, Serialize};

pub(crate) use self::aliases::Alias;
pub(crate) use self::check::check_folder;
pub(crate) use self::clock::wall_ms;
pub(crate) use self::letters::{Requeued, Unfinished, Withdrawn};
pub(crate) use self::open::sound_log;
pub(crate) use self::reader::SpoolReader;
pub(crate) use self::salvage::{Salvaged, salvage};
pub(crate) use self::snapshot::{
    Holdings, SpoolSnapshot, any_spool, is_backup, make_spool, open_backup, remove_spool,
};
pub(crate) use self::sqlite::{Opened, SqliteSpool};
pub(crate) use self::usage::day_of;
pub(crate) use self::view::{Filter, Letter, Story};
use crate::sessions::{Entry, SessionKey};

/// The durable store between channels, agent and channels again.
///
/// # Errors
/// All methods: [`SpoolError::Unavailable`] while the disk takes no more, [`SpoolError::Fatal`] once a sync failed.
///
/// # Cancel safety
/// A dropped future changes nothing: what was asked is done all the same.
pub(crate) trait Spool: Send + Sync + 'static {
    /// A random name of this store, made with it; sequence numbers mean something only within it.
    fn id(&self) -> &str;

    /// T1: makes a batch and its cursor durable in one commit. The answers come in the order of the messages.
    fn accept(&self, batch: Batch) -> BoxFuture<'_, Result<Vec<Admission>, SpoolError>>;

    /// T2: makes a turn's end durable in one commit: journal, inbound rows done, outbox. Returns the outbox rows as stored and the journal's sequence number.
    fn finish<'a>(&'a self, turn: &FinishedTurn) -> BoxFuture<'a, Result<Committed, SpoolError>>;

    /// T4 and its like: returns when it is written (it survives the process), synced within 1 s. T3 is synced: it
    /// is asked for where a send must not be repeated. Returns the number of rows that it changed.
    fn record(&self, event: SendEvent) -> BoxFuture<'_, Result<usize, SpoolError>>;

    /// Marks a suspect's turn as started: returns when written. A start after a crash raises `attempts` of marked rows.
    fn mark_started(&self, seq: u64) -> BoxFuture<'_, Result<(), SpoolError>>;

    /// Inbound rows that wait for their turn, `seq > after`, ascending, at most `limit`. A row that cannot be read
    /// becomes a dead letter; only where there is no further row is the answer empty.
    fn pending(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<InboundRow>, SpoolError>>;

    /// Outbox rows of a channel instance that wait to be sent, `id > after`, ascending, at most `limit`; of one
    /// session, or of all. A row that cannot be read becomes a dead letter, as in [`Spool::pending`]; how many did, is
    /// answered too.
    fn outbox(
        &self,
        channel: Arc<str>,
        session: Option<SessionKey>,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<(Vec<OutboxRow>, usize), SpoolError>>;

    /// Makes aliases of chats durable; returns all there are. The first one of a chat counts.
    fn aliases(&self, new: Vec<Alias>) -> BoxFuture<'_, Result<Vec<Alias>, SpoolError>>;

    /// The cursor that was committed last for this channel instance and account.
    fn cursor(&self, channel: Arc<str>, account: String)
    -> BoxFuture<'_, Result<Option<String>, SpoolError>>;

    /// A session's generation (0 where it has none yet) and its journal rows of that generation with `seq > after`, ascending.
    fn journal(&self, session: SessionKey, after: u64) -> BoxFuture<'_, Result<Journal, SpoolError>>;

    /// Starts a session's next generation (`/new`, delete, sweep); its journal rows go. Returns the generation.
    fn raise_generation(&self, session: SessionKey) -> BoxFuture<'_, Result<u64, SpoolError>>;

    /// Removes a session's journal rows with `seq <= through`; needs no sync.
    fn trim_journal(&self, session: SessionKey, through: u64) -> BoxFuture<'_, Result<(), SpoolError>>;

    /// Notes the channel's message that shows a row's answer while it is written: returns when written. A start after a
    /// crash finds it in the row.
    fn note_draft(&self, seq: u64, message: String) -> BoxFuture<'_, Result<(), SpoolError>>;

    /// What was spent from a day (in UTC, since 1970) on, by a session or by all; sums by day, provider and model.
    fn spent(
        &self,
        session: Option<SessionKey>,
        since_day: i64,
    ) -> BoxFuture<'_, Result<Vec<Spent>, SpoolError>>;

    /// Deletes what is finished and older than the retention; returns the number of rows.
    fn upkeep(&self) -> BoxFuture<'_, Result<u64, SpoolError>>;

    /// Seconds on the activity clock: it counts observed time, and a jump of the wall clock moves it by at most a day.
    fn activity_now(&self) -> u64;

    /// Waits until the store fails for good; that is [`SpoolError::Fatal`], and the process must end.
    fn failed(&self) -> BoxFuture<'_, SpoolError>;

    /// Syncs all that is written, leaves the mark of a clean stop, closes. Nothing may be asked afterwards.
    fn close(&self) -> BoxFuture<'_, Result<(), SpoolError>>;
}

/// T1's work.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Channel instance.
    pub(crate) channel: Arc<str>,
    /// Account id of the channel.
    pub(crate) account: String,
    pub(crate) items: Vec<BatchItem>,
    pub(crate) cursor: Option<String>,
}

#[derive(Debug)]
pub(crate) enum BatchItem {
    /// To be answered by a turn of `session`.
    Message {
        session: SessionKey,
        message: Box<InboundMessage>,
    },
    /// Refused, with this note to its sender unless that was told before; the message itself is kept only for
    /// de-duplication.
    Refused {
        message: Box<InboundMessage>,
        note: Option<Box<OutboundMessage>>,
        session: SessionKey,
    },
}

/// What became of a [`BatchItem`].
#[derive(Debug)]
pub(crate) enum Admission {
    Accepted(InboundRow),
    /// Refused, with a note.
    Noted(OutboxRow),
    /// Refused without one.
    Refused,
    /// Handed over again after it was refused.
    RefusedBefore,
    /// Handed over again after it was accepted.
    Duplicate,
}

/// An accepted message that waits for its turn.
#[derive(Debug, Clone)]
pub(crate) struct InboundRow {
    /// Ascending in the order of acceptance.
    pub(crate) seq: u64,
    pub(crate) channel: Arc<str>,
    pub(crate) session: SessionKey,
    pub(crate) message: Arc<InboundMessage>,
    /// Turns that ended with the process.
    pub(crate) attempts: u32,
    /// It was pending when the process before this one crashed.
    pub(crate) suspect: bool,
    /// Milliseconds since 1970.
    pub(crate) received_ms: i64,
    /// The channel's message that shows what an earlier process wrote of the answer.
    pub(crate) draft: Option<String>,
}

/// T2's work.
#[derive(Debug)]
pub(crate) struct FinishedTurn {
    pub(crate) session: SessionKey,
    /// The generation that the turn saw; where it was raised since, the entries are dropped, the rest stands.
    pub(crate) generation: u64,
    /// Raise the generation after `entries`, as `/new` does.
    pub(crate) new_generation: bool,
    /// Inbound rows that this turn answers.
    pub(crate) inbound: Vec<u64>,
    /// To append to the journal; may be empty.
    pub(crate) entries: Vec<Entry>,
    pub(crate) channel: Arc<str>,
    /// The reply's chunks in order; may be empty.
    pub(crate) chunks: Vec<OutboundMessage>,
    /// JSON text of what the turn did, for who traces the message.
    pub(crate) story: Option<String>,
    /// What it cost.
    pub(crate) usage: Vec<Usage>,
    /// What its sender chose for the conversation from now on.
    pub(crate) choice: Option<Choice>,
}

/// What one answer of a provider cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) provider: String,
    pub(crate) model: Option<String>,
    /// Tokens read.
    pub(crate) input: u64,
    /// Tokens written.
    pub(crate) output: u64,
    /// Millionths of the currency in which the prices are configured.
    pub(crate) cost_micros: Option<u64>,
    /// The server did not tell the tokens.
    pub(crate) estimated: bool,
}

/// A day's [`Usage`] of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spent {
    /// Since 1970, in UTC.
    pub(crate) day: i64,
    pub(crate) provider: String,
    pub(crate) model: Option<String>,
    pub(crate) requests: u64,
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cost_micros: Option<u64>,
    /// Some of it.
    pub(crate) estimated: bool,
}

/// What people chose for a conversation; `None` leaves it to the configuration. Outlives `/new`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Choice {
    pub(crate) provider: Option<String>,
    pub(crate) model: Option<String>,
}

impl Choice {
    /// Whether nothing was chosen.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl FinishedTurn {
    /// Ends `inbound` with one sentence to the sender of `row`, outside the conversation's history.
    pub(crate) fn note(row: &InboundRow, inbound: Vec<u64>, text: &str) -> Self {
        Self {
            session: row.session.clone(),
            generation: 0,
            new_generation: false,
            inbound,
            entries: Vec::new(),
            channel: row.channel.clone(),
            chunks: vec![OutboundMessage::new(row.message.chat.clone(), text)],
            story: None,
            usage: Vec::new(),
            choice: None,
        }
    }
}

/// What T2 made.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) outbox: Vec<OutboxRow>,
    /// The journal row that holds `entries`; `None` where there were none or the generation had moved on.
    pub(crate) journal: Option<Appended>,
}

#[cfg(test)]
impl Committed {
    pub(crate) fn journal_seq(&self) -> Option<u64> {
        self.journal.map(|row| row.seq)
    }
}

/// A journal row that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) seq: u64,
    /// The session's row before it, 0 where there was none: whoever does not know that one missed a change.
    pub(crate) previous: u64,
}

/// A message, or a chunk of one, on its way out.
#[derive(Debug, Clone)]
pub(crate) struct OutboxRow {
    /// Ascending in the order of sending. `{spool id}-{id}` is the message's idempotency key.
    pub(crate) id: u64,
    pub(crate) channel: Arc<str>,
    /// The lane: rows of one session go out in order.
    pub(crate) session: SessionKey,
    /// All chunks of one reply share it: the first inbound row's `seq`.
    pub(crate) reply: u64,
    pub(crate) message: Arc<OutboundMessage>,
    pub(crate) attempts: u32,
    /// Times that its send ended the plugin.
    pub(crate) kills: u32,
    /// Its last attempt failed for the platform's sake.
    pub(crate) outage: bool,
    /// A send was under way when the process before this one ended: it may have happened.
    pub(crate) ambiguous: bool,
    /// Not before, in milliseconds since 1970.
    pub(crate) not_before_ms: i64,
    /// Seconds on the activity clock.
    pub(crate) created: u64,
    /// When the message that it answers was accepted, in milliseconds since 1970; `None` where it answers none.
    pub(crate) asked_ms: Option<i64>,
}

/// What became of an outbox row.
#[derive(Debug)]
pub(crate) enum SendEvent {
    /// T3.
    Sending { id: u64 },
    /// T4.
    Sent { id: u64, message_ids: Vec<String> },
    /// To be tried again.
    Retry {
        id: u64,
        attempts: u32,
        not_before_ms: i64,
        error: String,
        /// The send ended the plugin.
        killed: bool,
        /// The platform failed, not the message.
        outage: bool,
    },
    /// A dead letter, with all later chunks of the same reply. `note` goes to the session's journal.
    Dead {
        id: u64,
        error: String,
        note: Option<Entry>,
    },
}

/// What a session's file does not hold yet.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) generation: u64,
    pub(crate) choice: Choice,
    pub(crate) rows: Vec<JournalRow>,
}

#[derive(Debug)]
pub(crate) struct JournalRow {
    pub(crate) seq: u64,
    pub(crate) entries: Vec<Entry>,
}

/// Between attempts to store while the disk takes nothing.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// Asks again and again while the disk takes nothing.
///
/// # Errors
/// All but [`SpoolError::Unavailable`].
pub(crate) async fn until_stored<'a, T>(
    attempt: impl Fn() -> BoxFuture<'a, Result<T, SpoolError>>,
) -> Result<T, SpoolError> {
    loop {
        match attempt().await {
            Err(SpoolError::Unavailable { .. }) => tokio::time::sleep(STORE_AGAIN).await,
            ended => return ended,
        }
    }
}

#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum SpoolError {
    /// The disk takes no more (full, read-only): nothing was done; it heals by itself.
    #[error("the spool {path} takes no more: {reason}")]
    Unavailable { path: String, reason: String },
    /// A sync failed: what is on disk is not known; the process must end.
    #[error("the spool {path} cannot be trusted any more: {reason}")]
    Fatal { path: String, reason: String },
    /// The file is not one that this version can use, or a request not one that can be done; nothing was touched.
    #[error("cannot use the spool {path}: {reason}")]
    Refused { path: String, reason: String },
    /// The store was closed.
    #[error("the spool is closed")]
    Closed,
}

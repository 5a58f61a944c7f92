//! The ChatHub: inbound messages to one lane for each conversation, replies to their channel.

mod commands;
mod counters;
mod lanes;
mod load;
mod turn;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

pub(crate) use commands::menu;
pub(crate) use counters::Counters;
pub(crate) use lanes::Lanes;
pub(crate) use load::{Load, LoadTable};
pub(crate) use turn::TurnParts;

use self::commands::asks_to_stop;

use crate::delivery::Outbox;
use crate::sessions::SessionKey;
use crate::spool::{InboundRow, OutboxRow};
use crate::tasks::Tasks;

/// Attempts from which on a message runs alone, so that innocents beside a poisonous one clear themselves.
const ALONE_FROM_ATTEMPTS: u32 = 2;
/// A message that runs alone starts this long after the process did: whatever keeps ending the process from outside
/// sooner than that buries no innocent, and a poisonous message leaves the others this time in each life.
const ALONE_AFTER: Duration = Duration::from_secs(2);

/// Routes messages in both directions and runs the turns.
pub(crate) struct ChatHub {
    /// Bounded by `max_pending`, which the intake keeps.
    lanes: Mutex<Lanes<SessionKey, InboundRow>>,
    /// Messages that run alone were held back already, once in a life.
    held: AtomicBool,
    /// The messages that are being answered, with what ends their turns.
    running: Mutex<HashMap<SessionKey, (u64, CancellationToken)>>,
    pub(crate) load: LoadTable,
    pub(crate) counters: Arc<Counters>,
    parts: TurnParts,
    outboxes: HashMap<Arc<str>, Arc<Outbox>>,
    tasks: Tasks,
    /// No further turn starts.
    closed: CancellationToken,
    /// Turns under way end where they stand.
    parked: CancellationToken,
}

impl ChatHub {
    pub(crate) fn new(
        parts: TurnParts,
        outboxes: HashMap<Arc<str>, Arc<Outbox>>,
        counters: Arc<Counters>,
        limit: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            lanes: Mutex::new(Lanes::new(limit)),
            held: AtomicBool::new(false),
            running: Mutex::default(),
            load: LoadTable::default(),
            counters,
            parts,
            outboxes,
            tasks: Tasks::default(),
            closed: CancellationToken::new(),
            parked: CancellationToken::new(),
        })
    }

    /// Takes a message whose load was counted by [`LoadTable::take`].
    pub(crate) fn push(self: &Arc<Self>, row: InboundRow) {
        if asks_to_stop(&row.message)
            && let Some((_, turn)) = lock(&self.running).get(&row.session)
        {
            turn.cancel();
        }
        let alone = row.attempts >= ALONE_FROM_ATTEMPTS;
        // The start brings such rows, so that the time runs from there.
        if alone && !self.held.swap(true, Ordering::Relaxed) {
            self.hold_back();
        }
        lock(&self.lanes).push(row.session.clone(), row, alone);
        self.dispatch();
    }

    fn hold_back(self: &Arc<Self>) {
        lock(&self.lanes).hold();
        let hub = self.clone();
        self.tasks.spawn("suspects", async move {
            tokio::select! {
                () = hub.closed.cancelled() => {}
                () = tokio::time::sleep(ALONE_AFTER) => {
                    lock(&hub.lanes).release();
                    hub.dispatch();
                }
            }
        });
    }

    /// Hands stored replies to their channel.
    pub(crate) fn route(&self, rows: Vec<OutboxRow>) {
        let Some(first) = rows.first() else { return };
        match self.outboxes.get(&first.channel) {
            Some(outbox) => outbox.push(rows),
            // The rows stay in the spool and go out when the channel is configured again.
            None => {
                tracing::warn!(channel = %first.channel, "Reply waits for a channel that is not configured")
            }
        }
    }

    /// The outbox of a channel that is configured.
    pub(crate) fn outbox(&self, channel: &str) -> Option<&Arc<Outbox>> {
        self.outboxes.get(channel)
    }

    /// Waits until a channel that was paused may receive again: at most `level` messages wait for an answer, and its
    /// own replies have drained.
    pub(crate) async fn has_room(&self, channel: &str, level: usize) {
        self.load.falls_to(level).await;
        if let Some(outbox) = self.outbox(channel) {
            outbox.drained().await;
        }
    }

    /// Takes a message back that waits for its turn; `None` where it does not wait, or has begun.
    pub(crate) fn withdraw(&self, seq: u64) -> Option<InboundRow> {
        let (session, row) = lock(&self.lanes).withdraw(|row| row.seq == seq)?;
        self.load.release(&session);
        Some(row)
    }

    /// Whether a turn answers this message right now.
    pub(crate) fn answers(&self, seq: u64) -> bool {
        lock(&self.running).values().any(|(running, _)| *running == seq)
    }

    /// Starts no further turn.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// Waits for the turns under way.
    pub(crate) async fn drained(&self) {
        self.tasks.join().await;
    }

    /// Ends the turns under way where they stand; they resume after a restart.
    pub(crate) fn park(&self) {
        self.parked.cancel();
    }

    /// Messages that wait and turns under way.
    pub(crate) fn outstanding(&self) -> (usize, usize) {
        let lanes = lock(&self.lanes);
        (lanes.waiting(), lanes.running())
    }

    fn dispatch(self: &Arc<Self>) {
        if self.closed.is_cancelled() {
            return;
        }
        loop {
            let Some((session, row)) = lock(&self.lanes).next() else {
                return;
            };
            let stop = self.parked.child_token();
            lock(&self.running).insert(session.clone(), (row.seq, stop.clone()));
            let span = info_span!("turn", inbound = row.seq, conversation = %session.0);
            let lane = LaneGuard {
                hub: self.clone(),
                session,
            };
            self.tasks.spawn(
                "turn",
                async move { lane.hub.turn(row, stop).await }.instrument(span),
            );
        }
    }
}

/// Frees the lane however the turn ends.
struct LaneGuard {
    hub: Arc<ChatHub>,
    session: SessionKey,
}

impl Drop for LaneGuard {
    fn drop(&mut self) {
        lock(&self.hub.running).remove(&self.session);
        lock(&self.hub.lanes).finish(&self.session);
        self.hub.load.release(&self.session);
        self.hub.dispatch();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The ChatHub: inbound messages to one lane for each conversation, replies to their channel.

mod lanes;
mod load;
mod turn;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

pub(crate) use lanes::Lanes;
pub(crate) use load::{Load, LoadTable};
pub(crate) use turn::TurnParts;

use self::turn::stop_command;

use crate::delivery::Outbox;
use crate::sessions::SessionKey;
use crate::spool::{InboundRow, OutboxRow};
use crate::tasks::Tasks;

/// Attempts from which on a message runs alone, so that innocents beside a poisonous one clear themselves.
const ALONE_FROM_ATTEMPTS: u32 = 2;

/// Routes messages in both directions and runs the turns.
pub(crate) struct ChatHub {
    /// Bounded by `max_pending`, which the intake keeps.
    lanes: Mutex<Lanes<SessionKey, InboundRow>>,
    /// Tokens of the turns under way, for `/stop`.
    running: Mutex<HashMap<SessionKey, CancellationToken>>,
    pub(crate) load: LoadTable,
    parts: TurnParts,
    outboxes: HashMap<Arc<str>, Arc<Outbox>>,
    tasks: Tasks,
    /// No further turn starts.
    closed: CancellationToken,
    /// Turns under way end where they stand.
    parked: CancellationToken,
}

impl ChatHub {
    pub(crate) fn new(parts: TurnParts, outboxes: HashMap<Arc<str>, Arc<Outbox>>, limit: usize) -> Arc<Self> {
        Arc::new(Self {
            lanes: Mutex::new(Lanes::new(limit)),
            running: Mutex::default(),
            load: LoadTable::default(),
            parts,
            outboxes,
            tasks: Tasks::default(),
            closed: CancellationToken::new(),
            parked: CancellationToken::new(),
        })
    }

    /// Takes a message whose load was counted by [`LoadTable::take`].
    pub(crate) fn push(self: &Arc<Self>, row: InboundRow) {
        if stop_command(&row.message)
            && let Some(turn) = lock(&self.running).get(&row.session)
        {
            turn.cancel();
        }
        let alone = row.attempts >= ALONE_FROM_ATTEMPTS;
        lock(&self.lanes).push(row.session.clone(), row, alone);
        self.dispatch();
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
            lock(&self.running).insert(session.clone(), stop.clone());
            let span = info_span!("turn", conversation = %session.0, inbound = row.seq);
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

//! The ChatHub: inbound messages to one lane for each conversation, replies to their channel.

mod channels;
mod commands;
mod compact;
mod counters;
mod joined;
mod lanes;
mod load;
mod policy;
mod turn;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info_span};

pub(crate) use channels::{Channel, Channels};
pub(crate) use commands::menu;
pub(crate) use counters::Counters;
pub(crate) use lanes::Lanes;
pub(crate) use load::{Load, LoadTable};
pub(crate) use policy::Policy;
pub(crate) use turn::TurnParts;

use self::commands::asks_to_stop;
pub(crate) use self::joined::Joined;

use crate::delivery::{Outbox, Pace};
use crate::sessions::SessionKey;
use crate::spool::{InboundRow, OutboxRow};
use crate::sync::lock;
use crate::tasks::Tasks;

/// Attempts from which on a message runs alone, so that innocents beside a poisonous one clear themselves.
const ALONE_FROM_ATTEMPTS: u32 = 2;
/// A message that runs alone starts this long after the process did: whatever keeps ending the process from outside
/// sooner than that buries no innocent, and a poisonous message leaves the others this time in each life.
const ALONE_AFTER: Duration = Duration::from_secs(2);

/// Routes messages in both directions and runs the turns.
pub(crate) struct ChatHub {
    /// Bounded by `max_pending`, which the intake keeps.
    lanes: Mutex<Lanes<SessionKey, Joined>>,
    /// Messages that run alone were held back already, once in a life.
    held: AtomicBool,
    /// The messages that are being answered, with what ends their turns.
    running: Mutex<HashMap<SessionKey, UnderWay>>,
    /// Changes when a turn ended.
    ends: watch::Sender<()>,
    /// Messages that wait and ended a turn; bounded as those are.
    stopped: Mutex<HashSet<u64>>,
    pub(crate) load: LoadTable,
    pub(crate) counters: Arc<Counters>,
    parts: TurnParts,
    /// Of turns that begin.
    policy: RwLock<Arc<Policy>>,
    pub(crate) channels: Arc<Channels>,
    tasks: Tasks,
    /// What nobody waits for is left.
    stopping: CancellationToken,
    /// No further turn starts.
    closed: CancellationToken,
    /// Turns under way end where they stand.
    parked: CancellationToken,
}

impl ChatHub {
    pub(crate) fn new(parts: TurnParts, policy: Arc<Policy>, channels: Arc<Channels>) -> Arc<Self> {
        Arc::new(Self {
            lanes: Mutex::new(Lanes::new(policy.max_turns)),
            held: AtomicBool::new(false),
            running: Mutex::default(),
            ends: watch::channel(()).0,
            stopped: Mutex::default(),
            load: LoadTable::default(),
            counters: Arc::default(),
            parts,
            policy: RwLock::new(policy),
            channels,
            tasks: Tasks::default(),
            stopping: CancellationToken::new(),
            closed: CancellationToken::new(),
            parked: CancellationToken::new(),
        })
    }

    /// Takes a message whose load was counted by [`LoadTable::take`].
    pub(crate) fn push(self: &Arc<Self>, row: InboundRow) {
        if asks_to_stop(&row.message)
            && let Some(turn) = lock(&self.running).get(&row.session)
        {
            turn.stop.cancel();
            lock(&self.stopped).insert(row.seq);
        }
        let alone = row.attempts >= ALONE_FROM_ATTEMPTS;
        // The start brings such rows, so that the time runs from there.
        if alone && !self.held.swap(true, Ordering::Relaxed) {
            self.hold_back();
        }
        if alone {
            lock(&self.lanes).push(row.session.clone(), Joined::new(row), true);
        } else {
            self.join_or_queue(row);
        }
        self.dispatch();
    }

    /// Adds a row to a turn that waits, where it belongs to that, or queues it as a turn of its own.
    fn join_or_queue(self: &Arc<Self>, row: InboundRow) {
        let quick = self.habits(&row.channel).debounce;
        let (session, seq, mut open) = (row.session.clone(), row.seq, Joined::stays_open(&row, quick));
        let mut lanes = lock(&self.lanes);
        let joins = |(behind, (turn, alone)): &(usize, (&mut Joined, bool))| {
            !alone && (turn.replaces(&row) || (*behind == 0 && turn.continues(&row, quick)))
        };
        if let Some((_, (turn, _))) = lanes.waiting_mut(&session).rev().enumerate().find(joins) {
            debug!(
                inbound = seq,
                turn = turn.lead().seq,
                "Message joins a turn that waits"
            );
            // The turn waits on as it did, whatever the row would have done by itself.
            open = open.max(Joined::stays_open(turn.lead(), quick));
            turn.add(row);
        } else if open.is_zero() {
            lanes.push(session.clone(), Joined::new(row), false);
        } else {
            lanes.push_open(session.clone(), Joined::new(row));
        }
        drop(lanes);
        if !open.is_zero() {
            self.settle_later(session, seq, open);
        }
    }

    /// Ends the wait for what may follow `seq`, unless something did that is still there.
    fn settle_later(self: &Arc<Self>, session: SessionKey, seq: u64, wait: Duration) {
        let hub = self.clone();
        self.tasks.spawn("settle", async move {
            tokio::select! {
                () = hub.closed.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            {
                let mut lanes = lock(&hub.lanes);
                let last = lanes.waiting_mut(&session).next_back();
                if last.is_some_and(|(turn, _)| turn.ends_by(seq)) {
                    lanes.settled(&session);
                }
            }
            hub.dispatch();
        });
    }

    /// What the configuration says of turns.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Turns that begin from here on follow another configuration.
    pub(crate) fn follow(self: &Arc<Self>, policy: Arc<Policy>) {
        lock(&self.lanes).set_limit(policy.max_turns);
        self.load.look_again();
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
        self.dispatch();
    }

    fn habits(&self, channel: &str) -> Habits {
        self.channels
            .get(channel)
            .map_or_else(Habits::default, |channel| channel.habits())
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
        match self.outbox(&first.channel) {
            Some(outbox) => outbox.push(rows),
            // The rows stay in the spool and go out when the channel is configured again.
            None => {
                tracing::warn!(channel = %first.channel, "Reply waits for a channel that is not configured")
            }
        }
    }

    /// The same with replies that were dead.
    pub(crate) fn revive(&self, rows: Vec<OutboxRow>) {
        let outbox = rows.first().and_then(|first| self.outbox(&first.channel));
        if let Some(outbox) = outbox {
            outbox.revive(rows);
        }
    }

    /// The outbox of a channel that is configured.
    pub(crate) fn outbox(&self, channel: &str) -> Option<Arc<Outbox>> {
        Some(self.channels.get(channel)?.outbox.clone())
    }

    /// Waits until a channel that was paused may receive again: at most `level` messages wait for an answer, and its
    /// own replies have drained.
    pub(crate) async fn has_room(&self, channel: &str, level: impl Fn() -> usize) {
        self.load.falls_to(level).await;
        if let Some(outbox) = self.outbox(channel) {
            outbox.drained().await;
        }
    }

    /// Takes a message back that waits for its turn; `None` where it does not wait, or has begun.
    pub(crate) fn withdraw(&self, seq: u64) -> Option<InboundRow> {
        let row = {
            let mut lanes = lock(&self.lanes);
            let session = lanes.items().find(|turn| turn.holds(seq))?.lead().session.clone();
            let joined = lanes
                .waiting_mut(&session)
                .find_map(|(turn, _)| turn.take_out(seq));
            match joined {
                Some(row) => row,
                None => lanes.withdraw(|turn| turn.holds(seq))?.1.lead().clone(),
            }
        };
        lock(&self.stopped).remove(&seq);
        self.load.release(&row.session);
        Some(row)
    }

    /// Whether a turn answers this message right now.
    pub(crate) fn answers(&self, seq: u64) -> bool {
        let running = lock(&self.running);
        running.values().any(|turn| turn.messages.contains(&seq))
    }

    /// The messages of a channel that are being answered right now.
    pub(crate) fn under_way(&self, channel: &str) -> Vec<u64> {
        let running = lock(&self.running);
        let of_channel = running.values().filter(|turn| *turn.channel == *channel);
        of_channel.flat_map(|turn| turn.messages.clone()).collect()
    }

    /// Waits until none of these messages is being answered.
    pub(crate) async fn ended(&self, messages: &[u64]) {
        let mut ends = self.ends.subscribe();
        while messages.iter().any(|seq| self.answers(*seq)) && ends.changed().await.is_ok() {}
    }

    /// Does no more than answer what was taken.
    pub(crate) fn stop_extras(&self) {
        self.stopping.cancel();
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
        (lanes.items().map(|turn| turn.rows().len()).sum(), lanes.running())
    }

    /// Takes every lock that a message takes: where one is never given back, this does not return.
    pub(crate) fn probe(&self) {
        drop(lock(&self.lanes));
        drop(lock(&self.running));
        self.load.pending();
    }

    fn dispatch(self: &Arc<Self>) {
        if self.closed.is_cancelled() {
            return;
        }
        loop {
            let Some((session, turn)) = lock(&self.lanes).next() else {
                return;
            };
            let stop = self.parked.child_token();
            let under_way = UnderWay {
                channel: turn.lead().channel.clone(),
                messages: turn.seqs(),
                stop: stop.clone(),
            };
            lock(&self.running).insert(session.clone(), under_way);
            // Whatever started it, such as the end of another turn, is no part of it.
            let span = info_span!(parent: None, "turn", inbound = turn.lead().seq, conversation = %session.0);
            let lane = LaneGuard {
                hub: self.clone(),
                session,
                rows: turn.rows().len(),
            };
            self.tasks.spawn(
                "turn",
                async move { lane.hub.turn(turn, stop).await }.instrument(span),
            );
        }
    }
}

/// A turn that runs.
struct UnderWay {
    channel: Arc<str>,
    /// What it answers.
    messages: Vec<u64>,
    stop: CancellationToken,
}

/// How a channel's turns go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Habits {
    /// Messages that follow each other within this are one turn.
    pub(crate) debounce: Duration,
    /// How the answer is shown while it is written; `None`: not at all.
    pub(crate) streaming: Option<Pace>,
}

/// Frees the lane however the turn ends.
struct LaneGuard {
    hub: Arc<ChatHub>,
    session: SessionKey,
    rows: usize,
}

impl Drop for LaneGuard {
    fn drop(&mut self) {
        lock(&self.hub.running).remove(&self.session);
        lock(&self.hub.lanes).finish(&self.session);
        (0..self.rows).for_each(|_| self.hub.load.release(&self.session));
        self.hub.ends.send_replace(());
        self.hub.dispatch();
    }
}

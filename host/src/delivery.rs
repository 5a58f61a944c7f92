//! Replies on their way out: one outbox for each channel instance, in order within a conversation.

mod attempt;
mod draft;
mod events;
mod hold;
pub(crate) mod queue;
pub(crate) mod split;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use miniclaw_plugin_api::{ChatRef, TextUnit};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info_span};

pub(crate) use draft::{Draft, Pace, Shown, Writing, replace};
pub(crate) use split::{remarked, split};

use self::attempt::Delivered;
use self::hold::RateHold;
use self::queue::Queue;
use crate::aliases::Aliases;
use crate::config::DeliveryConfig;
use crate::dispatch::{self, Parcels};
use crate::hub::Counters;
use crate::plugins::instance::Instance;
use crate::sessions::{SessionKey, SessionManager};
use crate::spool::{OutboxRow, Spool, Unfinished, wall_ms};
use crate::sync::lock;
use crate::tasks::Tasks;

/// Rows of one channel in memory at most.
const WINDOW: usize = 2_000;
/// Rows of one conversation in memory at most: one whose platform is slow leaves room for the others.
const SHARE: usize = 16;
/// Rows that are read from the spool at once: at a start, and later of one conversation.
const SCAN_PAGE: usize = 500;
const PAGE: usize = SHARE / 2;
/// A channel without a success for this long may have been in an outage.
const QUIET: Duration = Duration::from_secs(5);
/// Before reading the spool again after that failed.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// The outbox of one channel instance. What is in memory is a window; the spool holds all of it.
pub(crate) struct Outbox {
    channel: Arc<str>,
    spool: Arc<dyn Spool>,
    queue: Mutex<Queue>,
    config: Mutex<Arc<DeliveryConfig>>,
    sends: Semaphore,
    hold: Mutex<RateHold>,
    instance: watch::Receiver<Option<Arc<Instance>>>,
    limit: Mutex<(usize, TextUnit)>,
    attaches: AtomicBool,
    sessions: Arc<SessionManager>,
    counters: Arc<Counters>,
    aliases: Arc<Aliases>,
    parcels: Parcels,
    /// Conversations with a send to make at once, rather than after a backoff.
    busy: watch::Sender<usize>,
    /// Rows that are neither sent nor dead, here or in the spool alone.
    waiting: watch::Sender<usize>,
    counted: Mutex<Counted>,
    /// Changes when waits must look again: a row was dropped, or is to be tried at once.
    nudges: watch::Sender<()>,
    /// Rows that are to be tried at once.
    hurried: Mutex<HashSet<u64>>,
    /// Changes when the platform is there again.
    recoveries: watch::Sender<()>,
    last_success: Mutex<Option<Instant>>,
    tasks: Tasks,
    closed: CancellationToken,
}

/// Which rows are in the count of those that wait.
enum Counted {
    /// Those of the spool are being counted; these came meanwhile.
    Not(Vec<u64>),
    /// The spool's up to this id, and all that came.
    UpTo(u64),
}

/// What an outbox stands on.
pub(crate) struct OutboxParts {
    pub(crate) channel: Arc<str>,
    pub(crate) spool: Arc<dyn Spool>,
    pub(crate) config: DeliveryConfig,
    /// The channel's running instance.
    pub(crate) instance: watch::Receiver<Option<Arc<Instance>>>,
    /// What one message of the channel takes.
    pub(crate) limit: (usize, TextUnit),
    /// It sends files.
    pub(crate) attaches: bool,
    pub(crate) sessions: Arc<SessionManager>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) aliases: Arc<Aliases>,
    /// Files that wait with rows.
    pub(crate) parcels: Parcels,
}

impl Outbox {
    /// One that sends nothing before [`Outbox::resume`].
    pub(crate) fn new(parts: OutboxParts) -> Arc<Self> {
        let mut queue = Queue::new(WINDOW, SHARE);
        queue.begin_scan();
        Arc::new(Self {
            channel: parts.channel,
            spool: parts.spool,
            queue: Mutex::new(queue),
            sends: Semaphore::new(parts.config.max_concurrent_sends),
            config: Mutex::new(Arc::new(parts.config)),
            hold: Mutex::new(RateHold::default()),
            instance: parts.instance,
            limit: Mutex::new(parts.limit),
            attaches: AtomicBool::new(parts.attaches),
            sessions: parts.sessions,
            counters: parts.counters,
            aliases: parts.aliases,
            parcels: parts.parcels,
            busy: watch::channel(0).0,
            waiting: watch::channel(0).0,
            counted: Mutex::new(Counted::Not(Vec::new())),
            nudges: watch::channel(()).0,
            hurried: Mutex::default(),
            recoveries: watch::channel(()).0,
            last_success: Mutex::default(),
            tasks: Tasks::default(),
            closed: CancellationToken::new(),
        })
    }

    /// Takes up the rows that the spool holds from before, as it counted them since this outbox can be found.
    pub(crate) fn resume(self: &Arc<Self>, unfinished: &Unfinished) {
        let waiting = unfinished.replies_of(&self.channel) as usize;
        let counted = Counted::UpTo(unfinished.up_to);
        let since = match std::mem::replace(&mut *lock(&self.counted), counted) {
            Counted::Not(ids) => ids.into_iter().filter(|id| *id > unfinished.up_to).count(),
            Counted::UpTo(_) => 0,
        };
        self.waiting.send_modify(|sum| *sum += waiting + since);
        if waiting == 0 {
            self.lock().end_scan();
            self.refill();
            return;
        }
        let (outbox, busy) = (self.clone(), Busy::new(self.clone()));
        self.tasks.spawn("outbox scan", async move {
            let _busy = busy;
            let mut after = 0;
            loop {
                let Some(rows) = outbox.read(None, after, SCAN_PAGE).await else {
                    if outbox.again().await.is_none() {
                        return;
                    }
                    continue;
                };
                let more = rows.len() == SCAN_PAGE;
                after = rows.last().map_or(after, |row| row.id);
                let lanes = outbox.lock().scanned(rows);
                lanes.into_iter().for_each(|session| outbox.start(session));
                if !more {
                    break;
                }
            }
            outbox.lock().end_scan();
            outbox.refill();
        });
    }

    /// Takes rows that were just stored, in the order of their ids.
    pub(crate) fn push(self: &Arc<Self>, rows: Vec<OutboxRow>) {
        let fresh = match &mut *lock(&self.counted) {
            Counted::Not(ids) => {
                ids.extend(rows.iter().map(|row| row.id));
                0
            }
            Counted::UpTo(last) => rows.iter().filter(|row| row.id > *last).count(),
        };
        self.take(rows, fresh);
    }

    /// Takes rows that wait again.
    pub(crate) fn revive(self: &Arc<Self>, rows: Vec<OutboxRow>) {
        let count = rows.len();
        self.take(rows, count);
    }

    fn take(self: &Arc<Self>, rows: Vec<OutboxRow>, more: usize) {
        self.waiting.send_modify(|waiting| *waiting += more);
        for row in rows {
            let lane = self.lock().push(row);
            if let Some(session) = lane {
                self.start(session);
            }
        }
        self.refill();
    }

    /// Lets go of a row that waited and was dropped in the spool.
    pub(crate) fn withdraw(&self, id: u64) {
        self.lock().withdraw(id);
        self.ended(1);
        self.nudges.send_replace(());
    }

    /// Ends a row's backoff.
    pub(crate) fn hurry(&self, id: u64) {
        // A row that is not in memory has no backoff that could be ended.
        if self.lock().has(id) {
            lock(&self.hurried).insert(id);
        }
        self.nudges.send_replace(());
    }

    /// The platform works again: what waits because it did not is tried at once.
    pub(crate) fn recovered(&self) {
        self.recoveries.send_replace(());
    }

    /// The first success after a while ends an outage. One that follows others says nothing of those that fail.
    fn succeeded(&self, now: Instant) {
        let last = lock(&self.last_success).replace(now);
        if last.is_none_or(|last| now.duration_since(last) >= QUIET) {
            self.recovered();
        }
    }

    fn config(&self) -> Arc<DeliveryConfig> {
        lock(&self.config).clone()
    }

    /// Sends that begin from here on follow another configuration.
    pub(crate) fn set_config(self: &Arc<Self>, config: &DeliveryConfig) {
        let before = std::mem::replace(&mut *lock(&self.config), Arc::new(config.clone()));
        let (before, places) = (before.max_concurrent_sends, config.max_concurrent_sends);
        self.sends.add_permits(places.saturating_sub(before));
        if let Ok(fewer @ 1..) = u32::try_from(before.saturating_sub(places)) {
            // Those under way keep their places until they end.
            let outbox = self.clone();
            self.tasks.spawn("fewer sends", async move {
                tokio::select! {
                    () = outbox.closed.cancelled() => {}
                    permits = outbox.sends.acquire_many(fewer) => permits.into_iter().for_each(SemaphorePermit::forget),
                }
            });
        }
        // Whoever waits for room looks again.
        self.waiting.send_modify(|_| {});
    }

    /// Rows that are neither sent nor dead.
    pub(crate) fn waiting(&self) -> usize {
        *self.waiting.borrow()
    }

    /// How long the platform has told sends to wait, and whether it is all of them.
    pub(crate) fn flood_wait(&self, now: Instant) -> Option<(Duration, bool)> {
        let hold = lock(&self.hold);
        let until = hold.any_until(now)?;
        Some((until - now, hold.all_until(now).is_some()))
    }

    /// Whether the channel must wait until some replies are through.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting() >= self.config().max_waiting
    }

    /// Waits until there is room again for a channel that was paused.
    pub(crate) async fn drained(&self) {
        // The sender lives as long as self.
        let _ = self
            .waiting
            .subscribe()
            .wait_for(|waiting| *waiting <= self.config().max_waiting / 2)
            .await;
    }

    /// The running instance.
    pub(crate) fn instance(&self) -> Option<Arc<Instance>> {
        self.instance.borrow().clone()
    }

    /// The chat that a conversation is named by, where that is another one.
    pub(crate) fn first(&self, chat: &ChatRef) -> Option<ChatRef> {
        self.aliases.first(chat)
    }

    /// What one message takes; 0 for no limit.
    pub(crate) fn text_limit(&self) -> (usize, TextUnit) {
        *lock(&self.limit)
    }

    /// Another instance of the channel may take more or less.
    pub(crate) fn set_text_limit(&self, limit: usize, unit: TextUnit) {
        *lock(&self.limit) = (limit, unit);
    }

    /// Whether the channel sends files.
    pub(crate) fn attaches(&self) -> bool {
        self.attaches.load(Ordering::Relaxed)
    }

    /// Another instance of the channel may be able to.
    pub(crate) fn set_attaches(&self, attaches: bool) {
        self.attaches.store(attaches, Ordering::Relaxed);
    }

    /// A place for a message that shows what is being written, where no reply of the conversation waits, the platform asks
    /// for no wait, and there is room beside the replies of others.
    fn draft_place(&self, session: &SessionKey) -> Option<SemaphorePermit<'_>> {
        let free = self.lock().is_idle(session) && !lock(&self.hold).holds(session, Instant::now());
        free.then(|| self.sends.try_acquire().ok()).flatten()
    }

    /// Waits until nothing can be sent at once.
    pub(crate) async fn flushed(&self) {
        // The sender lives as long as self.
        let _ = self.busy.subscribe().wait_for(|busy| *busy == 0).await;
    }

    /// Whether replies wait, in memory or in the spool alone.
    pub(crate) fn has_waiting(&self) -> bool {
        self.lock().has_waiting()
    }

    fn ended(&self, rows: usize) {
        self.waiting
            .send_modify(|waiting| *waiting = waiting.saturating_sub(rows));
    }

    /// Starts no further send and ends the waits; what is left stays in the spool.
    pub(crate) async fn close(&self) {
        self.closed.cancel();
        self.tasks.join().await;
    }

    fn start(self: &Arc<Self>, session: SessionKey) {
        let busy = Busy::new(self.clone());
        // It goes on with replies of other turns than the one that started it.
        let span = info_span!(parent: None, "delivery", channel = %self.channel, conversation = %session.0);
        let outbox = self.clone();
        self.tasks.spawn(
            "delivery",
            async move { outbox.drain(session, busy).await }.instrument(span),
        );
    }

    /// Sends the rows of one conversation until there are none.
    async fn drain(self: Arc<Self>, session: SessionKey, mut busy: Busy) {
        let mut next = self.lock().front(&session);
        while let Some(row) = next {
            let span = info_span!("reply", inbound = row.reply, outbound = row.id);
            let Some(outcome) = self.deliver(&row, &mut busy).instrument(span).await else {
                return;
            };
            next = self.finished(&session, &row, outcome);
            self.refill();
        }
    }

    /// Counts a row that is over; returns the conversation's next one.
    fn finished(&self, session: &SessionKey, row: &OutboxRow, outcome: Delivered) -> Option<OutboxRow> {
        let mut queue = self.lock();
        let held = usize::from(queue.holds(row));
        let next = queue.finish(session, row, matches!(outcome, Delivered::Dead(_)));
        drop(queue);
        match outcome {
            Delivered::Sent => {
                self.counters.delivered.add(1);
                if let Some(asked_ms) = row.asked_ms {
                    self.counters.delivery_time.observe_since(asked_ms, wall_ms());
                }
                self.ended(held);
            }
            Delivered::Dead(rows) => {
                self.counters.dead.add(rows as u64);
                if dispatch::is_alert(&row.message) {
                    self.counters.dead_alerts.add(rows as u64);
                }
                self.ended(rows);
            }
            Delivered::Dropped => {}
        }
        next
    }

    /// Reads on for conversations that have rows in the spool alone.
    fn refill(self: &Arc<Self>) {
        let Some(first) = self.lock().refill() else { return };
        let (outbox, busy) = (self.clone(), Busy::new(self.clone()));
        self.tasks.spawn("outbox refill", async move {
            let _busy = busy;
            let mut next = Some(first);
            while let Some((session, after)) = next {
                let rows = outbox.read(Some(session), after, PAGE).await;
                let failed = rows.is_none();
                let lane = outbox.lock().refilled(rows, PAGE);
                lane.into_iter().for_each(|session| outbox.start(session));
                if failed && outbox.again().await.is_none() {
                    return;
                }
                next = outbox.lock().refill();
            }
        });
    }

    /// Rows of the spool; `None` where it cannot be read, which is in the log.
    async fn read(&self, session: Option<SessionKey>, after: u64, page: usize) -> Option<Vec<OutboxRow>> {
        let read = self
            .spool
            .outbox(self.channel.clone(), session, after, page)
            .await;
        let read = read.inspect_err(|error| error!(channel = %self.channel, %error, "Outbox cannot be read"));
        let (rows, buried) = read.ok()?;
        self.ended(buried);
        Some(rows)
    }

    /// Waits before reading again; `None` where the outbox was closed meanwhile.
    async fn again(&self) -> Option<()> {
        tokio::select! {
            () = self.closed.cancelled() => None,
            () = tokio::time::sleep(READ_AGAIN) => Some(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }
}

/// Counts a conversation as one that can send at once, while it is so.
struct Busy {
    outbox: Arc<Outbox>,
    counted: bool,
}

impl Busy {
    fn new(outbox: Arc<Outbox>) -> Self {
        outbox.busy.send_modify(|busy| *busy += 1);
        Self {
            outbox,
            counted: true,
        }
    }

    fn set(&mut self, counted: bool) {
        if self.counted != counted {
            self.counted = counted;
            self.outbox
                .busy
                .send_modify(|busy| if counted { *busy += 1 } else { *busy -= 1 });
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.set(false);
    }
}

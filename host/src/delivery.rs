//! Replies on their way out: one outbox for each channel instance, in order within a conversation.

mod attempt;
mod hold;
mod queue;
mod split;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use miniclaw_plugin_api::TextUnit;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info_span};

pub(crate) use split::split;

use self::hold::RateHold;
use self::queue::Queue;
use crate::config::DeliveryConfig;
use crate::plugins::instance::Instance;
use crate::sessions::SessionKey;
use crate::spool::{OutboxRow, Spool};
use crate::tasks::Tasks;

/// Rows of one channel in memory at most.
const WINDOW: usize = 2_000;
/// Rows that are read from the spool at once.
const PAGE: usize = 500;
/// Before reading the spool again after that failed.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// The outbox of one channel instance. What is in memory is a window; the spool holds all of it.
pub(crate) struct Outbox {
    channel: Arc<str>,
    spool: Arc<dyn Spool>,
    queue: Mutex<Queue>,
    config: DeliveryConfig,
    sends: Semaphore,
    hold: Mutex<RateHold>,
    instance: watch::Receiver<Option<Arc<Instance>>>,
    limit: (usize, TextUnit),
    /// Conversations with a send to make at once, rather than after a backoff.
    busy: watch::Sender<usize>,
    tasks: Tasks,
    closed: CancellationToken,
}

impl Outbox {
    /// `instance` gives the channel's running instance; `limit` is what one of its messages takes.
    pub(crate) fn new(
        channel: Arc<str>,
        spool: Arc<dyn Spool>,
        config: DeliveryConfig,
        instance: watch::Receiver<Option<Arc<Instance>>>,
        limit: (usize, TextUnit),
    ) -> Arc<Self> {
        let sends = Semaphore::new(config.max_concurrent_sends);
        Arc::new(Self {
            channel,
            spool,
            queue: Mutex::new(Queue::new(WINDOW)),
            config,
            sends,
            hold: Mutex::new(RateHold::default()),
            instance,
            limit,
            busy: watch::channel(0).0,
            tasks: Tasks::default(),
            closed: CancellationToken::new(),
        })
    }

    /// Takes up what the spool holds from before.
    pub(crate) fn resume(self: &Arc<Self>) {
        self.lock().skip_from(1);
        self.refill();
    }

    /// Takes stored rows in the order of their ids.
    pub(crate) fn push(self: &Arc<Self>, rows: Vec<OutboxRow>) {
        for row in rows {
            let lane = self.lock().push(row);
            if let Some(session) = lane {
                self.start(session);
            }
        }
    }

    /// The running instance.
    pub(crate) fn instance(&self) -> Option<Arc<Instance>> {
        self.instance.borrow().clone()
    }

    /// What one message takes; 0 for no limit.
    pub(crate) fn text_limit(&self) -> (usize, TextUnit) {
        self.limit
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

    /// Starts no further send and ends the waits; what is left stays in the spool.
    pub(crate) async fn close(&self) {
        self.closed.cancel();
        self.tasks.join().await;
    }

    fn start(self: &Arc<Self>, session: SessionKey) {
        let busy = Busy::new(self.clone());
        let span = info_span!("delivery", channel = %self.channel, conversation = %session.0);
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
            let Some(outcome) = self.deliver(&row, &mut busy).await else {
                return;
            };
            next = self
                .lock()
                .finish(&session, &row, outcome == attempt::Delivered::Dead);
        }
        drop(busy);
        if self.lock().wants_refill() {
            self.refill();
        }
    }

    fn refill(self: &Arc<Self>) {
        if !self.lock().begin_refill() {
            return;
        }
        let outbox = self.clone();
        let busy = Busy::new(self.clone());
        self.tasks.spawn("outbox refill", async move {
            let _busy = busy;
            loop {
                let Some(after) = outbox.lock().refill_after() else {
                    return;
                };
                match outbox.spool.outbox(outbox.channel.clone(), after, PAGE).await {
                    Ok(rows) => {
                        let lanes = outbox.lock().refilled(rows, PAGE);
                        lanes.into_iter().for_each(|session| outbox.start(session));
                    }
                    Err(error) => {
                        error!(channel = %outbox.channel, %error, "Outbox cannot be read");
                        outbox.lock().skip_from(after + 1);
                        tokio::select! {
                            () = outbox.closed.cancelled() => return,
                            () = tokio::time::sleep(READ_AGAIN) => {}
                        }
                    }
                }
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
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

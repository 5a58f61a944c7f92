//! Who has a place: a crowd of strangers keeps nobody out who is logged in, and no other stranger either.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use crate::lock;

/// Connections of strangers at once: those that have shown no cookie and no link that is let in. One more ends the
/// oldest of them.
const STRANGERS: usize = 32;
/// Connections at once that have shown one.
const KNOWN: usize = 48;
/// What a stranger has for certain: enough for a request that follows its connection on a busy machine, and little
/// enough that hundreds who come back at once are through within a second.
const STAY: Duration = Duration::from_millis(100);

/// The places that there are.
#[derive(Default)]
pub(super) struct Places {
    table: Mutex<Table>,
    freed: Notify,
}

#[derive(Default)]
struct Table {
    /// The order of the keys is that of arrival.
    held: BTreeMap<u64, Held>,
    next: u64,
}

struct Held {
    since: Instant,
    known: bool,
    leave: watch::Sender<bool>,
}

/// The place of one connection, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    leave: watch::Receiver<bool>,
}

impl Places {
    /// A place for a stranger, soon.
    ///
    /// # Cancel safety
    /// Cancel safe; the oldest stranger may have been sent away for nothing.
    pub(super) async fn enter(self: &Arc<Self>) -> Place {
        loop {
            let entered = lock(&self.table).enter();
            match entered {
                Ok((number, leave)) => {
                    let places = self.clone();
                    return Place {
                        places,
                        number,
                        leave,
                    };
                }
                // Whichever comes first.
                Err(wait) => drop(timeout(wait, self.freed.notified()).await),
            }
        }
    }
}

impl Table {
    /// # Errors
    /// How long it takes until the oldest stranger may be sent away.
    fn enter(&mut self) -> Result<(u64, watch::Receiver<bool>), Duration> {
        let strangers = self.held.values().filter(|held| held.stays_as_stranger());
        if strangers.clone().count() >= STRANGERS
            && let Some(oldest) = strangers.min_by_key(|held| held.since)
        {
            let left = STAY.saturating_sub(oldest.since.elapsed());
            if !left.is_zero() {
                return Err(left);
            }
            oldest.leave.send_replace(true);
        }
        let (leave, told) = watch::channel(false);
        let number = self.next;
        self.next += 1;
        let held = Held {
            since: Instant::now(),
            known: false,
            leave,
        };
        self.held.insert(number, held);
        Ok((number, told))
    }
}

impl Held {
    fn stays_as_stranger(&self) -> bool {
        !self.known && !*self.leave.borrow()
    }
}

impl Place {
    /// Keeps the place for whoever showed a cookie or a link that is let in; `false` where so many did that this connection had
    /// better end with its answer.
    pub(super) fn keep(&self) -> bool {
        let mut table = lock(&self.places.table);
        let full = table.held.values().filter(|held| held.known).count() >= KNOWN;
        let Some(held) = table.held.get_mut(&self.number) else {
            return false;
        };
        if !held.known && full {
            return false;
        }
        held.known = true;
        held.leave.send_replace(false);
        true
    }

    /// Returns when somebody else needs the place.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn needed(&self) {
        // The sender stands in the table for as long as the place is held.
        let _ = self.leave.clone().wait_for(|leave| *leave).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.places.table).held.remove(&self.number);
        self.places.freed.notify_one();
    }
}

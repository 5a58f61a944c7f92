//! Who has a place: a crowd that holds all of them and asks nothing keeps no prober out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

/// Connections at once. One more ends the oldest of those that are not being answered, or waits where all are.
const PLACES: usize = 32;
/// What each has for certain: enough for a request that follows its connection on a busy machine, and little enough
/// that hundreds who come back at once are through within a second.
const STAY: Duration = Duration::from_millis(100);

/// The places that there are.
#[derive(Default)]
pub(super) struct Places {
    table: Mutex<Table>,
    freed: Notify,
}

#[derive(Default)]
struct Table {
    held: BTreeMap<u64, Held>,
    next: u64,
}

struct Held {
    since: Instant,
    answered: bool,
    leave: watch::Sender<bool>,
}

/// The place of one connection, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    leave: watch::Receiver<bool>,
}

impl Places {
    /// A place for a connection that was accepted.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn enter(self: &Arc<Self>) -> Place {
        loop {
            let entered = self.table().enter();
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

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// # Errors
    /// After which time to look again, where nobody leaves before.
    fn enter(&mut self) -> Result<(u64, watch::Receiver<bool>), Duration> {
        let stay = self.held.values().filter(|held| held.stays());
        if stay.clone().count() >= PLACES {
            let oldest = stay.filter(|held| !held.answered).min_by_key(|held| held.since);
            let oldest = oldest.ok_or(STAY)?;
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
            answered: false,
            leave,
        };
        self.held.insert(number, held);
        Ok((number, told))
    }
}

impl Held {
    fn stays(&self) -> bool {
        !*self.leave.borrow()
    }
}

impl Place {
    /// Whether the connection is being answered, and nobody else's place while it is.
    pub(super) fn answers(&self, answered: bool) {
        let mut table = self.places.table();
        let room = table.held.values().filter(|held| held.stays()).count() < PLACES;
        if let Some(held) = table.held.get_mut(&self.number) {
            held.answered = answered;
            held.since = Instant::now();
            if room {
                held.leave.send_replace(false);
            }
        }
        drop(table);
        self.places.freed.notify_one();
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
        self.places.table().held.remove(&self.number);
        self.places.freed.notify_one();
    }
}

//! A value that tests can wait on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a test waits for anything before it fails. Generous: it is reached only by failures.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A value whose changes wake those who wait for them.
#[derive(Debug, Default)]
pub struct Watched<T> {
    value: Mutex<T>,
    changed: Condvar,
    /// Counted under the lock, so that a change sees everyone who looked before it; waking nobody costs a system call.
    waiting: AtomicUsize,
}

impl<T> Watched<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Condvar::new(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// The value, for reading or for changes that nobody waits for.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the value and wakes who waits.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.changed.notify_all();
        }
        result
    }

    /// Waits until `look` finds something, at most `patience`.
    pub fn wait<R>(&self, patience: Duration, mut look: impl FnMut(&T) -> Option<R>) -> Option<R> {
        let end = Instant::now() + patience;
        let mut value = self.lock();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let found = loop {
            if let Some(found) = look(&value) {
                break Some(found);
            }
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                break None;
            };
            value = self
                .changed
                .wait_timeout(value, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        found
    }
}

/// Waits until `holds` is true of something that cannot wake anybody, such as a file.
///
/// # Panics
/// At [`DEADLINE`].
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "{what} did not happen within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_change_wakes_the_waiter() {
        let watched = Arc::new(Watched::new(0));
        let writer = watched.clone();
        let thread = std::thread::spawn(move || {
            for _ in 0..3 {
                writer.change(|value| *value += 1);
            }
        });
        assert_eq!(
            watched.wait(DEADLINE, |value| (*value == 3).then_some("three")),
            Some("three")
        );
        thread.join().unwrap();
    }

    #[test]
    fn a_wait_without_a_change_ends_at_its_deadline() {
        let watched = Watched::new(0);
        assert_eq!(
            watched.wait(Duration::from_millis(5), |value| (*value == 1).then_some(())),
            None
        );
    }
}

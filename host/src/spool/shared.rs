use std::sync::{Arc, Mutex, PoisonError};

use super::SpoolError;
use super::clock::Clock;
use super::queue::Queue;

/// What callers and the writer thread share.
pub(super) struct Shared {
    pub(super) path: String,
    pub(super) id: String,
    pub(super) clock: Clock,
    pub(super) queue: Arc<Queue>,
    fatal: Mutex<Option<SpoolError>>,
}

impl Shared {
    pub(super) fn new(path: String, id: String, clock: Clock) -> Self {
        Self {
            path,
            id,
            clock,
            queue: Queue::new(),
            fatal: Mutex::new(None),
        }
    }

    /// The answer of a store whose writer has ended.
    pub(super) fn ended(&self) -> SpoolError {
        let fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
        fatal.clone().unwrap_or(SpoolError::Closed)
    }

    /// Fails where the store has failed.
    pub(super) fn sound(&self) -> Result<(), SpoolError> {
        match &*self.fatal.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Ends all that is asked with a fatal error; the first one stays.
    pub(super) fn fail(&self, reason: String) -> SpoolError {
        let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path.clone();
        fatal.get_or_insert(SpoolError::Fatal { path, reason }).clone()
    }
}

use std::sync::Arc;

use tokio::sync::watch;

use super::SpoolError;
use super::clock::Clock;
use super::queue::Queue;
use crate::observe::Histogram;

/// What callers and the writer thread share.
pub(super) struct Shared {
    pub(super) path: String,
    pub(super) id: String,
    pub(super) clock: Clock,
    pub(super) queue: Arc<Queue>,
    pub(super) commits: CommitTimes,
    /// Why the disk takes nothing, while it does not.
    pub(super) trouble: watch::Sender<Option<String>>,
    fatal: watch::Sender<Option<SpoolError>>,
}

/// How long commits took.
#[derive(Debug, Default)]
pub(crate) struct CommitTimes {
    /// With a sync.
    pub(crate) synced: Histogram,
    /// Without.
    pub(crate) written: Histogram,
}

impl Shared {
    pub(super) fn new(path: String, id: String, clock: Clock) -> Self {
        Self {
            path,
            id,
            clock,
            queue: Queue::new(),
            commits: CommitTimes::default(),
            trouble: watch::channel(None).0,
            fatal: watch::channel(None).0,
        }
    }

    /// The answer of a store whose writer has ended.
    pub(super) fn ended(&self) -> SpoolError {
        self.fatal.borrow().clone().unwrap_or(SpoolError::Closed)
    }

    /// Fails where the store has failed.
    pub(super) fn sound(&self) -> Result<(), SpoolError> {
        match &*self.fatal.borrow() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Waits until the store fails.
    pub(super) async fn failed(&self) -> SpoolError {
        let mut fatal = self.fatal.subscribe();
        match fatal.wait_for(Option::is_some).await.map(|error| error.clone()) {
            Ok(Some(error)) => error,
            _ => std::future::pending().await,
        }
    }

    /// Ends all that is asked with a fatal error; the first one stays.
    pub(super) fn fail(&self, reason: String) -> SpoolError {
        let error = SpoolError::Fatal {
            path: self.path.clone(),
            reason,
        };
        self.fatal.send_if_modified(|fatal| {
            let first = fatal.is_none();
            fatal.get_or_insert_with(|| error.clone());
            first
        });
        self.ended()
    }
}

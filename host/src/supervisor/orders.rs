//! What the operator wants of an instance.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::hub::Habits;
use crate::intake::Gate;
use crate::plugins::instance::Blueprint;

/// Orders that may wait for an instance that is starting; whoever sends more waits.
pub(crate) const ORDERS: usize = 4;

/// What it takes to make an instance as the configuration wants it.
pub(crate) struct Make {
    pub(crate) blueprint: Blueprint,
    /// Settings as JSON text, secrets resolved.
    pub(crate) settings: String,
    /// Who may write; of a channel alone.
    pub(crate) gate: Option<Arc<Gate>>,
    /// How a channel's turns go.
    pub(crate) habits: Habits,
    /// Differs where anything of this differs: the library's content, settings, isolation, limits.
    pub(crate) mark: String,
}

/// An order, with the way back to who gave it.
pub(crate) enum Order {
    /// Make instances with this from here on. One that runs is replaced without a gap, and only by one that started.
    Replace(Box<Make>, Answer),
    /// End, and stay down.
    Disable(Answer),
    /// Start again, whatever happened before.
    Enable(Answer),
}

/// What became of an order; nobody may be waiting for it any more.
pub(crate) struct Answer(oneshot::Sender<Result<String, String>>);

impl Answer {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Result<String, String>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    pub(crate) fn tell(self, outcome: Result<String, String>) {
        // Who asked may have gone.
        let _ = self.0.send(outcome);
    }
}

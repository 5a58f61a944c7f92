//! What an operator does with messages and replies that wait or are dead.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::{info, warn};

use crate::hub::ChatHub;
use crate::spool::{Requeued, SpoolError, SqliteSpool, Withdrawn};

/// The operator's hand on a spool, and on the hub of the gateway that runs on it.
pub(crate) struct Desk {
    pub(crate) spool: Arc<SqliteSpool>,
    /// `None` where no gateway runs.
    pub(crate) hub: Option<Arc<ChatHub>>,
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// A dead letter waits again.
    Revived,
    /// A reply's backoff was ended.
    Hurried,
    /// It waits already, and is next when its turn comes.
    Waiting,
    Dropped,
    /// A turn answers it right now.
    UnderWay,
    /// It was answered, sent or dropped before.
    Over,
    /// Its text is gone, as after a salvage; it stays dead.
    Unreadable,
    Unknown,
}

impl Desk {
    /// Tries a dead letter again, or ends the backoff of a reply.
    ///
    /// # Errors
    /// Where the spool takes no change.
    pub(crate) async fn retry(&self, id: u64) -> Result<Outcome, SpoolError> {
        let outcome = match self.spool.requeue(id).await? {
            Requeued::Message(row) => {
                if let Some(hub) = &self.hub {
                    hub.load.take(&row.session);
                    hub.push(row);
                }
                Outcome::Revived
            }
            Requeued::Reply(rows) => {
                if let Some(hub) = &self.hub {
                    hub.revive(rows);
                }
                Outcome::Revived
            }
            Requeued::Waits { channel } => {
                let channel = channel.as_deref().zip(self.hub.as_ref());
                match channel.and_then(|(channel, hub)| hub.outbox(channel)) {
                    Some(outbox) => {
                        outbox.hurry(id);
                        Outcome::Hurried
                    }
                    None => Outcome::Waiting,
                }
            }
            Requeued::Unreadable(reason) => {
                warn!(id, reason, "Dead letter cannot be tried again");
                Outcome::Unreadable
            }
            Requeued::Finished => Outcome::Over,
            Requeued::Unknown => Outcome::Unknown,
        };
        info!(id, ?outcome, "Operator asked to try again");
        Ok(outcome)
    }

    /// Ends what waits, or a dead letter, without an answer.
    ///
    /// # Errors
    /// Where the spool takes no change; what waited goes on waiting.
    pub(crate) async fn drop(&self, id: u64) -> Result<Outcome, SpoolError> {
        if self.hub.as_ref().is_some_and(|hub| hub.answers(id)) {
            return Ok(Outcome::UnderWay);
        }
        // The spool first: where it takes no change, the message keeps its place.
        let outcome = match self.spool.withdraw(id).await? {
            Withdrawn::Message => match &self.hub {
                Some(hub) if hub.withdraw(id).is_none() && hub.answers(id) => Outcome::UnderWay,
                _ => Outcome::Dropped,
            },
            Withdrawn::Reply { channel, waited } => {
                let outbox = self.hub.as_ref().and_then(|hub| hub.outbox(&channel));
                if let Some(outbox) = outbox.filter(|_| waited) {
                    outbox.withdraw(id);
                }
                Outcome::Dropped
            }
            Withdrawn::Finished => Outcome::Over,
            Withdrawn::Unknown => Outcome::Unknown,
        };
        info!(id, ?outcome, "Operator asked to drop");
        Ok(outcome)
    }

    /// Counts since the start of the gateway; `None` where none runs.
    pub(crate) fn counters(&self) -> Option<Value> {
        self.hub.as_ref().map(|hub| json!(*hub.counters))
    }
}

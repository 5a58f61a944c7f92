//! Where a channel puts what it receives.

use std::sync::Arc;

use crate::abi::{Payload, notice, request};
use crate::error::{Cause, Error, Result};
use crate::link::HostLink;
use crate::message::{InboundMessage, Verdict};
use crate::wire::Batch;

/// Where a channel puts what it receives. Cheap to clone; usable from any thread.
#[derive(Clone)]
pub struct Inbox {
    link: Arc<HostLink>,
    op: u64,
    cursor: Option<Arc<str>>,
}

impl Inbox {
    pub(crate) fn new(link: Arc<HostLink>, op: u64, cursor: Option<String>) -> Self {
        Self {
            link,
            op,
            cursor: cursor.map(Arc::from),
        }
    }

    /// The cursor that was committed last for this account; `None` at first, and after the account changed.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Hands over one message and returns when it is durable: after `Ok` the channel may confirm it to its
    /// platform, and the host answers it whatever happens to the process.
    ///
    /// # Errors
    /// [`Cause::Busy`]: the host is full, or its disk is. [`Cause::Stopping`]: it is stopping. In each case:
    /// confirm nothing and return from `receive` with this error.
    ///
    /// # Cancel safety
    /// Not cancel safe: the message may be durable although the future was dropped. Handing it over again is harmless, it is
    /// then a [`Verdict::Duplicate`], or [`Verdict::Ignored`] as the first time.
    pub async fn emit(&self, message: InboundMessage) -> Result<Verdict> {
        let verdicts = self.emit_batch(vec![message], None).await?;
        verdicts
            .first()
            .copied()
            .ok_or_else(|| Error::unknown("the host gave no verdict").because(Cause::Protocol))
    }

    /// Hands over messages and a cursor in one commit; verdicts come in the order of the messages.
    ///
    /// # Errors
    /// As for [`Inbox::emit`], and then for the whole batch: none of it was taken.
    ///
    /// # Cancel safety
    /// As for [`Inbox::emit`].
    pub async fn emit_batch(
        &self,
        messages: Vec<InboundMessage>,
        cursor: Option<String>,
    ) -> Result<Vec<Verdict>> {
        let count = messages.len();
        let payload = Payload::encode(&Batch { messages, cursor });
        let verdicts: Vec<Verdict> = self
            .link
            .request(self.op, request::INBOUND, payload)
            .await?
            .decode()?;
        if verdicts.len() == count {
            Ok(verdicts)
        } else {
            Err(Error::unknown("the host gave another number of verdicts").because(Cause::Protocol))
        }
    }

    /// Says that the platform was heard: call it after every successful poll, also an empty one, or after every
    /// heartbeat. A channel that was heard once and then falls silent is taken for deaf and restarted.
    pub fn progress(&self) {
        self.link.notify(notice::PROGRESS, Payload::default());
    }
}

//! Where a provider puts its answer, piece by piece.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::abi::Payload;
use crate::completion::Chunk;
use crate::error::{Cause, Error, Result};
use crate::link::HostLink;

/// Chunks that may be on their way at once; when all are, `send` waits for the host.
pub(crate) const WINDOW: usize = 32;

/// Where a provider puts its answer, piece by piece.
pub struct ChunkSink {
    link: Arc<HostLink>,
    op: u64,
    credit: Arc<Semaphore>,
}

impl ChunkSink {
    pub(crate) fn new(link: Arc<HostLink>, op: u64) -> Self {
        Self {
            link,
            op,
            credit: Arc::new(Semaphore::new(WINDOW)),
        }
    }

    /// Hands over a chunk. Waits while the host is behind: the server is then to be read no further.
    ///
    /// # Errors
    /// [`Cause::Cancelled`] where nobody wants the answer any more; return it.
    ///
    /// # Cancel safety
    /// The chunk is either handed over or not; nothing else is lost.
    pub async fn send(&self, chunk: Chunk) -> Result<()> {
        let permit = self
            .credit
            .acquire()
            .await
            .map_err(|_| Error::unknown("the completion was cancelled").because(Cause::Cancelled))?;
        permit.forget();
        self.link.chunk(self.op, Payload::encode(&chunk), &self.credit);
        Ok(())
    }

    /// Hands over text; empty text is passed over.
    ///
    /// # Errors
    /// As for [`ChunkSink::send`].
    pub async fn text(&self, text: impl Into<String>) -> Result<()> {
        let text = text.into();
        if text.is_empty() {
            return Ok(());
        }
        self.send(Chunk::Text { text }).await
    }

    /// Hands over thoughts; empty ones are passed over.
    ///
    /// # Errors
    /// As for [`ChunkSink::send`].
    pub async fn reasoning(&self, text: impl Into<String>) -> Result<()> {
        let text = text.into();
        if text.is_empty() {
            return Ok(());
        }
        self.send(Chunk::Reasoning { text }).await
    }
}

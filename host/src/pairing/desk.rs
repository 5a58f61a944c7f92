//! What an operator decides of strangers, beside a gateway that runs or in the place of one that does not.

use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::{info, warn};

use super::{Listing, Pairing, PairingError, Pending, Verdict, welcome};
use crate::desk::Desk;

impl Desk {
    /// Decides of whom a code belongs to, and tells them when they may write; `None` for a code that nobody has. `pairs`
    /// says of a channel whether pairing is on.
    ///
    /// # Errors
    /// Where it cannot be written, and for who would not be heard although they were let in.
    pub(crate) async fn pair(
        &self,
        pairing: Arc<Pairing>,
        verdict: Verdict,
        code: String,
        pairs: impl Fn(&str) -> bool,
    ) -> Result<Option<Pending>, String> {
        if verdict == Verdict::Approve
            && let Some(pending) = pairing.asks(&code)
            && !pairs(&pending.who.channel)
        {
            return Err(off(&pending.who.channel));
        }
        let decided = blocking(move || pairing.decide(verdict, &code)).await?;
        let Some(pending) = decided else { return Ok(None) };
        let (channel, sender) = (&*pending.who.channel, &*pending.who.id);
        match verdict {
            Verdict::Approve => info!(channel, sender, "Stranger let in"),
            Verdict::Deny => info!(channel, sender, "Stranger not let in"),
        }
        if verdict == Verdict::Approve {
            match (welcome(&*self.spool, &pending.who).await, &self.hub) {
                (Ok(rows), Some(hub)) => hub.route(rows),
                (Ok(_), None) => {}
                // They find out when they write.
                (Err(error), _) => warn!(channel, sender, %error, "Stranger let in, who is not told so"),
            }
        }
        Ok(Some(pending))
    }

    /// Takes back what was decided of somebody; whether anything was.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) async fn unpair(
        &self,
        pairing: Arc<Pairing>,
        channel: String,
        id: String,
    ) -> Result<bool, String> {
        let (of, whose) = (channel.clone(), id.clone());
        let revoked = blocking(move || pairing.revoke(&of, &whose)).await?;
        if revoked {
            info!(channel, sender = id, "What pairing decided was taken back");
        }
        Ok(revoked)
    }
}

impl Pairing {
    /// What counts at present, and where it does not because pairing is off.
    pub(crate) fn listing(&self, pairs: impl Fn(&str) -> bool) -> Listing {
        let book = self.list();
        let asking = book.pending.iter().map(|pending| &pending.who.channel);
        let channels: BTreeSet<&String> = asking.chain(book.approved.keys()).collect();
        let off = channels.into_iter().filter(|channel| !pairs(channel));
        Listing {
            off: off.cloned().collect(),
            book,
        }
    }
}

fn off(channel: &str) -> String {
    format!(
        "pairing is off on `{channel}`, so that nobody was let in: set `channels.{channel}.pairing` to true, reload the \
         configuration of a gateway that runs (SIGHUP), and approve again"
    )
}

/// Away from the hub's thread, for what waits for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PairingError> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| crate::cli::chain(&error)),
        Err(_) => Err("it broke off, the log tells why".to_owned()),
    }
}

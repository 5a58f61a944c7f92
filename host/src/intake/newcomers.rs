//! Codes for strangers, between the gate and T1.

use miniclaw_plugin_api::{InboundMessage, Verdict};
use tracing::{debug, info, warn};

use super::pump::{Gated, Pump, Slot};
use crate::pairing::{self, Newcomer};
use crate::spool::BatchItem;
use crate::telemetry::printable;

/// Of a name, for the operator.
const NAME_CHARS: usize = 64;

/// A stranger of a batch, who may get a code.
pub(super) struct Asking {
    who: Newcomer,
    reply_to: String,
    /// The place of the note among the items of the batch.
    item: usize,
}

impl Asking {
    /// `before` is what stands in the batch before the note.
    pub(super) fn new(channel: &str, message: &InboundMessage, before: &[BatchItem]) -> Self {
        let name = message.sender.name.as_ref();
        Self {
            who: Newcomer {
                channel: channel.to_owned(),
                id: message.sender.id.clone(),
                name: name.map(|name| printable(name, NAME_CHARS)),
                chat: message.chat.clone(),
                message: format!("{}/{}", message.id, message.revision),
            },
            reply_to: message.id.clone(),
            item: before.len(),
        }
    }
}

impl Pump {
    /// Gives strangers their codes. Where there is none after all their messages are ignored.
    pub(super) async fn introduce(&self, mut gated: Gated) -> Gated {
        let mut without = Vec::new();
        for asking in std::mem::take(&mut gated.newcomers) {
            match self.code(&asking.who).await {
                Some(code) => {
                    let mut note = pairing::note(&asking.who, &code);
                    note.reply_to = Some(asking.reply_to);
                    if let Some(BatchItem::Refused { note: place, .. }) =
                        gated.batch.items.get_mut(asking.item)
                    {
                        *place = Some(Box::new(note));
                    }
                }
                None => without.push(asking.item),
            }
        }
        // From the last one on, so that the places of those before stay what they are.
        for item in without.into_iter().rev() {
            let stored = |slot: &&mut Slot| !matches!(slot, Slot::Decided(_));
            if let Some(slot) = gated.slots.iter_mut().filter(stored).nth(item) {
                *slot = Slot::Decided(Verdict::Ignored);
            }
            gated.batch.items.remove(item);
        }
        gated
    }

    /// A code that is on the disk. Who gets none because the disk takes nothing may write again.
    async fn code(&self, who: &Newcomer) -> Option<String> {
        let (pairing, asks) = (self.pairing.clone(), who.clone());
        let code = match tokio::task::spawn_blocking(move || pairing.ask(asks)).await {
            Ok(Ok(code)) => {
                if code.is_some() && self.told_old.codes(true) {
                    info!(channel = %self.channel, "Strangers get codes again");
                }
                code?
            }
            Ok(Err(error)) => {
                let error = crate::cli::chain(&error);
                // They write on, and what finds no room is handed over again every second.
                if self.told_old.codes(false) {
                    warn!(channel = %self.channel, error, "Strangers get no code until that is over");
                } else {
                    debug!(channel = %self.channel, error, "Stranger gets no code");
                }
                return None;
            }
            Err(_) => return None,
        };
        let sender = printable(&who.id, NAME_CHARS);
        info!(channel = %self.channel, sender, "Stranger asks to be let in, `miniclaw pairing list` has the code");
        Some(code)
    }
}

//! What a chat sees of a turn before its reply.

use std::time::Duration;

use miniclaw_plugin_api::wire::SignalTo;
use miniclaw_plugin_api::{Capability, Signal};
use tracing::debug;

use super::{Asked, ChatHub};
use crate::delivery::{Draft, Pace, Writing};
use crate::plugins::instance::Method;
use crate::spool::InboundRow;

/// A turn shorter than this shows no sign of life.
const TYPING_AFTER: Duration = Duration::from_millis(200);
/// Telegram shows a signal for 5 s.
const TYPING_EVERY: Duration = Duration::from_secs(4);

impl ChatHub {
    /// Shows that the agent is writing, until the chat shows what; never ends.
    pub(super) async fn show_typing(&self, row: &InboundRow, writing: &Writing) {
        let Some(outbox) = self.outbox(&row.channel) else {
            return std::future::pending().await;
        };
        let signal = SignalTo {
            chat: row.message.chat.clone(),
            signal: Signal::Typing,
        };
        tokio::time::sleep(TYPING_AFTER).await;
        loop {
            if !writing.is_shown()
                && let Some(instance) = outbox.instance()
                && instance.blueprint.can(Capability::Typing)
                && let Err(error) = instance.call(Method::SIGNAL, &signal).await
            {
                debug!(%error, "Typing was not shown");
            }
            tokio::time::sleep(TYPING_EVERY).await;
        }
    }

    /// The message that shows the answer while it is written, where the channel has that.
    pub(super) fn draft(&self, asked: &Asked<'_>) -> Option<Draft> {
        let row = asked.row();
        let channel = self.channels.get(&row.channel)?;
        let earlier = asked.rows.rows().iter().find_map(|row| row.draft.clone());
        let wanted = channel.habits().streaming;
        // What is begun is ended, whatever the configuration says by now.
        let pace = wanted.or(earlier.as_ref().map(|_| Pace::Counted))?;
        Some(Draft::new(
            channel.outbox.clone(),
            row,
            self.names(asked),
            earlier,
            pace,
        ))
    }
}

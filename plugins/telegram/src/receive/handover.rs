//! What both ways of receiving do with what Telegram brought.

use miniclaw_plugin_api::{Inbox, Result, Stop};
use serde::Serialize;
use serde_json::value::RawValue;
use std::time::Duration;

use super::batch::Batch;
use crate::Telegram;
use crate::api::{CALL_DEADLINE, Failure};

/// How long a verdict of the host is waited for after a stop was requested.
const VERDICT_GRACE: Duration = Duration::from_millis(1000);

/// Hands batches to the host.
pub(crate) struct Handover<'a> {
    channel: &'a Telegram,
    inbox: Inbox,
    stop: Stop,
    skipped: u64,
}

#[derive(Serialize)]
struct Answered {
    callback_query_id: String,
}

impl<'a> Handover<'a> {
    pub(crate) fn new(channel: &'a Telegram, inbox: Inbox, stop: Stop) -> Self {
        Self {
            channel,
            inbox,
            stop,
            skipped: 0,
        }
    }

    /// Whether the host has all of it on disk; it has not where it is to stop.
    pub(crate) async fn take(&mut self, batch: Batch) -> Result<bool> {
        self.inbox.progress();
        for update_id in &batch.skipped {
            self.skipped += 1;
            tracing::debug!(update_id, skipped = self.skipped, "Update skipped");
        }
        for (from, to) in &batch.migrations {
            tracing::debug!(from, to, "Group became a supergroup");
            self.channel.migrated(&from.to_string(), &to.to_string());
        }
        // A batch without messages is answered once the host has stored what it heard of migrations.
        if !batch.messages.is_empty() || !batch.migrations.is_empty() {
            let mut stop = self.stop.clone();
            let give_up = async {
                stop.requested().await;
                tokio::time::sleep(VERDICT_GRACE).await;
            };
            tokio::select! {
                verdicts = self.inbox.emit_batch(batch.messages, None) => drop(verdicts?),
                () = give_up => return Ok(false),
            }
        }
        if !batch.pressed.is_empty() {
            self.release(batch.pressed);
        }
        Ok(true)
    }

    /// Ends the wait that clients show on buttons; Telegram forgets a press within minutes, and nothing hangs on it.
    fn release(&self, pressed: Vec<String>) {
        let api = self.channel.api.clone();
        self.channel.context.spawn(async move {
            for callback_query_id in pressed {
                let payload = Answered { callback_query_id };
                let answered: Result<Box<RawValue>, Failure> =
                    api.call("answerCallbackQuery", &payload, CALL_DEADLINE).await;
                if let Err(failure) = answered {
                    tracing::debug!(error = %failure, "The press of a button was not answered");
                }
            }
        });
    }
}

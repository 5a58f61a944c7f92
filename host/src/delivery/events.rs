//! What an outbox tells those who look on.

use std::time::Duration;

use miniclaw_plugin_api::{Error, Outcome, Sent};
use serde_json::json;

use crate::feed::{self, Event, Kind};
use crate::spool::OutboxRow;

pub(super) fn sent(row: &OutboxRow, sent: &Sent) {
    feed::tell(Kind::Sent, |event| {
        let text = row.message.text();
        about(event, row)
            .with("messages", json!(sent.ids))
            .with("chars", text.chars().count())
            .text(&text)
    });
}

/// An attempt that failed, and how long it is until the next one, where there is one.
pub(super) fn failed(row: &OutboxRow, attempts: u32, wait: Option<Duration>, error: &Error) {
    feed::tell(Kind::SendFailed, |event| {
        let class = match error.outcome {
            Outcome::Transient { .. } => "transient",
            Outcome::Permanent => "permanent",
            _ => "unknown",
        };
        let wait = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        about(event, row)
            .with("class", class)
            .with("cause", json!(error.cause))
            .with("attempts", attempts)
            .with("wait_ms", wait)
            .with("error", &*error.message)
    });
}

/// It and the rest of its reply: so many rows.
pub(super) fn buried(row: &OutboxRow, reason: &str, rows: usize) {
    feed::tell(Kind::DeadLetter, |event| {
        about(event, row).with("reason", reason).with("replies", rows)
    });
}

fn about(event: Event, row: &OutboxRow) -> Event {
    event
        .channel(&row.channel)
        .session(&row.session.0)
        .inbound(row.reply)
        .with("outbound", row.id)
}

//! What a turn tells those who look on.

use std::time::Duration;

use serde_json::json;

use crate::agent::{Progress, Tried};
use crate::feed::{self, Event, Kind};
use crate::hub::Joined;
use crate::spool::{InboundRow, OutboxRow};

pub(super) fn started(rows: &Joined) {
    feed::tell(Kind::TurnStarted, |event| {
        about(event, rows.lead()).with("messages", rows.rows().len())
    });
}

/// A question to a model, and its end.
pub(super) fn progress(row: &InboundRow, progress: Progress<'_>) {
    match progress {
        Progress::Asked {
            provider,
            model,
            tokens,
        } => feed::tell(Kind::ModelAsked, |event| {
            let event = about(event, row).with("provider", provider);
            event.with("model", model).with("tokens", tokens)
        }),
        Progress::Tried(tried) => tell_tried(row, tried),
        Progress::Text(_) | Progress::Restart => {}
    }
}

fn tell_tried(row: &InboundRow, tried: &Tried) {
    let kind = match tried.error {
        None => Kind::ModelAnswered,
        Some(_) => Kind::ModelFailed,
    };
    feed::tell(kind, |event| {
        about(event, row)
            .with("provider", &*tried.provider)
            .with("model", tried.model.as_deref())
            .with("took_ms", tried.took_ms)
            .with("usage", json!(tried.usage))
            .with("error", tried.error.as_deref())
    });
}

/// It is on the disk, with so many messages to send.
pub(super) fn ended(row: &InboundRow, outbox: &[OutboxRow], took: Duration) {
    feed::tell(Kind::TurnEnded, |event| {
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        about(event, row)
            .with("replies", outbox.len())
            .with("took_ms", took)
    });
}

fn about(event: Event, row: &InboundRow) -> Event {
    event
        .channel(&row.channel)
        .session(&row.session.0)
        .inbound(row.seq)
}

//! Traces over OTLP/HTTP as JSON, for builds with the feature `otel` and where `OTEL_EXPORTER_OTLP_ENDPOINT` is set.
//!
//! A message is a trace: `message` from its journaling to its answer being durable, in it `turn`, in that each question
//! to a provider, and each `send`. Ids come from the spool's name and the message's number, so that spans meet without being
//! handed on, also across a restart. Names, numbers and times are told; no text, no error, no id of a chat.
//!
//! Spans wait in a queue with a bound; where a collector is slow or down they are dropped, and nobody waits.

mod export;
mod span;

use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::mpsc;

pub(crate) use self::export::{Target, run};
use self::span::{Span, Trace};
use crate::spool::{FinishedTurn, InboundRow, OutboxRow, wall_ms};

/// Spans that may wait; further ones are dropped.
const WAITING: usize = 4_096;

static QUEUE: OnceLock<mpsc::Sender<Span>> = OnceLock::new();

/// Where spans go to, as the environment says; `None` where nobody wants any.
pub(crate) fn connect() -> Option<(Target, mpsc::Receiver<Span>)> {
    let target = Target::of(|name| std::env::var(name).ok())?;
    let (sender, waiting) = mpsc::channel(WAITING);
    QUEUE.set(sender).ok()?;
    Some((target, waiting))
}

fn tell(span: Span) {
    if let Some(queue) = QUEUE.get() {
        // Full: it is dropped, as every exporter does.
        let _ = queue.try_send(span);
    }
}

/// A turn is durable.
pub(crate) fn turn(spool: &str, rows: &[InboundRow], turn: &FinishedTurn, took: Duration) {
    if QUEUE.get().is_none() {
        return;
    }
    let now_ms = wall_ms();
    let began_ms = now_ms.saturating_sub(i64::try_from(took.as_millis()).unwrap_or(i64::MAX));
    let Some(lead) = rows.first() else { return };
    for row in rows {
        let trace = Trace::of(spool, row.seq);
        let span = Span::new("message", trace.root(), None, row.received_ms, now_ms);
        tell(
            span.text("miniclaw.channel", &row.channel)
                .number("miniclaw.inbound", row.seq),
        );
    }
    let trace = Trace::of(spool, lead.seq);
    let parent = trace.turn();
    let span = Span::new("turn", parent, Some(trace.root()), began_ms, now_ms);
    let chunks = turn.chunks.len() as u64;
    tell(
        span.text("miniclaw.channel", &lead.channel)
            .number("miniclaw.inbound", lead.seq)
            .number("miniclaw.replies", chunks),
    );
    for (at, tried) in span::tries(turn.story.as_deref()).into_iter().enumerate() {
        tell(tried.span(trace.child("provider", at as u64), parent));
    }
}

/// An attempt to send ended.
pub(crate) fn sent(spool: &str, row: &OutboxRow, attempts: u32, took: Duration, failed: bool) {
    if QUEUE.get().is_none() {
        return;
    }
    let now_ms = wall_ms();
    let began_ms = now_ms.saturating_sub(i64::try_from(took.as_millis()).unwrap_or(i64::MAX));
    let trace = Trace::of(spool, row.reply);
    let own = trace.child("send", (row.id << 8) | u64::from(attempts & 0xff));
    // What answers no message is a trace of its own.
    let parent = row.asked_ms.map(|_| trace.turn());
    let span = Span::new("send", own, parent, began_ms, now_ms).failed(failed);
    tell(
        span.text("miniclaw.channel", &row.channel)
            .number("miniclaw.outbound", row.id)
            .number("miniclaw.attempts", u64::from(attempts)),
    );
}

#[cfg(test)]
mod tests;

//! What the intake tells those who look on.

use miniclaw_plugin_api::InboundMessage;
use serde_json::json;

use super::{Decision, Pump};
use crate::feed::{self, Event, Kind};
use crate::sessions::SessionKey;
use crate::spool::InboundRow;
use crate::telemetry::printable;

/// Of an id that a platform made.
const ID_CHARS: usize = 128;

impl Pump {
    /// What becomes of a message. Of one that is ignored nobody sees more than who sent it.
    pub(super) fn tell(&self, session: &SessionKey, message: &InboundMessage, decision: &Decision) {
        let kind = match decision {
            Decision::Accept => Kind::Received,
            Decision::Refuse(_) | Decision::RefuseSilently => Kind::Refused,
            Decision::Ignore(_) | Decision::Introduce => Kind::TurnedAway,
            // It is handed over again, and its batch is told of as a whole.
            Decision::Busy => return,
        };
        feed::tell(kind, |event| {
            let event = self.about(event, session);
            let event = event
                .with("message", printable(&message.id, ID_CHARS))
                .with("reason", reason(decision));
            if kind == Kind::TurnedAway {
                return event.with("sender", printable(&message.sender.id, ID_CHARS));
            }
            let text = message.text();
            event.with("chars", text.chars().count()).text(&text)
        });
    }

    /// A whole batch finds no room for `what`.
    pub(super) fn tell_busy(&self, what: &str, count: u64) {
        feed::tell(Kind::Refused, |event| {
            let reason = format!("too_many_{what}");
            event
                .channel(&self.channel)
                .with("reason", reason)
                .with("count", count)
        });
    }

    pub(super) fn tell_journaled(&self, row: &InboundRow) {
        feed::tell(Kind::Journaled, |event| {
            let event = self.about(event, &row.session).inbound(row.seq);
            event.with("message", printable(&row.message.id, ID_CHARS))
        });
    }

    pub(super) fn tell_duplicate(&self, session: &SessionKey) {
        feed::tell(Kind::Duplicate, |event| self.about(event, session));
    }

    fn about(&self, event: Event, session: &SessionKey) -> Event {
        event.channel(&self.channel).session(&session.0)
    }
}

fn reason(decision: &Decision) -> serde_json::Value {
    match decision {
        Decision::Refuse(refusal) => json!(refusal),
        Decision::RefuseSilently => "told_before".into(),
        Decision::Ignore(reason) => json!(reason),
        Decision::Introduce => "pairing".into(),
        Decision::Accept | Decision::Busy => serde_json::Value::Null,
    }
}

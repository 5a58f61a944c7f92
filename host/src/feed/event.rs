//! What happens in a gateway, for `miniclaw tap`. An event holds no text of a message but in `text`, which is shown to those
//! alone who ask for it.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Feed, Listening, Weigh};
use crate::spool::wall_ms;
use crate::telemetry::rfc3339_ms;

/// Of a message's text; what is beyond is cut.
const TEXT_BYTES: usize = 16 * 1024;
/// Beside the texts of an event.
const OVERHEAD: usize = 400;

/// Of this process, as the log is.
static EVENTS: Feed<Event> = Feed::new();

/// What happened. docs/control.md describes each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Received,
    Refused,
    TurnedAway,
    Duplicate,
    Journaled,
    TurnStarted,
    ModelAsked,
    ModelAnswered,
    ModelFailed,
    TurnEnded,
    Sent,
    SendFailed,
    DeadLetter,
    Alert,
    State,
    Reload,
    Stop,
}

/// One thing that happened.
#[derive(Debug)]
pub(crate) struct Event {
    at_ms: i64,
    kind: Kind,
    channel: Option<Arc<str>>,
    session: Option<Arc<str>>,
    inbound: Option<u64>,
    fields: Map<String, Value>,
    text: Option<String>,
}

/// Publishes an event, which is described only where somebody looks on.
pub(crate) fn tell(kind: Kind, describe: impl FnOnce(Event) -> Event) {
    if EVENTS.is_heard() {
        EVENTS.publish(&Arc::new(describe(Event::new(kind))));
    }
}

/// Looks on from here on: at one channel, at one session, or at all.
pub(crate) fn looks_on(channel: Option<String>, session: Option<String>) -> Listening<Event> {
    EVENTS.listen(move |event| {
        let is = |wanted: &Option<String>, own: &Option<Arc<str>>| {
            wanted.is_none() || wanted.as_deref() == own.as_deref()
        };
        is(&channel, &event.channel) && is(&session, &event.session)
    })
}

impl Event {
    fn new(kind: Kind) -> Self {
        Self {
            at_ms: wall_ms(),
            kind,
            channel: None,
            session: None,
            inbound: None,
            fields: Map::new(),
            text: None,
        }
    }

    /// The instance that it is about.
    pub(crate) fn channel(mut self, name: &Arc<str>) -> Self {
        self.channel = Some(name.clone());
        self
    }

    pub(crate) fn session(mut self, key: &Arc<str>) -> Self {
        self.session = Some(key.clone());
        self
    }

    /// The message's id as `miniclaw trace` takes it; 0 for what answers no message.
    pub(crate) fn inbound(mut self, seq: u64) -> Self {
        self.inbound = (seq != 0).then_some(seq);
        self
    }

    /// A field of this kind; a null is left out.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if !value.is_null() {
            self.fields.insert(name.to_owned(), value);
        }
        self
    }

    /// What people or the model wrote.
    pub(crate) fn text(mut self, text: &str) -> Self {
        let mut own = text[..text.floor_char_boundary(TEXT_BYTES)].to_owned();
        if own.len() < text.len() {
            own.push('…');
        }
        self.text = Some(own);
        self
    }

    /// The event as an object.
    pub(crate) fn to_json(&self, with_text: bool) -> Value {
        let mut object = Map::new();
        let mut at = rfc3339_ms(self.at_ms);
        // To the millisecond: 2026-11-22T10:11:12.123.
        at.truncate(23);
        object.insert("at".into(), format!("{at}Z").into());
        object.insert("event".into(), serde_json::json!(self.kind));
        let names = [("channel", &self.channel), ("session", &self.session)];
        for (name, value) in names {
            object.extend(value.iter().map(|value| (name.to_owned(), (**value).into())));
        }
        object.extend(self.inbound.map(|seq| ("inbound".to_owned(), seq.into())));
        object.extend(self.fields.clone());
        let text = self.text.as_ref().filter(|_| with_text);
        object.extend(text.map(|text| ("text".to_owned(), text.as_str().into())));
        Value::Object(object)
    }
}

impl Weigh for Event {
    fn bytes(&self) -> usize {
        let texts = self.fields.values().filter_map(Value::as_str);
        OVERHEAD + self.text.as_ref().map_or(0, String::len) + texts.map(str::len).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_shown_to_those_alone_who_ask_for_it() {
        let event = Event {
            at_ms: 1_795_342_272_123,
            ..Event::new(Kind::Sent)
        };
        let event = event
            .channel(&"telegram".into())
            .session(&"telegram_7".into())
            .inbound(3)
            .with("outbound", 4)
            .with("error", Value::Null)
            .text("hello");
        let without = json!({
            "at": "2026-11-22T10:11:12.123Z", "event": "sent", "channel": "telegram", "session": "telegram_7",
            "inbound": 3, "outbound": 4,
        });
        assert_eq!(event.to_json(false), without);
        assert_eq!(event.to_json(true)["text"], "hello");
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let event = Event::new(Kind::Received).text(&"ä".repeat(TEXT_BYTES));
        let text = event.to_json(true)["text"].as_str().unwrap().to_owned();
        assert!(text.ends_with("ä…") && text.len() <= TEXT_BYTES + 3);
    }
}

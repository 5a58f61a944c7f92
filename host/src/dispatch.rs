//! What the operator sends in the agent's name: `miniclaw send`.
//!
//! A text goes into the outbox like a reply. A file would be too large for a row, of which an outbox keeps 2,000 in memory,
//! and for a request on the control socket: it waits in the state folder ([`parcel`]), the row names it, and it is
//! read when it is sent.

mod parcel;

use std::sync::Arc;

use miniclaw_plugin_api::{Attachment, ChatRef, OutboundMessage, Role};
use serde::{Deserialize, Serialize};
use tracing::info;

pub(crate) use parcel::{Parcel, Parcels, pack, tidy, unpack};

use crate::cli::chain;
use crate::delivery::{Outbox, split};
use crate::desk::Desk;
use crate::hub::ChatHub;
use crate::plugins::instance::Method;
use crate::sessions::{Entry, SessionKey, SessionManager};
use crate::spool::{FinishedTurn, Spool, wall_ms};

/// Longest text. As JSON it stays within a request of the control socket.
pub(crate) const MAX_TEXT: usize = 32 * 1024;
/// Longest id of a chat, as the intake takes it.
const MAX_ID: usize = 1024;

/// What is to be sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) channel: String,
    pub(crate) chat: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thread: Option<String>,
    #[serde(default)]
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) silent: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parcel: Option<Parcel>,
}

/// The member of a message's `meta` that marks it as one of the gateway's own.
const ALERT: &str = "alert";

/// Whether the gateway tells of itself with it.
pub(crate) fn is_alert(message: &OutboundMessage) -> bool {
    message.meta.contains_key(ALERT)
}

/// What waits to be sent and is on the disk.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Dispatched {
    /// Of the first message, for `miniclaw trace`.
    pub(crate) id: u64,
    /// Of all of them, in order.
    pub(crate) ids: Vec<u64>,
    pub(crate) session: String,
}

impl Desk {
    /// Puts a message into its channel's outbox and into the conversation's history.
    ///
    /// # Errors
    /// What cannot be sent, and a disk that takes nothing.
    pub(crate) async fn send(
        &self,
        sessions: &SessionManager,
        message: Message,
    ) -> Result<Dispatched, String> {
        let hub = self.hub.as_ref().ok_or("no gateway runs")?;
        let outbox = check(hub, &message)?;
        let chat = ChatRef {
            id: message.chat.clone(),
            thread: message.thread.clone(),
        };
        let session = SessionKey::new(&message.channel, &outbox.first(&chat).unwrap_or(chat.clone()));
        let history = sessions.snapshot(&session).await;
        let generation = history.map_err(|error| chain(&error))?.generation;
        let turn = FinishedTurn {
            session: session.clone(),
            generation,
            new_generation: false,
            inbound: Vec::new(),
            entries: vec![Entry::new(Role::Assistant, remembered(&message), wall_ms())],
            channel: message.channel.as_str().into(),
            chunks: chunks(&outbox, &chat, &message),
            story: None,
            usage: Vec::new(),
            choice: None,
        };
        let done = self.spool.finish(&turn).await.map_err(|error| chain(&error))?;
        sessions.applied(&session, generation, done.journal, turn.entries);
        let ids: Vec<u64> = done.outbox.iter().map(|row| row.id).collect();
        let id = *ids.first().ok_or("there is nothing to send")?;
        info!(channel = message.channel, conversation = %session, outbound = id, "Operator sends a message");
        hub.route(done.outbox);
        Ok(Dispatched {
            id,
            ids,
            session: session.to_string(),
        })
    }
}

impl Desk {
    /// Puts a text of the gateway's own into its channel's outbox; no conversation remembers it.
    ///
    /// # Errors
    /// What cannot be sent, and a disk that takes nothing.
    pub(crate) async fn alert(&self, channel: &str, chat: &str, text: &str) -> Result<(), String> {
        let hub = self.hub.as_ref().ok_or("no gateway runs")?;
        let message = Message::of_text(channel, chat, text);
        let outbox = check(hub, &message)?;
        let chat = ChatRef::new(chat);
        let session = SessionKey::new(channel, &outbox.first(&chat).unwrap_or(chat.clone()));
        let turn = FinishedTurn {
            session,
            generation: 0,
            new_generation: false,
            inbound: Vec::new(),
            entries: Vec::new(),
            channel: channel.into(),
            chunks: alerts(&outbox, &chat, &message),
            story: None,
            usage: Vec::new(),
            choice: None,
        };
        let done = self.spool.finish(&turn).await.map_err(|error| chain(&error))?;
        hub.route(done.outbox);
        Ok(())
    }

    /// Sends such a text past the outbox, once: the disk takes nothing.
    ///
    /// # Errors
    /// What cannot be sent, or was not.
    pub(crate) async fn alert_at_once(&self, channel: &str, chat: &str, text: &str) -> Result<(), String> {
        let hub = self.hub.as_ref().ok_or("no gateway runs")?;
        let message = Message::of_text(channel, chat, text);
        let outbox = check(hub, &message)?;
        let instance = outbox.instance().ok_or("the channel does not run")?;
        for (at, mut chunk) in alerts(&outbox, &ChatRef::new(chat), &message)
            .into_iter()
            .enumerate()
        {
            chunk.idempotency_key = format!("{}-alert-{}-{at}", self.spool.id(), wall_ms());
            let sent = instance.call(Method::SEND, &*outbox.addressed(&chunk)).await;
            sent.map_err(|error| error.message)?;
        }
        Ok(())
    }
}

fn alerts(outbox: &Outbox, chat: &ChatRef, message: &Message) -> Vec<OutboundMessage> {
    let mut chunks = chunks(outbox, chat, message);
    for chunk in &mut chunks {
        chunk.meta.insert(ALERT.into(), true.into());
    }
    chunks
}

impl Message {
    fn of_text(channel: &str, chat: &str, text: &str) -> Self {
        Self {
            channel: channel.to_owned(),
            chat: chat.to_owned(),
            thread: None,
            text: text.to_owned(),
            silent: false,
            parcel: None,
        }
    }
}

/// The outbox of a message that can be sent.
fn check(hub: &ChatHub, message: &Message) -> Result<Arc<Outbox>, String> {
    let Some(outbox) = hub.outbox(&message.channel) else {
        let known = hub.channels.names();
        let name = crate::telemetry::printable(&message.channel, 64);
        return Err(match known.as_slice() {
            [] => format!("there is no channel `{name}`, and none is configured"),
            known => format!("there is no channel `{name}`; there are: {}", known.join(", ")),
        });
    };
    let ids = [Some(&message.chat), message.thread.as_ref()];
    if ids
        .into_iter()
        .flatten()
        .any(|id| id.trim().is_empty() || id.len() > MAX_ID)
    {
        return Err(format!("an id of a chat or a thread has 1 to {MAX_ID} bytes"));
    }
    if message.text.len() > MAX_TEXT {
        return Err(format!("a text has at most {MAX_TEXT} bytes"));
    }
    if outbox.is_full() {
        return Err(format!(
            "too many messages wait to be sent on `{}`; `miniclaw status` tells why",
            message.channel
        ));
    }
    if let Some(parcel) = &message.parcel {
        parcel.check()?;
        if !outbox.attaches() {
            return Err(format!(
                "the channel `{}` cannot send files, only text",
                message.channel
            ));
        }
    } else if message.text.trim().is_empty() {
        return Err("the text is empty".into());
    }
    Ok(outbox)
}

/// As the channel's messages: the file with the first part of the text. What is too long for a caption is the channel's to
/// send after it.
fn chunks(outbox: &Outbox, chat: &ChatRef, message: &Message) -> Vec<OutboundMessage> {
    let (limit, unit) = outbox.text_limit();
    let mut texts = split(&message.text, limit, unit);
    if texts.is_empty() {
        texts.push(String::new());
    }
    let mut file = message.parcel.as_ref().map(Parcel::attachment);
    let chunk = |text: String| {
        let mut chunk = OutboundMessage::new(chat.clone(), text);
        if chunk.text().is_empty() {
            chunk.parts.clear();
        }
        chunk.silent = message.silent;
        chunk.attachments = file.take().into_iter().collect::<Vec<Attachment>>();
        chunk
    };
    texts.into_iter().map(chunk).collect()
}

/// As the agent finds it among its own messages.
fn remembered(message: &Message) -> String {
    let file = message.parcel.as_ref();
    let line = file.map(|file| format!("[file {}]", crate::media::one_line(&file.name)));
    let text = Some(message.text.trim().to_owned()).filter(|text| !text.is_empty());
    let parts: Vec<String> = text.into_iter().chain(line).collect();
    parts.join("\n")
}

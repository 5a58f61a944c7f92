//! From the host's messages to Telegram's.

mod edit;
mod file;
mod half_sent;
mod text;
mod upload;

use std::time::Duration;

use miniclaw_plugin_api::{
    Cause, Change, ChatRef, Error, MessageRef, OutboundMessage, Result, Sent, Signal, TextFormat,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use teloxide::payloads::{DeleteMessage, SendChatAction, SetMessageReaction, SetMessageReactionSetters};
use teloxide::types::{
    ChatAction, ChatId, LinkPreviewOptions, MessageId, ReactionType, Recipient, ReplyParameters, ThreadId,
};
use tokio::time::Instant;

use crate::api::{Api, CALL_DEADLINE, Failure};
use crate::markdown;
use crate::update::lenient::lenient;

pub(crate) use half_sent::HalfSent;

/// A sign of life is worth nothing later: Telegram shows it for 5 s.
const SIGNAL_DEADLINE: Duration = Duration::from_secs(5);
/// The host gives `send` 60 s.
const SEND_DEADLINE: Duration = Duration::from_secs(57);
/// The topic that every forum has. It is named for signs of life, but a message that names it finds no topic.
const GENERAL_TOPIC: ThreadId = ThreadId(MessageId(1));

/// What is read of the message that Telegram made.
#[derive(Default, Deserialize)]
struct Posted {
    #[serde(default, deserialize_with = "lenient")]
    message_id: Option<i64>,
}

/// Sends one message, or one file with its text.
pub(crate) async fn send(api: &Api, half_sent: &HalfSent, message: &OutboundMessage) -> Result<Sent> {
    let end = Instant::now() + SEND_DEADLINE;
    match message.attachments.as_slice() {
        [] => text::send(api, message, end).await,
        [attachment] => file::send(api, half_sent, message, attachment, end).await,
        _ => Err(Error::permanent("telegram takes one file a message").because(Cause::Rejected)),
    }
}

/// Changes a message that was sent.
pub(crate) async fn update(api: &Api, target: &MessageRef, change: Change) -> Result<()> {
    let chat = recipient(&target.chat)?;
    let id = message_id(&target.id).ok_or_else(|| {
        Error::permanent(format!("`{}` is not the id of a telegram message", target.id))
            .because(Cause::NotFound)
    })?;
    match change {
        Change::Edit { message } => edit::edit(api, chat, id, &message).await,
        Change::Delete => {
            let payload = DeleteMessage::new(chat, id);
            act(api, "deleteMessage", &payload, CALL_DEADLINE).await
        }
        Change::React { emoji } => {
            let reaction = (!emoji.is_empty()).then_some(ReactionType::Emoji { emoji });
            let payload = SetMessageReaction::new(chat, id).reaction(reaction);
            act(api, "setMessageReaction", &payload, CALL_DEADLINE).await
        }
        _ => Err(Error::unsupported("update")),
    }
}

/// Shows a sign of life.
pub(crate) async fn signal(api: &Api, chat: &ChatRef, signal: Signal) -> Result<()> {
    let action = match signal {
        Signal::Typing => ChatAction::Typing,
        Signal::Recording => ChatAction::RecordVoice,
        Signal::Uploading => ChatAction::UploadDocument,
        _ => return Err(Error::unsupported("signal")),
    };
    let mut payload = SendChatAction::new(recipient(chat)?, action);
    payload.message_thread_id = thread(chat);
    act(api, "sendChatAction", &payload, SIGNAL_DEADLINE).await
}

async fn act(api: &Api, method: &str, payload: &impl serde::Serialize, deadline: Duration) -> Result<()> {
    let done: Result<Box<RawValue>, Failure> = api.call(method, payload, deadline).await;
    done.map(drop).map_err(|failure| failure.into_error(method))
}

/// The text in Telegram's HTML, where it has such a form of at most `limit` UTF-16 units.
fn html(message: &OutboundMessage, text: &str, limit: u32) -> Option<String> {
    if message.format == TextFormat::Markdown {
        return markdown::to_html(text, limit);
    }
    None
}

/// The text, which must be visible.
fn visible_text(message: &OutboundMessage) -> Result<String> {
    let text = message.text();
    if text.trim().is_empty() {
        return Err(Error::permanent("telegram takes no message without text").because(Cause::Rejected));
    }
    Ok(text)
}

fn link_preview(message: &OutboundMessage) -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: !message.preview,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}

/// An answer to a message that is gone is better than no answer.
fn reply_parameters(message: &OutboundMessage) -> Option<ReplyParameters> {
    let id = message.reply_to.as_deref().and_then(message_id)?;
    Some(ReplyParameters::new(id).allow_sending_without_reply())
}

fn recipient(chat: &ChatRef) -> Result<Recipient> {
    if let Ok(id) = chat.id.parse() {
        return Ok(ChatId(id).into());
    }
    if chat.id.starts_with('@') {
        return Ok(Recipient::ChannelUsername(chat.id.clone()));
    }
    Err(Error::permanent(format!("`{}` is not the id of a telegram chat", chat.id)).because(Cause::NotFound))
}

fn message_id(text: &str) -> Option<MessageId> {
    text.parse().ok().map(MessageId)
}

fn thread(chat: &ChatRef) -> Option<ThreadId> {
    chat.thread.as_deref().and_then(message_id).map(ThreadId)
}

/// The topic as messages name it. One that is gone or closed is a failure for good, and no reason to write to
/// everybody: whoever reads along elsewhere in the group did not ask.
fn topic(chat: &ChatRef) -> Option<ThreadId> {
    thread(chat).filter(|thread| *thread != GENERAL_TOPIC)
}

/// That Telegram took the message counts, even where its description of it cannot be read.
fn sent(posted: &RawValue, migrated: Option<i64>) -> Sent {
    let posted: Posted = serde_json::from_str(posted.get()).unwrap_or_default();
    let mut sent = posted
        .message_id
        .map_or_else(Sent::default, |id| Sent::one(id.to_string()));
    if let Some(to) = migrated {
        sent.meta
            .insert("migrate_to_chat".to_owned(), to.to_string().into());
    }
    tracing::debug!(ids = ?sent.ids, "Telegram took a message");
    sent
}

fn failed(method: &str, failure: Failure, migrated: Option<i64>) -> Error {
    let error = failure.into_error(method);
    match migrated {
        Some(to) => error.with("migrate_to_chat", to.to_string()),
        None => error,
    }
}
